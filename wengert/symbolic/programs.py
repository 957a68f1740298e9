"""Derivatives as programs: their NumPy source, and evaluating, compiling and re-evaluating it.

Imports dense, code, evaluate, runner. Invariant: whatever evaluates a form has the value of its NumPy program, which
was compared with the plain meaning before the form was returned.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from wengert.core import freed
from wengert.core.errors import NoRuleError, WengertTypeError, WengertValueError
from wengert.symbolic import dense
from wengert.symbolic.code import Code
from wengert.symbolic.code_kernels import KERNELS
from wengert.symbolic.dense_fused import FUSED
from wengert.symbolic.dense_quick import QUICK
from wengert.symbolic.dims import Dim, sized
from wengert.symbolic.evaluate import evaluate, sizes_of
from wengert.symbolic.layouts import Laid
from wengert.symbolic.named import Named
from wengert.symbolic.named_source import definitions
from wengert.symbolic.notation import Form
from wengert.symbolic.recover import form_of
from wengert.symbolic.runner import Runner, checked, kinds_of, plain
from wengert.symbolic.simplify import expanded
from wengert.symbolic.slices import check_slices
from wengert.symbolic.terms import Abstract, Term, Var, dimensions, ordered, variables
from wengert.symbolic.verify import LARGER, agree, points

_compilers: list[Callable[..., Callable[..., Any]]] = []
_quietly: dict[str, Any] = {}


def install_compiler(compiler: Callable[..., Callable[..., Any]], **quietly: Any) -> None:
    """Say what compiles a NumPy function: ``compiler(function, **options)``; ``quietly`` are its options where nobody
    asked for compiling."""
    _compilers[:] = [compiler]
    _quietly.clear()
    _quietly.update(quietly)


_accumulators: list[Callable[..., Callable[..., Any]]] = []


def install_accumulator(accumulator: Callable[..., Callable[..., Any]]) -> None:
    """Say what differentiates a NumPy function: ``accumulator(function, argument, order)``, compiled."""
    _accumulators[:] = [accumulator]


_symmetric_sums: list[Callable[[Any, float], Any]] = []


def install_symmetric_sum(function: Callable[[Any, float], Any]) -> None:
    """Say what computes ``factor * (a + a.T)`` of large matrices faster than NumPy (None: not this one)."""
    _symmetric_sums[:] = [function]


WORTH = 512
"""Rows of a matrix from which native code pays for its making within some hundred evaluations."""


class Program:
    """What a derivative does with numbers; ``result.Derivative`` has its formula."""

    given: Term
    variable: Var
    order: int
    term: Term
    free: Mapping[str, Var]
    bound: dict[str, Any]
    _laid: Laid
    _seen: set[Any]
    _large: int
    _runners: dict[Any, Runner]
    _check: Callable[[Mapping[str, Any]], Any] | None = None
    """What evaluates values of the kinds that were evaluated last."""

    @cached_property
    def form(self) -> Form:
        """The printed form as a tree."""
        raise NotImplementedError

    def _sizes(self) -> dict[str, str]:
        return size_words(self.free)

    def _missing(self) -> list[str]:
        return self._nowhere

    @cached_property
    def _nowhere(self) -> list[str]:
        """The sizes in the form that no variable has."""
        return sorted(dimensions(self.term) - set(self._sizes()))

    def numpy_expression(self) -> str:
        """The form as one NumPy expression of the variables; raises NoRuleError for what has no text in NumPy."""
        return Code(self._sizes(), inline=True).write(self.form)

    def numpy_source(self, name: str = "derivative") -> str:
        """The form as a function in source, which needs NumPy only; parts that occur twice are computed once."""
        return self._source(name, dense.PRINTED)

    def _source(self, name: str, style: dense.Style) -> str:
        form = self.form
        if form.rank > 2:  # multiplied out: no large tensor in between
            form = form_of(expanded(self._laid.term))
        taken = [*self.free, *self._missing()]
        return self._defined(dense.body(self._laid.term, form, self._sizes(), taken, style), form, name)

    def _defined(self, lines: list[str], form: Form, name: str) -> str:
        return defined(lines, form, name, [*self.free, *self._missing()])

    @cached_property
    def named(self) -> tuple[Named, ...]:
        """The operations that have no closed form and are known by name."""
        return tuple(t.program for t in ordered(self.term) if isinstance(t, Abstract) and t.program is not None)

    @cached_property
    def _function(self) -> Callable[..., Any]:
        return _made(self.numpy_source(), "derivative")

    def numpy(self) -> Callable[..., Any]:
        """That function, taking the variables in order or by name."""
        return self._function

    def compile(self, **options: Any) -> Callable[..., Any]:
        """That function, compiled (``wengert.compile`` with its options): native code where llvmlite is installed.

        Large sums A + A' are computed by a kernel of their own.

        >>> import numpy as np
        >>> import wengert as wg
        >>> gradient = wg.D("sum((X @ w - y)**2)", "w", X=("m", "n"), w="n", y="m").compile()
        >>> gradient(np.eye(2), np.array([3.0, 4.0]), np.array([1.0, 1.0]))
        array([4., 6.])
        """
        if not _compilers:
            raise NoRuleError("nothing is installed that compiles\n  fix: import wengert")
        plain = self.named or options.get("backend") == "numpy"
        compiled = _compilers[0](self._function if plain else self._fused, **options)
        if self._symmetric is None or not _symmetric_sums or options.get("backend") == "numpy":
            return compiled
        name, factor = self._symmetric
        place = list(self.free).index(name)

        @functools.wraps(compiled)
        def call(*args: Any, **kwargs: Any) -> Any:
            matrix = args[place] if place < len(args) else kwargs.get(name)
            large = type(matrix) is np.ndarray and matrix.ndim == 2 and len(matrix) >= WORTH
            found = _symmetric_sums[0](matrix, factor) if large else None
            return compiled(*args, **kwargs) if found is None else found

        return call

    def evaluate(self, **values: Any) -> Any:
        """The value for given variables; raises WengertValueError for missing values and shapes that do not fit.

        What is evaluated again and again is compiled where llvmlite is installed, and evaluated so where that is
        faster.
        """
        if self._check is not None and (found := self._check(values)) is not None:
            return found
        kinds = kinds_of(values)
        if (runner := self._runners.get(kinds)) is not None:
            runner.check = self._check = runner.check or checked(kinds, self.bound, runner)
            return runner.call(*[values[n] if n in values else self.bound[n] for n in runner.names])
        unknown = [n for n in values if n not in self.free and n not in self._missing()]
        if unknown:
            raise WengertValueError(f"the expression has no {', '.join(unknown)}; it has {', '.join(self.free)}")
        given = {**self.bound, **values}
        arrays = {n: array_of(n, v) for n, v in given.items()}
        for n in self._nowhere:
            if n not in arrays or np.ndim(arrays[n]) or arrays[n] != int(arrays[n]):
                raise WengertValueError(f"no variable has the dimension {n}: pass its size, {n}=...")
            arrays[n] = int(arrays[n])
        if len(arrays) < len(self.free) + len(self._nowhere):
            arrays = self._completed(arrays)
        self._fit(arrays)
        found = self._mirrored(arrays) if self._symmetric is not None else None
        if found is None:
            found = self._program(**arrays)
            if plain(kinds_of(given)) and list(arrays) == list(given) and not self._nowhere:
                self._remember(kinds, found)
        if type(found) is np.ndarray and found.nbytes > 1 << 20 and not freed.asked:
            freed.keep()  # a Newton iteration fills such an array at every step
        return np.asarray(found, dtype=float) if self._laid.shape else found

    @cached_property
    def _program(self) -> Callable[..., Any]:
        return self._by_terms if self.named else self._function

    def _by_terms(self, *ordered_values: Any, **arrays: Any) -> Any:
        """The plain meaning of the form, which differentiates the functions in it that are known by name."""
        arrays = {**dict(zip(self.free, ordered_values, strict=False)), **arrays}
        sizes = sizes_of(self.given, {**dict.fromkeys(self.free, 0.0), **arrays})
        sizes.update((n, arrays[n]) for n in self._nowhere)
        found = evaluate(self._laid.term, arrays, sizes)
        return np.reshape(found, tuple(sized(d, sizes) for d in self._laid.shape))[()]

    def _remember(self, kinds: Any, found: Any) -> None:
        """What was evaluated once is evaluated without checks again, and by something faster once that pays."""
        large = self._symmetric is not None and len(found) >= WORTH
        if not large and (type(found) is np.float64 if not self._laid.shape else found.dtype == float):
            patient = bool(self.named)  # there is no program that a long evaluation would be spent in
            self._runners[kinds] = Runner(self._program, list(self.free), self._rivals(), patient, 0 if patient else 1)

    def _rivals(self) -> list[Callable[[], Callable[..., Any]]]:
        """What may evaluate faster than the program: the likeliest first."""
        found = [] if self.named else [lambda: self._quick]
        if _compilers and not self.named:
            found.append(lambda: self._native)
        first = self.order == 1 or (self.order == 2 and not self.given.rank)
        if _accumulators and first and self._laid.axes == tuple(range(self.term.rank)) and self._plain_shape:
            found.insert(1 if self.term.rank > 2 else len(found), lambda: self._accumulated)
        return found

    @property
    def _plain_shape(self) -> bool:
        return self._laid.stands == "plain" and self._laid.shape == self.term.shape

    @cached_property
    def _native(self) -> Callable[..., Any]:
        return _compilers[0](self._function if _quietly.get("backend") == "numpy" else self._fused, **_quietly)

    @cached_property
    def _fused(self) -> Callable[..., Any]:
        """The program as a compiler likes it."""
        return self._alike(_made(self._source("derivative", FUSED), "derivative"))

    @cached_property
    def _quick(self) -> Callable[..., Any]:
        """The program for speed with NumPy alone."""
        if not self.free.keys().isdisjoint(KERNELS):
            return self._function
        return self._alike(_made(self._source("derivative", QUICK), "derivative", KERNELS))

    def _alike(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """A function that should compute the same, compared with the program; the program where they differ."""
        for round_ in (0, LARGER):
            values, sizes = points(self.given, self.free, round_)
            arrays = [*(values[n] for n in self.free), *(sizes[n] for n in self._missing())]
            with np.errstate(all="ignore"):
                wanted = np.asarray(self._function(*arrays))
                if not np.all(np.isfinite(wanted)):
                    continue
                found = np.asarray(function(*arrays))
            if found.shape != wanted.shape or not np.all(
                np.abs(found - wanted) <= 1e-9 * np.max(np.abs(wanted)) + 1e-12
            ):
                return self._function
        return function

    @cached_property
    def _accumulated(self) -> Callable[..., Any]:
        lines = dense.body(self.given, form_of(self.given), self._sizes(), self.free)
        value = self._defined(lines, form_of(self.given), "value")
        return _accumulators[0](_made(value, "value"), list(self.free).index(self.variable.name), self.order)

    @cached_property
    def _symmetric(self) -> tuple[str, float] | None:
        return dense.mirrored(self.form)

    def _mirrored(self, arrays: dict[str, Any]) -> Any:
        """A + A' of a large matrix that is asked for again and again, by native code; else None."""
        assert self._symmetric is not None
        name, factor = self._symmetric
        if not _symmetric_sums or np.ndim(arrays[name]) != 2 or len(arrays[name]) < WORTH:
            return None
        self._large += 1
        return _symmetric_sums[0](arrays[name], factor) if self._large > 2 else None

    def _fit(self, arrays: dict[str, Any]) -> None:
        """Raise WengertValueError unless all shapes are those declared; shapes seen before are not looked at again."""
        shapes = tuple(np.shape(v) for v in arrays.values())
        if (key := (tuple(arrays), shapes)) not in self._seen:
            check_slices(self.given, sizes_of(self.given, {**dict.fromkeys(self.free, 0.0), **arrays}))
            self._seen.add(key)

    def _completed(self, arrays: dict[str, Any]) -> dict[str, Any]:
        """Stand-ins for variables that the derivative does not contain; raises WengertValueError for those it does."""
        needed = variables(self.term)
        missing = [n for n in self.free if n not in arrays]
        if any(n in needed for n in missing):
            raise WengertValueError(f"no value for {', '.join(n for n in missing if n in needed)}")
        dims = sizes_of(self.term, arrays)
        stand_ins = {}
        for n in missing:
            try:
                stand_ins[n] = np.broadcast_to(0.0, tuple(sized(d, dims) for d in self.free[n].shape))
            except WengertValueError:
                raise WengertValueError(f"no value for {n}, whose shape the derivative needs") from None
        return {**arrays, **stand_ins}


