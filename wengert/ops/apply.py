"""Applying an operation when the fast path does not fit: other kinds of traces, other operand types, fresh evaluation.

Imports core, ``memory``, ``visit``. Invariant: nothing unknown is ever evaluated on the values of traced operands.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.core.columns import Steps
from wengert.core.context import FULL, LINEARIZE, SWITCH, Frame, next_seq, tracing
from wengert.core.deferred import ENORMOUS, begin
from wengert.core.errors import CutError, NoRuleError, WengertTypeError, error_at
from wengert.core.handle import TracedArray, TracedScalar, is_handle
from wengert.core.node import USER_FILES, Const, RichNode, here, outside
from wengert.core.op import CONSTANT, CONTROL, ELEMENTWISE, GENERAL, LINEAR, Op
from wengert.core.record import live_node, plain, record
from wengert.core.types import CONSTANTS, SCALARS, ArrayType
from wengert.ops.memory import sync
from wengert.ops.python_numbers import RAISING, ask
from wengert.ops.residuals import Rule
from wengert.ops.visit import stub

LONG = 1000
"""Steps of a full recording from which on columns are kept of it."""
OFTEN = 300
"""Steps of an operation in full recordings after which its recording functions are worth writing again for these: that
takes as long."""

when_often: list[Callable[[set[Op]], None]] = []
"""Who writes them (``generate``)."""


def special(
    op: Op, operands: Sequence[Any], params: tuple[Any, ...], evaluate: Callable[..., Any] | None = None
) -> Any:
    """Evaluate and record in whatever traces are running; ``evaluate`` stands in for the operation's own."""
    frame = tracing.get()
    met = None if frame is None else frame.met
    recorded = None if met is None or met.late is None else met.late.step(op, operands, params, evaluate)
    if recorded is None and frame is not None and frame.kind == FULL and not frame.swept and not op.outputs:
        recorded = fully(op, operands, params, evaluate, frame)
    if recorded is not None:
        return recorded
    values: list[Any] = []
    nodes: list[Any] = []
    for a in operands:
        kind = type(a)
        if kind is TracedArray or kind is TracedScalar:
            if a.base is not None:
                sync(a)
            values.append(a.value)
            nodes.append(live_node(a.node))
        elif kind is np.ndarray and a.dtype.kind == "O":
            return special(op, [numeric(b, op) for b in operands], params, evaluate)
        elif kind in CONSTANTS:
            values.append(a)
            nodes.append(None)
        else:
            own = getattr(kind, "__wengert_operation__", None)
            if own is not None:  # an object that records by itself (a Tensor)
                return own(op, operands, params)
            return special(op, [operand(b, op) for b in operands], params, evaluate)
    if any(n is not None and n.abstract for n in nodes):
        check_linear(op, nodes, frame)
        types = [ArrayType.of(v) for v in values]
        found = op.infer(types, params)
        y = tuple(map(stub, found)) if op.outputs else stub(found)
    else:
        y = computed(evaluate or op.evaluate, operands, values, params, frame)
    if not any(n is not None for n in nodes):
        if op.outputs:
            return tuple(plain(part, operands) for part in y)
        return plain(y, operands)
    if op.kind == CONSTANT and _is_no_step(op, operands, values, params, y, frame):
        return plain(y, operands)
    result = record(op, values, nodes, params, y, frame, operands)
    if evaluate is not None and not op.outputs and result.node is not None:
        result.node.evaluate = evaluate
    return result


def _is_no_step(
    op: Op, operands: Sequence[Any], values: Sequence[Any], params: tuple[Any, ...], y: Any, frame: Frame | None
) -> bool:
    """Whether nothing records an operation without derivative; who watches for equal values is told of it."""
    if frame is None:
        return True
    if frame.forwards and (side := frame.forwards[0].side) is not None:
        side.compare(op, operands)
    if frame.full is not None:
        return False
    if frame.kinks is not None and op.kink is not None:
        frame.kinks.look(op, values, params, y, None)
    return True


def computed(
    function: Callable[..., Any], operands: Sequence[Any], values: Sequence[Any], params: tuple[Any, ...],
    frame: Frame | None,
) -> Any:
    """The value of a step. A recording that is going to run at other values is told when a step raises: a program that
    goes on has decided by the error; where Python's numbers would raise, it asks."""
    if frame is None or frame.met is None:
        return function(*values, *params)
    try:
        y = function(*values, *params)
    except Exception:
        frame.met.raised = here(3)
        raise
    if function in RAISING:
        ask(function, operands, values)
    if type(y) is np.ndarray and y.nbytes >= ENORMOUS:
        begin_late(frame)
    return y


