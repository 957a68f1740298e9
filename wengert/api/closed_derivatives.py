"""Jacobians and Hessians by closed form: the program of a call is recorded, its form found once, and then evaluated.

Imports ``tracing`` and, inside the functions, symbolic. Invariant: the function is recorded anew at every call, so that
a form is only ever used for the program it was found for; and its first value is compared with a product by automatic
differentiation along a random direction.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from wengert.api import engine
from wengert.api.arguments import Selection, name_of
from wengert.api.gradients import grad, jvp
from wengert.api.tracing import trace
from wengert.core import context
from wengert.core.errors import CheckError, NoRuleError, WengertError, error_at
from wengert.core.graph import Graph
from wengert.core.handle import is_handle
from wengert.core.node import Const
from wengert.core.op import Op
from wengert.core.tree import flatten
from wengert.core.types import shape_of
from wengert.ops.sides import KINKED, is_kinked

if TYPE_CHECKING:
    from wengert.symbolic.result import Derivative
    from wengert.symbolic.terms import Term

WORTHWHILE = 0.1
"""Seconds spent on accumulating one function's derivative before a closed form is looked for: about what that costs."""


CHEAP = 1e-3
"""Seconds below which an accumulated derivative is not worth replacing."""
LONGEST, UNASKED = 200_000, 5_000
"""Parts of a form written out, where it was asked for (some seconds of simplifying) and where nobody did."""


