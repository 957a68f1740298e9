"""The NumPy plan: a graph as one generated Python function, a statement per step.

Imports core, ops, plan and the interpreter's helpers. Invariant: outputs are fresh memory, inputs and constants are
never written to, a guard is asked right after its value is there, and the bits are those of the interpreter."""

from __future__ import annotations

import itertools
import keyword
import linecache
import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.backends.guards import GUARD, GuardFailed
from wengert.backends.numpy.interpreter import own
from wengert.core.errors import WengertError
from wengert.core.floats import FLOATS
from wengert.core.graph import Graph, Guard
from wengert.core.node import Const, Node, line_of
from wengert.core.op import ELEMENTWISE
from wengert.core.structure import ITEM
from wengert.ops.memory import ADD_AT, GET, UPDATE
from wengert.ops.paths import Slot, may_repeat
from wengert.ops.steps import run_step, write_raw
from wengert.plan.liveness import looks_into, nbytes
from wengert.plan.plan import Plan, Step, into, make_plan

_number = itertools.count(1).__next__

_INFIX: dict[Any, str] = {
    operator.add: "{} + {}",
    operator.sub: "{} - {}",
    operator.mul: "{} * {}",
    operator.truediv: "{} / {}",
    operator.pow: "{} ** {}",
    operator.floordiv: "{} // {}",
    operator.mod: "{} % {}",
    operator.matmul: "{} @ {}",
    operator.lt: "{} < {}",
    operator.le: "{} <= {}",
    operator.gt: "{} > {}",
    operator.ge: "{} >= {}",
    operator.eq: "{} == {}",
    operator.ne: "{} != {}",
    operator.and_: "{} & {}",
    operator.or_: "{} | {}",
    operator.xor: "{} ^ {}",
    operator.neg: "-{}",
    operator.pos: "+{}",
    operator.invert: "~{}",
}
_COPY = ".copy('K')"
_TAKEN = frozenset({"c", "plan", "token", "step"})
_IN_PLACE_FROM = 4096
"""Bytes below which taking over an operand's memory costs more than fresh memory."""

_FRESH = frozenset({"sum", "mean", "matmul", "dot", "tensordot", "where", "all", "any", "argmax", "argmin"})
"""Operations besides the ufuncs whose results never share memory with an operand."""


class PythonPlan:
    """A graph compiled to Python: ``entry(*leaves)`` gives the outputs (one object where there is one, else a
    tuple) or ``GUARD``; ``run(values)`` a list of them, or raises GuardFailed."""

    def __init__(self, graph: Graph, *, plan: Plan | None = None) -> None:
        self.graph = graph
        self.plan = make_plan(graph) if plan is None else plan
        writer = _Writer(self.plan)
        self._text = writer.text()
        self._failed = writer.guard_numbers
        file = f"<wengert plan {_number()}>"
        linecache.cache[file] = (len(self._text), None, self._text.splitlines(keepends=True), file)
        space = dict(writer.space)
        exec(compile(self._text, file, "exec"), space)
        self.entry: Callable[..., Any] = space["plan"]

    def run(self, values: Sequence[Any]) -> list[Any]:
        """Fresh outputs; raises GuardFailed."""
        found = self.entry(*values)
        if found is GUARD:
            raise GuardFailed(self.failing(values))
        return [found] if len(self.graph.outputs) == 1 else list(found)

    def failing(self, values: Sequence[Any]) -> int:
        """The number of the first guard that does not hold for these values (-1: all hold)."""
        reached = _until_guard(self.plan, values)
        return -1 if reached is None else self.graph.guards.index(reached)

    def explain(self, longest: int = 60) -> str:
        """A line per step."""
        return self.plan.explain(longest)

    def source(self, kind: str = "python") -> str:
        """The generated function."""
        if kind != "python":
            raise ValueError(f"the NumPy plan has no source {kind!r}: it is Python (source('python'))")
        return self._text


def _until_guard(plan: Plan, values: Sequence[Any]) -> Guard | None:
    """The first guard that fails, by walking the steps."""
    env: list[Any] = [None] * len(plan.buffers)
    env[: len(values)] = values
    for number, guard in plan.guards:
        if not holds(guard, env[number]):
            return guard
    with np.errstate(all="ignore"):
        for step in plan.steps:
            operands = [r.value if isinstance(r, Const) else env[r] for r in step.reads]
            y = run_step(step.node.op, operands, step.node.params, step.node.evaluate)
            env[step.writes] = y
            for guard in step.guards:
                if not holds(guard, y):
                    return guard
    return None


def holds(guard: Guard, value: Any) -> bool:
    """Whether a guard gets its recorded answer from a raw value."""
    try:
        guard.check(value)
    except (WengertError, ValueError, TypeError, OverflowError):
        return False
    return True