def begin_late(frame: Frame) -> None:
    """From here on the recording that is going to be compiled, if there is one, puts off its large steps: one has just
    been taken."""
    met, frames = frame.met, [*frame.chain()]
    if met is None or met.hopes is None or frames[-1].met is not met:  # (another one while a folded graph runs)
        return
    from wengert.ops.put_off import deferred  # what few programs need

    hopes, met.hopes = met.hopes, None
    begin(frames[-1], deferred, hopes=hopes)
    if met.late is not None:
        for running in frames:
            running.steps = None  # they list steps only where none is put off


def fully(
    op: Op, operands: Sequence[Any], params: tuple[Any, ...], evaluate: Callable[..., Any] | None, frame: Frame
) -> Any:
    """``special`` where nothing but one full recording is running, on numbers and values of that recording; None for
    all else."""
    if frame.forwards or frame.kinks is not None or frame.keeper is not None:
        return None
    values: list[Any] = []
    args: list[Any] = []
    start = frame.start
    traced = False
    for a in operands:
        kind = type(a)
        if kind is TracedScalar or kind is TracedArray:
            if a.base is not None:
                sync(a)
            n = a.node
            if n is None or n.seq < start or n.abstract:
                return None
            values.append(a.value)
            args.append(n)
            traced = True
        elif kind in SCALARS:
            values.append(a)
            args.append(Const(a))
        else:
            return None
    if not traced:
        return None
    function = evaluate or op.evaluate
    met = frame.met
    if met is None:
        y = function(*values, *params)
    else:  # as in ``computed``
        try:
            y = function(*values, *params)
        except Exception:
            met.raised = here(2)
            raise
        if function in RAISING:
            ask(function, operands, values)
        if type(y) is np.ndarray and y.nbytes >= ENORMOUS:
            begin_late(frame)
    if SWITCH.where is None:
        inner = sys._getframe(2)
        caller = inner.f_back or inner
        code = caller.f_code
        where = (code, caller.f_lasti) if USER_FILES.get(code.co_filename) else outside(caller)
    else:
        where = SWITCH.where
    node = RichNode(next_seq(), op, (), (), params, where)
    node.args = tuple(args)
    node.type = ArrayType.of(y)
    node.evaluate = evaluate
    if frame.steps is not None:
        frame.steps.append(node)
        hurry(frame, op)
    return TracedArray(y, node) if type(y) is np.ndarray else TracedScalar(y, node)


def hurry(frame: Frame, op: Op) -> None:
    """Count a step of a full recording, whose columns are noted once it is long."""
    steps = frame.steps
    if type(steps) is list and len(steps) >= LONG:
        frame.steps = Steps(steps)
    times = _times[op] = _times.get(op, 0) + 1
    if not times % OFTEN:
        for write in when_often:
            write({op})


_times: dict[Op, int] = {}


def check_linear(op: Op, nodes: Sequence[Any], frame: Any) -> None:
    """Raise when a step on a type-only tangent is not linear in it: then there is no transpose.

    A derivative that depends neither on the operand nor on the result is that of a linear function. A linear program
    may hold such steps of any kind; where a JVP is being transposed they must have a transpose that does not itself
    record a JVP.
    """
    moving = {name for name, n in zip(op.inputs, nodes, strict=False) if n is not None and n.abstract}
    if op.kind == ELEMENTWISE or (op.kind == GENERAL and frame is not None and frame.kind == LINEARIZE):
        wants: set[str] = set()
        for name, rule in zip(op.inputs, op.rules, strict=True):
            if name in moving and isinstance(rule, Rule):
                wants.update(rule.wants)
        if not wants & (moving | {"y"}):
            return
    elif op.kind in (LINEAR, CONTROL):
        return
    raise error_at(
        NoRuleError, f"a derivative rule is not linear in its tangent (or cotangent): it takes {op.name} of it",
        fix="write the rule with sums and products by values that do not depend on the tangent",
    )


def objects_met(op: Op, operands: Sequence[Any], params: tuple[Any, ...]) -> Any:
    """A step that came out as an object array: again, with the handles that the operands hold as one array."""
    operands = [numeric(a, op) for a in operands]
    return many(op)(operands, *params) if op.inputs == ("*operands",) else op.record(*operands, *params)


