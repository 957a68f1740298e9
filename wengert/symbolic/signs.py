"""Which of u - v and v - u stands in products: the one that the formula at work has first, whatever was written before.

Imports terms. Invariant: outside a formula the older one of two living sums is taken, inside one what it has itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from wengert.symbolic.terms import Number, Sum, Term, known

_used: ContextVar[set[int] | None] = ContextVar("signs of sums", default=None)


@contextmanager
def of_formula(given: Iterable[Term] = ()) -> Iterator[None]:
    """A formula at work, which has these terms as they are written."""
    token = _used.set(set())
    try:
        written(given)
        yield
    finally:
        _used.reset(token)


def used() -> set[int] | None:
    """The sums of the formula at work, by number; None outside one."""
    return _used.get()


def written(terms: Iterable[Term]) -> None:
    """Say that the formula at work has these terms."""
    for t in terms:
        if isinstance(t, Sum):
            note(t)


def note(term: Sum) -> None:
    """Say that the formula at work has a sum, unless it has the opposite one."""
    mine = _used.get()
    if mine is not None and term.ident not in mine:
        flipped = known(Sum, sum_key((-c, t) for c, t in term.terms), term.shape)
        if flipped is None or flipped.ident not in mine:
            mine.add(term.ident)


def sum_key(terms: Iterable[tuple[Number, Term]]) -> tuple[Any, ...]:
    """What tells sums apart."""
    return tuple(sorted((t.ident, c) for c, t in terms))


__all__ = ["note", "of_formula", "sum_key", "used", "written"]
