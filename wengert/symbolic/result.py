"""The result of a symbolic differentiation: what it prints, its shape, its NumPy program, its value.

Imports the printers, layouts, names. Invariant: every text shows the same form, and ``evaluate`` runs the printed
program.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from wengert.core import freed
from wengert.core.errors import NoRuleError, WengertTypeError, WengertValueError
from wengert.symbolic import dense
from wengert.symbolic.code import Code
from wengert.symbolic.dims import Dim, sized
from wengert.symbolic.evaluate import evaluate, sizes_of
from wengert.symbolic.indexed import legend, letters_for
from wengert.symbolic.layouts import lay_out
from wengert.symbolic.named import Named
from wengert.symbolic.named_source import definitions
from wengert.symbolic.names import shared, worth_a_word
from wengert.symbolic.notation import Form
from wengert.symbolic.notation import size as node_count
from wengert.symbolic.recover import form_of
from wengert.symbolic.runner import Runner, kinds_of, plain
from wengert.symbolic.simplify import expanded, simplified
from wengert.symbolic.terms import Abstract, Term, Var, dimensions, ordered, variables
from wengert.symbolic.writer import Writer

if TYPE_CHECKING:
    from wengert.symbolic.compressed import CompressedHessian


_compilers: list[Callable[..., Callable[..., Any]]] = []


def install_compiler(compiler: Callable[..., Callable[..., Any]]) -> None:
    """Say what compiles a NumPy function: ``compiler(function, **options)``."""
    _compilers[:] = [compiler]


_symmetric_sums: list[Callable[[Any, float], Any]] = []


def install_symmetric_sum(function: Callable[[Any, float], Any]) -> None:
    """Say what computes ``factor * (a + a.T)`` of large matrices faster than NumPy (None: not this one)."""
    _symmetric_sums[:] = [function]


WORTH = 512
"""Rows of a matrix from which native code pays for its making within some hundred evaluations."""


class Derivative:
    """A derivative in closed form; ``str`` prints it, ``shape`` has the names of its dimensions.

    ``term`` is the form in index notation with the output's axes first, whatever the layout; ``given`` what was
    differentiated; ``bound`` has the arrays that were read from outside.
    """

    def __init__(self, given: Term, x: Var, term: Term, order: int, layout: str, free: Mapping[str, Var]) -> None:
        self.given = given
        self.variable = x
        self.order = order
        self.layout = layout
        self.term = simplified(term)
        self.free = {**free, **{n: v for n, v in variables(given).items() if n not in free}}
        self.bound: dict[str, Any] = {}
        """Values of variables that were read from outside the differentiated function."""
        self._seen: set[Any] = set()
        self._large = 0
        self._runners: dict[Any, Runner] = {}
        self._laid = lay_out(self.term, given.rank, x.rank, layout, order)

    @property
    def shape(self) -> tuple[str | int, ...]:
        """The dimensions by name: ``("n", "k")``."""
        return tuple(d if isinstance(d, int) else str(d) for d in self._laid.shape)

    @cached_property
    def form(self) -> Form:
        """The printed form as a tree."""
        inner = form_of(
            simplified(self._laid.term) if self._laid.axes != tuple(range(self.term.rank)) else self._laid.term
        )
        if inner.rank <= 2 and _has_sums(inner):  # a sum over a difference may be two matrix products
            apart = form_of(expanded(self._laid.term))
            inner = inner if _has_sums(apart) else apart
        if self._laid.stands != "plain":
            return Form(self._laid.stands, (inner,), rank=1)
        return inner

    @property
    def size(self) -> int:
        """Nodes of the printed form."""
        return node_count(self.form)

    def _written(self, writer: Callable[[Any], Writer]) -> tuple[str, list[tuple[str, str]]]:
        named = shared(self.form, self.free, worth_a_word)
        below = []
        done: dict[Form, str] = {}
        for name, f in named:
            below.append((name, writer(done).write(f)))
            done[f] = name
        last = writer(done)
        last.taken |= set(self.free)
        if self.form.rank > 2 or self.form.kind == "einsum":
            letters = self.letters
            return last.indexed(self.form, letters), below
        return last.write(self.form), below

    @property
    def letters(self) -> str:
        """The index letters of a result of third or higher order, in the order of its axes."""
        plain = letters_for(self.term.rank, self.given.rank)
        return "".join(plain[a] for a in self._laid.axes)

    def __str__(self) -> str:
        from wengert.symbolic.text import TextWriter

        text, below = self._written(TextWriter)
        if self.form.rank > 2:
            text = f"D_{self.letters} = {text}   ({legend(self.letters, self._laid.shape)})"
        where = ", ".join(f"{a} = {b}" for a, b in below)
        return f"{text}, where {where}" if below else text

    def __repr__(self) -> str:
        return f"{self}   shape ({', '.join(map(str, self.shape))}{',' if len(self.shape) == 1 else ''})"

    def latex(self) -> str:
        """The form in LaTeX (without dollar signs)."""
        from wengert.symbolic.latex import LatexWriter

        text, below = self._written(LatexWriter)
        if self.form.rank > 2:
            text = f"D_{{{self.letters}}} = {text}"
        where = r",\quad ".join(f"{LatexWriter().name(a)} = {b}" for a, b in below)
        return rf"{text}, \quad\text{{where }} {where}" if below else text

    def _repr_latex_(self) -> str:
        return f"$\\displaystyle {self.latex()}$"

    def mathml(self) -> str:
        """The form in presentation MathML."""
        from wengert.symbolic.mathml import MathWriter

        text, below = self._written(MathWriter)
        if below:
            where = "<mo>,</mo>".join(f"<mi>{a}</mi><mo>=</mo>{b}" for a, b in below)
            text += f"<mo>,</mo><mtext>&#xA0;where&#xA0;</mtext>{where}"
        return f'<math xmlns="http://www.w3.org/1998/Math/MathML"><mrow>{text}</mrow></math>'

    @property
    def conditions(self) -> list[str]:
        """Under what conditions the form holds (``x > 0``, ``A invertible``).

        Besides that of the expression itself being defined.
        """
        from wengert.symbolic.conditions import conditions

        return conditions(self.given, self.term)

    # -- as a program ----------------------------------------------------------------------------
    def _sizes(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for name, v in self.free.items():
            for k, dim in enumerate(v.shape):
                if isinstance(dim, Dim) and dim.simple:
                    (only,) = dim.names
                    found.setdefault(only, f"{name}.shape[{k}]")
        return found

    def _missing(self) -> list[str]:
        return self._nowhere

    @cached_property
    def _nowhere(self) -> list[str]:
        """The sizes in the form that no variable has."""
        return sorted(dimensions(self.term) - set(self._sizes()))

    def numpy_expression(self) -> str:
        """The form as one NumPy expression of the variables.

        Raises NoRuleError where it needs functions of its own, which ``numpy_source`` writes.
        """
        if helpers := definitions(self.form):
            what = helpers[0].split("(")[0].removeprefix("def d_")
            raise NoRuleError(f"the derivative of {what} is no single expression\n  fix: use numpy_source()")
        return Code(self._sizes()).write(self.form)

    def numpy_source(self, name: str = "derivative") -> str:
        """The form as a function in source, which needs NumPy only; parts that occur twice are computed once."""
        form = self.form
        if form.rank > 2:  # multiplied out: no large tensor in between
            form = form_of(expanded(self._laid.term))
        lines = dense.body(self._laid.term, form, self._sizes(), self.free)
        body = "\n".join(f"    {line}" for line in lines)
        helpers = "".join(definitions(form))
        head = "import numpy as np\n" + ("from scipy import special\n" if "special." in body + helpers else "")
        return f"{head}\n\n{helpers}def {name}({', '.join([*self.free, *self._missing()])}):\n{body}\n"

    @cached_property
    def named(self) -> tuple[Named, ...]:
        """The operations that have no closed form and are known by name."""
        return tuple(t.program for t in ordered(self.term) if isinstance(t, Abstract) and t.program is not None)

    @cached_property
    def _function(self) -> Callable[..., Any]:
        space: dict[str, Any] = {}
        exec(compile(self.numpy_source(), "<wengert closed form>", "exec"), space)
        return space["derivative"]

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
        compiled = _compilers[0](self._function, **options)
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
        kinds = kinds_of(values)
        if (runner := self._runners.get(kinds)) is not None:
            return runner.call(*[values[n] if n in values else self.bound[n] for n in runner.names])
        unknown = [n for n in values if n not in self.free and n not in self._missing()]
        if unknown:
            raise WengertValueError(f"the expression has no {', '.join(unknown)}; it has {', '.join(self.free)}")
        given = {**self.bound, **values}
        arrays = {n: _array(n, v) for n, v in given.items()}
        for n in self._nowhere:
            if n not in arrays or np.ndim(arrays[n]) or arrays[n] != int(arrays[n]):
                raise WengertValueError(f"no variable has the dimension {n}: pass its size, {n}=...")
            arrays[n] = int(arrays[n])
        if len(arrays) < len(self.free) + len(self._nowhere):
            arrays = self._completed(arrays)
        self._fit(arrays)
        if self.named:
            sizes = sizes_of(self.given, {**dict.fromkeys(self.free, 0.0), **arrays})
            sizes.update((n, arrays[n]) for n in self._nowhere)
            found: Any = np.reshape(
                evaluate(self._laid.term, arrays, sizes), tuple(sized(d, sizes) for d in self._laid.shape)
            )[()]
        else:
            found = self._mirrored(arrays) if self._symmetric is not None else None
            if found is None:
                found = self._function(**arrays)
                if plain(kinds_of(given)) and list(arrays) == list(given) and type(found) is np.ndarray:
                    self._remember(kinds, found)
        if type(found) is np.ndarray and found.nbytes > 1 << 20 and not freed.asked:
            freed.keep()  # a Newton iteration fills such an array at every step
        return np.asarray(found, dtype=float) if self._laid.shape else found

    def _remember(self, kinds: Any, found: Any) -> None:
        """What was evaluated once is evaluated without checks again, and compiled once that pays."""
        large = self._symmetric is not None and len(found) >= WORTH
        if found.dtype == float and found.ndim and not self._nowhere and not large:
            self._runners[kinds] = Runner(self._function, list(self.free), lambda: self._native)

    @cached_property
    def _native(self) -> Callable[..., Any] | None:
        return _compilers[0](self._function) if _compilers else None

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

    def operator(self, **values: Any) -> CompressedHessian:
        """The Hessian of a scalar at given values as an operator: ``matvec``, ``solve`` (a Newton step), ``dense``.

        Where deltas make it block diagonal only the blocks are formed.

        >>> import numpy as np
        >>> import wengert as wg
        >>> hessian = wg.D("sum((T - U @ V.T)**2)", "U", order=2, T=("m", "n"), U=("m", "k"), V=("n", "k"))
        >>> U, V, T = np.ones((50, 2)), np.array([[1.0, 0.0], [0.0, 2.0], [1.0, 1.0]]), np.ones((50, 3))
        >>> newton = hessian.operator(T=T, U=U, V=V)
        >>> newton.shape, newton.core.shape, newton.pattern
        ((100, 100), (50, 2, 2), (0,))
        >>> step = newton.solve(np.ones((50, 2)))
        >>> np.allclose(newton @ step, 1.0)
        True

        Raises WengertValueError for a derivative that is no Hessian of a scalar, and as ``evaluate`` does.
        """
        from wengert.symbolic.compressed import CompressedHessian

        if self.given.rank or self.order != 2:
            raise WengertValueError("operator is for the second derivative (order=2) of a scalar")
        arrays = {n: _array(n, v) for n, v in {**self.bound, **values}.items()}
        if len(arrays) < len(self.free):
            arrays = self._completed(arrays)
        self._fit(arrays)
        return CompressedHessian(self.term, self.variable, arrays, sizes_of(self.given, arrays))

    def _fit(self, arrays: dict[str, Any]) -> None:
        """Raise WengertValueError unless all shapes are those declared; shapes seen before are not looked at again."""
        shapes = tuple(np.shape(v) for v in arrays.values())
        if (key := (tuple(arrays), shapes)) not in self._seen:
            sizes_of(self.given, {**dict.fromkeys(self.free, 0.0), **arrays})
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

    def of_points(self, values: Mapping[str, Any], sizes: Mapping[str, int]) -> Any:
        """The printed program at checking points, in the axes of the index form."""
        if self.named:
            try:
                self._function  # noqa: B018
            except NoRuleError:  # there is no printed program
                return evaluate(self.term, values, sizes)
        arrays = {n: values[n] for n in self.free}
        found = np.asarray(self._function(**arrays, **{n: sizes[n] for n in self._missing()}))
        wanted = tuple(sized(d, sizes) for d in self._laid.shape)
        if found.shape != wanted:
            raise WengertValueError(f"the printed program gives shape {found.shape}, not {wanted}")
        squeezed = found.reshape(tuple(sized(d, sizes) for d in self._laid.term.shape))
        return np.transpose(squeezed, np.argsort(self._laid.axes))

    def chain(self) -> str:
        """The chain rule itself: intermediate steps, each factor with its shape, and the product."""
        from wengert.symbolic.chain import chain_text

        return chain_text(self.given, self.variable)


def _has_sums(form: Form) -> bool:
    return form.kind == "einsum" or any(map(_has_sums, form.args))


def _array(name: str, value: Any) -> Any:
    if isinstance(value, (int, float)):
        return float(value)
    found = np.asarray(value)
    if found.dtype.kind not in "fiub":
        raise WengertTypeError(f"{name} is of dtype {found.dtype}; closed forms are evaluated on real numbers")
    return found.astype(float) if found.dtype.kind in "iub" else found