def numeric(value: Any, op: Op | None = None) -> Any:
    """An object array of numbers and handles as an array of numbers or a handle; anything else as it is."""
    if type(value) is not np.ndarray or value.dtype.kind != "O":
        return value
    from wengert.ops.join import nested

    made = nested(value) if value.size else value.astype(float)
    if type(made) is np.ndarray and made.dtype.kind == "O":
        try:
            made = made.astype(complex if any(isinstance(v, complex) for v in made.flat) else float)
        except (TypeError, ValueError):
            raise error_at(
                CutError, f"an array of objects that are not all numbers meets a traced value{_in(op)}",
                fix="make an array of numbers first: np.array(objects, dtype=float)",
            ) from None
    return made


def apply_with(op: Op, evaluate: Callable[..., Any], *operands: Any) -> Any:
    """Record ``op`` with another evaluation of it (``np.power`` itself instead of Python's ``**``)."""
    return special(op, operands, (), evaluate)


def operand(value: Any, op: Op | None = None) -> Any:
    """An operand of an unusual type as an array or a handle; raises where something would be lost."""
    kind = type(value)
    if is_handle(value) or kind in CONSTANTS:
        return value
    if kind is list or kind is tuple:
        from wengert.ops.join import nested

        return nested(value)
    if isinstance(value, (np.ndarray, np.generic)):
        if kind is np.ndarray or isinstance(value, np.generic):
            return value
        if isinstance(value, (np.ma.MaskedArray, np.matrix)):
            raise error_at(
                WengertTypeError, f"{kind.__name__} meets a traced value{_in(op)}",
                fix="use an ordinary array: np.asarray(m), or m.filled(...)",
            )
        return np.asarray(value)
    if isinstance(value, (int, float, complex)):
        return value.real if isinstance(value, float) else int(value) if isinstance(value, int) else complex(value)
    if hasattr(value, "__array__") and not hasattr(value, "__array_ufunc__"):
        return np.asarray(value)
    raise error_at(
        WengertTypeError, f"an operand of type {kind.__module__}.{kind.__qualname__}{_in(op)} has no derivative rule",
        fix="convert it to a NumPy array first",
    )


def _in(op: Op | None) -> str:
    return f" in {op.name}" if op is not None else ""


def foreign(
    op: Op, operands: Sequence[Any], params: tuple[Any, ...], evaluate: Callable[..., Any] | None = None
) -> Any:
    """A function call with an operand of an unusual type."""
    for a in operands:
        own = getattr(type(a), "__wengert_operation__", None)
        if own is not None:
            return own(op, operands, params)
    if evaluate is not None:
        return special(op, operands, params, evaluate)
    return op.record(*(operand(a, op) for a in operands), *params)


def foreign_operator(op: Op, operands: Sequence[Any], params: tuple[Any, ...]) -> Any:
    """An operator with an operand of an unusual type: give the other side its chance when we do not know it."""
    if op.name in {"matmul", "multiply"}:
        from wengert.ops.sparse_product import means_product, multiply_sparse

        if means_product(op.name, operands):
            return multiply_sparse(*operands)
    for a in operands:
        kind = type(a)
        if kind in CONSTANTS or is_handle(a) or kind is list or kind is tuple:
            continue
        if isinstance(a, (np.ndarray, np.generic, int, float, complex)):
            continue
        if (fractions := sys.modules.get("fractions")) is not None and isinstance(a, fractions.Fraction):
            from wengert.ops.rationals import with_fraction

            return with_fraction(op, operands)
        if a is None or isinstance(a, (str, bytes, dict, set)):
            return NotImplemented
        return NotImplemented
    return foreign(op, operands, params)


def many(op: Op) -> Any:
    """The recording function of a variadic operation: a list of operands, then parameters."""
    names = tuple(op.params)
    defaults = tuple(op.params.values())

    def record_many(operands: Sequence[Any], *params: Any, **named: Any) -> Any:
        full = list(defaults)
        full[: len(params)] = params
        for key, value in named.items():
            full[names.index(key)] = value
        return special(op, operands, tuple(full))

    record_many.__name__ = record_many.__qualname__ = op.name
    record_many.__doc__ = op.doc
    record_many.op = op  # type: ignore[attr-defined]
    return record_many


__all__ = ["SWITCH", "CutError", "apply_with", "foreign", "foreign_operator", "operand", "special"]
