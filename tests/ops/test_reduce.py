"""Reductions, scans and order as operations: their samples, their special points, and where factors
vanish."""

import numpy as np
import pytest

import wengert as wg
from tests.ops.checking import check
from wengert.core.op import Op
from wengert.ops import join, polynomial, questions, reduce, scan, sort

RECORDS = {
    record.op.name: record
    for module in (reduce, questions, scan, sort, polynomial, join)
    for record in vars(module).values()
    if isinstance(getattr(record, "op", None), Op)
    and record.op.samples is not None
    and record.op.kind != "constant"
}


def _with_one_free(record, operands, params, k):
    """The operation as a function of operand ``k`` alone."""

    def function(x):
        values = [x if j == k else v for j, v in enumerate(operands)]
        return (
            record(values, *params)
            if record.op.inputs == ("*operands",)
            else record(*values, *params)
        )

    return function


@pytest.mark.parametrize("name", RECORDS)
def test_samples(name: str) -> None:
    record = RECORDS[name]
    op = record.op
    for operands, params in op.samples(np.random.default_rng(1)):
        many = op.inputs == ("*operands",)
        for k, x in enumerate(operands):
            if (many or op.rules[k] is not None) and np.asarray(x).dtype != np.float32:
                check(_with_one_free(record, operands, params, k), x)


@pytest.mark.parametrize("name", [n for n in RECORDS if RECORDS[n].op.batch is not None])
def test_batch_is_the_stack_of_rows(name: str) -> None:
    op = RECORDS[name].op
    for operands, params in op.samples(np.random.default_rng(1)):
        rows = [np.asarray(operands[0]) * s for s in (1, 2, 3)]
        batched = op.batch(
            (np.stack(rows), *operands[1:]), (True, *(False,) * (len(operands) - 1)), params
        )
        tolerance = 1e-5 if rows[0].dtype == np.float32 else 1e-12
        np.testing.assert_allclose(
            batched,
            np.stack([op.evaluate(r, *operands[1:], *params) for r in rows]),
            rtol=tolerance,
            atol=tolerance,
        )


@pytest.mark.parametrize("zeros", [[], [1], [0, 3], [0, 1, 4]])
def test_products_with_zeros_at_both_orders(zeros: list[int]) -> None:
    x = np.array([1.5, -2.0, 0.5, 3.0, 1.2])
    x[zeros] = 0.0
    others = np.array([np.prod(np.delete(x, k)) for k in range(5)])
    np.testing.assert_allclose(wg.grad(np.prod)(x), others, rtol=1e-14)
    pairs = np.array(
        [[0.0 if j == k else np.prod(np.delete(x, [j, k])) for j in range(5)] for k in range(5)]
    )
    np.testing.assert_allclose(wg.hessian(np.prod)(x), pairs, rtol=1e-13, atol=1e-14)
    check(np.cumprod, x)
    check(lambda x: np.cumprod(x[::-1]), x)
    check(lambda m: np.prod(m, axis=(0, 2)), np.stack([x, x + 0.0]).reshape(2, 5, 1) * np.ones(3))


def test_products_of_any_length() -> None:
    for n in range(1, 12):
        x = np.zeros(n)
        x[1:] = np.arange(1.0, n)
        np.testing.assert_allclose(
            wg.grad(np.prod)(x), [np.prod(np.delete(x, k)) for k in range(n)]
        )


def test_ties_share_evenly() -> None:
    x = np.array([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]])
    np.testing.assert_array_equal(
        wg.grad(lambda x: x.max(axis=1).sum())(x), [[0, 0.5, 0.5], [1 / 3, 1 / 3, 1 / 3]]
    )
    np.testing.assert_array_equal(wg.grad(np.max)(x), [[0, 0.5, 0.5], [0, 0, 0]])
    np.testing.assert_array_equal(wg.grad(np.min)(x), [[1, 0, 0], [0, 0, 0]])
    np.testing.assert_allclose(
        wg.grad(lambda x: (np.sort(x) * np.array([1.0, 2.0, 6.0])).sum())(x), [[1, 4, 4], [3, 3, 3]]
    )
    np.testing.assert_allclose(
        wg.grad(lambda x: np.median(x))(np.array([2.0, 2.0, 2.0, 5.0, 1.0])),
        [1 / 3, 1 / 3, 1 / 3, 0, 0],
    )
    np.testing.assert_array_equal(wg.hessian(np.max)(x), np.zeros((2, 3, 2, 3)))


def test_no_spread_has_no_slope() -> None:
    for x in (np.full(4, 2.0), np.full(3, 0.1), np.zeros(5)):
        np.testing.assert_array_equal(wg.grad(np.std)(x), np.zeros(len(x)))
        np.testing.assert_array_equal(wg.grad(lambda x: np.nanstd(x))(np.full(4, 2.0)), np.zeros(4))
        np.testing.assert_allclose(wg.grad(np.var)(x), np.zeros(len(x)), atol=1e-16)


def test_log_of_sum_of_exponentials_at_infinity() -> None:
    np.testing.assert_array_equal(
        wg.grad(np.logaddexp.reduce)(np.array([-np.inf, 0.0])), [0.0, 1.0]
    )
    np.testing.assert_allclose(wg.grad(np.logaddexp.reduce)(np.array([1000.0, 1000.0])), [0.5, 0.5])


def test_empty_arrays() -> None:
    assert wg.grad(lambda x: np.sum(x) + x.prod())(np.zeros(0)).shape == (0,)
    with pytest.raises(ValueError, match="zero-size"):
        wg.grad(np.max)(np.zeros(0))


def test_inside_a_full_recording() -> None:
    x = np.array([[1.0, -2.0, 3.0], [0.5, 4.0, -1.0]])

    def f(x):
        return (
            np.sum(np.sort(x, axis=1)[:, -1] ** 2)
            + np.max(x) * np.median(x)
            + np.sum(x**3, where=x > 0)
            + np.prod(x[0])
        )

    wanted = np.zeros((6, 6))
    for k in range(6):
        e = np.zeros(6)
        e[k] = 1e-5
        wanted[k] = (
            wg.grad(f)(x + e.reshape(2, 3)) - wg.grad(f)(x - e.reshape(2, 3))
        ).ravel() / 2e-5
    np.testing.assert_allclose(np.asarray(wg.hessian(f)(x)).reshape(6, 6), wanted, atol=1e-6)


def test_concatenating_many_is_linear_in_their_number() -> None:
    def f(x):
        return (np.concatenate([x[k : k + 1] for k in range(3000)]) ** 2).sum()

    x = np.linspace(-1, 1, 3000)
    np.testing.assert_allclose(wg.grad(f)(x), 2 * x)
