"""How each routine of the index form is called: the function, its texts, which memory it needs.

Imports the routines and the files that write their functions. Invariant: a form depends on the routine, its shapes and
types, and on which outputs are asked for; no address is in it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from wengert.backends.llvm.emit.decompositions import decomposition
from wengert.backends.llvm.emit.linalg import factored, solved
from wengert.backends.llvm.emit.sort import scratch_of, sorting
from wengert.backends.llvm.indexed import Routine
from wengert.backends.llvm.routines import (
    CHOLESKY,
    DECOMPOSITIONS,
    LU,
    LU_SOLVE_TRANSPOSED,
    SORT,
    Kind,
    operand_kinds,
    results,
)


@dataclass(frozen=True, slots=True)
class Form:
    """A call ``symbol(operands..., outputs..., scratch, sizes...)``.

    Operands in ``over`` are not passed: the function finds them in the memory of the output they are written over
    with. Outputs that nobody asks for are null, unless they are ``needed``."""

    symbol: str
    texts: dict[str, str]
    """Definitions and declarations, by name."""
    results: tuple[Kind, ...]
    sizes: tuple[int, ...]
    over: dict[int, int] = field(default_factory=dict)
    needed: frozenset[int] = frozenset()
    scratch: int = 0


def form_of(routine: Routine, asked: Collection[int]) -> Form:
    """The form of a routine of which these outputs are asked for."""
    kinds, found = operand_kinds(routine), results(routine)
    shape, dtype = kinds[0]
    n = shape[-1]
    batch = 1
    if routine.name == SORT:
        for extent in shape[:-1]:
            batch *= extent
        symbol, texts = sorting(dtype, places=1 in asked)
        return Form(symbol, texts, found, (batch, n), scratch=scratch_of(dtype, n, places=1 in asked))
    for extent in kinds[-1][0][:-2]:
        batch *= extent
    if routine.name in DECOMPOSITIONS:
        over = len(kinds) - 1
        columns, rows = kinds[over][0][-2:]
        made = decomposition(routine.name, dtype, columns, rows)
        return Form(made.symbol, made.texts, found, (batch,), {over: 0}, frozenset(range(len(found))), made.scratch)
    if routine.name in (LU, CHOLESKY):
        symbol, texts = factored(routine.name, dtype)
        return Form(symbol, texts, found, (batch, n), {0: 0}, frozenset(range(len(found))))
    symbol, texts = solved(dtype, transposed=routine.name == LU_SOLVE_TRANSPOSED)
    columns = kinds[2][0][-2]
    return Form(symbol, texts, found, (batch, n, columns), {2: 0}, frozenset({0}))


__all__ = ["Form", "form_of"]
