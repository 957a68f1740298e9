"""The fuzzer reports faults: programs are run with one kind of fault in them, in place of native code or in its text.

Imports the fuzzer. Invariant: bounds that know rounding must not hide a wrong step."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.backends.llvm import fuzz, fuzz_words
from tests.backends.llvm.fuzz_programs import Program, Step, random_program
from tests.backends.llvm.fuzz_rounding import Nothing
from wengert.backends.llvm.emit import loops as emit_loops
from wengert.core.graph import Graph
from wengert.core.node import Const
from wengert.ops.steps import run_step

pytest.importorskip("llvmlite")


@pytest.fixture(autouse=True)
def _nothing_is_kept(monkeypatch):
    monkeypatch.setenv("WENGERT_CACHE", "0")


Run = Callable[..., Any]
WITHIN = 25
"""Programs after which a fault must have been reported."""


def _is_float(y: Any) -> bool:
    return np.asarray(y).dtype.kind == "f"


def a_term_is_dropped(run: Run, *operands: Any) -> Any:
    first = np.array(operands[0])
    first[..., -1:] = 0
    return run(first, *operands[1:])


def operands_are_swapped(run: Run, *operands: Any) -> Any:
    return run(*operands[::-1]) if len(operands) == 2 else run(*operands)


def a_neighbour_is_read(run: Run, *operands: Any) -> Any:
    y = run(*operands)
    return np.roll(y, 1, -1) if np.ndim(y) else y


def single_precision_in_between(run: Run, *operands: Any) -> Any:
    y = run(*operands)
    return y.astype(np.float32).astype(y.dtype) if _is_float(y) else y


def the_last_lane_is_the_one_before(run: Run, *operands: Any) -> Any:
    y = np.array(run(*operands))
    y[..., -1:] = y[..., -2:-1] if np.shape(y)[-1] > 1 else y[..., -1:]
    return y


def a_minus_zero_is_lost(run: Run, *operands: Any) -> Any:
    y = run(*operands)
    return y + y.dtype.type(0) if _is_float(y) else y


def a_nan_is_lost(run: Run, *operands: Any) -> Any:
    y = run(*operands)
    return np.where(np.isnan(y), 0, y).astype(y.dtype) if _is_float(y) else y


def a_coefficient_is_poor(run: Run, *operands: Any) -> Any:
    y = run(*operands)
    return y * y.dtype.type(1 + 200 * np.finfo(y.dtype).eps) if _is_float(y) else y


FAULTS: dict[Callable[..., Any], tuple[str, ...]] = {
    a_term_is_dropped: ("sum", "mean", "matmul", "einsum", "cumsum"),
    operands_are_swapped: ("subtract", "divide", "less", "arctan2"),
    a_neighbour_is_read: ("get", "concatenate", "where"),
    single_precision_in_between: ("multiply", "add", "exp", "sin", "tanh"),
    the_last_lane_is_the_one_before: ("multiply", "add", "exp", "sin", "absolute"),
    a_minus_zero_is_lost: ("negative", "multiply", "ceil", "rint", "trunc"),
    a_nan_is_lost: ("add", "multiply", "log", "sqrt", "maximum"),
    a_coefficient_is_poor: ("exp", "log", "sin", "tanh", "divide", "sqrt"),
}
"""What goes wrong, and in which operations."""


def _faulty(fault: Callable[..., Any], names: tuple[str, ...]) -> Any:
    class Plan:
        def __init__(self, graph: Graph, threads: int = 1) -> None:
            self.graph = graph

        def run(self, values: list[Any]) -> list[Any]:
            known = dict(zip(self.graph.inputs, values, strict=True))
            for node in self.graph.nodes:
                operands = [a.value if isinstance(a, Const) else known[a] for a in node.args]

                def run(*given: Any, node: Any = node) -> Any:
                    return run_step(node.op, list(given), node.params, node.evaluate)

                with_axes = np.ndim(operands[0]) > 0 if operands else False
                wrong = node.op.name in names and (with_axes or fault is operands_are_swapped)
                known[node] = fault(run, *operands) if wrong else run(*operands)
            return [np.array(o.value if isinstance(o, Const) else known[o]) for o in self.graph.outputs]

    return Plan


def _reported(seed: int, special: bool) -> bool:
    try:
        fuzz.compare(random_program(seed, special=special), seed, transform="value", compiled=False, zeros=True)
    except Nothing:
        return False
    except AssertionError as said:
        return "wrong, at" in str(said)
    except (ValueError, IndexError):  # a fault may lead there
        return False
    return False


@pytest.mark.parametrize("fault", FAULTS, ids=lambda f: f.__name__)
def test_a_fault_is_reported_before_long(monkeypatch, fault):
    special = fault in (a_minus_zero_is_lost, a_nan_is_lost)
    seeds = range(70, 70 + WITHIN)
    monkeypatch.setattr(fuzz, "NativePlan", _faulty(lambda run, *operands: run(*operands), ()))
    assert not any(_reported(seed, special) for seed in seeds)
    monkeypatch.setattr(fuzz, "NativePlan", _faulty(fault, FAULTS[fault]))
    assert any(_reported(seed, special) for seed in seeds)


@pytest.mark.parametrize("transform", ["value", "gradient"])
def test_a_loop_without_its_tail_is_reported(monkeypatch, transform):
    whole = emit_loops.runs
    assert "sin" in fuzz_words.WORDS
    program = Program((np.linspace(-1.0, 2.0, 29),), (Step("sin", (0,)), Step("cumsum", (1,), (0,))), (1, 2))
    fuzz.compare(program, 0, transform=transform, compiled=False)

    def without_tail(*loop: Any) -> Any:
        found = list(whole(*loop))
        last = found[-1]
        if last.end >= 0:  # a last step that overlaps the one before
            return [replace(last, trips=last.trips - 1, end=-1)]
        return found[:-1] if len(found) > 1 else found

    monkeypatch.setattr(emit_loops, "runs", without_tail)
    with pytest.raises(AssertionError, match="wrong, at"):
        fuzz.compare(program, 0, transform=transform, compiled=False)
