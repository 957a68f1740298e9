"""Loops over triangles and bands: what they leave out, and that infinities and NaN come through, against NumPy."""

import numpy as np
import pytest

import wengert
from benchmarks.adbench import gmm
from tests.backends.llvm.emitted import agree
from wengert.backends.llvm.emit.emit import emit
from wengert.backends.llvm.lower.lower import lower

pytest.importorskip("llvmlite")
BITS = [128, 512]
PLACES = np.arange(40)
MASKS = {
    "lower": PLACES[:, None] >= PLACES,
    "strictly lower": PLACES[:, None] > PLACES,
    "upper": PLACES[:, None] <= PLACES,
    "band": np.abs(PLACES[:, None] - PLACES) <= 2,
    "blocks": PLACES[:, None] // 8 == PLACES // 8,
    "rows without any": (PLACES[:, None] % 3 == 1) & (PLACES < 20),
    "arrow": (PLACES[:, None] == PLACES) | (PLACES[:, None] == 39),
}


def loops_of(program, bits=512):
    return emit(program, width_bits=bits, fma=True).loops


def leaves_out(loops):
    """The loops that leave places out."""
    return [line for line in loops.splitlines() if " count, by " in line]


def mostly(matrix, count=133):
    rng = np.random.default_rng(5)
    return rng.standard_normal(matrix.shape), rng.standard_normal((matrix.shape[1], count))


@pytest.mark.parametrize("bits", BITS)
@pytest.mark.parametrize("name", MASKS)
def test_products_with_masked_matrices(name, bits):
    mask = MASKS[name]
    matrix, table = mostly(mask)
    program = lower(wengert.trace(lambda a, x: np.where(mask, a, 0.0) @ x)(matrix, table))
    (got,) = agree(program, [matrix, table], bits)
    np.testing.assert_allclose(got, np.where(mask, matrix, 0.0) @ table, rtol=1e-12, atol=1e-12)
    assert len(leaves_out(loops_of(program, bits))) == 1


@pytest.mark.parametrize("bits", BITS)
@pytest.mark.parametrize("bad", [np.inf, -np.inf, np.nan])
@pytest.mark.parametrize("row", [0, 20, 39])
@pytest.mark.parametrize("name", ["lower", "strictly lower", "upper", "band", "blocks", "arrow"])
def test_zero_times_what_is_not_finite_is_no_number(name, row, bad, bits):
    mask = MASKS[name]
    matrix, table = mostly(mask)
    program = lower(wengert.trace(lambda a, x: np.where(mask, a, 0.0) @ x)(matrix, table))
    assert leaves_out(loops_of(program, bits))
    table[row, 7], table[row, 130] = bad, bad
    with np.errstate(invalid="ignore"):
        (got,) = agree(program, [matrix, table], bits)
        want = np.sum(np.where(mask, matrix, 0.0)[:, :, None] * table, axis=1)
    assert np.isnan(want[~mask[:, row], 7]).all() and not np.isfinite(want[:, [7, 130]]).any()
    np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("bits", BITS)
def test_a_row_that_adds_everything_watches_for_the_others(bits):
    """What is not finite in the matrix, not in the other factor, is seen there too and does no harm."""
    for name, first in [("lower", True), ("upper", True), ("band", False), ("blocks", False)]:
        mask = MASKS[name]
        matrix, table = mostly(mask)
        program = lower(wengert.trace(lambda a, x, mask=mask: np.where(mask, a, 0.0) @ x)(matrix, table))
        loops = loops_of(program, bits)
        assert (" first:" in loops) is first and ("multiply(0.0, " in loops) is not first
        matrix[39, 38], matrix[0, 0], matrix[5, 4] = np.nan, np.inf, -np.inf
        with np.errstate(invalid="ignore"):
            (got,) = agree(program, [matrix, table], bits)
            want = np.sum(np.where(mask, matrix, 0.0)[:, :, None] * table, axis=1)
        np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("bits", BITS)
def test_rows_of_several_matrices_are_watched_each_for_itself(bits):
    """The loop over the matrices stands between those over rows and columns: one matrix tells nothing of another."""
    rng = np.random.default_rng(3)
    mask = PLACES[:20, None] >= PLACES[:20]
    matrices, tables = rng.standard_normal((40, 20, 20)), rng.standard_normal((133, 40, 20))
    for form in ("kij,nkj->nki", "kij,nkj->kin", "kij,nkj->ikn"):
        f = lambda a, x, form=form: np.einsum(form, np.where(mask, a, 0.0), x)
        program = lower(wengert.trace(f)(matrices, tables))
        bad = tables.copy()
        bad[7, 3, 12], bad[50, 39, 0], bad[132, 0, 19] = np.inf, np.nan, -np.inf
        with np.errstate(invalid="ignore"):
            (got,) = agree(program, [matrices, bad], bits)
            want = np.sum((np.where(mask, matrices, 0.0) * bad[:, :, None, :]), axis=3)
        want = want.transpose(["nki".index(letter) for letter in form[-3:]])
        np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("bits", BITS)