class _Writer:
    """The text of a plan and the names it uses."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.space: dict[str, Any] = {"GUARD": GUARD}
        self.guard_numbers: list[int] = []
        self.lines: list[str] = []
        self._by_id: dict[int, str] = {}
        count = len(plan.inputs)
        self.names = [f"i{k}" if k < count else f"v{k - count}" for k in range(len(plan.buffers))]
        self.reuses = any(self.takes_over(s) for s in plan.steps)

    # ------------------------------------------------------------ names

    def bound(self, value: Any, wanted: str = "c") -> str:
        """A name of the generated module for a value."""
        known = self._by_id.get(id(value))
        if known is not None:
            return known
        name = wanted if wanted.isidentifier() and not keyword.iskeyword(wanted) else "c"
        if name in self.space or name in _TAKEN or (name[0] in "iv" and name[1:].isdigit()):
            name = f"{name}_{len(self.space)}"
        self.space[name] = value  # which keeps it alive, and its id its own
        self._by_id[id(value)] = name
        return name

    def constant(self, value: Any) -> str:
        """A constant operand: short Python numbers as they are written."""
        kind = type(value)
        if kind is int or kind is bool or value is None or (kind is float and value - value == 0.0):
            text = repr(value)
            return f"({text})" if text.startswith("-") else text
        if kind is str or (kind is tuple and all(type(v) in (int, bool, str, type(None)) for v in value)):
            return repr(value)
        return self.bound(value)

    def operand(self, read: int | Const) -> str:
        """An operand in the text."""
        return self.constant(read.value) if isinstance(read, Const) else self.names[read]

    def function(self, function: Any) -> str:
        """The name of a function that steps call."""
        name = getattr(function, "__name__", "step")
        return self.bound(function, name if name != "<lambda>" else "rule")

    # ------------------------------------------------------------ text

    def text(self) -> str:
        plan = self.plan
        inputs = ", ".join(self.names[: len(plan.inputs)])
        for number, guard in plan.guards:
            self.guard(guard, self.names[number])
        if self.reuses:
            # Results are computed in the memory of others only where all is contiguous: the layout of a result, on
            # which sums depend in their last bits, is then the one it would have anyway.
            for k, node in enumerate(plan.graph.inputs):
                if len(node.type.shape) > 1:
                    name = self.names[k]
                    self.lines.append(f"if not {name}.flags.c_contiguous: {name} = {name}.copy()")
        for step in plan.steps:
            self.step(step)
        outputs = [self.output(k, o) for k, o in enumerate(plan.outputs)]
        ends = f"return {outputs[0]}" if len(outputs) == 1 else f"return ({', '.join(outputs)})"
        body = [*self.lines, ends]
        if FLOATS is not None:
            self.space["FLOATS"], self.space["IGNORE"] = FLOATS
            head = ["token = FLOATS.set(IGNORE)", "try:"]
            tail = ["finally:", "    FLOATS.reset(token)"]
        else:
            self.space["errstate"] = np.errstate
            head, tail = ['with errstate(all="ignore"):'], []
        lines = [*head, *(f"    {line}" for line in body), *tail]
        return "\n".join([f"def plan({inputs}):", *(f"    {line}" for line in lines)]) + "\n"

    def output(self, k: int, o: int | Const) -> str:
        text = self.operand(o)
        if k not in self.plan.copied:
            return text
        if isinstance(o, Const):
            return f"{text}.copy()" if type(o.value) is np.ndarray else text
        node = (*self.plan.graph.inputs, *self.plan.graph.nodes)[o]
        if getattr(node.type, "shape", ()):
            return f"{text}.copy('K')"
        own_copy = self.bound(_copied, "copied")
        return f"{own_copy}({text})"

    def takes_over(self, step: Step) -> bool:
        """Whether a step computes in the memory of an operand."""
        node = step.node
        if step.reuses is None:
            return False
        if node.op is UPDATE or node.op is ADD_AT:
            return True
        return node.op.kind == ELEMENTWISE and into(node) is not None and nbytes(node.type) >= _IN_PLACE_FROM

    def step(self, step: Step) -> None:
        name = self.names[step.writes]
        text = self.expression(step, name)
        if text is not None:
            line = line_of(step.node.where)[1]
            self.lines.append(f"{name} = {text}  # {line}")
        for guard in step.guards:
            self.guard(guard, name)
        gone = [self.names[number] for number in step.frees if self._is_large(number) or number == step.writes]
        if gone:
            self.lines.append(f"del {', '.join(gone)}")

    def _is_large(self, number: int) -> bool:
        count = len(self.plan.inputs)
        if number < count:
            return False
        return nbytes(self.plan.graph.nodes[number - count].type) >= _IN_PLACE_FROM

    def expression(self, step: Step, name: str) -> str | None:
        """What a step computes; None where it wrote its own lines."""
        node = step.node
        operands = [self.operand(r) for r in step.reads]
        if node.op is ITEM:
            return f"{operands[0]}[{node.params[0]}]"
        if node.op is GET:
            read = self.reading(node, operands)
            return read if read is not None else self.general(node, operands)
        if node.op is UPDATE or node.op is ADD_AT:
            return self.writing(step, name, operands)
        function = node.evaluate or node.op.evaluate
        if node.op.kind == ELEMENTWISE and self.takes_over(step):
            return f"{self.function(into(node))}({', '.join(operands)}, {operands[step.reuses or 0]})"
        pattern = _INFIX.get(function)
        if pattern is not None and not node.params and pattern.count("{}") == len(operands):
            return pattern.format(*operands)
        if isinstance(function, np.ufunc) and not node.params:
            return f"{self.function(function)}({', '.join(operands)})"
        return self.general(node, operands)

    def general(self, node: Node, operands: list[str]) -> str:
        """A call of what evaluates the operation, its result in memory of its own where the plan counts on it."""
        function = node.evaluate or node.op.evaluate
        arguments = [*operands, *(self.constant(p) for p in node.params)]
        text = f"{self.function(function)}({', '.join(arguments)})"
        if node.op is GET or isinstance(function, np.ufunc) or node.op.name in _FRESH:
            return text
        arrays = [o for o, a in zip(operands, node.args, strict=True) if _may_be_array(a)]
        if not arrays:
            return text
        kind = node.type
        if type(kind) is tuple:
            return f"{self.bound(_own_parts, 'own_parts')}({text}, {', '.join(arrays)})"
        return f"{self.bound(_own_one, 'own')}({text}, {', '.join(arrays)})"

    def reading(self, node: Node, operands: list[str]) -> str | None:
        """A view or selection written as Python would."""
        text = operands[0]
        for kind, argument in node.params[0]:
            if kind == "index":
                text = f"{text}[{self.index(argument, operands[1:])}]"
            elif kind == "reshape" and argument[1] == "C":
                text = f"{text}.reshape({argument[0]!r})"
            elif kind == "transpose":
                text = f"{text}.transpose({argument!r})"
            elif kind in ("real", "imag"):
                text = f"{text}.{kind}"
            else:
                return None
        return text

    def index(self, index: Any, dynamic: list[str]) -> str:
        kind = type(index)
        if kind is Slot:
            place: int = index.number
            return dynamic[place]
        if kind is tuple and index:
            parts = [self.index(part, dynamic) for part in index]
            return ", ".join(parts) + ("," if len(parts) == 1 else "")
        if kind is slice:
            ends = ["" if p is None else self.index(p, dynamic) for p in (index.start, index.stop, index.step)]
            return ":".join(ends if ends[2] else ends[:2])
        if kind in (int, type(None)):
            return repr(index)
        return "..." if index is Ellipsis else self.bound(index)

    def writing(self, step: Step, name: str, operands: list[str]) -> str | None:
        node = step.node
        path = node.params[0]
        owned = step.reuses is not None
        if self.is_plain_write(node, path):
            self.lines.append(f"{name} = {operands[0] if owned else operands[0] + _COPY}")
            sign = "=" if node.op is UPDATE else "+="
            self.lines.append(
                f"{name}[{self.index(path[0][1], operands[2:])}] {sign} {operands[1]}  # {line_of(node.where)[1]}"
            )
            return None
        write = self.bound(_write, "write")
        values = ", ".join(operands)
        return f"{write}({self.bound(node.op, node.op.name)}, ({values},), {self.bound(node.params)}, {owned})"

    @staticmethod
    def is_plain_write(node: Node, path: Any) -> bool:
        """Whether a write is one statement of Python on the array itself."""
        old = node.args[0]
        shape = np.shape(old.value) if isinstance(old, Const) else old.type.shape
        if len(path) != 1 or path[0][0] != "index" or not shape:
            return False
        if node.op is UPDATE:
            return True
        return len(node.args) == 2 and not may_repeat(path[0][1])  # np.add.at counts repeats, += does not

    def guard(self, guard: Guard, name: str) -> None:
        """A line that leaves when a decision falls otherwise."""
        if guard.value is None and guard.kind == "bool" and type(guard.outcome) is bool:
            asks = f"not {name}" if guard.outcome else name
        elif guard.value is None and guard.kind == "int" and type(guard.outcome) is int:
            asks = f"int({name}) != {guard.outcome}"
        else:
            asks = f"not {self.bound(holds, 'holds')}({self.bound(guard)}, {name})"
        self.lines.append(f"if {asks}: return GUARD  # {line_of(guard.where)[1]}")


def _may_be_array(arg: Any) -> bool:
    if isinstance(arg, Const):
        return type(arg.value) is np.ndarray
    return type(arg.type) is tuple or arg.type is None or bool(arg.type.shape) or looks_into(arg) is not None


def _copied(value: Any) -> Any:
    return value.copy() if type(value) is np.ndarray else value


def _own_one(y: Any, *operands: Any) -> Any:
    return own(y, operands) if type(y) is np.ndarray else y


def _own_parts(y: Any, *operands: Any) -> Any:
    return tuple(own(part, operands) for part in y)


def _write(op: Any, operands: Sequence[Any], params: tuple[Any, ...], owned: bool) -> Any:
    return write_raw(op, operands, params, owned=owned)


__all__ = ["FLOATS", "PythonPlan", "holds"]
