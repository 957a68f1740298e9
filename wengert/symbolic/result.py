"""The result of a symbolic differentiation: what it prints, its shape, its NumPy program, its value.

Imports the printers, layouts, names. Invariant: every text shows the same form, and ``evaluate`` runs the printed
program.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from wengert.core.errors import NoRuleError, WengertValueError
from wengert.symbolic.dims import sized
from wengert.symbolic.evaluate import evaluate, sizes_of
from wengert.symbolic.indexed import legend, letters_for
from wengert.symbolic.layouts import lay_out
from wengert.symbolic.names import shared, worth_a_word
from wengert.symbolic.notation import Form
from wengert.symbolic.notation import size as node_count
from wengert.symbolic.programs import Program, array_of
from wengert.symbolic.recover import form_of
from wengert.symbolic.runner import Runner
from wengert.symbolic.signs import of_formula
from wengert.symbolic.simplify import expanded, simplified
from wengert.symbolic.terms import Term, Var, ordered, variables
from wengert.symbolic.writer import Writer

if TYPE_CHECKING:
    from wengert.symbolic.compressed import CompressedHessian


class Derivative(Program):
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
        with of_formula(ordered(self.given)):
            return self._formed()

    def _formed(self) -> Form:
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
        arrays = {n: array_of(n, v) for n, v in {**self.bound, **values}.items()}
        if len(arrays) < len(self.free):
            arrays = self._completed(arrays)
        self._fit(arrays)
        return CompressedHessian(self.term, self.variable, arrays, sizes_of(self.given, arrays))

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
