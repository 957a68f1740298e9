"""Derivatives of any order of operations that are kept by name, as NumPy text: the steps that forward mode takes.

Imports graphs, graphs_record, recorded, step_text, rewrite. Invariant: the text has the steps that nested forward modes
record on arrays of three sets of sizes; where such a run looks at values, the text looks too and raises.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from zlib import crc32

import numpy as np

from wengert.core.errors import NoRuleError, WengertError, WengertValueError
from wengert.core.graph import Graph
from wengert.core.node import Const
from wengert.core.op import OPS
from wengert.core.types import ArrayType
from wengert.ops.kinks import LEAST_NORM, Choice, choice
from wengert.symbolic.build import value_of
from wengert.symbolic.complex_steps import Composite
from wengert.symbolic.dims import Dim, named, sized
from wengert.symbolic.graphs import step as symbolic_step
from wengert.symbolic.graphs import steps_of
from wengert.symbolic.graphs_record import Slot, record_once, sample
from wengert.symbolic.graphs_run import forward_mode
from wengert.symbolic.named import Named
from wengert.symbolic.recorded import SIZES, Recordings
from wengert.symbolic.step_text import StepText
from wengert.symbolic.terms import Abstract, exact

Shape = tuple[Any, ...]
MATRICES = frozenset(["svd", "svdvals", "svd_full", "qr", "qr_complete", "pinv", "lstsq", "matrix_norm", "polar"])
"""Operations whose steps depend on which side of a matrix is the longer one."""

PROBLEMS = (WengertError, ValueError, TypeError, LookupError, ArithmeticError, AttributeError, RuntimeError)
"""What a recording may raise at sizes or values that an operation does not take."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """The steps of a directional derivative: inputs are the arguments, then a direction for each order."""

    inputs: tuple[Any, ...]
    nodes: tuple[Any, ...]
    output: Any
    guards: tuple[Any, ...]


def shapes_of(args: Sequence[Any], name: str) -> list[Shape]:
    """The shapes of arguments with bare names for sizes that are none, and for all sides of such matrices."""
    others: dict[Any, Dim] = {}
    generic = name.split(".", maxsplit=1)[0] in MATRICES and any(isinstance(d, Dim) for a in args for d in a)

    def plain(d: Any) -> Any:
        if (isinstance(d, Dim) and d.simple) or (isinstance(d, int) and not generic):
            return d
        return others.setdefault(d, named(f"s{len(others)}"))

    return [tuple(plain(d) for d in a) for a in args]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which derivative: of what, by which arguments, of which shapes; arguments that are numbers."""

    program: Named | Composite
    slots: tuple[int, ...]
    shapes: tuple[Shape, ...]
    numbers: tuple[Any, ...]

    @property
    def inputs(self) -> list[str]:
        """The names of the arguments."""
        return self.program.words(len(self.shapes))

    @property
    def by(self) -> list[str]:
        """The names of those that it is differentiated by, in order."""
        return [self.inputs[k] for k in self.slots]

    @property
    def order(self) -> str:
        """Which derivative, in words."""
        count = len(self.slots)
        return {1: "", 2: "second ", 3: "third "}.get(count, f"{count}th ") + f"derivative of {self.program.name}"


def wanted(term: Abstract) -> Wanted:
    """What a derivative operator asks for."""
    known = isinstance(term.program, (Named, Composite))
    program = term.program if known else Named(OPS[term.program.name], ())
    numbers = [None if a.rank or k in term.slots else value_of(a) for k, a in enumerate(term.args)]
    plain = [n if n is None else int(n) if float(n).is_integer() else float(n) for n in numbers]
    shapes = shapes_of([a.shape for a in term.args], program.name)
    return Wanted(program, tuple(term.slots), tuple(shapes), tuple(plain))


def recordings(asked: Wanted) -> list[Recorded]:
    """The steps of the derivative by some arguments: one program, or one where the first matrix is tall and one
    where it is wide.
    """
    shapes = asked.shapes
    try:
        return [_recorded(asked, _rows(shapes))]
    except PROBLEMS:
        first = next((s for s in shapes if len(s) >= 2 and s[-1] != s[-2]), None)
        if first is None or not all(isinstance(d, Dim) for d in first[-2:]):
            raise
        return [_recorded(asked, _rows(shapes, first[-2:], side)) for side in (1, -1)]


