"""Filling a tensor that is mostly zeros: a delta pattern is written onto the diagonal of zeros, its core computed once.

The core and pattern are what Laue, Mitterreiter and Giesen (2020) call the compressed form. Imports code. Invariant: the program fills
exactly the entries that the deltas of the form select.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from wengert.symbolic.code import Code
from wengert.symbolic.notation import Form, scaled, unscaled

LETTERS = "ijklmnabcdefghopqrstuvwxyz"


def pattern(form: Form) -> tuple[Form, str, str] | None:
    """The core of a form, the letters of the full tensor with repeats, and those of the core, when deltas spread a core."""
    c, inner = unscaled(form)
    if inner.kind != "einsum" or inner.rank < 3:
        return None
    places, rank, sizes = inner.value
    eyes = [idx for f, idx in zip(inner.args, places, strict=True) if f.kind == "eye"]
    if not eyes or any(i >= rank for idx in eyes for i in idx):
        return None
    leader = {i: i for i in range(rank)}
    for a, b in eyes:
        low, high = sorted((leader[a], leader[b]))
        leader = {i: low if v == high else v for i, v in leader.items()}
    rest = [(f, idx) for f, idx in zip(inner.args, places, strict=True) if f.kind != "eye"]
    moved = [(f, tuple(leader.get(i, i) for i in idx)) for f, idx in rest]
    used = sorted({i for _, idx in moved for i in idx if i < rank})
    full = "".join(LETTERS[leader[i]] for i in range(rank))
    core = _core(moved, used, sizes)
    return scaled(c, core), full, "".join(LETTERS[i] for i in used)


def _core(factors: list[Any], used: list[int], sizes: Any) -> Form:
    if not factors:
        return Form("num", value=Fraction(1))
    number = {i: k for k, i in enumerate([*used, *(i for _, idx in factors for i in idx if i not in used)])}
    if len(factors) == 1 and factors[0][1] == tuple(used):
        return factors[0][0]  # type: ignore[no-any-return]
    places = tuple(tuple(number[i] for i in idx) for _, idx in factors)
    kept = tuple(sizes[i] for i in sorted(number, key=lambda i: number[i]))
    return Form("einsum", tuple(f for f, _ in factors), (places, len(used), kept), len(used))


def lines(form: Form, shape: tuple[Any, ...], code: Code) -> list[str] | None:
    """The body that fills such a tensor, or None."""
    c, inner = unscaled(form)
    parts = [scaled(c, a) for a in inner.args] if inner.kind == "add" else [form]
    spread = [found for found in map(pattern, parts) if found is not None]
    full = [part for part in parts if pattern(part) is None]
    if not spread or form.rank < 3:
        return None
    if full:
        start = code.write(full[0] if len(full) == 1 else Form("add", tuple(full), rank=form.rank))
    else:
        start = f"np.zeros({code.shape(shape)})"
    written = [f"filled = {start}"]
    for core, letters, short in spread:
        view = "".join(dict.fromkeys(letters))
        word = code.write(core)
        if short and view != short and not view.endswith(short):
            keys = ", ".join(":" if x in short else "None" for x in view)
            word = f"({word})[{keys}]"
        sign = "+=" if full or len(spread) > 1 else "="
        written.append(f"np.einsum('{letters}->{view}', filled)[...] {sign} {word}")
    return [*written, "return filled"]
