"""Graphs of derivatives: forward and reverse mode of a recorded graph, run at points it was not
recorded at.

Imports diff and the public API. Invariant: references are closed forms or the complex step.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.diff.modes import forward, reverse
from wengert.rewrite.clean import simplify


def program(x: Any, s: Any) -> Any:
    y = np.zeros(4, np.result_type(x, s))
    y[0] = s
    for i in range(1, 4):
        y[i] = y[i - 1] * np.exp(-x[i - 1])
    return y, np.sum(y**2)


def columns(x: np.ndarray, s: float) -> tuple[np.ndarray, np.ndarray]:
    """The Jacobian of both outputs by the complex step, untraced."""
    point = np.append(x, s)
    rows = []
    for k in range(4):
        moved = point.astype(complex)
        moved[k] += 1e-30j
        y, total = program(moved[:3], moved[3])
        rows.append(np.append(y, total).imag / 1e-30)
    jacobian = np.array(rows).T
    return jacobian[:4], jacobian[4]


@pytest.mark.parametrize("optimise", [lambda g: g, simplify], ids=["plain", "simplified"])
def test_both_modes_at_other_points(optimise: Any) -> None:
    rng = np.random.default_rng(1)
    graph = wg.trace(program)(rng.normal(size=3), 1.5)
    pushed, pulled = optimise(forward(graph)), optimise(reverse(graph))
    for _ in range(4):
        x, s = rng.normal(size=3), float(rng.normal())
        of_y, of_total = columns(x, s)
        t, ts = rng.normal(size=3), float(rng.normal())
        y, total, dy, dtotal = pushed(x, s, t, ts)
        wanted = program(x, s)
        np.testing.assert_array_equal(y, wanted[0])
        assert total == wanted[1]
        np.testing.assert_allclose(dy, of_y @ np.append(t, ts), rtol=1e-12, atol=1e-14)
        assert float(dtotal) == pytest.approx(of_total @ np.append(t, ts), rel=1e-12)
        ct, ct_total = rng.normal(size=4), float(rng.normal())
        _, _, cx, cs = pulled(x, s, ct, ct_total)
        both = ct @ of_y + ct_total * of_total
        np.testing.assert_allclose(np.append(cx, cs), both, rtol=1e-12, atol=1e-14)


def test_modes_of_modes() -> None:
    """x^4: the second derivative 12 x^2 by the forward mode of the reverse mode, at other
    points."""
    graph = wg.trace(lambda x: x * x * x * x)(0.5)
    twice = forward(reverse(graph))
    for x in (0.5, -1.5, 2.0):
        out = twice(x, 1.0, 1.0, 0.0)
        assert float(out[-1]) == pytest.approx(12 * x**2, rel=1e-14)
        assert float(out[1]) == pytest.approx(4 * x**3, rel=1e-14)


def test_a_recorded_gradient_keeps_zeros_at_other_points() -> None:
    """The branch not taken has an infinite slope only at the second point; its zero must stay there
    too."""
    graph = wg.trace(lambda x: np.sum(np.where(x > 0, np.sqrt(x), 0.0)))(np.array([0.0, 4.0]))
    pulled = wg.trace(wg.grad(lambda x: graph(x)))(np.array([0.0, 4.0]))
    np.testing.assert_array_equal(pulled(np.array([9.0, 0.0])), [1 / 6, 0.0])
