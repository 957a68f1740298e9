"""What NumPy functions do to expressions: the call itself, recorded on arrays of sample sizes that are then named.

The steps are those that tracing records for the same call, because tracing records them. Calls are remembered by
function, options and shapes. Imports core, graphs, recorded. Invariant: no value of an array decides which steps are
made; a call that asks for one is refused.
"""

from __future__ import annotations

import math
import operator
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from wengert.core import context
from wengert.core.context import FULL, tracing
from wengert.core.errors import NoRuleError, WengertError, WengertValueError
from wengert.core.graph import Graph, Operand
from wengert.core.handle import handle, is_handle
from wengert.core.node import Const, here
from wengert.core.structure import root
from wengert.core.trace import graph_of
from wengert.core.tree import Structure, flatten
from wengert.core.types import ArrayType, broadcast_shapes
from wengert.ops.memory import sync
from wengert.symbolic.dims import Dim, sized
from wengert.symbolic.evaluate import text_shape
from wengert.symbolic.graphs import Held, shape_of, step, steps_of
from wengert.symbolic.graphs_terms import term_of
from wengert.symbolic.recorded import SIZES, Recordings


@dataclass(frozen=True, slots=True)
class Slot:
    """The place of an operand in the arguments of a call."""

    number: int


@dataclass(frozen=True, slots=True)
class Template:
    """The steps of a call, on inputs that stand for its operands, and its results: steps, constants, or sizes."""

    inputs: tuple[Any, ...]
    steps: tuple[Any, ...]
    results: tuple[Any, ...]
    structure: Structure


_templates: dict[Any, Template] = {}
_lock = threading.Lock()
_MOST = 4096


def called(
    function: Callable[..., Any], operands: Sequence[Operand], args: Any, kwargs: Any, name: str
) -> tuple[list[Any], Structure]:
    """The results (operands and sizes) of a function and their structure; ``operands`` stand in its arguments as slots.

    Raises WengertValueError where the shapes do not fit, NoRuleError where the function cannot be recorded.
    """
    kinds = tuple(_kind(o) for o in operands)
    key: Any = (function, kinds, _frozen((args, kwargs)))
    try:
        template = _templates.get(key)
    except TypeError:  # an array among the arguments
        key = template = None
    if template is None:
        template = _recorded(function, kinds, args, kwargs, name)
        if key is not None:
            with _lock:
                if len(_templates) >= _MOST:
                    _templates.clear()
                _templates[key] = template
    known = dict(zip(template.inputs, operands, strict=True))
    fixed = all(type(o) is Const for o in operands)
    where = here(2)
    for node in template.steps:
        args_of = [a if type(a) is Const else known[a] for a in node.args]
        known[node] = step(node.op, args_of, node.params, node.type, where, node.evaluate)

    results = []
    for found in template.results:
        if not isinstance(found, (Const, int, Dim)):
            found = known[found]
            if fixed:  # numbers alone are no steps of a program
                found = Const(Held(term_of(found)))
        results.append(found)
    return results, template.structure


def _kind(operand: Operand) -> Any:
    """Shape and dtype of an operand."""
    if type(operand) is not Const:
        return operand.type.shape, operand.type.dtype  # type: ignore[union-attr]
    given = operand.value
    return shape_of(operand), getattr(given, "dtype", None) or np.dtype(float)


def check_shapes(function: Callable[..., Any], shapes: Sequence[tuple[Any, ...]]) -> None:
    """Raise WengertValueError where operands of an operator or element-wise function do not go together."""
    if function is np.matmul or function is operator.matmul:
        a, b = shapes
        if not a or not b:
            raise WengertValueError("@ needs vectors or matrices; a scalar is multiplied with *")
        inner = b[0] if len(b) == 1 else b[-2]
        if a[-1] != inner:
            raise WengertValueError(f"@ of shapes {text_shape(a)} and {text_shape(b)}: {a[-1]} is not {inner}")
        shapes = [a[:-2], b[:-2]]
    elif getattr(function, "signature", None):
        return
    try:
        broadcast_shapes(*shapes)
    except ValueError:
        raise WengertValueError("shapes do not go together: " + " and ".join(map(text_shape, shapes))) from None


