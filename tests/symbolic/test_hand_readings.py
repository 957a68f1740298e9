"""How hand notation is read where a person could read it in two ways: the usual way, or not at all.

Invariant: the meaning beside a text is NumPy's, and the values are compared.
"""

from __future__ import annotations

import numpy as np
import pytest

import wengert as wg

SHAPES = {"x": "n", "y": "n", "A": ("n", "n"), "t": (), "s": ()}
VALUES = {
    "x": np.array([1.0, -2.0]),
    "y": np.array([0.5, 3.0]),
    "A": np.array([[2.0, 1.0], [-1.0, 3.0]]),
    "t": 1.5,
    "s": 0.7,
}


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("t^2^3", "t**8"),
        ("2^-t^2", "2**(-t**2)"),
        ("-t^2", "-(t**2)"),
        ("(t^2)^3", "t**6"),
        ("1/2 x'A x", "x @ A @ x / 2"),
        ("1/2 t", "t / 2"),
        ("t/2*s", "t / 2 * s"),
        ("t/(2s)", "t / (2 * s)"),
        ("t/2/s", "t / 2 / s"),
        ("2 t s", "2 * t * s"),
        ("x'Ax", "x @ A @ x"),
        ("A'^2 x", "A.T @ A.T @ x"),
        ("A⁻ᵀx", "np.linalg.inv(A).T @ x"),
        ("tr(A)^2", "np.trace(A)**2"),
        ("x x'y", "x * (x @ y)"),
    ],
)
def test_the_usual_reading(text, meaning):
    found = wg.parse(text, "hand", **SHAPES)
    np.testing.assert_allclose(
        found.evaluate(**{n: v for n, v in VALUES.items() if n in text.replace("tr", "")}),
        eval(meaning, {"np": np, **VALUES}),
        rtol=1e-14,
    )


@pytest.mark.parametrize(
    ("text", "column"),
    [
        ("t/2s", 4),
        ("x'y/t s", 7),
        ("t/s t", 5),
        ("x*y", 2),
        ("2xy", 3),
        ("x^2", 2),
        ("A/A", 2),
        ("t/x", 2),
        ("x'*y'", 3),
    ],
)
def test_two_readings_are_refused(text, column):
    with pytest.raises(ValueError, match="two readings") as caught:
        wg.parse(text, "hand", **SHAPES)
    assert caught.value.column == column


@pytest.mark.parametrize(
    "text", ["9**9**9**9", "9^9^9", "(-2)^99999", "t" + "^t" * 5000, "-" * 15000 + "t", "2^" + "-" * 15000 + "t"]
)
def test_towers_of_powers_are_refused_at_once(text):
    with pytest.raises(ValueError, match="this large|too deeply"):
        wg.parse(text, "hand", **SHAPES)
