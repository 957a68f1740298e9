"""Zeros of both signs, infinities, NaN, the largest and the smallest numbers: the index form has NumPy's bits there."""

import numpy as np
import pytest

from wengert.backends.llvm.interpret import interpret
from wengert.backends.llvm.lower import builder as lower_builder
from wengert.backends.llvm.lower.lower import can_lower, lower
from wengert.core.graph import Graph, input_node, step
from wengert.core.node import Const
from wengert.core.op import CONSTANT, ELEMENTWISE, OPS
from wengert.core.types import ArrayType

SPECIAL = np.array(
    [0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 2.5, -3.0, 1e308, -1e308, 5e-324, -2e-310, np.inf, -np.inf, np.nan]
)
PLAIN = [
    op for op in OPS.values()
    if op.kind in (ELEMENTWISE, CONSTANT) and not op.params and 1 <= len(op.inputs) <= 3 and op.domain != ("symmetric",)
]  # fmt: skip


def of_one_step(op, operands, evaluate=None):
    """A graph of one step: arrays are inputs, Python numbers constants."""
    with np.errstate(all="ignore"):
        want = (evaluate or op.evaluate)(*operands)
    args = [input_node(ArrayType.of(v)) if isinstance(v, np.ndarray) else Const(v) for v in operands]
    node = step(op, args, (), ArrayType.of(want), None, evaluate=evaluate)
    inputs = [a for a in args if not isinstance(a, Const)]
    return Graph(inputs=tuple(inputs), outputs=(node,), nodes=(node,)), want


def assert_same_bits(op, operands, evaluate=None, *, rounding=0):
    graph, want = of_one_step(op, operands, evaluate)
    assert can_lower(graph.nodes[0]) is None, can_lower(graph.nodes[0])
    (got,), _ = interpret(lower(graph), [v for v in operands if isinstance(v, np.ndarray)])
    assert got.dtype == np.asarray(want).dtype
    if rounding:
        np.testing.assert_array_almost_equal_nulp(
            np.where(np.isfinite(want), got, 0), np.where(np.isfinite(want), want, 0), rounding
        )
        finite = np.isfinite(want)
        got, want = np.where(finite, np.sign(got), got), np.where(finite, np.sign(want), want)
    np.testing.assert_array_equal(got, want)
    if got.dtype.kind == "f":
        number = ~np.isnan(want)
        np.testing.assert_array_equal(np.signbit(got)[number], np.signbit(want)[number])


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("op", PLAIN, ids=lambda op: op.name)
def test_every_function_of_numbers(op, dtype, monkeypatch):
    monkeypatch.setattr(lower_builder, "_has_native_form", lambda *_: True)
    with np.errstate(all="ignore"):
        special = SPECIAL.astype(dtype)
    places = [special.reshape([-1 if k == j else 1 for j in range(len(op.inputs))]) for k in range(len(op.inputs))]
    try:
        graph, _ = of_one_step(op, places)
    except (TypeError, ValueError, OverflowError):
        pytest.skip("refuses some of these numbers")
    if can_lower(graph.nodes[0]) is not None:
        pytest.skip("a step of the NumPy interpreter")
    # NumPy's own powers differ by a rounding with the layout of their operands.
    assert_same_bits(op, places, rounding=1 if op.name == "float_power" else 0)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("exponent", [2, 2.0, 1, 0, 0.0, -1, 0.5, 3, -2, 1.5, np.float64(2.0), np.float32(0.5)])
def test_powers_as_operator_and_as_function(dtype, exponent):
    with np.errstate(all="ignore"):
        special = SPECIAL.astype(dtype)
    assert_same_bits(OPS["power"], (special, exponent))
    # np.power takes no short ways but for 2; where the form does, the bits may differ by rounding.
    assert_same_bits(OPS["power"], (special, exponent), np.power, rounding=1)


@pytest.mark.parametrize("exponent", [0, 1, 2, 5])
@pytest.mark.parametrize("dtype", [np.int64, np.int32])
def test_whole_powers_wrap_as_numpys(dtype, exponent):
    numbers = np.array([0, 1, -1, 7, -12, 2**20 + 1], dtype)
    assert_same_bits(OPS["power"], (numbers, exponent))


@pytest.mark.parametrize("name", ["add", "multiply", "maximum", "floor_divide", "remainder", "divide", "less", "equal"])
@pytest.mark.parametrize("other", [3, -3, 2.5, True])
@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.float32, np.bool_])
def test_mixed_numbers(name, other, dtype):
    numbers = np.array([0, 1, 5, -7, 2**20]).astype(dtype)
    graph, want = of_one_step(OPS[name], (numbers, other))
    if np.asarray(want).dtype not in lower_builder.NATIVE:
        assert can_lower(graph.nodes[0]) is not None
    elif can_lower(graph.nodes[0]) is None:
        assert_same_bits(OPS[name], (numbers, other))
    else:
        assert dtype == np.bool_