def test_what_overflows_beside_a_zero_is_seen(bits):
    matrix, table = mostly(MASKS["lower"])
    shift = np.zeros(40)
    program = lower(wengert.trace(lambda a, x, s: np.tril(a) @ (x - s[:, None]))(matrix, table, shift))
    assert leaves_out(loops_of(program, bits))
    table[38, 5], shift[38] = 1.5e308, -1.5e308
    with np.errstate(all="ignore"):
        (got,) = agree(program, [matrix, table, shift], bits)
    assert np.isnan(got[:38, 5]).all() and np.isinf(got[38:, 5]).all()
    others = np.arange(133) != 5
    np.testing.assert_allclose(got[:38, others], (np.tril(matrix) @ table)[:38, others], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("bits", BITS)
def test_zeros_of_sums_have_the_sign_that_products_give_them(bits):
    """All that is left is -0.0; one of the zeros that are left out is +0.0: so is the sum, as with a dense matrix."""
    matrix, table = -np.ones((40, 40)), np.zeros((40, 64))
    program = lower(wengert.trace(lambda a, x: np.tril(a) @ x)(matrix, table))
    assert leaves_out(loops_of(program, bits))
    (got,) = agree(program, [matrix, table], bits)
    assert not np.signbit(got[:39]).any()


@pytest.mark.parametrize("bits", BITS)
@pytest.mark.parametrize("name", ["lower", "upper", "band"])
def test_sums_of_outer_products_of_which_some_are_read(name, bits):
    mask = MASKS[name]
    matrix, table = mostly(mask, 300)
    slope = wengert.grad(lambda a: np.sum(np.where(mask, a, 0.0) @ table * table))
    square = wengert.grad(lambda a: np.sum((np.where(mask, a, 0.0) @ table) ** 2))
    for f, want in [(slope, table @ table.T), (square, 2 * np.where(mask, matrix, 0.0) @ table @ table.T)]:
        program = lower(wengert.trace(f)(matrix))
        (got,) = agree(program, [matrix], bits, 1e-10)
        np.testing.assert_allclose(got, np.where(mask, want, 0.0), rtol=1e-10, atol=1e-9)
    assert len(leaves_out(loops_of(program, bits))) == 2


@pytest.mark.parametrize("bits", BITS)
def test_elements_that_somebody_else_reads_are_made(bits):
    mask = MASKS["lower"]
    _, table = mostly(mask, 200)

    def both(x):
        outer = np.einsum("in,jn->ij", np.tanh(x), x)
        return np.where(mask, outer, 0.0), outer[3] * 2.0

    program = lower(wengert.trace(both)(table))
    triangle, row = agree(program, [table], bits, 1e-10)
    outer = np.tanh(table) @ table.T
    np.testing.assert_allclose(triangle, np.tril(outer), rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(row, 2 * outer[3], rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("bits", BITS)
@pytest.mark.parametrize(("dimension", "components"), [(10, 4), (13, 6)])
def test_mixtures_work_on_triangles_forwards_and_backwards(dimension, components, bits):
    alphas, means, factors, points, gamma, m = gmm.random_inputs(dimension, components, 130)
    f = lambda a, b, c: gmm.objective(a, b, c, points, gamma, m)
    program = lower(wengert.trace(wengert.value_and_grad(f, (0, 1, 2)))(alphas, means, factors))
    assert len(leaves_out(loops_of(program, bits))) == 2
    value, *slopes = agree(program, [alphas, means, factors], bits, 1e-9)
    np.testing.assert_allclose(value, f(alphas, means, factors), rtol=1e-12)
    rng = np.random.default_rng(2)
    for _ in range(3):  # the slope along a direction, by a complex step
        along = [rng.standard_normal(a.shape) for a in (alphas, means, factors)]
        step = 1e-30j
        moved = [a + step * d for a, d in zip((alphas, means, factors), along, strict=True)]
        want = complex_objective(*moved, points, gamma, m).imag / 1e-30
        got = sum(np.sum(s * d) for s, d in zip(slopes, along, strict=True))
        np.testing.assert_allclose(got, want, rtol=1e-9)


def complex_objective(alphas, means, factors, points, gamma, m):
    """The objective in loops over components, its maxima those of the real parts."""
    dimension, count = points.shape[1], len(points)
    inner = np.empty((count, len(alphas)), complex)
    for k, matrix in enumerate(gmm_matrices(factors, dimension)):
        scaled = (points - means[k]) @ matrix.T
        inner[:, k] = alphas[k] + np.sum(factors[k, :dimension]) - 0.5 * np.sum(scaled * scaled, axis=1)

    def log_sum_exp(scores):
        top = np.max(scores.real, axis=-1, keepdims=True)
        return np.log(np.sum(np.exp(scores - top), axis=-1)) + top[..., 0]

    return np.sum(log_sum_exp(inner)) - count * log_sum_exp(alphas) + prior(factors, dimension, gamma, m)


def gmm_matrices(factors, dimension):
    for row in factors:
        matrix = np.zeros((dimension, dimension), complex)
        matrix.T[np.triu_indices(dimension, 1)] = row[dimension:]
        matrix[np.diag_indices(dimension)] = np.exp(row[:dimension])
        yield matrix


def prior(factors, dimension, gamma, m):
    """What of the prior depends on the factors."""
    squares = np.sum(np.exp(factors[:, :dimension]) ** 2) + np.sum(factors[:, dimension:] ** 2)
    return 0.5 * gamma**2 * squares - m * np.sum(factors[:, :dimension])