class Forms:
    """The closed forms of one function's derivative of order 1 or 2, by the programs that its calls recorded."""

    def __init__(self, fun: Callable[..., Any], order: int) -> None:
        self.fun = fun
        self.order = order
        self._known: dict[Any, Derivative | WengertError] = {}
        self._orders: dict[Any, list[str]] = {}
        self._times: dict[Any, list[float]] = {}
        self._words: dict[Any, str] = {}

    def explain(self) -> str:
        """What was found and what was chosen, one line for each program or shape seen."""
        return "\n".join(self._words.values()) or "not called yet"

    def value(self, picked: Selection) -> Any:
        """The derivative at a call by its closed form.

        Raises NoRuleError where none is known, CheckError where it differs from automatic differentiation.
        """
        return self._evaluate(picked)[1]

    def _evaluate(self, picked: Selection, most: int = LONGEST) -> tuple[Derivative, Any]:
        """The closed form of a call, of at most so many parts, and its value."""
        if len(picked.leaves) != 1 or is_handle(picked.leaves[0]):
            raise error_at(
                NoRuleError,
                f'mode="closed" is for one array of plain numbers; {name_of(self.fun)} is differentiated by '
                f"{len(picked.leaves)} leaves"
                if len(picked.leaves) != 1
                else 'mode="closed" cannot be differentiated again',
                fix='use mode="auto"',
            )
        leaf = picked.leaves[0]

        def of_leaf(x: Any) -> Any:
            args, kwargs = picked.rebuild([x])
            return self.fun(*args, **kwargs)

        of_leaf.__name__ = name_of(self.fun)
        graph = trace(of_leaf)(leaf)
        key, arrays = program(graph)
        form = self._known.get(key)
        if form is None:
            form = self._known[key] = self._found(graph, of_leaf, leaf, self._called(picked), key, arrays, most)
        if isinstance(form, WengertError):
            raise form
        if is_kinked(graph) and on_kink(of_leaf, leaf):
            self._check(form, of_leaf, leaf, arrays, self._orders[key])  # what is not smooth there has many forms
        return form, _typed(_evaluated(form, self._orders[key], leaf, arrays), leaf)

    def choose(self, picked: Selection, accumulated: Callable[[], Any]) -> Any:
        """The derivative by the cheaper of both ways: closed forms are looked for once the other takes long."""
        leaves = picked.leaves
        if len(leaves) != 1 or is_handle(leaves[0]) or type(leaves[0]) is not np.ndarray:
            return accumulated()
        key = shape_of(leaves[0])
        times = self._times.setdefault(key, [])
        if len(times) == 1 and times[0] >= CHEAP:
            return self._compared(picked, accumulated, key, times)
        if len(times) == 2 and times[1] < times[0]:
            try:
                closed = self.value(picked)
            except Exception as error:  # noqa: BLE001 nobody asked for a closed form: no fault of it costs the answer
                times[1] = np.inf
                self._words[key] = f"shape {key}: accumulated; {_first_line(error)}"
            else:
                if np.all(np.isfinite(closed)):
                    return picked.arrange([closed])
                # A sweep keeps the zeros of a `where` beside infinities; a formula does not.
        begin = time.perf_counter()
        found = accumulated()
        if not times:
            times.append(time.perf_counter() - begin)
            self._words[key] = f"shape {key}: accumulated in {times[0] * 1e3:.3g} ms"
        return found

    def _compared(self, picked: Selection, accumulated: Callable[[], Any], key: Any, times: list[float]) -> Any:
        """Both ways, and the note of which one is cheaper: the first run of either may be a slow one."""
        begin = time.perf_counter()
        found = accumulated()
        times[0] = min(times[0], time.perf_counter() - begin)
        try:
            form, closed = self._evaluate(picked, UNASKED)
            spent = np.inf
            for _ in range(2):
                begin = time.perf_counter()
                form, closed = self._evaluate(picked, UNASKED)
                spent = min(spent, time.perf_counter() - begin)
        except Exception as error:  # noqa: BLE001 as in ``choose``
            times.append(np.inf)
            self._words[key] = f"shape {key}: accumulated; {_first_line(error)}"
            return found
        single = flatten(found)[0][0]
        if not np.allclose(closed, single, rtol=1e-8, atol=1e-10 * float(np.max(np.abs(single), initial=0.0))):
            times.append(np.inf)
            self._words[key] = f"shape {key}: accumulated; the closed form has other values at this point"
            return found
        times.append(spent)
        which = "closed form" if spent < times[0] else "accumulated"
        self._words[key] = (
            f"shape {key}: {which} (closed {spent * 1e3:.3g} ms, accumulated {times[0] * 1e3:.3g} ms): {form}"
        )
        return found

    def _called(self, picked: Selection) -> dict[str, Any]:
        """The names under which arrays were passed."""
        try:
            bound = inspect.signature(self.fun).bind(*picked.args, **picked.kwargs).arguments
        except (TypeError, ValueError):
            return {}
        return {n: v for n, v in bound.items() if type(v) is np.ndarray}

    def _found(
        self,
        graph: Graph,
        fun: Callable[..., Any],
        leaf: Any,
        names: dict[str, Any],
        key: Any,
        arrays: Sequence[Any],
        most: int,
    ) -> Derivative | WengertError:
        from wengert.api.closed_forms import differentiate_named_functions
        from wengert.symbolic.derive import jacobian
        from wengert.symbolic.expression import variable
        from wengert.symbolic.recorded import Recordings, same_array
        from wengert.symbolic.result import Derivative

        differentiate_named_functions()
        try:
            x: Any = variable(next((n for n, v in names.items() if v is leaf), "x"), shape_of(leaf)).term
            recordings = Recordings([graph] * 3, [x], [{}] * 3, names=names)
            before = recordings.term()
            _bounded(before, most)
            given = before
            for _ in range(self.order):
                given, before = before, jacobian(before, x)
            _bounded(before, most)
            form = Derivative(given, x, before, self.order, "jacobian", {x.name: x})
            form.bound.update(recordings.captured)
            if form.named:
                raise error_at(
                    NoRuleError,
                    f"no closed form is known for {form.named[0].name}",
                    fix='use mode="auto"',
                    where=form.named[0].where,
                )
            named = [[n for n, v in recordings.captured.items() if same_array(v, a)] for a in arrays]
            if len(named) != len(form.bound) or not all(named):
                raise error_at(
                    NoRuleError, "no closed form: the program reads arrays in an unusual way", fix="another mode"
                )
            self._orders[key] = [found[0] for found in named]
            self._check(form, fun, leaf, arrays, self._orders[key])
        except WengertError as error:
            return error
        self._words[key] = f"closed form: {form}"
        return form

    def _check(
        self, form: Derivative, fun: Callable[..., Any], leaf: Any, arrays: Sequence[Any], order: Sequence[str]
    ) -> None:
        """Compare a form with a product along a random direction."""
        direction = np.random.default_rng(20).standard_normal(shape_of(leaf))
        slope = fun if self.order == 1 else grad(fun)
        _, wanted = jvp(slope, (leaf,), (np.asarray(direction, np.result_type(leaf)),))
        value = _evaluated(form, order, leaf, arrays)
        got = np.tensordot(value, direction, direction.ndim)
        size = float(np.max(np.tensordot(np.abs(value), np.abs(direction), direction.ndim), initial=0.0))
        near = 1e-8 if np.result_type(leaf).itemsize >= 8 else 1e-4
        if not np.allclose(got, wanted, rtol=0.0, atol=near * size):
            raise CheckError(
                f"the closed form {form} differs from automatic differentiation along a random direction"
                "\n  fix: use another mode, and please report this"
            )


