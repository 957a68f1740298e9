"""One recorded path of a compiled function: the function runs once, on handles, and its result is the call's.

Imports core, numpy_api, ``engine`` and the walk over what is outside. Invariant: the frame and the names are given
back on every way out, and neither the caller's arguments nor anything outside hold a handle afterwards."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any

import numpy as np

from wengert.api import engine
from wengert.api.arguments import name_of
from wengert.api.compiling.effects import let_wait
from wengert.api.compiling.hot import fitted, orders_of
from wengert.api.compiling.lying import LYING, SAME, arrays_of, ordinary, shares
from wengert.api.compiling.outside import Outside
from wengert.api.compiling.private import Private
from wengert.api.compiling.tensors import Entered, Given, Taken, Taking, Unfit, widened
from wengert.api.tracing import is_input
from wengert.core import context
from wengert.core.context import FULL
from wengert.core.deferred import MUCH, end, held, real
from wengert.core.graph import Graph
from wengert.core.handle import HANDLES, TracedArray, handle, is_handle
from wengert.core.node import Const, describe, here
from wengert.core.structure import root
from wengert.core.trace import graph_of
from wengert.core.tree import Structure, flatten
from wengert.core.types import dtype_of, shape_of
from wengert.rewrite.recompute import recompute
from wengert.tensor.session import Session
from wengert.tensor.tensor import Tensor

Answer = Callable[[Any, Any], Sequence[Any] | None]

_SUSPENDED = inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR


class Refused(Exception):
    """A function, or some calls of it, cannot be compiled; ``rerun`` says that the call has no result yet,
    ``asked`` what it asks of arguments, so that only others of the same types can be recorded."""

    def __init__(self, reason: str, result: Any = None, *, rerun: bool = True, asked: str = "") -> None:
        super().__init__(reason)
        self.reason, self.result, self.rerun, self.asked = reason, result, rerun, asked


class Raised(Exception):
    """The recorded run raised, and what it did to Tensors and arguments until then is not done yet: the function is to
    run again."""


class Unforeseen(Exception):
    """The run put off steps which then could not be computed as was foreseen: it is to be recorded without that."""


@dataclass(frozen=True, slots=True)
class Recording:
    """A path as recorded. The graph's outputs are the ``dynamic`` leaves of the result, then the new contents of the
    argument leaves numbered in ``written``; ``leaves`` has the others, ``kinds`` the type of each."""

    graph: Graph
    outside: Outside
    structure: Structure
    leaves: tuple[Any, ...]
    dynamic: tuple[bool, ...]
    kinds: tuple[type, ...]
    orders: tuple[str, ...]  # in which the leaves lie (see ``orders_of``)
    written: tuple[int, ...]
    taken: Taken | None  # how the result is made of these where there are Tensors
    tensors: bool  # whether the function works with Tensors
    given: Given | None  # the Tensors among arguments and outside
    outer: tuple[Any, ...]  # those outside
    inputs: tuple[bool, ...]  # which of the plain leaves are inputs
    types: tuple[Any, ...]  # the plain leaves: type, shape and dtype of an input, else the value
    careful: str  # what it asks its arguments besides their values; only ordinary ones (see ``ordinary``) are replayed


def record(
    fun: Callable[..., Any],
    leaves: Sequence[Any],
    structure: Structure,
    taken: Sequence[bool],
    check: str,
    given: Given | None = None,
    units: Sequence[Any] = (),
    folds: bool | str = True,
    answer: Answer | None = None,
) -> tuple[Recording, Any]:
    """Run ``fun`` on a call's plain leaves, those ``taken`` as inputs; gives the path and the result of the call.
    ``given`` says how ``units``, the Tensors of the call, are among its arguments; those that ``fun`` reads from
    outside are inputs too. ``folds``: how the loops of what is differentiated inside are treated (``Frame.folds``).
    With ``answer`` large steps may be left to be computed; it may run the path for them: the graph's outputs, or None.

    Raises Refused where the run cannot be replayed, Unforeseen, and whatever the function raises."""
    fixed = [v for v, t in zip(leaves, taken, strict=True) if not t and type(v) is not np.ndarray]
    code = getattr(getattr(fun, "__func__", fun), "__code__", None)
    if code is not None and code.co_flags & _SUSPENDED:
        raise Refused("it is a generator or a coroutine, whose steps run later")
    outside = Outside(fun, fixed, check)
    if outside.obstacle:
        raise Refused(outside.obstacle)
    try:
        return _recorded(fun, leaves, structure, taken, outside, given, units, folds, answer)
    except Exception as problem:
        if outside.met.late is not None and outside.met.late.failed is not None and not isinstance(problem, Refused):
            raise Unforeseen from problem
        raise
    finally:
        if outside.met.late is not None:
            end(outside.met.late)


def _recorded(
    fun: Callable[..., Any],
    leaves: Sequence[Any],
    structure: Structure,
    taken: Sequence[bool],
    outside: Outside,
    given: Given | None,
    units: Sequence[Any],
    folds: bool | str,
    answer: Answer | None,
) -> tuple[Recording, Any]:
    """``record`` where the facts from outside are known."""
    first, count = len(units), len(leaves)
    try:
        given, units, leaves = widened(given, units, outside.tensors, leaves)
    except Unfit as problem:
        raise Refused(str(problem)) from None
    more = [is_input(v) for v in leaves[first : first + len(leaves) - count]]
    taken = (*taken[:first], *more, *taken[first:])
    inside = Session()
    try:
        recording, result, refusal = _run(
            fun, leaves, structure, taken, outside, given, units, first, inside, folds, later=answer is not None
        )
    except BaseException as problem:
        # Lists and attributes must not keep handles; the caller decides whether the function runs again.
        if outside.changed() is not None:
            outside.restore()
        inside.close({id(t) for t in units})
        if given is not None and isinstance(problem, Exception):
            raise Raised(problem) from problem
        raise
    refusal = inside.close({id(t) for t in units}) or refusal
    changed = outside.changed()
    if changed is not None:
        reason = f"it changes {changed.label}"
        if outside.restore():
            raise Refused(reason)
        raise Refused(reason, result(), rerun=False)
    if outside.met.unseeded:
        raise Refused("it makes a random generator without a seed", None if refusal else result(), rerun=bool(refusal))
    if refusal:
        raise Refused(refusal)
    if not ordinary(leaves, recording.careful):
        which = "are one array" if recording.careful == SAME else "overlap, are read-only or not in C order"
        raise Refused(f"it asks {recording.careful}, and some {which}", asked=recording.careful)
    if outside.met.raised is not None:
        raise Refused(f"it goes on after an error at {describe(outside.met.raised)}", result(), rerun=False)
    if outside.met.text is not None:
        raise Refused(
            f"it makes text of a value (print, an f-string) at {describe(outside.met.text)}", result(), rerun=False
        )
    if outside.met.kinks:
        raise Refused("a gradient in it watches for kinks (nonsmooth=)", result(), rerun=False)
    outside.settle()
    late = outside.met.late
    ends = answer(recording, late) if answer is not None and late is not None and late.failed is None else None
    found = result() if ends is None else result(ends)
    if late is not None and late.failed is not None:
        raise Unforeseen
    return recording, found


def _run(
    fun: Callable[..., Any],
    leaves: Sequence[Any],
    structure: Structure,
    taken: Sequence[bool],
    outside: Outside,
    given: Given | None,
    units: Sequence[Any],
    first: int,
    inside: Session,
    folds: bool | str,
    *,
    later: bool,
) -> tuple[Any, Callable[..., Any], str]:
    where = here(4)
    private = (shown := Private(fun, leaves, taken, outside)).values
    frame, token = context.enter(FULL)
    frame.asks = True
    frame.folds = folds
    frame.steps = None if frame.swept or frame.kinks is not None else []
    frame.met = outside.met
    if later and given is None:
        let_wait(fun, sum(v.nbytes for v in leaves if type(v) is np.ndarray) >= MUCH, outside.names, frame)
    inside.start = frame.start
    frame.note = inside
    entered: Entered | None = None
    try:
        roots = [root(v, where, rich=True) for v, t in zip(private, taken, strict=True) if t]
        made = iter([handle(r.value, r.node) for r in roots])
        filled = [next(made) if t else v for v, t in zip(private, taken, strict=True)]
        origin = {
            id(h): r.node for h, r in zip((f for f, t in zip(filled, taken, strict=True) if t), roots, strict=True)
        }
        entered = None if given is None else Entered(given, units, first, filled, inside)
        tensors = [] if entered is None else entered.tensors
        call = filled if given is None else given.fill(filled, tensors)
        args, kwargs = structure.unflatten(call)
        try:
            out = engine.call(fun, args, kwargs)
        except Exception as problem:
            if _written(filled, taken, origin):
                raise Raised(problem) from problem
            raise
        outputs, result = engine.flat_output(out)
        take = Taking(inside, given, tensors, filled)
        tensors_out: Taken | None = take.take(outputs)
        if given is None and not any(type(o) is Tensor for o in outputs):
            tensors_out = None
        else:
            outputs = [engine.settled(o) for o in take.parts]
        del out
        refusal = _refusal(args, kwargs, call, structure, leaves, private, taken, outputs, result) or take.refusal
        written = _written(filled, taken, origin)
        if written and not refusal:
            try:
                if shares(leaves, outside, written):
                    refusal = "it writes into an argument that shares memory with something else that it reads"
            except ValueError as problem:
                raise Raised(problem) from None
        moving = [is_handle(o) and o.node is not None and o.node.seq >= frame.start for o in outputs]
        ends = [*(o for o, m in zip(outputs, moving, strict=True) if m), *(filled[k] for k in written)]
        plainly = given is None and tensors_out is None
        graph = graph_of(frame, roots, ends, values=(), name=name_of(fun), alone=plainly)
        if inside.regions:
            graph = recompute(graph, inside.regions)
        plain = [held(o) if is_handle(o) else o for o in outputs]
        contents = [held(filled[k]) for k in written]
    finally:
        context.leave(frame, token)
        if entered is not None:
            entered.leave()
    # An output that turned out constant stays an output of the graph: only its value is known already.
    plain = [v if m else real(v) for v, m in zip(plain, moving, strict=True)]
    kept = tuple(None if m else v.copy("K") if type(v) is np.ndarray else v for v, m in zip(plain, moving, strict=True))
    kinds, orders = tuple(map(type, plain)), orders_of(plain, leaves)
    recording = Recording(
        replace(graph, memory={}),
        outside,
        result,
        kept,
        tuple(moving),
        kinds,
        orders,
        tuple(written),
        tensors_out,
        inside.used(),
        given,
        tuple(outside.tensors),
        tuple(taken),
        tuple((type(v), shape_of(v), dtype_of(v)) if t else v for v, t in zip(leaves, taken, strict=True)),
        LYING if outside.met.layout else SAME if outside.identity and len(arrays_of(leaves)) > 1 else "",
    )

    def finished(ends: Sequence[Any] | None = None) -> Any:
        if ends is None:
            fresh = [v.copy(order="K") if type(v) is np.ndarray else v for v in map(real, plain)]
            ended = [*map(real, contents)]
        else:
            found = iter(ends)
            fresh = [
                fitted(next(found), k) if m else v.copy(order="K") if type(v) is np.ndarray else v
                for v, m, k in zip(plain, moving, kinds, strict=True)
            ]
            ended = [*found]
        if shown.changed():
            raise Refused("an argument changed while it ran")
        if written and outside.met.late is not None:
            outside.met.late.finish()  # what is held of the run is computed from the arguments as they were
        del plain[:], contents[:]
        for k, content in zip(written, ended, strict=True):
            leaves[k][...] = content
        return result.unflatten(fresh if tensors_out is None else tensors_out.assemble(fresh, units))

    return recording, finished, refusal


def _written(filled: Sequence[Any], taken: Sequence[bool], origin: dict[int, Any]) -> list[int]:
    """The numbers of the inputs that were written to; ``origin`` has their nodes."""
    return [
        k
        for k, (h, t) in enumerate(zip(filled, taken, strict=True))
        if t and type(h) is TracedArray and engine.settled(h).node is not origin[id(h)]
    ]


_PLAIN = (bool, int, float, complex, str, bytes, np.generic, Enum, np.dtype, np.ufunc)


def _refusal(
    args: Any,
    kwargs: Any,
    filled: list[Any],
    structure: Structure,
    leaves: Sequence[Any],
    private: list[Any],
    taken: Sequence[bool],
    outputs: list[Any],
    result: Structure,
) -> str:
    """Why a run cannot be replayed although it went well; empty when it can."""
    now, shape = flatten((tuple(args), kwargs))
    if shape != structure or any(a is not b for a, b in zip(now, filled, strict=True)):
        return "it changes a container among its arguments"
    for v, p, t in zip(leaves, private, taken, strict=True):
        if not t and type(v) is np.ndarray and v.dtype != object and v.tobytes() != p.tobytes():
            return "it writes into an integer array among its arguments"
    for o in outputs:
        if isinstance(o, type) and o in HANDLES:
            return "it returns the type of a traced value"
        if not (is_handle(o) or (type(o) is np.ndarray and o.dtype != object) or _is_plain(o)):
            return f"it returns a {type(o).__name__}, which may hold values of the run"
    if _keys_are_traced(result):
        return "it returns a dict whose keys are computed"
    return ""


def _is_plain(o: Any) -> bool:
    """Whether an output that is no number of the run holds none either."""
    if type(o) is FunctionType:
        return not (o.__closure__ or o.__defaults__ or o.__kwdefaults__ or o.__dict__)
    if type(o) is BuiltinFunctionType:
        return o.__self__ is None or type(o.__self__) is ModuleType
    if type(o) is slice:
        return not any(map(is_handle, (o.start, o.stop, o.step)))
    if isinstance(o, type):  # one that the function made is found nowhere by its name
        found: Any = sys.modules.get(o.__module__)
        for name in o.__qualname__.split("."):
            found = getattr(found, name, None)
        return found is o
    return isinstance(o, _PLAIN)


def _keys_are_traced(structure: Structure) -> bool:
    extra = structure.extra
    keys = extra if type(extra) in (tuple, list) else ()
    return any(map(is_handle, keys)) or any(map(_keys_are_traced, structure.children))


def why_untraceable(problem: BaseException) -> str:
    """The first line of an error of the recording, with its place, as a reason."""
    text = str(problem).partition("\n")[0]
    line = getattr(problem, "line", 0)
    place = f" at {getattr(problem, 'file', '')}:{line}" if line else ""
    return f"it cannot be recorded: {text}{place}"


def constants_of(graph: Graph) -> int:
    """The bytes of the constants of a graph."""
    seen: dict[int, int] = {}
    for node in graph.nodes:
        for a in node.args:
            if isinstance(a, Const) and type(a.value) is np.ndarray:
                seen[id(a.value)] = a.value.nbytes
    return sum(seen.values())


__all__ = [
    "LYING",
    "Raised",
    "Recording",
    "Refused",
    "Unforeseen",
    "constants_of",
    "ordinary",
    "record",
    "shares",
    "why_untraceable",
]
