"""Native code of whole programs against NumPy itself."""

import re

import numpy as np
import pytest

import wengert
from tests.backends.llvm.emitted import agree, run
from wengert.backends.llvm.emit.emit import emit
from wengert.backends.llvm.indexed import Axis, Constant, Map, Program, Read, Reduce, Slot, Store
from wengert.backends.llvm.lower.lower import lower

pytest.importorskip("llvmlite")
FLOAT = np.dtype(np.float64)
BITS = [128, 256, 512]


def native(f, *args, bits=512):
    """What native code gives for ``f``, whose program is compared with its meaning on the way."""
    program = lower(wengert.trace(f)(*args))
    return agree(program, [np.asarray(a) for a in args][: len(program.inputs)], bits)


def close(got, want, tolerance=1e-13):
    for a, b in zip(got, want, strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("bits", BITS)
@pytest.mark.parametrize("n", [1, 2, 3, 7, 8, 9, 31, 64, 100, 1003])
def test_flat_maps_and_sums_have_the_right_tails(n, bits):
    x = np.linspace(-2.0, 2.0, n)
    close(native(lambda x: (np.sin(x) + x, np.sum(x * x), np.max(x), np.min(x - x * x)), x, bits=bits),
          (np.sin(x) + x, np.sum(x * x), np.max(x), np.min(x - x * x)))  # fmt: skip


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_sums_are_as_accurate_as_pairwise_ones(dtype):
    x = np.random.default_rng(0).random(1_000_003).astype(dtype)
    (got,) = native(np.sum, x)
    exact = np.sum(x.astype(np.longdouble))
    assert abs(np.longdouble(got) - exact) <= 2 * np.finfo(dtype).eps * exact
    assert got.dtype == dtype


@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("n", [5, 40, 5000])
def test_special_numbers_pass_through_reductions(special, n):
    x = np.linspace(0.5, 1.5, n)
    x[n // 2] = special
    f = lambda x: (np.sum(x), np.max(x), np.min(x), np.prod(x[:3]))
    close(native(f, x), f(x))


def test_signed_zeros_survive():
    x = np.full(37, -0.0)
    got = native(lambda x: (x * 1.0, np.sum(x), -x, np.abs(x)), x)
    assert [np.signbit(np.ravel(g)[0]) for g in got] == [True, True, False, False]
    assert np.signbit(got[0]).all()


@pytest.mark.filterwarnings("ignore:invalid value")
def test_opposite_infinities_give_nan():
    x = np.ones(9000)
    x[10], x[8000] = np.inf, -np.inf
    assert np.isnan(native(np.sum, x)[0])


@pytest.mark.filterwarnings("ignore:overflow")
def test_compensation_does_not_turn_infinity_into_nan():
    x = np.full(9000, 1e308)
    assert native(np.sum, x)[0] == np.inf


def test_softmax_rows():
    x = np.random.default_rng(1).standard_normal((37, 23))

    def softmax(x):
        e = np.exp(x - np.max(x, axis=1, keepdims=True))
        return e / np.sum(e, axis=1, keepdims=True)

    close(native(softmax, x), (softmax(x),))


def test_first_place_of_extremes():
    rng = np.random.default_rng(2)
    x = np.round(rng.standard_normal((17, 29)))
    x[3, 4] = np.nan
    f = lambda x: (np.argmax(x, axis=0), np.argmax(x, axis=1), np.argmin(x, axis=0), np.argmin(x), np.argmax(x[:2, :3]))
    for a, b in zip(native(f, x), f(x), strict=True):
        np.testing.assert_array_equal(a, b)


def test_running_sums_and_reversals():
    x = np.random.default_rng(3).standard_normal((19, 14))
    f = lambda x: (np.cumsum(x, axis=0), np.cumsum(x[::-1], axis=1), x[::-2, ::3])
    close(native(f, x), f(x))


def test_repeated_places_are_added_in_order():
    x = np.random.default_rng(4).standard_normal(50)
    places = np.random.default_rng(5).integers(0, 7, 50)

    def f(x):
        total = np.zeros(7)
        np.add.at(total, places, x)
        last = np.zeros(7)
        last[places] = x
        return total, last

    close(native(f, x), f(x), 0)


def test_booleans_are_bytes():
    x = np.random.default_rng(6).standard_normal((21, 10))
    f = lambda x: ((x > 0) & (x < 1), np.any(x > 2, axis=0), np.all(x > -1, axis=1))
    for a, b in zip(native(f, x), f(x), strict=True):
        assert a.dtype == bool
        np.testing.assert_array_equal(a, b)
        assert set(np.unique(a.view(np.uint8))) <= {0, 1}


def test_float32_stays_float32():
    x = np.random.default_rng(7).standard_normal((40, 9)).astype(np.float32)
    f = lambda x: (x * x + 1, np.sum(x, axis=0), np.max(x, axis=1))
    for a, b in zip(native(f, x), f(x), strict=True):
        assert a.dtype == np.float32
        np.testing.assert_allclose(a, b, rtol=1e-6)


def test_a_scalar_function_is_straight_line_code():
    f = lambda a, b: a * np.sin(b) + b**2 / a
    program = lower(wengert.trace(wengert.value_and_grad(f, (0, 1)))(1.5, 2.5))
    (value, da, db), _ = run(program, [1.5, 2.5])
    close((value, da, db), (f(1.5, 2.5), np.sin(2.5) - 2.5**2 / 1.5**2, 1.5 * np.cos(2.5) + 2 * 2.5 / 1.5))
    assert "head" not in emit(program, width_bits=512, fma=True).text


def chain(n):
    """A program of n dependent scalar operations that use one another far and near, and what it gives."""
    x, y = Slot("x", (), FLOAT, "input"), Slot("y", (), FLOAT, "output")
    half = Constant((), FLOAT, 0.5)
    values = [Read((), FLOAT, x, ())]
    numbers = [0.7]
    for k in range(n // 2):
        far = max(0, k - k % 97)
        function, of = (("add", np.add), ("subtract", np.subtract), ("maximum", np.maximum))[k % 3]
        values.append(Map((), FLOAT, "multiply", (half, Map((), FLOAT, function, (values[-1], values[far])))))
        numbers.append(0.5 * of(numbers[-1], numbers[far]))
    return Program((x,), (), (Store(y, values[-1], ()),)), numbers[-1]


def test_long_straight_line_code_is_divided_into_functions():
    program, want = chain(20000)
    (got,), _ = run(program, [0.7])
    np.testing.assert_allclose(got, want, rtol=1e-6)
    text = emit(program, width_bits=512, fma=True).text
    bodies = re.findall(r"^define .*?^}", text, re.DOTALL | re.MULTILINE)
    assert len(bodies) > 5
    assert max(b.count("\n") for b in bodies) < 8000


def test_names_depend_on_the_text_alone():
    a, b = chain(10)[0], chain(14)[0]
    first, again, other = (emit(p, width_bits=256, fma=True) for p in (a, chain(10)[0], b))
    assert first.text == again.text and first.name == again.name != other.name


def test_a_false_guard_is_numbered():
    x, y = Slot("x", (5,), FLOAT, "input"), Slot("y", (5,), FLOAT, "output")
    i = Axis(5)
    v = Read((i,), FLOAT, x, (i,))
    positive = Reduce((), np.dtype(bool), "all", Map((i,), np.dtype(bool), "greater", (v, v)), (i,))
    program = Program((x,), (), (Store(y, v, (i,)),), ((positive, "never"),))
    assert run(program, [np.arange(5.0)])[1] == 1


def test_neighbours_meet_at_the_ends():
    def rosenbrock(x):
        return np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)

    for n in (10, 100, 1000):
        x = np.random.default_rng(n).standard_normal(n)
        value, slope = native(wengert.value_and_grad(rosenbrock), x)
        want = np.zeros(n)
        t = x[1:] - x[:-1] ** 2
        want[:-1] = -400 * t * x[:-1] - 2 * (1 - x[:-1])
        want[1:] += 200 * t
        close((value, slope), (rosenbrock(x), want), 1e-11)


def test_loops_are_told_as_text():
    x = np.ones((40, 30))
    text = emit(lower(wengert.trace(lambda x: np.tanh(np.sum(x * 2, axis=1)))(x)), width_bits=512, fma=True).loops
    assert text.splitlines()[0] == "for i < 40:"
    assert "for j < 30 by 8 lanes:" in text and "tanh" in text
