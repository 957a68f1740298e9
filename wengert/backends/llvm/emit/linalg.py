"""Factorisations and solutions as LLVM text: LAPACK called on every matrix of a stack.

Imports the writer's types and LAPACK's names. Invariant: matrices lie column by column, and are overwritten; whether
the factors are any good the program asks afterwards."""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.backends.llvm.lapack import PREFIX
from wengert.backends.llvm.routines import CHOLESKY
from wengert.backends.llvm.writer import memory_type


def _name(dtype: np.dtype[Any], function: str) -> str:
    return f"{PREFIX}{'d' if dtype.itemsize == 8 else 's'}{function}"


def _stack(name: str, head: str, numbers: dict[str, str], moves: list[str], call: str) -> str:
    """A function of a stack of matrices: integers of 32 bits in memory, a loop, one call in it."""
    text = [f"define internal void @{name}({head}) nounwind noinline {{", "entry:"]
    for number, value in numbers.items():
        text += [f"  %{number}.at = alloca i32, align 4"]
        if value:
            text += [
                f"  %{number}.32 = trunc i64 {value} to i32",
                f"  store i32 %{number}.32, ptr %{number}.at, align 4",
            ]
    text += [
        "  %letter = alloca i8, align 1",
        "  %size = mul i64 %n, %n",
        "  br label %head",
        "head:",
        "  %k = phi i64 [ 0, %entry ], [ %next, %head ]",
        *(f"  {line}" for line in moves),
        f"  {call}",
        "  %next = add nuw nsw i64 %k, 1",
        "  %more = icmp slt i64 %next, %batch",
        "  br i1 %more, label %head, label %leave",
        "leave:",
        "  ret void",
        "}",
    ]
    return "\n".join(text) + "\n"


def factored(routine: str, dtype: np.dtype[Any]) -> tuple[str, dict[str, str]]:
    """The function ``(matrices, pivots or answers, scratch, batch, n)`` that factors matrices in place, its texts."""
    kind, symbol = memory_type(dtype), f"{routine}_{dtype.name}"
    moves = ["%offset = mul i64 %k, %size", f"%a = getelementptr inbounds {kind}, ptr %matrices, i64 %offset"]
    if routine == CHOLESKY:
        outer = _name(dtype, "potrf")
        text = _stack(
            symbol,
            "ptr %matrices, ptr %answers, ptr %scratch, i64 %batch, i64 %n",
            {"n": "%n"},
            [
                f"store i8 {ord('L')}, ptr %letter, align 1",
                *moves,
                "%answer = getelementptr inbounds i32, ptr %answers, i64 %k",
            ],
            f"call void @{outer}(ptr %letter, ptr %n.at, ptr %a, ptr %n.at, ptr %answer)",
        )
        return symbol, {outer: f"declare void @{outer}(ptr, ptr, ptr, ptr, ptr) nounwind", symbol: text}
    outer = _name(dtype, "getrf")
    text = _stack(
        symbol,
        "ptr %matrices, ptr %pivots, ptr %scratch, i64 %batch, i64 %n",
        {"n": "%n", "info": ""},
        [*moves, "%row = mul i64 %k, %n", "%p = getelementptr inbounds i32, ptr %pivots, i64 %row"],
        f"call void @{outer}(ptr %n.at, ptr %n.at, ptr %a, ptr %n.at, ptr %p, ptr %info.at)",
    )
    return symbol, {outer: f"declare void @{outer}(ptr, ptr, ptr, ptr, ptr, ptr) nounwind", symbol: text}


def solved(dtype: np.dtype[Any], *, transposed: bool) -> tuple[str, dict[str, str]]:
    """The function ``(factors, pivots, sides, scratch, batch, n, columns)`` that solves systems in place, and its
    texts."""
    kind, outer = memory_type(dtype), _name(dtype, "getrs")
    letter = "T" if transposed else "N"
    symbol = f"lu_solve_{letter}_{dtype.name}"
    text = _stack(
        symbol,
        "ptr %factors, ptr %pivots, ptr %sides, ptr %scratch, i64 %batch, i64 %n, i64 %columns",
        {"n": "%n", "columns": "%columns", "info": ""},
        [
            f"store i8 {ord(letter)}, ptr %letter, align 1",
            "%offset = mul i64 %k, %size",
            f"%a = getelementptr inbounds {kind}, ptr %factors, i64 %offset",
            "%row = mul i64 %k, %n",
            "%p = getelementptr inbounds i32, ptr %pivots, i64 %row",
            "%side = mul i64 %row, %columns",
            f"%b = getelementptr inbounds {kind}, ptr %sides, i64 %side",
        ],
        f"call void @{outer}(ptr %letter, ptr %n.at, ptr %columns.at, ptr %a, ptr %n.at, ptr %p, ptr %b, ptr %n.at,"
        " ptr %info.at)",
    )
    declared = f"declare void @{outer}(ptr, ptr, ptr, ptr, ptr, ptr, ptr, ptr, ptr) nounwind"
    return symbol, {outer: declared, symbol: text}


__all__ = ["factored", "solved"]
