"""Hessians and Jacobians by closed form: where they are found, where they are refused, and that they are never stale.

May import wengert's public API and ``api.closed_derivatives``. Invariant: values are compared with formulas written out
by hand or with central differences of the gradient's own formula.
"""

import numpy as np
import pytest

import wengert as wg
from wengert.api import closed_derivatives, jacobians

RNG = np.random.default_rng(5)
X = RNG.normal(size=(30, 4))
Y = np.sign(RNG.normal(size=30))
W = 0.3 * RNG.normal(size=4)


def sigmoid(z):
    return 1.0 / (1.0 + np.exp(-z))


def loss(w, X, y):
    return np.sum(np.log(1.0 + np.exp(-y * (X @ w))))


def by_hand(w, X, y):
    s = sigmoid(-y * (X @ w))
    return X.T @ ((s * (1 - s) * y * y)[:, None] * X)


def test_the_closed_hessian_is_the_one_by_hand():
    hessian = wg.hessian(loss, mode="closed")
    np.testing.assert_allclose(hessian(W, X, Y), by_hand(W, X, Y), rtol=1e-12)
    assert "closed form: Xᵀ diag" in hessian.explain()


def test_the_closed_jacobian_is_the_one_by_hand():
    jacobian = wg.jacobian(lambda x, A: np.tanh(A @ x), mode="closed")
    np.testing.assert_allclose(jacobian(W, X), (1 - np.tanh(X @ W) ** 2)[:, None] * X, rtol=1e-12)


def test_other_arguments_other_sizes_and_changed_arrays_give_other_values():
    data = X.copy()
    hessian = wg.hessian(lambda w: loss(w, data, Y), mode="closed")
    np.testing.assert_allclose(hessian(W), by_hand(W, data, Y), rtol=1e-12)
    data[3] *= 2.0  # in place
    np.testing.assert_allclose(hessian(W), by_hand(W, data, Y), rtol=1e-12)
    data = data[:20] + 1.0  # another array under the same name
    labels = Y

    def rebound(w):
        return loss(w, data, labels[: len(data)])

    other = wg.hessian(rebound, mode="closed")
    np.testing.assert_allclose(other(W), by_hand(W, data, Y[:20]), rtol=1e-12)
    data, labels = X, Y
    np.testing.assert_allclose(other(W), by_hand(W, X, Y), rtol=1e-12)
    data, labels = np.ones((5, 4)), np.full(5, 2.0)  # uniform arrays count as numbers
    np.testing.assert_allclose(other(W), by_hand(W, data, labels), rtol=1e-12)
    labels = np.full(5, 3.0)
    np.testing.assert_allclose(other(W), by_hand(W, data, labels), rtol=1e-12)


def test_numbers_from_outside_are_read_at_every_call():
    power = 3.0

    def f(x):
        return np.sum(x**power)

    hessian = wg.hessian(f, mode="closed")
    x = np.array([1.0, 2.0])
    np.testing.assert_allclose(hessian(x), np.diag(6 * x))
    power = 4.0
    np.testing.assert_allclose(hessian(x), np.diag(12 * x**2))


def test_the_same_array_in_two_places_is_told_from_two_arrays():
    hessian = wg.hessian(lambda x, a, b: (a @ x) * (b @ x), mode="closed")
    a, b = X[0], X[1]
    np.testing.assert_allclose(hessian(W, a, b), np.outer(a, b) + np.outer(b, a), rtol=1e-12)
    np.testing.assert_allclose(hessian(W, a, a), 2 * np.outer(a, a), rtol=1e-12)
    np.testing.assert_allclose(hessian(W, b, a), np.outer(a, b) + np.outer(b, a), rtol=1e-12)


def test_argnums_and_argnames_choose():
    both = RNG.normal(size=(4, 4))
    np.testing.assert_allclose(wg.hessian(lambda A, x: x @ A @ x, 1, mode="closed")(both, W), both + both.T, rtol=1e-12)
    found = wg.hessian(lambda A, x: x @ A @ x, argnames="x", mode="closed")(both, W)
    np.testing.assert_allclose(found["x"], both + both.T, rtol=1e-12)


def test_float32_stays_float32():
    found = wg.hessian(loss, mode="closed")(W.astype(np.float32), X.astype(np.float32), Y.astype(np.float32))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, by_hand(W, X, Y), rtol=1e-4)


@pytest.mark.parametrize(
    ("fun", "message"),
    [
        (lambda x: x[0] ** 2 if x[0] > 0 else x[1], "decides by a value"),
        (lambda x: np.sum(np.sort(x) ** 2), "sort"),
        (lambda x: np.sum(np.cumprod(x)), "cumprod"),
    ],
)
def test_what_has_no_closed_form_is_refused_with_the_line(fun, message):
    with pytest.raises(wg.WengertError, match=message) as caught:
        wg.hessian(fun, mode="closed")(W)
    assert "test_closed_derivatives.py" in str(caught.value)


def test_containers_and_higher_traces_are_refused():
    with pytest.raises(wg.WengertError, match="one array"):
        wg.hessian(lambda p: np.sum(p["a"] * p["b"]), mode="closed")({"a": W, "b": W})
    with pytest.raises(wg.WengertError, match="differentiated again"):
        wg.grad(lambda x: np.sum(wg.hessian(lambda v: np.sum(v**4), mode="closed")(x)))(W)


