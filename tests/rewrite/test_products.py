"""Rules of matrix products: unit matrices dropped, rows of a batch joined, weighted products of a matrix with itself.

Imports the public API and rewrite. Invariant: references are NumPy and products in double precision."""

from __future__ import annotations

import numpy as np
import pytest

import wengert
from wengert.rewrite.passes import improve
from wengert.rewrite.products import not_negative

RANDOM = np.random.default_rng(11)
TABLE = RANDOM.standard_normal((80, 70))
EYE = np.eye(70)


def names(function, *given):
    graph = improve(wengert.trace(function)(*given))
    return [node.op.name for node in graph], graph


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda x: np.sin(x) @ EYE, lambda x: np.sin(x)),
        (lambda x: EYE @ np.sin(x.T), lambda x: np.sin(x.T)),
        (lambda x: np.dot(np.sin(x), EYE), lambda x: np.sin(x)),
        (lambda x: np.dot(EYE, np.sin(x[0])), lambda x: np.sin(x[0])),
        (lambda x: np.sin(x[None, :3]) @ EYE, lambda x: np.sin(x[None, :3])),
        (lambda x: np.tensordot(np.sin(x), EYE, ((1,), (0,))), lambda x: np.sin(x)),
        (lambda x: np.tensordot(EYE, np.sin(x), ((1,), (1,))), lambda x: np.sin(x).T),
        (lambda x: np.einsum("np,pq->qn", np.sin(x), EYE), lambda x: np.sin(x).T),
        (lambda x: np.einsum("np,qp,n->nq", np.sin(x), EYE, x[:, 0]), lambda x: np.sin(x) * x[:, :1]),
    ],
)
def test_a_unit_matrix_is_dropped(function, expected):
    found, graph = names(function, TABLE)
    assert not {"matmul", "dot", "tensordot"} & set(found)
    np.testing.assert_array_equal(graph(TABLE), expected(TABLE))


@pytest.mark.parametrize(
    "function",
    [
        lambda x: np.dot(EYE, np.sin(x.reshape(2, 70, 40))),  # takes the middle axis to the front
        lambda x: np.einsum("pq,np->n", EYE, np.sin(x)),
        lambda x: np.einsum("pp,np->np", EYE, np.sin(x)),
        lambda x: np.einsum("pq,npq->n", EYE, np.sin(x)[:, :, None] * x[:, None, :]),
        lambda x: np.sin(x) @ np.where(EYE == 1, 2.0, 0.0),
        lambda x: np.sin(x) @ np.roll(EYE, 1, 0),
        lambda x: np.sin(x)[:, :1] @ EYE[:1],
    ],
)
def test_other_products_keep_their_values(function):
    x = RANDOM.standard_normal((80, 70))
    np.testing.assert_allclose(names(function, x)[1](x), function(x), rtol=1e-12, atol=1e-13)


def test_rows_of_a_batch_are_one_product():
    rows = RANDOM.standard_normal((5, 3, 1, 80))
    _, graph = names(lambda x: np.sin(x) @ TABLE, rows)
    product = next(node for node in graph if node.op.name == "matmul")
    assert product.type.shape == (15, 70)
    np.testing.assert_allclose(graph(rows), np.sin(rows) @ TABLE, rtol=1e-12, atol=1e-12)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


WEIGHTS = {
    "exp": lambda w: np.exp(w),
    "slope of the logistic function": lambda w: sigmoid(w) * (1 - sigmoid(w)) * 0.25,
    "a square": lambda w: w * w,
    "spread": lambda w: np.abs(w) + 1e-3,
}


@pytest.mark.parametrize("weight", WEIGHTS.values(), ids=WEIGHTS)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(
    "form",
    [
        lambda x, s: (x.T * s) @ x,
        lambda x, s: x.T @ (s[:, None] * x),
        lambda x, s: np.dot((x * s[:, None]).T, x),
        lambda x, s: (x * np.sqrt(s)[:, None]).T @ (x * np.sqrt(s)[:, None] * 2.0),
    ],
)
def test_a_weighted_product_of_a_matrix_with_itself(weight, form, dtype):
    x, w = TABLE.astype(dtype), RANDOM.standard_normal(80).astype(dtype)
    _, graph = names(lambda x, w: form(x, weight(w)), x, w)
    product = next(node for node in graph if node.op.name in ("matmul", "dot"))
    left, right = product.args
    assert left.op.name == "get" and left.args[0] is right  # one array and its transpose: half of the operations
    exact = form(x.astype(np.float64), weight(w.astype(np.float64)))
    size = np.abs(x.T).astype(float) @ (np.abs(weight(w.astype(float)))[:, None] * np.abs(x)) * 2
    found = graph(x, w)
    assert found.dtype == dtype
    assert np.all(np.abs(found - exact) <= 40 * np.finfo(dtype).eps * size)


@pytest.mark.parametrize(
    "form",
    [
        lambda x, s: (x.T * s) @ x,  # the weight may be negative
        lambda x, s: (x.T * np.exp(s)) @ np.roll(x, 1, 0),
        lambda x, s: (x[:70] * np.exp(s[:70])) @ x[:70],  # not transposed
        lambda x, s: (x[:70].T * np.exp(s[:70])[:, None]) @ x[:70],  # weights of columns
        lambda x, s: (x.T * (np.exp(s) - 0.5)) @ x,
    ],
)
def test_products_that_are_none_of_it(form):
    w = RANDOM.standard_normal(80)
    _, graph = names(form, TABLE, w)
    assert not any(node.op.name == "sqrt" for node in graph)
    np.testing.assert_allclose(graph(TABLE, w), form(TABLE, w), rtol=1e-11, atol=1e-11)


def test_weights_far_from_one():
    w = np.linspace(-700.0, 700.0, 80)
    _, graph = names(lambda x, w: (x.T * np.exp(w)) @ x, TABLE, w)
    np.testing.assert_allclose(graph(TABLE, w), (TABLE.T * np.exp(w)) @ TABLE, rtol=1e-12)


def test_hessian_of_logistic_regression():
    sign = np.where(RANDOM.standard_normal(80) > 0, 1.0, -1.0)
    w = RANDOM.standard_normal(70) / 10

    def loss(w, table):
        return np.mean(np.logaddexp(0.0, -sign * np.dot(table, w))) + 0.01 * np.sum(w * w)

    found, graph = names(lambda w, t: wengert.hessian(lambda w: loss(w, t))(w), w, TABLE)
    assert found.count("matmul") == 1
    p = sigmoid(-sign * (TABLE @ w))
    expected = (TABLE.T * (p * (1 - p) / 80)) @ TABLE + 0.02 * np.eye(70)
    np.testing.assert_allclose(graph(w, TABLE), expected, rtol=1e-11, atol=1e-13)


def test_what_is_known_not_to_be_negative():
    def last(function):
        with np.errstate(all="ignore"):
            return list(improve(wengert.trace(function)(TABLE[0])))[-1]

    assert not_negative(last(lambda w: np.maximum(np.exp(w), np.sin(w))))
    assert not_negative(last(lambda w: w * w + np.abs(np.sin(w))))
    assert not_negative(last(lambda w: np.exp(w) / np.sum(np.exp(w))))
    assert not not_negative(last(lambda w: np.exp(w) / np.maximum(w, 0.0)))  # by a negative zero
    for function in (np.sin, lambda w: np.exp(w) - 1.0, lambda w: 2.0 - np.exp(w), lambda w: w * np.exp(w)):
        assert not not_negative(last(function))
