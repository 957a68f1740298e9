"""c (A + A') of a large square matrix: pairs of mirrored tiles, turned in registers, written past the caches.

NumPy reads A a second time down its columns, which costs five copies of the matrix; here every tile is read once and
both of its sums are written. Imports the engine and the cache. Invariant: the result has the bits of NumPy's.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from wengert.backends.llvm.cache import cache
from wengert.backends.llvm.engine import Library, available, engine

WIDTH = 8
"""Rows and columns of a tile: eight numbers are a line of the cache."""

BLOCK = 64
"""Rows and columns of a block of tiles: few enough pages are open at a time."""

SMALLEST = 64
"""Rows below which NumPy is done before this is called."""

VECTOR = f"<{WIDTH} x double>"


def turned(rows: list[str], prefix: str, lines: list[str]) -> list[str]:
    """The rows of a transposed tile: neighbours are paired, then pairs, then fours."""
    for stage in range(3):
        step, found = 1 << stage, list(rows)
        for low in (k for k in range(WIDTH) if not k & step):
            high = low | step
            for row, half in ((low, 0), (high, step)):
                # entries whose place has the bit `step` come from the partner
                picked = [(place & ~step | half) + (WIDTH if place & step else 0) for place in range(WIDTH)]
                mask = ", ".join(f"i32 {p}" for p in picked)
                found[row] = f"%{prefix}.{stage}.{row}"
                lines.append(
                    f"  {found[row]} = shufflevector {VECTOR} {rows[low]}, {VECTOR} {rows[high]}, <8 x i32> <{mask}>"
                )
        rows = found
    return rows


def tile(streamed: bool) -> Iterator[str]:
    """The tile at (%i, %j) and its mirror image."""
    how = "align 64, !nontemporal !0" if streamed else "align 8"
    rows: dict[str, list[str]] = {}
    places: dict[str, list[str]] = {}
    for name, (row, column) in {"p": ("%i", "%j"), "q": ("%j", "%i")}.items():
        rows[name], places[name] = [], []
        for k in range(WIDTH):
            v = f"%{name}{k}"
            yield f"  {v}.row = add i64 {row}, {k}"
            yield f"  {v}.start = mul i64 {v}.row, %n"
            yield f"  {v}.place = add i64 {v}.start, {column}"
            yield f"  {v}.from = getelementptr double, ptr %a, i64 {v}.place"
            yield f"  {v}.to = getelementptr double, ptr %out, i64 {v}.place"
            yield f"  {v} = load {VECTOR}, ptr {v}.from, align 8"
            rows[name].append(v)
            places[name].append(f"{v}.to")
    lines: list[str] = []
    mirrored = turned(rows["q"], "t", lines)
    sums = []
    for k in range(WIDTH):
        lines.append(f"  %s{k}.plain = fadd {VECTOR} %p{k}, {mirrored[k]}")
        lines.append(f"  %s{k} = fmul {VECTOR} %s{k}.plain, %c")
        sums.append(f"%s{k}")
    images = turned(sums, "u", lines)
    yield from lines
    for values, name in ((sums, "p"), (images, "q")):
        for value, place in zip(values, places[name], strict=True):
            yield f"  store {VECTOR} {value}, ptr {place}, {how}"


def loop(name: str, start: str, end: str, step: int, outer: str) -> tuple[list[str], list[str]]:
    """The head and the end of a loop of %name inside block ``outer``; a loop that has nothing to do is passed by."""
    head = [
        f"  br label %{name}.head",
        f"{name}.head:",
        f"  %{name} = phi i64 [ {start}, %{outer} ], [ %{name}.next, %{name}.end ]",
        f"  %{name}.more = icmp slt i64 %{name}, {end}",
        f"  br i1 %{name}.more, label %{name}.body, label %{name}.over",
        f"{name}.body:",
    ]
    foot = [
        f"  br label %{name}.end",
        f"{name}.end:",
        f"  %{name}.next = add i64 %{name}, {step}",
        f"  br label %{name}.head",
        f"{name}.over:",
    ]
    return head, foot


def function(name: str, streamed: bool) -> list[str]:
    """One function: tiles in blocks on and above the diagonal, then the rows and columns that fill no tile."""
    body = [
        f"define void @{name}(ptr noalias %a, ptr noalias %out, i64 %n, double %factor) {{",
        "entry:",
        f"  %c.one = insertelement {VECTOR} poison, double %factor, i32 0",
        f"  %c = shufflevector {VECTOR} %c.one, {VECTOR} poison, <8 x i32> zeroinitializer",
        f"  %whole = and i64 %n, {-WIDTH}",
    ]
    rows, rows_end = loop("I", "0", "%whole", BLOCK, "entry")
    body += [
        *rows,
        f"  %I.far = add i64 %I, {BLOCK}",
        "  %I.last = call i64 @llvm.smin.i64(i64 %I.far, i64 %whole)",
    ]
    columns, columns_end = loop("J", "%I", "%whole", BLOCK, "I.body")
    body += [
        *columns,
        f"  %J.far = add i64 %J, {BLOCK}",
        "  %J.last = call i64 @llvm.smin.i64(i64 %J.far, i64 %whole)",
    ]
    inner, inner_end = loop("i", "%I", "%I.last", WIDTH, "J.body")
    body += [*inner, "  %first = call i64 @llvm.smax.i64(i64 %J, i64 %i)"]
    across, across_end = loop("j", "%first", "%J.last", WIDTH, "i.body")
    body += [*across, *tile(streamed), *across_end, *inner_end, *columns_end, *rows_end]
    rest, rest_end = loop("r", "%whole", "%n", 1, "I.over")
    body += [*rest, "  %r.start = mul i64 %r, %n"]
    single, single_end = loop("s", "0", "%n", 1, "r.body")
    body += [
        *single,
        "  %s.start = mul i64 %s, %n",
        "  %here = add i64 %r.start, %s",
        "  %there = add i64 %s.start, %r",
        "  %here.from = getelementptr double, ptr %a, i64 %here",
        "  %there.from = getelementptr double, ptr %a, i64 %there",
        "  %x = load double, ptr %here.from, align 8",
        "  %y = load double, ptr %there.from, align 8",
        "  %xy = fadd double %x, %y",
        "  %xyc = fmul double %xy, %factor",
        "  %here.to = getelementptr double, ptr %out, i64 %here",
        "  %there.to = getelementptr double, ptr %out, i64 %there",
        "  store double %xyc, ptr %here.to, align 8",
        "  store double %xyc, ptr %there.to, align 8",
        *single_end,
        *rest_end,
    ]
    if streamed:
        body.append("  fence seq_cst")  # streamed stores are ordered by nothing else
    return [*body, "  ret void", "}"]


def text() -> str:
    """The module."""
    return "\n".join(
        [
            *function("symmetric_sum", False),
            *function("symmetric_sum_streamed", True),
            "declare i64 @llvm.smin.i64(i64, i64)",
            "declare i64 @llvm.smax.i64(i64, i64)",
            "!0 = !{i32 1}",
            "",
        ]
    )


_linked: list[tuple[Library, Callable[..., None], Callable[..., None]]] = []


def _functions() -> tuple[Library, Callable[..., None], Callable[..., None]]:
    if not _linked:
        machine, kept, made = engine(), cache(), text()
        code = kept.get("symmetric sum", machine.key(), made)
        if code is None:
            code = machine.compile(made)
            kept.put(code, "symmetric sum", machine.key(), made)
        library = machine.link(code, ("symmetric_sum", "symmetric_sum_streamed"))
        kind = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_double)
        _linked.append((library, kind(library["symmetric_sum"]), kind(library["symmetric_sum_streamed"])))
    return _linked[0]


def symmetric_sum(a: Any, factor: float = 1.0) -> Any:
    """``factor * (a + a.T)`` of a large square array of doubles; None where that is nothing for this kernel.

    Raises NativeCodeError where native code cannot be made.

    >>> import numpy as np
    >>> a = np.arange(300.0 * 300.0).reshape(300, 300)
    >>> found = symmetric_sum(a)
    >>> found is None or bool(np.array_equal(found, a + a.T))
    True
    """
    if (
        type(a) is not np.ndarray
        or a.dtype != np.float64
        or a.ndim != 2
        or a.shape[0] != a.shape[1]
        or len(a) < SMALLEST
        or not a.flags.c_contiguous
        or not a.flags.aligned
        or not available()
    ):
        return None
    n = len(a)
    _, plain, streamed = _functions()
    space = np.empty(n * n + WIDTH)
    skipped = -space.ctypes.data % 64 // 8  # the first whole line of the cache
    found = space[skipped : skipped + n * n].reshape(n, n)
    (plain if n % WIDTH else streamed)(a.ctypes.data, found.ctypes.data, n, factor)
    return found


__all__ = ["SMALLEST", "symmetric_sum", "text"]
