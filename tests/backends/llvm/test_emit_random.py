"""Random programs as native code, against the plain meaning of the same programs (NumPy, one value after the other)."""

import numpy as np
import pytest

import wengert
from tests.backends.llvm.emitted import agree
from tests.backends.llvm.random_programs import compare
from wengert.backends.llvm.lower.lower import lower

pytest.importorskip("llvmlite")


@pytest.mark.parametrize("seed", range(0, 120, 3))
def test_a_random_program_gives_what_it_means(seed):
    compare(seed, gradient=False, everywhere=False, bits=(512, 256, 128)[seed % 9 // 3])


@pytest.mark.parametrize("seed", range(1, 120, 3))
def test_a_random_gradient_gives_what_it_means(seed):
    compare(seed, gradient=True, everywhere=False, bits=512)


@pytest.mark.parametrize("seed", [10, 20, 31, 179, 616, 9020])
def test_every_value_of_a_random_program_is_right_alone(seed):
    assert compare(seed, gradient=seed % 2 == 1, everywhere=True, bits=256)


@pytest.mark.parametrize("seed", range(200, 230))
def test_programs_in_many_functions_mean_the_same(seed, monkeypatch):
    monkeypatch.setattr("wengert.backends.llvm.placing.LONG", 20.0)
    compare(seed, gradient=seed % 2 == 1, everywhere=False, bits=256)


@pytest.mark.parametrize("shape", [(200, 17), (17, 7), (33, 5)])
@pytest.mark.parametrize("bits", [512, 256, 128])
def test_an_array_that_is_packed_is_also_read_elsewhere(shape, bits):
    # The rows are packed lanes side by side for one factor, and read as they lie for the other.
    x = np.random.default_rng(9).standard_normal(shape)
    program = lower(wengert.trace(lambda x: np.einsum("ij,ik->jk", x * x, np.cos(x * x)))(x))
    (got,) = agree(program, [x], bits)
    np.testing.assert_allclose(got, (x * x).T @ np.cos(x * x), rtol=1e-12)
