"""check_grads: exact derivatives of a function compared, entry by entry, with measured ones.

The comparison is made in the real coordinates of `coordinates`. Imports core, numeric,
``gradients``. Invariant: the reference comes from values of the function alone (for order 2 from
values of its gradient), and what it may be off by is allowed for.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from wengert import numeric
from wengert.api.coordinates import Program, Space, Vector, own, random_of
from wengert.api.gradients import jvp, vjp
from wengert.api.verify import same, untraced
from wengert.core import context
from wengert.core.errors import (
    CheckError,
    WengertTypeError,
    WengertValueError,
    WengertWarning,
    error_at,
)
from wengert.core.tree import arrays
from wengert.core.types import dtype_of
from wengert.ops.kinks import KinkReport, Watcher

MODES = ("fwd", "rev")
MOST = 60
"""Of more coordinates than this a sample is checked one by one, and all along random lines."""


class Entry(NamedTuple):
    """A wrong entry of a derivative: of which output by which input, in which mode and order."""

    output: str
    input: str
    got: float
    wanted: float
    error: float
    mode: str
    order: int

    def __str__(self) -> str:
        return (
            f"d {self.output} / d {self.input}: got {self.got:.10g}, "
            f"wanted {self.wanted:.10g} (+- {self.error:.1g})"
        )


def check_grads(
    fun: Callable[..., Any],
    args: Sequence[Any],
    order: int = 1,
    modes: Sequence[str] = MODES,
    rtol: float | None = None,
) -> None:
    """Check the derivatives of ``fun`` at ``args`` against derivatives measured from its values.

    ``args`` is a tuple of arguments: numbers, arrays (of any shape, real or complex) and containers
    of them; integers, strings and the like are held fixed. Outputs may be containers too. ``modes``
    has "fwd" (jvp), "rev" (vjp) or both; ``order=2`` checks the derivative of the gradient as well.
    ``rtol`` is relative to the entry: by default 1e-7, and 1e-3 where float32 takes part. The
    reference is the complex step where the function takes complex numbers, else Richardson's
    extrapolation.

    Raises CheckError with the worst entries (attribute ``entries``), the ``reference`` used, and,
    where the point sits on a kink and there is no one derivative, a sentence on it (``kink``).

    >>> import numpy as np
    >>> check_grads(lambda x, y: np.sin(x) @ y, (np.ones(3), np.arange(3.0)), order=2)
    """
    if not isinstance(args, (tuple, list)):
        raise error_at(
            WengertTypeError,
            f"check_grads takes a tuple of arguments, got a {type(args).__name__}",
            fix="write (x,) for one",
        )
    wanted = (modes,) if isinstance(modes, str) else tuple(modes)
    if unknown := [m for m in wanted if m not in MODES] or not wanted:
        raise error_at(
            WengertValueError,
            f"modes={modes!r}: unknown is {unknown}",
            fix='modes=("fwd", "rev"), or one of them',
        )
    if order not in (1, 2):
        raise error_at(
            WengertValueError,
            f"order={order!r}",
            fix="1 checks the derivative, 2 the derivative of the gradient too",
        )
    if rtol is not None and not rtol > 0.0:
        raise error_at(
            WengertValueError,
            f"rtol={rtol!r}",
            fix="give a positive number, or None for the default",
        )
    program = Program(fun, arrays(tuple(args)))
    _Check(program, program, wanted, rtol, 1).run()
    if order == 2:
        _Check(program, _gradient(program), wanted, rtol, 2).run()


def _gradient(program: Program) -> Callable[..., Any]:
    """The cotangents of the inputs for one fixed random cotangent of the outputs."""
    rng = np.random.default_rng(0)
    weights = [
        random_of(np.shape(o), dtype_of(o), rng) for o in untraced(program, program.leaves, {})
    ]

    def gradient(*leaves: Any) -> list[Any]:
        return list(vjp(program, *leaves)[1](weights))

    return gradient


class _Reference(NamedTuple):
    """A measured derivative along one line: entries and their errors."""

    value: Vector
    error: Vector


# ---------------------------------------------------------------- the check


class _Check:
    """The derivative of one program at one point, in real coordinates."""

    def __init__(
        self, named: Program, run: Callable[..., Any], modes: Any, rtol: float | None, order: int
    ) -> None:
        self.named, self.program, self.leaves = named, run, named.leaves
        self.modes, self.order = modes, order
        value = untraced(run, [own(v) for v in self.leaves], {})
        self.value = [own(v) for v in value]
        self.inputs = Space(self.leaves, named.input_names)
        names = (
            named.output_names if order == 1 else [f"gradient by {n}" for n in named.input_names]
        )
        self.outputs = Space(value, names)
        single = any(
            d.itemsize < (16 if d.kind == "c" else 8)
            for d in (*self.inputs.dtypes, *self.outputs.dtypes)
        )
        self.rtol = rtol if rtol is not None else 1e-3 if single else 1e-7
        self.rng = np.random.default_rng(1)
        self.method = "richardson"
        self.entries: list[Entry] = []
        self.compared = 0
        self.rough = 0.0

    def run(self) -> None:
        """Compare everything; raise CheckError for what is wrong."""
        if not self.inputs.size or not self.outputs.size:
            return
        columns = self._sample(self.inputs.size)
        lines = [self._unit(c, self.inputs.size) for c in columns]
        labels = [self.inputs.label(c) for c in columns]
        if len(columns) < self.inputs.size:
            lines += [self.rng.normal(size=self.inputs.size) for _ in range(2)]
            labels += ["a random direction through all inputs"] * 2
        references = self._measure(lines)
        self._guard(lines, labels, references)
        if "fwd" in self.modes:
            for line, label, reference in zip(lines, labels, references, strict=True):
                got = self._push(line)
                self._compare("fwd", got, reference, self._by(label))
        if "rev" in self.modes:
            self._reverse(lines, labels, references)
        self._report()

    def _by(self, label: str) -> Callable[[int], tuple[str, str]]:
        return lambda k: (self.outputs.label(k), label)

    def _of(self, label: str, labels: Sequence[str]) -> Callable[[int], tuple[str, str]]:
        return lambda k: (label, labels[k])

    def _sample(self, size: int) -> list[int]:
        if size <= MOST:
            return list(range(size))
        return sorted(map(int, self.rng.choice(size, MOST, replace=False)))

    def _unit(self, k: int, size: int) -> Vector:
        line = np.zeros(size)
        line[k] = 1.0
        return line

    def _reverse(
        self, lines: Sequence[Vector], labels: Sequence[str], references: Sequence[_Reference]
    ) -> None:
        value, pullback = vjp(self.program, *map(own, self.leaves))
        self._same_value(value)
        rows = self._sample(self.outputs.size)
        weights = [(self._unit(r, self.outputs.size), self.outputs.label(r)) for r in rows]
        if len(rows) < self.outputs.size:
            weights += [
                (self.rng.normal(size=self.outputs.size), "a random combination of all outputs")
                for _ in range(2)
            ]
        for weight, label in weights:
            back = self.inputs.pack(pullback(self.outputs.unpack(weight)))
            got = np.array([back @ line for line in lines])
            value_of = np.array([weight @ r.value for r in references])
            error = np.array([np.abs(weight) @ r.error for r in references])
            wanted = _Reference(value_of, error)
            self._compare("rev", got, wanted, self._of(label, labels))

    def _push(self, line: Vector) -> Vector:
        value, moved = jvp(
            self.program, tuple(map(own, self.leaves)), tuple(self.inputs.unpack(line))
        )
        self._same_value(value)
        return self.outputs.pack(moved)

    def _same_value(self, value: Any) -> None:
        for traced, plain, name in zip(value, self.value, self.outputs.names, strict=True):
            if not same(traced, plain, rounding=self.order > 1):
                raise self._error(
                    f"{self.named.__name__} gives another value under a trace: {name} is "
                    f"{traced!r}, without one {plain!r}",
                    fix="look for state, random numbers or tests of exact types (verify=True)",
                )

    # ------------------------------------------------------------ reference

    def _measure(self, lines: Sequence[Vector]) -> list[_Reference]:
        real = all(d.kind != "c" for d in (*self.inputs.dtypes, *self.outputs.dtypes))
        if self.order == 1 and real:
            try:
                found = [self._line(line, "complex") for line in lines]
                self.method = "complex step"
                return found
            except (numeric.NumericDifferentiationError, TypeError, ValueError):
                pass  # the function does not take complex numbers, or loses their imaginary part
        try:
            return [self._line(line, "richardson") for line in lines]
        except numeric.NonFiniteError as problem:
            raise self._error(
                f"{self.named.__name__} cannot be measured around this point: {problem}",
                fix="choose a point in the inside of the function's domain",
            ) from problem

    def _line(self, line: Vector, method: str, step: float | None = None) -> _Reference:
        found = numeric.directional(
            self._packed, self.leaves, tuple(self.inputs.unpack(line)), method=method, step=step
        )
        return _Reference(np.asarray(np.real(found.value), float), np.asarray(found.error, float))

    def _packed(self, *leaves: Any) -> Vector:
        return self.outputs.pack(untraced(self.program, leaves, {}))

    # ------------------------------------------------------------ verdict

    def _compare(
        self, mode: str, got: Vector, reference: _Reference, entry: Callable[[int], tuple[str, str]]
    ) -> None:
        wanted, error = reference
        scale = np.maximum(np.abs(wanted), np.abs(got)) + 1e-3 * np.max(np.abs(wanted), initial=0.0)
        self.compared += len(got)
        with np.errstate(all="ignore"):
            right = np.abs(got - wanted) <= self.rtol * scale + 10.0 * error
        for k in map(int, np.flatnonzero(~right)):
            numbers = float(got[k]), float(wanted[k]), float(error[k])
            self.entries.append(Entry(*entry(k), *numbers, mode, self.order))

    def _guard(
        self, lines: Sequence[Vector], labels: Sequence[str], references: Sequence[_Reference]
    ) -> None:
        """Look for kinks; as a complex step sees one side only, a real line is measured for it."""
        if self.method == "complex step":
            through = self._line(self.rng.normal(size=self.inputs.size), "richardson")
            if not self._rough(through, np.abs(through.value)).any():
                return
            references = [self._line(line, "richardson") for line in lines]
        self._kinks(lines, labels, references)

    def _rough(self, reference: _Reference, scale: Vector) -> Vector:
        """Where a measured derivative is not good to three digits."""
        return np.asarray(
            reference.error > max(self.rtol, 1e-3) * (scale + np.max(reference.error, initial=0.0))
        )

    def _kinks(
        self, lines: Sequence[Vector], labels: Sequence[str], references: Sequence[_Reference]
    ) -> None:
        """Where a measured derivative is rough, ask both sides: at a kink they differ."""
        largest = max(float(np.max(np.abs(r.value), initial=0.0)) for r in references)
        floor = 1e-6 + max(float(np.max(np.abs(self.outputs.pack(self.value)))), largest)
        for line, label, reference in zip(lines, labels, references, strict=True):
            scale = np.abs(reference.value) + 1e-3 * largest
            rough = self._rough(reference, scale)
            if not rough.any():
                continue
            k = int(np.argmax(np.where(rough, reference.error, -1.0)))
            sides = self._sides(line, k)
            if sides is None:
                self.rough = max(self.rough, float(reference.error[k] / (scale[k] + floor)))
                continue
            left, right = sides
            reports = self._named_kinks()
            where = "".join(f"\n  {report}" for report in reports)
            kink = (
                f"{self.named.__name__} sits on a kink here: d {self.outputs.label(k)} / d {label} "
                f"is {left + 0.0:.6g} from the left "
                f"and {right + 0.0:.6g} from the right{where}"
            )
            problem = self._error(
                f"{kink}\n  there is no one derivative to compare with",
                fix="check at a point beside the kink",
            )
            problem.kink = kink
            problem.kinks = tuple(reports)
            raise problem

    def _sides(self, line: Vector, k: int) -> tuple[float, float] | None:
        """The one-sided derivatives of one output along a line if they differ, else None."""
        found = []
        for direction in (-1.0, 1.0):
            slopes = []
            for step in (1e-4, 1e-5):
                try:
                    slope = self._line(direction * line, "forward", step * self._unit_of_length())
                except numeric.NumericDifferentiationError:
                    return None
                slopes.append(direction * float(slope.value[k]))
            if abs(slopes[0] - slopes[1]) > 1e-2 * (abs(slopes[1]) + 1e-6):
                return (
                    None  # the slope itself has no limit: not a kink but a wilder point, or noise
                )
            found.append(slopes[1])
        apart = abs(found[1] - found[0])
        return (found[0], found[1]) if apart > 1e-2 * max(abs(found[0]), abs(found[1])) else None

    def _unit_of_length(self) -> float:
        return 30.0 if self.rtol > 1e-5 else 1.0

    def _named_kinks(self) -> list[KinkReport]:
        """The operations of the program that are evaluated at a kink."""
        watcher = Watcher("record")
        frame, token = context.enter(context.REVERSE, watcher)
        try:
            vjp(self.program, *map(own, self.leaves))
        finally:
            context.leave(frame, token)
        return watcher.reports()

    def _error(self, what: str, *, fix: str) -> Any:
        problem: Any = error_at(CheckError, what, fix=fix, depth=5)
        problem.entries = tuple(self.entries)
        problem.reference = self.method
        problem.kink = ""
        return problem

    def _report(self) -> None:
        if self.rough > 0.1 and not self.entries:
            warnings.warn(
                f"check_grads: the derivative of {self.named.__name__} could only be measured to "
                f"{self.rough:.0%} here",
                WengertWarning,
                stacklevel=4,
            )
        if not self.entries:
            return
        worst = sorted(
            self.entries, key=lambda e: -abs(e.got - e.wanted) if np.isfinite(e.got) else -np.inf
        )
        self.entries = worst
        modes = {"fwd": "forward mode", "rev": "reverse mode"}
        found = " and ".join(modes[m] for m in MODES if any(e.mode == m for e in worst))
        what = "derivative" if self.order == 1 else "derivative of the gradient"
        shown = "".join(f"\n    {e} [{e.mode}]" for e in worst[:5])
        more = f"\n    and {len(worst) - 5} more" if len(worst) > 5 else ""
        raise self._error(
            f"the {what} of {self.named.__name__} by {found} is wrong in {len(worst)} of "
            f"{self.compared} entries "
            f"(rtol={self.rtol:g}); the worst:{shown}{more}\n  reference: {self.method}",
            fix="look at the custom_jvp or custom_vjp rules behind these entries; where all "
            "rules are wengert's own, please report it",
        )


__all__ = ["Entry", "check_grads"]
