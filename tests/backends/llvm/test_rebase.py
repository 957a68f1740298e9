"""Sums over a part of an axis go along with the loop over all of it: one nest, the same numbers."""

import numpy as np
import pytest

import wengert
from tests.backends.llvm.emitted import agree
from wengert.backends.llvm.emit.emit import emit
from wengert.backends.llvm.lower.lower import lower

pytest.importorskip("llvmlite")
COUNT = 700


def nests(program):
    """The outermost loops over the long axes."""
    loops = emit(program, width_bits=512, fma=True).loops
    return [line for line in loops.splitlines() if line.startswith("for") and f"< {COUNT - 20}" <= line[6:]]


def by_complex_step(f, x, places):
    """Entries of the gradient by the imaginary part."""
    found = []
    for k in places:
        moved = x.astype(complex)
        moved[k] += 1e-40j
        found.append(f(moved).imag / 1e-40)
    return np.array(found)


OBJECTIVES = {
    "Rosenbrock": lambda x: np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2),
    "differences": lambda x: np.sum((x[1:] - x[:-1]) ** 3),
    "three in a row": lambda x: np.sum(x[2:] * x[1:-1] * x[:-2]),
    "inner part": lambda x: np.sum(x[5:-7] ** 4),
    "two sums": lambda x: np.sum((x[1:] - x[:-1]) ** 2) + 3.0 * np.sum(x[:-3] ** 3),
}


@pytest.mark.parametrize("name", OBJECTIVES)
@pytest.mark.parametrize("bits", [128, 512])
def test_value_and_gradient_are_one_pass(name, bits):
    f = OBJECTIVES[name]
    x = np.random.default_rng(3).standard_normal(COUNT)
    program = lower(wengert.trace(wengert.value_and_grad(f))(x))
    value, slope = agree(program, [x], bits, 1e-12)
    np.testing.assert_allclose(value, f(x), rtol=1e-12)
    places = [0, 1, 2, 5, 6, 333, COUNT - 8, COUNT - 7, COUNT - 3, COUNT - 2, COUNT - 1]
    np.testing.assert_allclose(slope[places], by_complex_step(f, x, places), rtol=1e-11, atol=1e-12)
    assert len(set(nests(program))) == 1


@pytest.mark.parametrize("bits", [128, 512])
def test_terms_beyond_the_ends_are_never_seen(bits):
    # The first and last places are not finite; the sums leave them out, the output shows them.
    x = np.random.default_rng(4).standard_normal(COUNT)
    x[0], x[-1] = np.nan, np.inf

    def f(x):
        y = x[1:-1] ** 2
        padded = np.zeros(len(x))
        padded[1:-1] = y
        return np.sum(y), np.max(y), padded + x

    total, largest, whole = agree(lower(wengert.trace(f)(x)), [x], bits, 1e-13)
    np.testing.assert_allclose(total, np.sum(x[1:-1] ** 2), rtol=1e-13)
    assert largest == np.max(x[1:-1] ** 2)
    np.testing.assert_array_equal(whole, f(x)[2])


def test_rows_of_images():
    image = np.random.default_rng(5).standard_normal((6, COUNT))
    f = lambda x: np.sum((x[:, 1:] - x[:, :-1]) ** 2) + np.sum((x[1:] - x[:-1]) ** 2)
    value, slope = agree(lower(wengert.trace(wengert.value_and_grad(f))(image)), [image], 512, 1e-11)
    np.testing.assert_allclose(value, f(image))
    want = np.zeros_like(image)
    across, down = 2 * np.diff(image, axis=1), 2 * np.diff(image, axis=0)
    want[:, 1:] += across
    want[:, :-1] -= across
    want[1:] += down
    want[:-1] -= down
    np.testing.assert_allclose(slope, want, rtol=1e-12, atol=1e-12)


def test_a_longer_axis_of_another_program_is_no_reason():
    # The sum is of terms that the other loop does not compute: it keeps its own axis.
    x, y = np.random.default_rng(6).standard_normal((2, COUNT))
    f = lambda x, y: (np.sum(x[1:] ** 2), y * 2.0)
    total, double = agree(lower(wengert.trace(f)(x, y)), [x, y])
    np.testing.assert_allclose(total, np.sum(x[1:] ** 2))
    np.testing.assert_array_equal(double, 2.0 * y)
