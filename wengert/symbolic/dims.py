"""Named dimensions: integer polynomials in sizes such as ``n``, ``2*n + 1`` or ``n*k``.

Imports errors, and expression inside a function. Invariant: a polynomial without names is a plain int, so ``Dim``
always has a name; what is no polynomial any more (n/2, the root of n) is a formula.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Mapping
from typing import Any, Union

from wengert.core.errors import WengertTypeError, WengertValueError

Monomial = tuple[tuple[str, int], ...]
Size = Union[int, "Dim"]


class Dim:
    """An integer polynomial in named sizes (and in the smaller one of several, which no polynomial is).

    >>> n, k = dims("n k")
    >>> n * (k + 1) - n
    k*n
    >>> (n + 1) * (n - 1)
    n**2 - 1
    """

    __slots__ = ("_hash", "terms")

    def __init__(self, terms: tuple[tuple[Monomial, int], ...]) -> None:
        self.terms = terms
        self._hash = hash(terms)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Dim) and self.terms == other.terms

    def __add__(self, other: Any) -> Any:
        if isinstance(other, float):
            return _number(operator.add, self, other)
        if not isinstance(other, (int, Dim)):
            return NotImplemented
        return _made([*self.terms, *_terms(other)])

    __radd__ = __add__

    def __neg__(self) -> Any:
        return _made([(m, -c) for m, c in self.terms])

    def __sub__(self, other: Any) -> Any:
        if isinstance(other, float):
            return _number(operator.sub, self, other)
        if not isinstance(other, (int, Dim)):
            return NotImplemented
        return self + -other

    def __rsub__(self, other: Any) -> Any:
        return -self + other if isinstance(other, (int, float, Dim)) else NotImplemented

    def __mul__(self, other: Any) -> Any:
        if isinstance(other, float):
            return _number(operator.mul, self, other)
        if not isinstance(other, (int, Dim)):
            return NotImplemented
        return _made([(_join(a, b), c * d) for a, c in self.terms for b, d in _terms(other)])

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Any:
        return _number(operator.truediv, self, other)

    def __rtruediv__(self, other: Any) -> Any:
        return _number(operator.truediv, other, self)

    def __rpow__(self, other: Any) -> Any:
        return _number(operator.pow, other, self)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        if method != "__call__" or options:
            return NotImplemented
        whole = {"add": operator.add, "subtract": operator.sub, "multiply": operator.mul}.get(ufunc.__name__)
        plain = [int(v) if hasattr(v, "__index__") else v for v in inputs]
        if whole is not None and all(isinstance(v, (int, Dim)) for v in plain):
            return whole(*plain)
        return _number(ufunc, *inputs)

    def __pow__(self, power: Any) -> Any:
        if not isinstance(power, int) or power < 0:
            return _number(operator.pow, self, power)
        found: Any = 1
        for _ in range(power):
            found = found * self
        return found

    def __repr__(self) -> str:
        return text_of(self)

    @property
    def names(self) -> frozenset[str]:
        """The names in it."""
        return frozenset(name for m, _ in self.terms for atom, _ in m for name in parts_of(atom))

    @property
    def simple(self) -> bool:
        """Whether it is a bare name."""
        return (
            len(self.terms) == 1
            and self.terms[0][1] == 1
            and len(self.terms[0][0]) == 1
            and self.terms[0][0][0][1] == 1
            and "(" not in self.terms[0][0][0][0]
        )

    def value(self, sizes: Mapping[str, int]) -> int:
        """The size for given names; raises WengertValueError when one is missing."""
        total = 0
        for monomial, coefficient in self.terms:
            for atom, power in monomial:
                for name in parts_of(atom):
                    if name not in sizes:
                        known = sorted(sizes)
                        raise WengertValueError(f"the size of the dimension {name} is not known; known are {known}")
                coefficient *= min(sizes[name] for name in parts_of(atom)) ** power
            total += coefficient
        return total


def parts_of(atom: str) -> list[str]:
    """The names in one factor of a dimension: a name, or the smaller one of several, ``min(m, n)``."""
    return atom[4:-1].split(", ") if atom.startswith("min(") else [atom]


def smaller(first: Dim, second: Dim) -> Dim:
    """The smaller one of two bare names, as the number of singular values is."""
    names = sorted(first.names | second.names)
    return Dim(((((f"min({', '.join(names)})", 1),), 1),))


def _number(function: Any, *values: Any) -> Any:
    """What a function makes of sizes that are no size any more (n/2, the root of n): a formula."""
    from wengert.symbolic.expression import operate

    return operate(function, *values)


def _terms(value: Any) -> tuple[tuple[Monomial, int], ...]:
    if isinstance(value, Dim):
        return value.terms
    return (((), int(value)),) if value else ()


def _join(left: Monomial, right: Monomial) -> Monomial:
    powers = dict(left)
    for name, power in right:
        powers[name] = powers.get(name, 0) + power
    return tuple(sorted(powers.items()))


def _made(terms: list[tuple[Monomial, int]]) -> Size:
    found: dict[Monomial, int] = {}
    for monomial, coefficient in terms:
        found[monomial] = found.get(monomial, 0) + coefficient
    kept = tuple(sorted(((m, c) for m, c in found.items() if c), key=lambda t: (-sum(p for _, p in t[0]), t[0])))
    if not kept:
        return 0
    if len(kept) == 1 and not kept[0][0]:
        return kept[0][1]
    return Dim(kept)


def named(name: str) -> Dim:
    """The dimension of one name; raises WengertValueError unless it is an identifier."""
    if not re.fullmatch(r"[^\W\d]\w*", name):
        raise WengertValueError(f"a dimension is named by an identifier, got {name!r}")
    return Dim(((((name, 1),), 1),))


def dims(names: str) -> Any:
    """Dimensions by name, separated by blanks or commas: one alone, several as a tuple.

    >>> n, k = dims("n k")
    >>> n, k, 2 * n + 1
    (n, k, 2*n + 1)

    Raises WengertValueError for what is no identifier.
    """
    if not isinstance(names, str):
        raise WengertTypeError(f"dims takes the names in one string, such as dims('n k'), got {names!r}")
    found = tuple(named(word) for word in names.replace(",", " ").split())
    if not found:
        raise WengertValueError("dims got no name; write for example dims('n k')")
    return found[0] if len(found) == 1 else found


def size(value: Any) -> Size:
    """A dimension from a name, an int or a Dim."""
    if isinstance(value, Dim):
        return value
    if isinstance(value, str):
        return _read(value)
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise WengertTypeError(f"a dimension is a name or a positive int, got {value!r}")
    number = int(value.__index__())
    if number < 0:
        raise WengertValueError(f"a dimension cannot be negative, got {number}")
    return number


def _read(text: str) -> Size:
    """A dimension such as ``n``, ``3``, ``2*n + 1`` or ``n - 1``."""
    total: Any = 0
    for sign, part in re.findall(r"([+-]?)\s*([^+-]+)", text if len(text) < 200 else "?"):
        product: Any = 1
        for word in part.split("*"):
            name = word.strip()
            product = product * (int(name) if name.isdecimal() else named(name))
        total = total - product if sign == "-" else total + product
    if not isinstance(total, Dim) and total < 0:
        raise WengertValueError(f"a dimension cannot be negative, got {text!r}")
    if not text.strip():
        raise WengertValueError("a dimension is a name or a positive int, got an empty text")
    return total


def text_of(value: Size, times: str = "*", power: str = "**") -> str:
    """A dimension as text."""
    if not isinstance(value, Dim):
        return str(value)
    parts = []
    for monomial, coefficient in value.terms:
        words = [n if p == 1 else f"{n}{power}{p}" for n, p in monomial]
        if abs(coefficient) != 1 or not words:
            words.insert(0, str(abs(coefficient)))
        sign = "-" if coefficient < 0 else "+"
        parts.append((sign, times.join(words)))
    text = ("-" if parts[0][0] == "-" else "") + parts[0][1]
    return text + "".join(f" {sign} {word}" for sign, word in parts[1:])


def sized(value: Size, sizes: Mapping[str, int]) -> int:
    """The number of a dimension for given sizes of its names."""
    return value.value(sizes) if isinstance(value, Dim) else value