def test_a_form_that_is_wrong_is_never_returned(monkeypatch):
    from wengert.symbolic import derive
    from wengert.symbolic.build import scale

    right = derive.jacobian
    monkeypatch.setattr(derive, "jacobian", lambda term, x: scale(2, right(term, x)))
    with pytest.raises(wg.CheckError, match="differs from automatic differentiation"):
        wg.jacobian(lambda x: np.sum(x**4), mode="closed")(W)
    with pytest.raises(wg.CheckError, match="differs from automatic differentiation"):
        wg.hessian(lambda x: np.sum(x**3), mode="closed")(W)


def test_auto_takes_the_closed_form_once_accumulating_has_cost_more(monkeypatch):
    monkeypatch.setattr(closed_derivatives, "CHEAP", 0.0)
    monkeypatch.setattr("wengert.api.jacobians.WORTHWHILE", 0.0)
    n = 200
    data, labels = RNG.normal(size=(300, n)), np.sign(RNG.normal(size=300))
    w = RNG.normal(size=n) * 0.1
    hessian = wg.hessian(loss)
    assert hessian.explain() == "accumulated"
    for _ in range(4):
        np.testing.assert_allclose(hessian(w, data, labels), by_hand(w, data, labels), rtol=1e-9, atol=1e-12)
    assert "closed form" in hessian.explain()
    data *= 1.5
    np.testing.assert_allclose(hessian(w, data, labels), by_hand(w, data, labels), rtol=1e-9, atol=1e-12)


def test_auto_does_not_take_a_formula_beyond_where_it_is_finite(monkeypatch):
    monkeypatch.setattr(closed_derivatives, "CHEAP", 0.0)
    monkeypatch.setattr("wengert.api.jacobians.WORTHWHILE", 0.0)
    hessian = wg.hessian(lambda x: np.sum(np.where(x > 0.0, np.sqrt(x), 0.0)))
    with np.errstate(all="ignore"):
        for _ in range(4):
            x = RNG.uniform(1.0, 2.0, 200)
            np.testing.assert_allclose(hessian(x), np.diag(-0.25 * x**-1.5), rtol=1e-10)
        x[::2] *= -1.0
        x[1] = 0.0
        found = hessian(x)
    assert np.all(np.isfinite(found))
    np.testing.assert_allclose(found, np.diag(np.where(x > 0, -0.25 * np.abs(np.where(x > 0, x, 1.0)) ** -1.5, 0.0)))


def test_auto_stays_with_accumulation_where_there_is_no_form(monkeypatch):
    monkeypatch.setattr(closed_derivatives, "CHEAP", 0.0)
    monkeypatch.setattr("wengert.api.jacobians.WORTHWHILE", 0.0)
    hessian = wg.hessian(lambda x: np.sum(np.sort(x) ** 3))
    for _ in range(4):
        np.testing.assert_allclose(hessian(W), np.diag(6 * W), rtol=1e-12)
    assert "accumulated; no closed form" in hessian.explain()


@pytest.mark.parametrize("fault", [RecursionError("too deep"), TypeError("a fault of ours")])
@pytest.mark.parametrize("calls_before", [0, 2])
def test_a_fault_of_a_form_that_nobody_asked_for_costs_no_answer(monkeypatch, fault, calls_before):
    monkeypatch.setattr(closed_derivatives, "CHEAP", 0.0)
    monkeypatch.setattr("wengert.api.jacobians.WORTHWHILE", 0.0)
    hessian = wg.hessian(loss)
    for _ in range(calls_before):
        np.testing.assert_allclose(hessian(W, X, Y), by_hand(W, X, Y), rtol=1e-12)

    def broken(*_):
        raise fault

    monkeypatch.setattr(closed_derivatives, "_evaluated", broken)
    for _ in range(4):
        np.testing.assert_allclose(hessian(W, X, Y), by_hand(W, X, Y), rtol=1e-12)
    with pytest.raises(type(fault)):
        wg.hessian(loss, mode="closed")(W, X, Y)


def test_the_form_of_a_long_recurrence_is_not_looked_for(monkeypatch):
    def momentum(x):
        m, v = np.zeros_like(x), np.zeros_like(x)
        for step in range(1, 12):
            slope = 2.0 * (x - 1.0)
            m, v = 0.9 * m + 0.1 * slope, 0.99 * v + 0.01 * slope * slope
            x = x - 0.1 * (m / (1.0 - 0.9**step)) / (np.sqrt(v / (1.0 - 0.99**step)) + 1e-8)
        return x

    x = np.array([0.2, 0.5, 0.7])
    with pytest.raises(wg.NoRuleError, match="written out, the closed form has"):
        wg.jacobian(momentum, mode="closed")(x)
    monkeypatch.setattr(jacobians, "WORTHWHILE", 0.0)
    monkeypatch.setattr(closed_derivatives, "CHEAP", 0.0)
    often = wg.jacobian(momentum)
    wanted = [(momentum(x + 1e-20j * e).imag / 1e-20) for e in np.eye(3)]
    for _ in range(4):
        np.testing.assert_allclose(often(x), np.transpose(wanted), rtol=1e-10)
