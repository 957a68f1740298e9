"""Decompositions as LLVM text: LAPACK's drivers for eigenvalues, singular values and QR on every matrix of a stack.

Shapes are written into the text. Imports the writer's types, LAPACK's names, the routines. Invariants: matrices lie
column by column; work space is at least what LAPACK's documentation asks for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from wengert.backends.llvm.lapack import PREFIX
from wengert.backends.llvm.routines import EIGH, EIGH_UPPER, EIGVALSH_UPPER, QR, SVD, SVDVALS, SYMMETRIC
from wengert.backends.llvm.writer import memory_type

BLOCK = 64
"""Columns that LAPACK's blocked algorithms take together, at most."""


@dataclass(frozen=True, slots=True)
class Driver:
    """A function ``symbol(pointers..., scratch, batch)`` and its texts; ``scratch`` is in bytes."""

    symbol: str
    texts: dict[str, str]
    scratch: int


def _driver(
    symbol: str,
    function: str,
    dtype: np.dtype[Any],
    pointers: Sequence[tuple[str, str, int]],
    numbers: dict[str, int],
    letters: dict[str, str],
    arguments: str,
    work: int,
    whole: int = 0,
) -> Driver:
    """``pointers`` are name, type and elements per matrix; ``arguments`` the names given to LAPACK's function, among
    them ``work`` (so many elements) and ``iwork`` (``whole`` integers)."""
    outer = f"{PREFIX}{'d' if dtype.itemsize == 8 else 's'}{function}"
    numbers = {**numbers, "lwork": work, "liwork": whole}
    names = arguments.split()
    head = ", ".join([*(f"ptr %{name}.all" for name, _, _ in pointers), "ptr %work", "i64 %batch"])
    text = [f"define internal void @{symbol}({head}) nounwind noinline {{", "entry:"]
    for name, number in numbers.items():
        text += [f"  %{name} = alloca i32, align 4", f"  store i32 {number}, ptr %{name}, align 4"]
    for name, letter in letters.items():
        text += [f"  %{name} = alloca i8, align 1", f"  store i8 {ord(letter)}, ptr %{name}, align 1"]
    offset = -(-work * dtype.itemsize // 8) * 8
    text += [
        "  %nothing = alloca i32, align 4",
        f"  %iwork = getelementptr i8, ptr %work, i64 {offset}",
        "  br label %head",
        "head:",
        "  %k = phi i64 [ 0, %entry ], [ %next, %head ]",
    ]
    for name, kind, elements in pointers:
        text += [
            f"  %{name}.at = mul i64 %k, {elements}",
            f"  %{name} = getelementptr inbounds {kind}, ptr %{name}.all, i64 %{name}.at",
        ]
    text += [
        f"  call void @{outer}({', '.join(f'ptr %{name}' for name in names)})",
        "  %next = add nuw nsw i64 %k, 1",
        "  %more = icmp slt i64 %next, %batch",
        "  br i1 %more, label %head, label %leave",
        "leave:",
        "  ret void",
        "}",
    ]
    declared = f"declare void @{outer}({', '.join(['ptr'] * len(names))}) nounwind"
    return Driver(symbol, {outer: declared, symbol: "\n".join(text) + "\n"}, offset + 4 * whole)


def decomposition(routine: str, dtype: np.dtype[Any], columns: int, rows: int) -> Driver:
    """The function of a routine for matrices of so many columns and rows."""
    kind = memory_type(dtype)
    least, most = min(columns, rows), max(columns, rows)
    symbol = f"{routine}_{dtype.name}_{rows}x{columns}"
    matrix = ("a", kind, columns * rows)
    if routine in SYMMETRIC:
        n, vectors = rows, routine in (EIGH, EIGH_UPPER)
        letters = {"job": "V" if vectors else "N", "part": "U" if routine in (EIGH_UPPER, EIGVALSH_UPPER) else "L"}
        return _driver(
            symbol, "syevd", dtype, [matrix, ("w", kind, n), ("info", "i32", 1)], {"n": n}, letters,
            "job part n a n w work lwork iwork liwork info",
            1 + 6 * n + (2 * n * n if vectors else 0) + BLOCK * n, 3 + 5 * n,
        )  # fmt: skip
    if routine == QR:
        return _driver(
            symbol, "geqrf", dtype, [matrix, ("tau", kind, least)], {"m": rows, "n": columns}, {},
            "m n a m tau work lwork nothing", BLOCK * columns + 1,
        )  # fmt: skip
    if routine in (SVD, SVDVALS):
        # 3 k + max(most, 5 k^2 + 4 k) where vectors are wanted (LAPACK's own bound), and blocks of columns.
        work = 3 * least + max(most, 7 * least * least + 4 * least) + BLOCK * (columns + rows)
        numbers = {"m": rows, "n": columns, "least": least}
        if routine == SVD:
            pointers = [
                matrix, ("s", kind, least), ("u", kind, rows * least), ("vt", kind, columns * least), ("info", "i32", 1)
            ]  # fmt: skip
            named = "job m n a m s u m vt least work lwork iwork info"
        else:
            pointers = [matrix, ("s", kind, least), ("info", "i32", 1)]
            named = "job m n a m s a m a least work lwork iwork info"
        letters = {"job": "S" if routine == SVD else "N"}
        return _driver(symbol, "gesdd", dtype, pointers, numbers, letters, named, work, 8 * least)
    # The basis: as many columns as reflections.
    return _driver(
        symbol, "orgqr", dtype, [("tau", kind, columns), matrix], {"m": rows, "n": columns}, {},
        "m n n a m tau work lwork nothing", BLOCK * columns + 1,
    )  # fmt: skip


__all__ = ["Driver", "decomposition"]