def _bounded(term: Term, most: int) -> None:
    """Raises for a term that has more parts when it is written out, shared ones wherever they are read: the form of a
    recurrence grows with a power of its steps."""
    parts: dict[int, int] = {}
    waiting = [term]
    while waiting:
        last = waiting[-1]
        missing = [c for c in last.children if c.ident not in parts]
        if missing:
            waiting.extend(missing)
            continue
        waiting.pop()
        parts[last.ident] = 1 + sum(parts[c.ident] for c in last.children)
    if parts[term.ident] > most:
        raise error_at(
            NoRuleError,
            f"written out, the closed form has {parts[term.ident]} parts, more than {most}",
            fix='use mode="auto", which accumulates derivatives of long programs',
        )


def _typed(value: Any, leaf: Any) -> Any:
    dtype = np.result_type(leaf)
    return value.astype(dtype) if type(value) is np.ndarray else dtype.type(value)


def on_kink(fun: Callable[..., Any], leaf: Any) -> bool:
    """Whether ``fun`` meets a kink at ``leaf`` that a second derivative asks about."""
    seen = _Seen()
    frame, _, _ = engine.reverse_trace(fun, [leaf.copy()], lambda roots: (roots, {}), None, seen)
    context.retire(frame)
    return seen.found


class _Seen:
    """A watcher of kinks that only remembers whether there was one."""

    mode = "record"

    def __init__(self) -> None:
        self.found = False

    def look(self, op: Op, values: Sequence[Any], params: Sequence[Any], y: Any, node: Any) -> None:
        """Called for each step whose operation has a ``kink`` fact."""
        if op.name in KINKED and op.kink is not None and node is not None and not self.found:
            with np.errstate(all="ignore"):
                self.found = bool(np.any(op.kink(values, params, y)))


def _first_line(error: Exception) -> str:
    return str(error).split("\n", maxsplit=1)[0]


def _evaluated(form: Derivative, order: Sequence[str], leaf: Any, arrays: Sequence[Any]) -> Any:
    return form.evaluate(**dict(zip(order, arrays, strict=True)), **{form.variable.name: leaf})


def program(graph: Graph) -> tuple[Any, list[Any]]:
    """What identifies a recorded program, and the arrays it read: constants of one number count by value, others by
    shape."""
    from wengert.symbolic.recorded import same_array

    numbers = {node: k for k, node in enumerate((*graph.inputs, *graph.nodes))}
    arrays: list[Any] = []

    def operand(a: Any) -> Any:
        if not isinstance(a, Const):
            return numbers[a]
        value = a.value
        if type(value) is not np.ndarray:
            return repr(value)
        for k, known in enumerate(arrays):
            if same_array(known, value):
                return "array", k
        if value.dtype.kind not in "fiub" or value.ndim == 0 or _is_scalar_like(value):
            return "constant", value.shape, value.dtype.str, value.tobytes()
        arrays.append(value)
        return "array", len(arrays) - 1, value.shape, value.dtype.str

    steps = tuple((n.op.name, _frozen(n.params), tuple(map(operand, n.args))) for n in graph.nodes)
    types = tuple((n.type.shape, n.type.dtype.str) for n in graph.inputs)
    guards = tuple((g.kind, operand(g.node), repr(g.outcome)) for g in graph.guards)
    return (types, steps, guards, tuple(map(operand, graph.outputs))), arrays


def _is_scalar_like(value: Any) -> bool:
    """Whether a constant is one number everywhere, or a multiple of the unit matrix."""
    if value.size == 0 or np.all(value == value.flat[0]):
        return True
    return bool(
        value.ndim == 2
        and value.shape[0] == value.shape[1]
        and value[0, 0] == value[-1, -1]
        and np.array_equal(value, np.eye(len(value)) * value[0, 0])
    )


def _frozen(value: Any) -> Any:
    if isinstance(value, (tuple, list)):
        return tuple(map(_frozen, value))
    if isinstance(value, np.ndarray):
        return value.shape, value.dtype.str, value.tobytes()
    return repr(value)


__all__ = ["Forms", "program"]
