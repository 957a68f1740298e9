"""Recording functions written for long recordings record what the general way records."""

from __future__ import annotations

import ast

import numpy as np
import pytest

import wengert as wg
from wengert.core.op import OPS
from wengert.ops import apply, generate

STEPS = 4 * apply.LONG


def assigned(text):
    """The names that the text of a function assigns to."""
    return {n.id for n in ast.walk(ast.parse(text)) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}


def test_no_parameter_of_an_operation_is_overwritten():
    seen = 0
    for op in OPS.values() if isinstance(OPS, dict) else OPS:
        if op.outputs or op.inputs[0].startswith("*") or f"OP_{op.name.replace('.', '_')}" not in generate.NAMESPACE:
            continue
        text = generate.source(op, op.name.replace(".", "_"), "call", long=True, inline=True)
        assert not assigned(text) & set(op.params), op.name
        seen += 1
    assert seen > 100


def transformed(x):
    """Parameters with short names."""
    total = 0.0
    for k in range(STEPS // 4):
        total = total + np.sum(np.abs(np.fft.fft(x * (1.0 + 0.001 * k), n=6)) ** 2)
    return total


def mixed(x):
    """Python's numbers on either side, NumPy's functions and Python's, elements read and written."""
    row = np.zeros(5)
    total = 0.0
    for k in range(STEPS // 8):
        unread = x[(k + 1) % 3]
        row[k % 5] = 2.0 - x[k % 3 - 3] / 3.0
        total = 0.999 * total + np.tanh(row[k % 5]) * row[(k + 1) % 5] + x[:2] @ x[1:]
        total = (1.0 / (1.0 + total * total)) ** 0.5
    return total + row @ row + unread


@pytest.mark.parametrize("program", [transformed, mixed])
def test_long_recordings_are_what_the_function_computes(program):
    x = np.array([0.3, -0.7, 1.1])
    value, slope = wg.value_and_grad(program)(x)
    assert value == pytest.approx(program(x), rel=1e-14)
    compiled = wg.compile(wg.value_and_grad(program), backend="numpy")
    for _ in range(3):  # recorded, then run
        found, its = compiled(x)
        assert found == pytest.approx(value, rel=1e-12)
        np.testing.assert_allclose(its, slope, rtol=1e-10, atol=1e-12)
    # The functions written anew serve other recordings as well, and other points.
    traced = wg.trace(program)(x)
    assert float(np.asarray(traced(x + 0.1))) == pytest.approx(program(x + 0.1), rel=1e-10)
