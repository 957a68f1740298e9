"""What is compared before a form is returned: the term with the program, the form with differences, at random points.

May import wengert's public API and the rooms below. Invariant: faults are put in on purpose, and must not come through.
"""

import numpy as np
import pytest

import wengert as wg
from wengert.symbolic import recorded_rules
from wengert.symbolic.functions import apply


def test_a_term_that_is_not_its_program_is_not_returned(monkeypatch):
    monkeypatch.setitem(recorded_rules.RULES, "arctan", lambda x: apply("tanh", x))  # the derivative alone would fit
    for make in (lambda: "sum(arctan(x))", lambda: np.sum(np.arctan(wg.var("x", "n")))):
        with pytest.raises(wg.CheckError, match="differs from the function"):
            wg.D(make(), "x", shapes={"x": "n"})
    with pytest.raises(wg.CheckError, match="differs from the function"):
        wg.closed_form(lambda x: np.sum(np.arctan(x)), "x", shapes={"x": "n"})
    assert str(wg.D("sum(arctan(x))", "x", x="n", check=False)) == "1 − tanh(x)²"


@pytest.mark.parametrize("text", ["sum(pinv(X) @ X)", "sum(eigvalsh(X + X.T))", "sum(exp(X))/exp(logsumexp(X))*sum(X)"])
def test_what_cancels_leaves_rounding_errors_that_are_no_fault(text):
    form = wg.D(text, "X", 3, X=(2, 2))
    found = form.evaluate(X=np.array([[1.4, 0.3], [-0.2, 0.9]]))
    assert np.shape(found) == (2,) * 6
    assert np.max(np.abs(found)) < 1e-10


def test_a_size_that_no_variable_has_is_passed_by_name():
    n, k = wg.dims("n k")
    x = wg.var("x", n)
    point = np.array([0.5, 2.0, 1.0])
    energy = k * (x @ x)
    form = wg.D(energy, x)
    assert str(form) == "2 kx"
    np.testing.assert_allclose(form.evaluate(x=point, k=4), 8 * point)
    np.testing.assert_allclose(form.numpy()(point, 4), 8 * point)
    np.testing.assert_allclose(energy.evaluate(x=point, k=4), 4 * point @ point)
    np.testing.assert_allclose(wg.D(energy, x, 2).evaluate(x=point, k=4), 8 * np.eye(3))
    rows = np.broadcast_to(x**2, (k, n))
    assert rows.evaluate(x=point, k=5).shape == (5, 3)
    np.testing.assert_allclose(wg.D(np.sum(rows), x).evaluate(x=point, k=5), 10 * point)
    for broken in (lambda: form.evaluate(x=point), lambda: energy.evaluate(x=point), lambda: rows.evaluate(x=point)):
        with pytest.raises(ValueError, match="no variable has the dimension k: pass its size, k="):
            broken()
    with pytest.raises(ValueError, match="no variable has the dimension k"):
        form.evaluate(x=point, k=1.5)