def _rows(shapes: Sequence[Shape], pair: Sequence[Dim] = (), side: int = 0) -> list[dict[str, int]]:
    names = sorted({n for shape in shapes for d in shape if isinstance(d, Dim) for n in d.names})
    if len(names) > len(SIZES[0]):
        raise WengertValueError(f"more than {len(SIZES[0])} named dimensions: {', '.join(names)}")
    rows = [dict(zip(names, row, strict=False)) for row in SIZES]
    for row in rows if side else ():
        (a,), (b,) = (d.names for d in pair)
        if side * (row[a] - row[b]) < 0:
            row[a], row[b] = row[b], row[a]
    return rows


def _recorded(asked: Wanted, rows: Sequence[Mapping[str, int]]) -> Recorded:
    program, shapes, slots = asked.program, asked.shapes, asked.slots
    kinds = [
        *((s, k) for s, k in zip(shapes, program.dtypes(len(shapes)), strict=True)),
        *((shapes[k], np.dtype(float)) for k in slots),
    ]
    token = choice.set(General(*LEAST_NORM))
    try:
        graphs = [_graph(asked, kinds, row, which) for which, row in enumerate(rows)]
    finally:
        choice.reset(token)
    answers = [[(g.kind, g.outcome) for g in graph.guards] for graph in graphs]
    if any(kind != "bool" for kind, _ in answers[0]) or any(a != answers[0] for a in answers):
        raise NoRuleError(f"the derivative of {program.name} goes other ways at other values")
    walked = Recordings([replace(g, guards=()) for g in graphs], [], rows)
    for k, (shape, dtype) in enumerate(kinds):
        first = graphs[0].inputs[k]
        walked.known[first] = symbolic_step(first.op, (), (), ArrayType(shape, dtype), None)
    (output,) = walked.outputs()
    inputs = tuple(walked.known[n] for n in graphs[0].inputs)
    guards = tuple((walked.known[g.node], g.outcome) for g in graphs[0].guards)
    needed = steps_of([output, *(node for node, _ in guards)])
    return Recorded(inputs, tuple(n for n in needed if n not in inputs), output, guards)


def _graph(asked: Wanted, kinds: Sequence[Any], row: Mapping[str, int], which: int) -> Graph:
    from wengert.rewrite.clean import simplify

    leaves = _leaves(kinds, len(asked.shapes), row, which)
    given = [Slot(k) for k in range(len(kinds))]
    return simplify(record_once(_along(asked, row), leaves, given, {}, row)[0])


class General(Choice):
    """The subgradient of least norm for points in general position: at a kink of one entry (the zeros of a diagonal)
    no side of it is looked for, which would add steps along a direction.
    """

    __slots__ = ()

    def __ne__(self, other: object) -> bool:
        return True

    __hash__ = Choice.__hash__


def _leaves(kinds: Sequence[Any], count: int, row: Mapping[str, int], which: int) -> list[Any]:
    """Arguments and directions to record at: in general position, square arguments positive definite."""
    rng = np.random.default_rng(17 + which)
    made: list[Any] = []
    for k, (shape, dtype) in enumerate(kinds):
        numbers = tuple(sized(d, row) for d in shape)
        value = rng.uniform(0.3, 0.9, numbers)
        value = np.where(rng.uniform(size=numbers) < which / 3, -value, value)[()]
        if dtype.kind != "f":
            made.append(sample(shape, dtype, row, which))
            continue
        if k < count and len(numbers) >= 2 and numbers[-1] == numbers[-2]:
            size = numbers[-1]
            value = 0.2 * (value + np.swapaxes(value, -1, -2)) + size * np.eye(size) + np.diag(np.arange(size))
        made.append(value)
    return made


def _along(asked: Wanted, row: Mapping[str, int]) -> Any:
    """The program differentiated along a direction for each slot, as a function of arguments and directions."""
    jvp = forward_mode()
    value, slots, count = asked.program.steps(row), asked.slots, len(asked.shapes)

    def along(*given: Any) -> Any:
        def moved(done: int, *args: Any) -> Any:
            if not done:
                return value(*args)
            k, direction = slots[done - 1], given[count + done - 1]

            def one(x: Any) -> Any:
                return moved(done - 1, *args[:k], x, *args[k + 1 :])

            return jvp(one, (args[k],), (direction,))[1]

        args = [g if n is None else n for g, n in zip(given, asked.numbers, strict=False)]
        return moved(len(slots), *args)

    return along


