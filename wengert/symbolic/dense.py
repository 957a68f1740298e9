"""Filling a tensor that is mostly zeros.

A delta pattern is written onto the diagonal of zeros, its core computed once. The core and pattern are what Laue,
Mitterreiter and Giesen (2020) call the compressed form. Imports code. Invariant: the program fills exactly the
entries that the deltas of the form select.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from wengert.symbolic.code import Code
from wengert.symbolic.notation import Form, scaled, unscaled

LETTERS = "ijklmnabcdefghopqrstuvwxyz"


def pattern(form: Form) -> tuple[Form, str, str] | None:
    """The core of a form, the letters of the full tensor with repeats, and those of the core.

    When deltas spread a core.
    """
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
        return factors[0][0]
    places = tuple(tuple(number[i] for i in idx) for _, idx in factors)
    kept = tuple(sizes[i] for i in sorted(number, key=lambda i: number[i]))
    return Form("einsum", tuple(f for f, _ in factors), (places, len(used), kept), len(used))


def lines(form: Form, shape: tuple[Any, ...], code: Code) -> list[str] | None:
    """The body that fills such a tensor, or computes half of a symmetric one; None when an expression does as well."""
    if form.rank == 2:
        return weighted_gram(form, code)
    c, inner = unscaled(form)
    parts = [scaled(c, a) for a in inner.args] if inner.kind == "add" else [form]
    spread = [found for found in map(pattern, parts) if found is not None]
    full = [part for part in parts if pattern(part) is None]
    if not spread or form.rank < 3:
        return None
    written: list[str] = []
    if len(full) == 1 and (paired := pairs(full[0], code)) is not None:
        written, start = paired
    elif full:
        start = code.write(full[0] if len(full) == 1 else Form("add", tuple(full), rank=form.rank))
    else:
        start = f"np.zeros({code.shape(shape)})"
    written.append(f"filled = {start}")
    for core, letters, short in spread:
        view = "".join(dict.fromkeys(letters))
        word = code.write(core)
        if short and view != short and not view.endswith(short):
            keys = ", ".join(":" if x in short else "None" for x in view)
            word = f"({word})[{keys}]"
        sign = "+=" if full or len(spread) > 1 else "="
        written.append(f"np.einsum('{letters}->{view}', filled)[...] {sign} {word}")
    return [*written, "return filled"]


def weighted_gram(form: Form, code: Code) -> list[str] | None:
    """c X' diag(v) X with v >= 0 as (sqrt(v) X)' (sqrt(v) X): a product with its own transpose takes half the work."""
    c, inner = unscaled(form)
    if inner.kind != "mat" or len(inner.args) != 3:
        return None
    (left, weights, right), (turned, _, back) = inner.args, inner.value
    if left != right or turned == back or weights.kind != "diag" or not nonnegative(weights.args[0]) or left.rank != 2:
        return None
    root, matrix = code.write(weights.args[0]), code.at(left, 4)
    rows = f"np.sqrt({root})[:, None] * {matrix}" if turned else f"{matrix} * np.sqrt({root})"
    product = "filled.T @ filled" if turned else "filled @ filled.T"
    word = product if c == 1 else f"{code.number(c)[0]} * ({product})"
    return [f"filled = {rows}", f"return {word}"]


def pairs(form: Form, code: Code) -> tuple[list[str], str] | None:
    """A sum over one index of a product in which every factor stands twice: the Gram matrix of the joined factors."""
    c, inner = unscaled(form)
    if inner.kind != "einsum":
        return None
    places, rank, sizes = inner.value
    if (
        rank != 4
        or len(sizes) != rank + 1
        or len(places) != 4
        or any(len(idx) != 2 or idx[0] != rank for idx in places)
    ):
        return None
    groups: dict[Form, list[int]] = {}
    for f, idx in zip(inner.args, places, strict=True):
        groups.setdefault(f, []).append(idx[1])
    if len(groups) != 2 or any(len(v) != 2 for v in groups.values()):
        return None
    (a, first), (b, second) = groups.items()
    order = [first[0], second[0], first[1], second[1]]
    words = [code.at(a, 4), code.at(b, 4)]
    dims = ", ".join(code.dim(sizes[k])[0] for k in order)
    gram = f"(rows.T @ rows).reshape({dims})"
    axes = tuple(order.index(k) for k in range(4))
    moved = gram if axes == (0, 1, 2, 3) else f"{gram}.transpose({axes})"
    joined = f"rows = ({words[0]}[:, :, None] * {words[1]}[:, None, :]).reshape({code.dim(sizes[rank])[0]}, -1)"
    return [joined], moved if c == 1 else f"-{moved}" if c == -1 else f"{code.number(c)[0]} * {moved}"


SIGNLESS = {"sigmoid", "exp", "softplus", "cosh", "abs", "relu", "step", "half"}


def nonnegative(form: Form) -> bool:
    """Whether all entries are surely not negative."""
    if form.kind == "num":
        return bool(form.value >= 0)
    if form.kind == "name":
        return bool({"positive", "probability"} & set(form.value[1]))
    if form.kind == "call":
        return form.value in SIGNLESS
    if form.kind == "reduce":
        return form.value[0] == "softmax"
    if form.kind == "pow":
        return nonnegative(form.args[0]) or (
            isinstance(form.value, Fraction) and form.value.denominator == 1 and form.value % 2 == 0
        )
    if form.kind in ("had", "mul", "div"):
        return all(map(nonnegative, form.args))
    if form.kind in ("norm", "norm2sq", "dim"):
        return True
    if form.kind == "scale":
        return bool(form.value > 0) and nonnegative(form.args[0])
    if form.kind == "add":
        return all(map(nonnegative, form.args)) or _one_minus_share(form)
    return False


def _one_minus_share(form: Form) -> bool:
    """1 - s for a sigmoid or softmax s, 1 - t^2 for t = tanh."""
    if len(form.args) != 2:
        return False
    (c, one), (d, share) = map(unscaled, form.args)
    if one.kind not in ("num", "ones") or c != 1 or d != -1:
        return False
    if share.kind == "pow" and share.value == 2:
        return share.args[0].kind == "call" and share.args[0].value == "tanh"
    return (share.kind == "call" and share.value == "sigmoid") or (
        share.kind == "reduce" and share.value[0] == "softmax"
    )
