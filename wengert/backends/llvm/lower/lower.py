"""From a graph to a program in index form: ``lower`` for a whole graph, ``can_lower`` for one step.

Imports core and the files ``lower/*``, one per family of operations. Invariant: a step that ``can_lower`` accepts is
lowered; both run the same rule."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.backends.llvm.canonical import canonical
from wengert.backends.llvm.indexed import Axis, Program, Slot, Store, Value
from wengert.backends.llvm.lower import branches as lower_branches
from wengert.backends.llvm.lower import contract as lower_contract
from wengert.backends.llvm.lower import decompositions as lower_decompositions
from wengert.backends.llvm.lower import elementwise as lower_elementwise
from wengert.backends.llvm.lower import linalg as lower_linalg
from wengert.backends.llvm.lower import memory as lower_memory
from wengert.backends.llvm.lower import reduce as lower_reduce
from wengert.backends.llvm.lower import scan as lower_scan
from wengert.backends.llvm.lower import shape as lower_shape
from wengert.backends.llvm.lower import sort as lower_sort
from wengert.backends.llvm.lower.builder import BOOL, FLOAT64, INT64, NATIVE, Builder, Laid, Refused
from wengert.core.graph import QUESTIONS, Graph, Guard
from wengert.core.handle import is_handle
from wengert.core.node import Const, Node
from wengert.core.structure import ITEM
from wengert.core.types import ArrayType, dtype_of
from wengert.ops.branches import is_cond
from wengert.ops.loops import is_scan

Rule = Callable[[Builder, Node, Sequence[Laid]], Laid]
RULES: dict[str, Rule] = {
    **dict.fromkeys(lower_elementwise.NAMES, lower_elementwise.elementwise),
    **lower_reduce.RULES,
    **lower_contract.RULES,
    **lower_shape.RULES,
    **lower_memory.RULES,
    **lower_sort.RULES,
    **lower_linalg.RULES,
    **lower_decompositions.RULES,
}
"""Operation -> how it is said in index form."""
SEVERAL = {**lower_linalg.SEVERAL, **lower_decompositions.SEVERAL}
"""Operations with several results, which ITEM steps read."""
LOOPS = {**lower_scan.RULES, **lower_sort.LOOPS}
"""Operations that are loops, to whose rules ``lower`` is given."""


def lower(graph: Graph) -> Program:
    """A graph in index form: inputs, outputs and guards in their order, then the checks of computed indices.

    Raises ``Refused`` where a step, an input or a constant has no native form."""
    b = Builder()
    known: dict[Node, Any] = {}
    inputs = []
    for k, node in enumerate(graph.inputs):
        slot = Slot(f"x{k}", tuple(node.type.shape), np.dtype(node.type.dtype), "input")
        inputs.append(slot)
        _check_type(node.type)
        known[node] = b.read(slot)
    _run(b, graph.nodes, known)
    stores = []
    for k, output in enumerate(graph.outputs):
        b.where = None
        found = _operand(b, output, known)
        slot = Slot(f"y{k}", found.shape, found.dtype, "output")
        stores.append(Store(slot, found.value, found.dims))
    _share_axes(b, [known[n] for n in graph.inputs], stores)
    guards = [(asked(b, g, known[g.node]), g) for g in graph.guards]
    return canonical(Program(tuple(inputs), (), tuple(stores), (*guards, *b.checked())))


def _run(b: Builder, nodes: Sequence[Node], known: dict[Node, Any]) -> None:
    """Lower steps in order, and note in ``known`` what each gives."""
    for node in nodes:
        if node.op is ITEM:
            known[node] = known[node.args[0]][node.params[0]]
        else:
            known[node] = _results(b, node, [_operand(b, a, known) for a in node.args])


def _inline(b: Builder, graph: Graph, operands: Sequence[Laid]) -> list[Laid]:
    """The outputs of a graph whose steps become steps of the program that is being made."""
    known: dict[Node, Any] = {}
    for n, operand in zip(graph.inputs, operands, strict=True):
        if operand.shape != tuple(n.type.shape):
            raise Refused("a choice whose operands do not fit its branches")
        known[n] = b.laid(b.cast(operand.value, n.type.dtype), operand.dims)
    _run(b, graph.nodes, known)
    return [_operand(b, o, known) for o in graph.outputs]


def _share_axes(b: Builder, inputs: Sequence[Laid], stores: Sequence[Store]) -> None:
    """Let an output run over the axes of an input of its shape, where the program does not keep them apart: a
    gradient and its point are then one loop."""
    for store in stores:
        for x in inputs:
            pairs = [
                (a, d) for a, d in zip(x.dims, store.dims, strict=False) if isinstance(a, Axis) and isinstance(d, Axis)
            ]
            if x.dims and x.shape == store.slot.shape and all(b.may_unify(a, d) for a, d in pairs):
                for a, d in pairs:
                    if b.may_unify(a, d):
                        b.unify(a, d)
                break


def can_lower(node: Node) -> str | None:
    """None where a step has a native form, else the reason why not, as a short phrase."""
    b = Builder()
    try:
        if node.op is ITEM:
            if isinstance(node.args[0], Const) or not _has_several(node.args[0]):
                raise Refused("one of several results")
            _check_type(node.type)
            return can_lower(node.args[0])
        operands = []
        for k, arg in enumerate(node.args):
            if isinstance(arg, Const):
                operands.append(_constant(b, arg))
                continue
            _check_type(arg.type)
            operands.append(b.read(Slot(f"x{k}", tuple(arg.type.shape), np.dtype(arg.type.dtype), "input")))
        _results(b, node, operands)
    except Refused as refused:
        return str(refused)
    return None


def can_ask(guard: Guard) -> str | None:
    """None where a guard has a native form, else the reason why not."""
    b = Builder()
    try:
        _check_type(guard.node.type)
        asked(b, guard, b.read(Slot("x", tuple(guard.node.type.shape), np.dtype(guard.node.type.dtype), "input")))
    except Refused as refused:
        return str(refused)
    return None


def step(b: Builder, node: Node, operands: Sequence[Laid]) -> Laid:
    """One step on operands in index form."""
    b.where = node.where
    _check_type(node.type)
    loop = LOOPS.get(node.op.name)
    if loop is not None:
        return loop(b, node, operands, lower)
    rule = RULES.get(node.op.name)
    if rule is None:
        raise Refused(f"{node.op.name} has no native form")
    if node.op.name not in lower_elementwise.NAMES:
        lower_elementwise.check_function(node)
    found = rule(b, node, operands)
    if found.shape != tuple(node.type.shape) or found.dtype != node.type.dtype:
        raise Refused(f"{node.op.name} of this form")
    return found


def _has_several(node: Node) -> bool:
    """Whether the results of a step are read by ITEM steps."""
    return is_scan(node) or is_cond(node) or node.op.name in SEVERAL


def _results(b: Builder, node: Node, operands: Sequence[Laid]) -> Any:
    """What a step gives: an array, or a list of several."""
    if not _has_several(node):
        return step(b, node, operands)
    b.where = node.where
    if is_scan(node):
        return lower_scan.scan(b, node, operands, lower)
    for kind in node.type:
        _check_type(kind)
    if is_cond(node):
        return lower_branches.cond(b, node, operands, _inline)
    return SEVERAL[node.op.name](b, node, operands)


def _check_type(kind: Any) -> None:
    if not isinstance(kind, ArrayType):
        raise Refused("several results")
    if kind.dtype not in NATIVE:
        raise Refused(f"{kind.dtype} numbers")
    if any(n == 0 for n in kind.shape):
        raise Refused("an array without elements")


def _operand(b: Builder, arg: Node | Const, known: dict[Node, Any]) -> Laid:
    if isinstance(arg, Const):
        return _constant(b, arg)
    found = known[arg]
    if not isinstance(found, Laid):
        raise Refused("several results as one value")
    return found


def _constant(b: Builder, arg: Const) -> Laid:
    if is_handle(arg.value):
        raise Refused("a value of an outer trace")
    return b.constant(arg.value)


# ---------------------------------------------------------------- guards


def asked(b: Builder, guard: Guard, operand: Laid) -> Value:
    """Whether the question of a guard gets the answer that it got when the program was recorded."""
    b.where = guard.where
    if guard.value is not None:
        return _all_equal(b, operand, guard.value, nan=True)
    if guard.kind not in QUESTIONS:
        raise Refused(f"a question ({guard.kind})")
    if guard.kind != "cast" and operand.axes:
        raise Refused(f"{guard.kind} of an array")
    value, outcome = operand.value, guard.outcome
    if guard.kind == "bool":
        truth = b.cast(value, BOOL)
        return truth if outcome else b.map("logical_not", BOOL, truth)
    if guard.kind == "float":
        return b.map("equal", BOOL, b.cast(value, FLOAT64), b.number(outcome, FLOAT64))
    wanted = np.asarray(outcome)
    if guard.kind == "cast" and wanted.dtype not in NATIVE:
        raise Refused(f"{wanted.dtype} numbers")
    if guard.kind == "int" or wanted.dtype.kind == "i":
        if value.dtype.kind == "f":
            if any(abs(int(n)) > 2**53 for n in wanted.flat):
                raise Refused("a large integer made of a floating point number")
            whole = b.map("trunc", FLOAT64, b.cast(value, FLOAT64))
            return _all_equal(b, b.laid(whole, operand.dims), wanted.astype(float), nan=False)
        return _all_equal(b, b.laid(b.cast(value, INT64), operand.dims), wanted, nan=False)
    return _all_equal(b, b.laid(b.cast(value, wanted.dtype), operand.dims), wanted, nan=False)


def _all_equal(b: Builder, operand: Laid, wanted: Any, *, nan: bool) -> Value:
    """Whether all elements are those wanted (NaN equal to NaN where asked for)."""
    if tuple(np.shape(wanted)) != operand.shape:
        raise Refused("a question about an array of another shape")
    common = np.result_type(operand.dtype, dtype_of(wanted))
    if common not in NATIVE:
        raise Refused(f"{common} numbers")
    found = b.constant(np.asarray(wanted))
    (x, y), _ = lower_elementwise.aligned(b, (operand, found))
    x, y = b.cast(x, common), b.cast(y, common)
    same = b.map("equal", BOOL, x, y)
    if nan and common.kind == "f":
        both = b.map("logical_and", BOOL, b.map("isnan", BOOL, x), b.map("isnan", BOOL, y))
        same = b.map("logical_or", BOOL, same, both)
    return b.reduce("all", same, same.axes)


__all__ = ["RULES", "Refused", "can_ask", "can_lower", "lower", "step"]