def _frozen(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return type(value), tuple([_frozen(v) for v in value])
    if isinstance(value, dict):
        return tuple((k, _frozen(v)) for k, v in value.items())
    if isinstance(value, slice):
        return "slice", _frozen(value.start), _frozen(value.stop), _frozen(value.step)
    return type(value), repr(value) if isinstance(value, float) else value  # 0.0 is no -0.0


def _recorded(function: Callable[..., Any], kinds: Sequence[Any], args: Any, kwargs: Any, name: str) -> Template:
    sizes = _sizes(kinds, args, kwargs)
    _bounded(name, kinds, (args, kwargs), sizes[0])
    graphs: list[Graph] = []
    structure: Any = None
    for k, row in enumerate(sizes):
        leaves = [sample(shape, dtype, row, k) for shape, dtype in kinds]
        try:
            graph, structure = record_once(function, leaves, args, kwargs, row)
        except WengertError:
            raise
        except (ValueError, TypeError, LookupError, ArithmeticError, AttributeError, RuntimeError) as problem:
            raise _explained(problem, name, kinds, row) from None
        graphs.append(graph)
    for graph in graphs:
        if graph.guards:
            raise NoRuleError(f"{name} asks for values, which a formula does not have")
    met = [d for shape, _ in kinds for d in shape if isinstance(d, Dim) and not d.simple]
    try:
        recordings = Recordings(graphs, [], sizes, sums=met)
    except WengertError as error:
        said, *fix = str(error).removeprefix("no closed form: ").split("\n")
        raise NoRuleError("\n".join([f"{name}: {said}", *fix])) from None
    for k, (shape, dtype) in enumerate(kinds):  # operands of one shape are different ones
        recordings.known[graphs[0].inputs[k]] = step(graphs[0].inputs[k].op, (), (), ArrayType(shape, dtype), None)
    try:
        found = recordings.outputs()
    except WengertError as error:
        raise NoRuleError(f"{name}: {str(error).split(chr(10))[0].removeprefix('no closed form: ')}") from None
    results: list[Any] = []
    for k, one in enumerate(found):
        ends = [g.outputs[k] for g in graphs]
        raw: list[Any] = [end.value if isinstance(end, Const) else None for end in ends]
        if all(type(v) is bool and v == raw[0] for v in raw):
            results.append(raw[0])
        else:
            results.append(recordings.size(raw) if all(type(v) is int for v in raw) else one)
    if not results:
        raise NoRuleError(f"{name} gives no value that could stand in a formula")
    inputs = tuple(recordings.known[n] for n in graphs[0].inputs)
    needed = steps_of([r for r in results if not isinstance(r, (int, Dim))])
    return Template(inputs, tuple(n for n in needed if n not in inputs), tuple(results), structure)


LARGE, MOST_ENTRIES = 64, 30_000_000
"""From which whole numbers among the arguments may be counts of rows, and how large an array a call may make."""


def _bounded(name: str, kinds: Sequence[Any], given: Any, row: Mapping[str, int]) -> None:
    """Raise WengertValueError where the numbers of a call may ask for an array that fills the memory."""
    total = max((math.prod(sized(d, row) for d in shape) for shape, _ in kinds), default=1)
    stack: list[Any] = [given]
    while stack:
        value = stack.pop()
        if isinstance(value, (tuple, list)):
            stack.extend(value)
        elif isinstance(value, dict):
            stack.extend(value.values())
        elif isinstance(value, int) and abs(value) > LARGE:
            total *= abs(value)
    if total > MOST_ENTRIES:
        raise WengertValueError(
            f"{name} with numbers this large would make an array of more than {MOST_ENTRIES} entries"
        )


def record_once(
    function: Callable[..., Any], leaves: Sequence[Any], args: Any, kwargs: Any, row: Mapping[str, int]
) -> tuple[Graph, Structure]:
    """One recording of a call; no trace around it sees its steps."""
    outside = tracing.set(None)
    try:
        frame, token = context.enter(FULL)
        try:
            roots = [root(leaf, None, rich=True) for leaf in leaves]
            given = [handle(r.value, r.node) for r in roots]
            with np.errstate(all="ignore"):
                out = function(*_filled(args, given, row), **_filled(kwargs, given, row))
            outputs, structure = flatten(out)
            for o in outputs:
                if is_handle(o) and o.base is not None:
                    sync(o)
            return graph_of(frame, roots, outputs, values=leaves), structure
        finally:
            context.leave(frame, token)
    finally:
        tracing.reset(outside)


def _sizes(kinds: Sequence[Any], args: Any, kwargs: Any) -> list[dict[str, int]]:
    """The sample sizes of all names in a call."""
    names: set[str] = set()
    stack: list[Any] = [*(shape for shape, _ in kinds), args, kwargs]
    while stack:
        value = stack.pop()
        if isinstance(value, Dim):
            names |= value.names
        elif isinstance(value, (tuple, list)):
            stack.extend(value)
        elif isinstance(value, dict):
            stack.extend(value.values())
        elif isinstance(value, slice):
            stack.extend((value.start, value.stop, value.step))
    if len(names) > len(SIZES[0]):
        raise WengertValueError(f"more than {len(SIZES[0])} named dimensions in one step: {', '.join(sorted(names))}")
    ordered = sorted(names)
    return [dict(zip(ordered, row, strict=False)) for row in SIZES]


def sample(shape: Sequence[Any], dtype: np.dtype[Any], row: Mapping[str, int], which: int) -> Any:
    """An array to record on, of other signs and in another order each time: what follows from the values differs, and
    is refused then. Square matrices are positive definite.
    """
    numbers = tuple(sized(d, row) for d in shape)
    if not numbers:
        return (0.7, 0.4, 0.9)[which] if dtype.kind == "f" else dtype.type(1)
    count = np.arange(1, 1 + int(np.prod(numbers))).reshape(numbers)
    value = np.random.default_rng(31 + which).uniform(0.3, 0.7, numbers)  # of full rank
    if dtype.kind == "b":
        return count % (which + 1) == 0  # all, every second, every third
    if dtype.kind != "f":
        return np.ones(numbers, dtype)
    if which:
        value = np.where((count % 2 == 0) if which == 1 else (count % 3 != 0), -value, value)
    if len(numbers) >= 2 and numbers[-1] == numbers[-2]:
        value = 0.5 * (value + np.swapaxes(value, -1, -2)) + numbers[-1] * np.eye(numbers[-1])
    return value


def _filled(value: Any, given: Sequence[Any], row: Mapping[str, int]) -> Any:
    """Arguments with operands and sizes in their places."""
    if type(value) is Slot:
        return given[value.number]
    if isinstance(value, Dim):
        return sized(value, row)
    if isinstance(value, (tuple, list)):
        return type(value)([_filled(v, given, row) for v in value])
    if isinstance(value, dict):
        return {k: _filled(v, given, row) for k, v in value.items()}
    if isinstance(value, slice):
        return slice(*(_filled(v, given, row) for v in (value.start, value.stop, value.step)))
    return value


def _explained(problem: Exception, name: str, kinds: Sequence[Any], row: Mapping[str, int]) -> WengertError:
    """NumPy's complaint about sample sizes, in terms of the names where it speaks of them."""
    said = str(problem).split("\n")[0]
    shapes = " and ".join(text_shape(shape) for shape, _ in kinds)
    mentions = any(str(size) in said for size in row.values())
    return WengertValueError(f"{name} does not take shapes {shapes}" + ("" if mentions else f": {said}"))


__all__ = ["Slot", "called", "check_shapes", "record_once", "sample"]