class Lines:
    """The lines of a recorded derivative, each in the innermost loop over directions that it needs."""

    def __init__(self, recorded: Recorded, inputs: Sequence[str], order: int, what: str) -> None:
        self.recorded = recorded
        self.inputs = inputs
        self.order = order
        self.what = what
        count = len(inputs)
        directions = [f"d{k + 1}" for k in range(order)]
        self.names: dict[Any, str] = dict(zip(recorded.inputs, [*inputs, *directions], strict=True))
        self.level: dict[Any, int] = {n: max(0, k - count + 1) for k, n in enumerate(recorded.inputs)}
        self.sizes: dict[str, str] = {}
        for name, node in zip(inputs, recorded.inputs, strict=False):
            for k, d in enumerate(node.type.shape):
                if isinstance(d, Dim) and d.simple:
                    (only,) = d.names
                    self.sizes.setdefault(only, f"np.shape({name})[{k}]")
        self.writer = StepText(self.names, self.dim, self.term)
        self.steps: list[list[tuple[str, str]]] = [[] for _ in range(order + 1)]
        """For each level the statements there: a name and its value, or a question (the name is empty)."""
        asked: dict[Any, list[bool]] = {}
        for node, outcome in recorded.guards:
            if outcome not in asked.setdefault(node, []):
                asked[node].append(outcome)
        for number, node in enumerate(recorded.nodes):
            level = max((self.level[a] for a in node.args if type(a) is not Const), default=0)
            self.level[node] = level
            text = self.writer.expression(node)
            self.names[node] = f"v{number + 1}"
            self.steps[level].append((self.names[node], text))
            for outcome in asked.get(node, ()):
                self.steps[level].append(("", self.names[node] if outcome else f"not {self.names[node]}"))
        self.result = self.writer.operand(recorded.output)

    def dim(self, value: Any) -> str:
        """A size from the shapes of the arguments."""
        from wengert.symbolic.code import Code

        if isinstance(value, Dim) and not value.names <= set(self.sizes):
            raise NoRuleError(f"no NumPy source: no argument of {self.what} has the dimension {value}")
        return Code(self.sizes).dim(value)[0]

    def term(self, value: Any) -> str:
        """A constant that sizes decide."""
        from wengert.symbolic.code import Code
        from wengert.symbolic.recover import form_of

        if isinstance(value, Dim):
            return self.dim(value)
        text = Code(self.sizes).write(form_of(value.term))
        return text if value.dtype is None else f"({text}).astype({value.dtype.name!r})"

    def block(self, by: Sequence[str]) -> list[str]:
        """The statements of a function: loops over the directions, and the array of all derivatives."""
        lines: list[str] = []
        for level in range(self.order + 1):
            indent = "    " * level
            if level:
                lines.append(f"{'    ' * (level - 1)}for d{level} in units({by[level - 1]}):")
            for name, text in self.steps[level]:
                if name:
                    lines.append(f"{indent}{name} = {text}")
                else:
                    problem = f"the derivative of {self.what} is written for points in general position only"
                    lines.append(f"{indent}if not ({text}):\n{indent}    raise ValueError({problem!r})")
        lines.append(f"{'    ' * self.order}found.append({self.result})")
        return ["found = []", *itertools.chain.from_iterable(line.split("\n") for line in lines)]

    def inside(self, by: Sequence[str]) -> str:
        """The array of all directions' values as one expression; NaN where a question is answered otherwise."""
        text = self.result
        for level in range(self.order, -1, -1):
            asks = [t for n, t in self.steps[level] if not n]
            if asks:
                text = f"np.multiply({text}, 1.0 if {' and '.join(f'({a})' for a in asks)} else np.nan)"
            named_parts = [f"{n} := {t}" for n, t in self.steps[level] if n]
            text = f"({', '.join(f'({p})' for p in named_parts)}, {text})[-1]" if named_parts else text
            if level:
                text = f"[{text} for d{level} in {units(by[level - 1])}]"
        return text


def units(name: str) -> str:
    """The unit arrays of an argument's shape, as an expression."""
    return f"np.eye(np.size({name})).reshape(-1, *np.shape({name}))"