def size_words(free: Mapping[str, Var]) -> dict[str, str]:
    """Each named dimension by the shape of the first variable that has it."""
    found: dict[str, str] = {}
    for name, v in free.items():
        for k, dim in enumerate(v.shape):
            if isinstance(dim, Dim) and dim.simple:
                (only,) = dim.names
                found.setdefault(only, f"{name}.shape[{k}]")
    return found


def defined(lines: list[str], form: Form, name: str, takes: Sequence[str]) -> str:
    """A function in source, with the functions that its form needs."""
    body = "\n".join(f"    {line}" for line in lines)
    helpers = "".join(definitions(form))
    head = "import numpy as np\n" + ("from scipy import special\n" if "special." in body + helpers else "")
    return f"{head}\n\n{helpers}def {name}({', '.join(takes)}):\n{body}\n"


def computed(term: Term, free: Mapping[str, Var]) -> Callable[[Mapping[str, Any], Mapping[str, int]], Any]:
    """The program of a term, for values and sizes; compared with its plain meaning before it is returned.

    Raises CheckError where they differ. A term with functions that are known by name has its plain meaning alone.
    """
    if any(isinstance(t, Abstract) for t in ordered(term)):
        return lambda values, sizes: evaluate(term, values, sizes)
    words = size_words(free)
    missing = sorted(dimensions(term) - set(words))
    lines = dense.body(term, form_of(term), words, [*free, *missing])
    function = _made(defined(lines, form_of(term), "value", [*free, *missing]), "value")

    def value(values: Mapping[str, Any], sizes: Mapping[str, int]) -> Any:
        return function(*(values[n] for n in free), *(sizes[n] for n in missing))

    for round_ in (0, LARGER):
        values, sizes = points(term, free, round_)
        with np.errstate(all="ignore"):
            wanted = np.asarray(evaluate(term, values, sizes))
            if np.all(np.isfinite(wanted)):
                agree(np.broadcast_to(value(values, sizes), wanted.shape), wanted, 1e-7, wanted)
    return value


def _made(source: str, name: str, known: Mapping[str, Any] | None = None) -> Callable[..., Any]:
    space: dict[str, Any] = dict(known or {})
    exec(compile(source, "<wengert closed form>", "exec"), space)
    return space[name]


def array_of(name: str, value: Any) -> Any:
    """A value as a float or an array of floats; raises WengertTypeError for what is not real."""
    if isinstance(value, (int, float)):
        return float(value)
    found = np.asarray(value)
    if found.dtype.kind not in "fiub":
        raise WengertTypeError(f"{name} is of dtype {found.dtype}; closed forms are evaluated on real numbers")
    return found.astype(float) if found.dtype.kind in "iub" else found
