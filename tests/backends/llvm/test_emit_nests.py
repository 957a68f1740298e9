"""The loop nests of larger programs: what they compute, against NumPy, and that they are the nests they should be."""

import numpy as np
import pytest

import wengert
from benchmarks.adbench import ba, gmm
from tests.backends.llvm.emitted import agree
from wengert.backends.llvm.emit.emit import emit
from wengert.backends.llvm.lower.lower import lower

pytest.importorskip("llvmlite")
BITS = [128, 256, 512]


def compiled(f, *args, bits=512):
    program = lower(wengert.trace(f)(*args))
    flat = [np.asarray(a) for a in args][: len(program.inputs)]
    return agree(program, flat, bits, 1e-10), emit(program, width_bits=bits, fma=True).loops


@pytest.mark.parametrize("bits", BITS)
@pytest.mark.parametrize("rows", [37, 200, 320])
def test_logistic_regression_reads_its_table_in_one_nest(rows, bits):
    rng = np.random.default_rng(rows)
    table, label, weight = rng.standard_normal((rows, 23)), (rng.random(rows) > 0.5) * 1.0, rng.standard_normal(23)

    def loss(w):
        z = table @ w
        return np.sum(np.logaddexp(0.0, z) - label * z)

    (value, slope), loops = compiled(wengert.value_and_grad(loss), weight, bits=bits)
    z = table @ weight
    np.testing.assert_allclose(value, np.sum(np.logaddexp(0.0, z) - label * z))
    np.testing.assert_allclose(slope, table.T @ (1 / (1 + np.exp(-z)) - label), rtol=1e-10, atol=1e-12)
    nests = [line for line in loops.splitlines() if line.startswith("for") and f"< {rows}" in line]
    assert len(nests) == 1


@pytest.mark.parametrize("bits", BITS)
@pytest.mark.parametrize("count", [33, 130])
@pytest.mark.parametrize("dimension", [3, 6, 18])
def test_gaussian_mixtures(count, dimension, bits):
    alphas, means, factors, points, gamma, m = gmm.random_inputs(dimension, 5, count)
    f = lambda a, b, c: gmm.objective(a, b, c, points, gamma, m)
    program = lower(wengert.trace(wengert.value_and_grad(f, (0, 1, 2)))(alphas, means, factors))
    value, *slopes = agree(program, [alphas, means, factors], bits, 1e-9)
    np.testing.assert_allclose(value, f(alphas, means, factors))
    want = wengert.grad(f, (0, 1, 2))(alphas, means, factors)
    for got, true in zip(slopes, want, strict=True):
        np.testing.assert_allclose(got, true, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("bits", BITS)
def test_blocks_of_a_jacobian_are_one_loop_over_observations(bits):
    parameters = ba.gathered(*ba.random_inputs(5, 7, 61)[:3], np.arange(61) % 5, np.arange(61) % 7)
    features = ba.random_inputs(5, 7, 61)[3]
    (blocks,), loops = compiled(wengert.vmap(wengert.jacfwd(ba.reprojection)), parameters, features, bits=bits)
    assert [line for line in loops.splitlines() if line.startswith("for")] == [loops.splitlines()[0]]
    step = 1e-30
    for k in range(15):
        shifted = parameters.astype(complex)
        shifted[:, k] += 1j * step
        for n in (0, 30, 60):
            want = ba.reprojection(shifted[n], features[n]).imag / step
            np.testing.assert_allclose(blocks[n, :, k], want, rtol=1e-9, atol=1e-9)


@pytest.mark.filterwarnings("ignore:invalid value")
def test_zeros_of_ones_own_arrays_stay_numbers():
    x = np.array([[np.inf, 1.0, np.nan], [2.0, 3.0, 4.0]])
    mask = np.array([0.0, 1.0, 0.0])
    (got,), _ = compiled(lambda x: x * mask, x)
    with np.errstate(invalid="ignore"):
        np.testing.assert_array_equal(got, x * mask)


@pytest.mark.parametrize("shape", [(40, 30, 20), (7, 130, 9), (130, 5, 33)])
def test_products_of_matrices(shape):
    rng = np.random.default_rng(1)
    a, b = rng.standard_normal(shape[:2]), rng.standard_normal(shape[1:])
    f = lambda a, b: (a @ b, a.T @ a, np.einsum("ij,jk->i", a, b), b @ b.T)
    got, _ = compiled(f, a, b)
    for x, y in zip(got, f(a, b), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("shape", [(150, 100), (1000, 10), (33, 7)])
def test_log_sums_of_rows(shape):
    x = np.random.default_rng(2).standard_normal(shape)

    def f(x):
        top = np.max(x, axis=1, keepdims=True)
        return np.sum(np.log(np.sum(np.exp(x - top), axis=1)) + top[:, 0])

    (value, slope), _ = compiled(wengert.value_and_grad(f), x)
    e = np.exp(x - x.max(axis=1, keepdims=True))
    np.testing.assert_allclose(value, f(x))
    np.testing.assert_allclose(slope, e / e.sum(axis=1, keepdims=True), rtol=1e-10)


def test_small_matrices_of_many_points_have_loops_of_blocks():
    alphas, means, factors, points, gamma, m = gmm.random_inputs(9, 5, 150)
    f = wengert.value_and_grad(lambda a, b, c: gmm.objective(a, b, c, points, gamma, m), (0, 1, 2))
    loops = emit(lower(wengert.trace(f)(alphas, means, factors)), width_bits=512, fma=True).loops
    products = [line for line in loops.splitlines() if "sum[" in line and "subtract(" in line and "{" not in line]
    assert products and all(line.startswith(" " * 12) for line in products)  # points, components, rows around each


def test_a_block_has_no_more_accumulators_than_registers():
    # Three elements of the sum are written out for each place of the block, over four registers of lanes.
    rng = np.random.default_rng(8)
    a, b = rng.standard_normal((22, 400, 4)), rng.standard_normal((26, 22, 3, 4))
    (found,), loops = compiled(lambda a, b: np.einsum("bvj,tbij->vti", a, b), a, b)
    np.testing.assert_allclose(found, np.einsum("bvj,tbij->vti", a, b, optimize=True), rtol=1e-11, atol=1e-12)
    blocks = [int(line.rsplit(" ", 1)[1][:-1]) for line in loops.splitlines() if "< 26 tiles of" in line]
    assert blocks and all(3 * 4 * size <= 28 for size in blocks)