def helper_name(prefix: str, term: Abstract) -> str:
    """The name of a function in source: the operation, its arguments, and what tells it from its like."""
    asked = wanted(term)
    words = [asked.program.name.replace(".", "_"), *asked.by]
    if isinstance(asked.program, Composite):
        words.append(f"{crc32(exact(asked.program).encode()):x}")
    else:
        defaults = list(asked.program.op.params.values()) if asked.program.op.params else []
        options = zip(asked.program.options.items(), defaults, strict=True)
        words += [_word(n, v) for (n, v), d in options if exact(v) != exact(d)]
    words += [f"{n}_{v}" for n, v in zip(asked.inputs, asked.numbers, strict=True) if v is not None]
    sides = [str(d) for shape in asked.shapes for d in shape]
    words += ["of", *sides] if sides else []
    return prefix + "_".join(p for p in re.split(r"\W+", "_".join(words)) if p)


def _word(name: str, value: Any) -> str:
    """A parameter in the name of a function."""
    text = f"{name}_{value}".replace("-", "minus_")
    return text if len(text) <= 24 else f"{name}_{crc32(exact(value).encode()):x}"


def definition(name: str, term: Abstract) -> list[str]:
    """The function in source that is a derivative of an operation: the axes of its value, then those of arguments."""
    asked = wanted(term)
    by, parts = asked.by, _parts(asked)
    lines = [
        f"def {name}({', '.join(asked.inputs)}):",
        f'    """The {asked.order}: the axes of its value, then those of {" and ".join(by)}."""',
        "",
        "    def units(array):",
        f"        return {units('array')}",
        "",
    ]
    if len(parts) == 1:
        lines += [f"    {line}" for line in parts[0].block(by)]
    else:
        rows, columns = _sides(asked)
        for k, part in enumerate(parts):
            lines += [f"    if {rows} >= {columns}:" if k == 0 else "    else:"]
            lines += [f"        {line}" for line in part.block(by)]
    sides = ", ".join(f"np.size({n})" for n in by)
    return [
        *lines,
        "    value = np.shape(found[0])",
        f"    found = np.reshape(found, ({sides}, *value))",
        f"    found = np.moveaxis(found, {list(range(len(by)))}, {list(range(-len(by), 0))})",
        f"    return found.reshape(value + {' + '.join(f'np.shape({n})' for n in by)})",
    ]


def expression(term: Abstract) -> str:
    """The same as an expression: a function without a name."""
    asked = wanted(term)
    by, parts = asked.by, _parts(asked)
    text = parts[0].inside(by)
    if len(parts) > 1:
        rows, columns = _sides(asked)
        text = f"({text} if {rows} >= {columns} else {parts[1].inside(by)})"
    places = f"{list(range(len(by)))}, {list(range(-len(by), 0))}"
    axes = " + ".join(f"np.shape({n})" for n in by)
    moved = f"np.moveaxis(found := np.array({text}), {places}).reshape(found.shape[{len(by)}:] + {axes})"
    return f"(lambda {', '.join(asked.inputs)}: {moved})"


def _sides(asked: Wanted) -> tuple[str, str]:
    k = next(k for k, s in enumerate(asked.shapes) if len(s) >= 2 and s[-1] != s[-2])
    return f"np.shape({asked.inputs[k]})[-2]", f"np.shape({asked.inputs[k]})[-1]"


_remembered: dict[Any, Any] = {}


def _parts(asked: Wanted) -> list[Lines]:
    """The lines for each kind of shape; raises NoRuleError, naming the operation, where they cannot be written."""
    program = asked.program
    key = (program.name, exact(program), asked.slots, asked.shapes, asked.numbers)
    found = _remembered.get(key)
    if found is None:
        try:
            found = [Lines(one, asked.inputs, len(asked.slots), program.name) for one in recordings(asked)]
        except PROBLEMS as problem:
            found = str(problem).split("\n")[0].removeprefix("no closed form: ")
        if len(_remembered) > 256:
            _remembered.clear()
        _remembered[key] = found
    if isinstance(found, str):
        raise NoRuleError(
            f"no NumPy source: the {asked.order} is known by name only ({found})"
            "\n  fix: use evaluate, which differentiates it"
        )
    return found


__all__ = ["definition", "expression", "helper_name", "wanted"]
