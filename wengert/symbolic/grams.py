"""Matrix products with their own transpose: weighted Gram matrices, and those of joined factors.

Imports code. Invariant: the lines compute what the form says; half of the work of a general product is saved where the
left factor is the right one turned.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from fractions import Fraction

from wengert.symbolic.code import ATOM, MUL, POWER, Code
from wengert.symbolic.notation import Form, mul, num, unscaled


def peeled(form: Form) -> tuple[list[Form], Form]:
    """The scalar factors of a form, and the rest of it."""
    c, rest = unscaled(form)
    scalars = [] if c == 1 else [num(c)]
    if rest.kind == "div" and rest.args[0].rank and not rest.args[1].rank:
        inner, tensor = peeled(rest.args[0])
        return [*scalars, *inner, Form("div", (num(Fraction(1)), rest.args[1]))], tensor
    if rest.kind == "mul" and rest.args[-1].rank:
        inner, tensor = peeled(rest.args[-1])
        return [*scalars, *rest.args[:-1], *inner], tensor
    return scalars, rest


def times(scalars: list[Form], word: str, code: Code) -> str:
    """A word with scalar factors before it and divisors behind."""
    divisors = [f.args[1] for f in scalars if f.kind == "div" and f.args[0] == num(Fraction(1))]
    before = mul([f for f in scalars if f.kind != "div" or f.args[0] != num(Fraction(1))], None)
    c = before.value if before.kind == "num" else None
    front = "" if c == 1 else "-" if c == -1 else f"{code.at(before, MUL)} * "
    return f"{front}{word}" + "".join(f" / {code.at(f, POWER)}" for f in divisors)


def weighted_gram(form: Form, code: Code) -> tuple[list[str], str]:
    """X' diag(v) X with v >= 0 as (sqrt(v) X)' (sqrt(v) X): a product with its own transpose takes half the work."""
    scalars, inner = peeled(form)
    (left, weights, _), (flag, _, _) = inner.args, inner.value
    inside = [f for f in scalars if nonnegative(f)]
    outside = [f for f in scalars if not nonnegative(f)]
    root, matrix = code.write(mul(inside, weights.args[0])), code.at(left, ATOM)
    word = "filled.T @ filled" if flag else "filled @ filled.T"
    line = f"filled = {f'np.sqrt({root})[:, None] * {matrix}' if flag else f'{matrix} * np.sqrt({root})'}"
    return [line], times(outside, f"({word})", code) if outside else word


def is_weighted_gram(inner: Form) -> bool:
    """Whether a form is A' diag(v) A or A diag(v) A' with v >= 0."""
    if inner.kind != "mat" or len(inner.args) != 3:
        return False
    (left, weights, right), (flag, _, back) = inner.args, inner.value
    return left == right and flag != back and weights.kind == "diag" and nonnegative(weights.args[0]) and left.rank == 2


@dataclass(frozen=True, slots=True)
class Gram:
    """The Gram matrix of joined factors a and b: the lines that fill it, and its columns, a's before b's."""

    lines: list[str]
    a: Form
    b: Form

    def core(self, core: Form, code: Code) -> str | None:
        """sum_n a_ni b_nj g_nk from the joined rows, in any order of its three axes."""
        scalars, inner = peeled(core)
        if inner.kind != "einsum" or inner.rank != 3 or len(inner.args) != 3:
            return None
        places, rank, sizes = inner.value
        if len(sizes) != 4 or any(len(idx) != 2 or idx[0] != rank for idx in places):
            return None
        left = {k: f for f, (_, k) in zip(inner.args, places, strict=True)}
        if len(left) != 3:
            return None
        for u, v in itertools.permutations(range(3), 2):
            if left[u] == self.a and left[v] == self.b:
                w = 3 - u - v
                dims = ", ".join(code.dim(sizes[k])[0] for k in (u, v, w))
                word = f"(rows.T @ {code.at(left[w], ATOM)}).reshape({dims})"
                axes = tuple((u, v, w).index(k) for k in range(3))
                word += "" if axes == (0, 1, 2) else f".transpose({axes})"
                return times(scalars, word, code)
        return None


def pairs(form: Form, code: Code) -> Gram | None:
    """A sum over one index of a product in which every factor stands twice: the Gram matrix of the joined factors."""
    scalars, inner = peeled(form)
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
    (a, first), (b, second) = sorted(groups.items(), key=lambda item: min(item[1]))
    first, second = sorted(first), sorted(second)  # the sum is the same with equal factors exchanged
    order = [first[0], second[0], first[1], second[1]]
    words = [code.at(a, ATOM), code.at(b, ATOM)]
    dims = ", ".join(code.dim(sizes[k])[0] for k in order)
    gram = f"(rows.T @ rows).reshape({dims})"
    axes = tuple(order.index(k) for k in range(4))
    found = [
        f"rows = ({words[0]}[:, :, None] * {words[1]}[:, None, :]).reshape({code.dim(sizes[rank])[0]}, -1)",
        f"filled = {gram}" + ("" if axes == (0, 1, 2, 3) else f".transpose({axes})"),
    ]
    if scalars == [num(Fraction(-1))]:
        found.append("np.negative(filled, out=filled)")
    elif scalars:
        found.append(f"filled = {times(scalars, 'filled', code)}")
    return Gram(found, a, b)


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
    if form.kind == "part":
        return nonnegative(form.args[0])
    if form.kind == "pow":
        return nonnegative(form.args[0]) or (
            isinstance(form.value, Fraction) and form.value.denominator == 1 and form.value % 2 == 0
        )
    if form.kind in ("had", "mul", "div"):
        return all(map(nonnegative, form.args))
    if form.kind in ("norm", "norm2sq", "dim", "eye", "ones"):
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
