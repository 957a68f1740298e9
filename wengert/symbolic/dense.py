"""Filling a tensor that is mostly zeros.

A delta pattern is written onto the diagonal of zeros, its core computed once. The core and pattern are what Laue,
Mitterreiter and Giesen (2020) call the compressed form. Imports code. Invariant: the program fills exactly the
entries that the deltas of the form select.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from wengert.symbolic.code import ATOM, MUL, POWER, Code
from wengert.symbolic.notation import Form, chain, mul, num, unscaled

LETTERS = "ijklmnabcdefghopqrstuvwxyz"


def pattern(form: Form) -> tuple[Form, str, str] | None:
    """The core of a form, the letters of the full tensor with repeats, and those of the core.

    When deltas spread a core.
    """
    scalars, inner = peeled(form)
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
    return mul(scalars, core), full, "".join(LETTERS[i] for i in used)


def _core(factors: list[Any], used: list[int], sizes: Any) -> Form:
    if not factors:
        return Form("num", value=Fraction(1))
    number = {i: k for k, i in enumerate(dict.fromkeys([*used, *(i for _, idx in factors for i in idx)]))}
    if len(factors) == 1 and factors[0][1] == tuple(used):
        return factors[0][0]
    places = tuple(tuple(number[i] for i in idx) for _, idx in factors)
    kept = tuple(sizes[i] for i in sorted(number, key=lambda i: number[i]))
    return Form("einsum", tuple(f for f, _ in factors), (places, len(used), kept), len(used))


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


def terms(form: Form) -> list[Form]:
    """A form as a sum, with the scalar factors of the whole in every term."""
    scalars, rest = peeled(form)
    if rest.kind != "add":
        return [form]
    return [term for a in rest.args for term in terms(mul(scalars, a))]


def times(scalars: list[Form], word: str, code: Code) -> str:
    """A word with scalar factors before it and divisors behind."""
    divisors = [f.args[1] for f in scalars if f.kind == "div" and f.args[0] == num(Fraction(1))]
    before = mul([f for f in scalars if f.kind != "div" or f.args[0] != num(Fraction(1))], None)
    c = before.value if before.kind == "num" else None
    front = "" if c == 1 else "-" if c == -1 else f"{code.at(before, MUL)} * "
    return f"{front}{word}" + "".join(f" / {code.at(f, POWER)}" for f in divisors)


def lines(form: Form, shape: tuple[Any, ...], code: Code) -> list[str] | None:
    """The body that fills such a tensor, or computes half of a symmetric one; None when an expression does as well."""
    if form.rank == 2:
        return weighted_gram(apart(form), code)
    if form.rank < 3:
        return None
    spread, full = [], []
    gram: Gram | None = None
    for part in terms(form):
        found = pattern(part)
        if found is not None:
            spread.append(found)
        elif gram is None and (gram := pairs(part, code)) is not None:
            continue
        else:
            full.append(part)
    if not spread and (gram is None or full):
        return None
    written: list[str] = []
    if gram is not None:
        written += gram.lines
        written += [f"filled = filled + {code.at(part, POWER)}" for part in full]
    elif full:
        written.append(
            f"filled = {code.write(full[0] if len(full) == 1 else Form('add', tuple(full), rank=form.rank))}"
        )
    else:
        written.append(f"filled = np.zeros({code.shape(shape)})")
    alone = gram is None and not full and len(spread) == 1
    for core, letters, short in spread:
        view = "".join(dict.fromkeys(letters))
        word = (gram.core(core, code) if gram is not None else None) or code.at(core, MUL)
        if short and view != short and not view.endswith(short):
            keys = ", ".join(":" if x in short else "None" for x in view)
            word = f"({word})[{keys}]"
        written.append(f"np.einsum('{letters}->{view}', filled)[...] {'=' if alone else '+='} {word}")
    return [*written, "return filled"]


def apart(form: Form) -> Form:
    """A chain through a sum of outer products and diagonals as the sum of chains: no matrix product in the middle."""
    made = Form(form.kind, tuple(map(apart, form.args)), form.value, form.rank) if form.args else form
    if made.kind != "mat" or made.rank != 2:
        return made
    for k, inner in enumerate(made.args):
        if inner.kind == "add" and all(peeled(t)[1].kind in ("outer", "diag") for t in inner.args):
            parts = list(zip(made.args, made.value, strict=True))
            rows = [chain([*parts[:k], (t, made.value[k]), *parts[k + 1 :]]) for t in inner.args]
            return Form("add", tuple(rows), rank=2)
    return made


def weighted_gram(form: Form, code: Code) -> list[str] | None:
    """X' diag(v) X with v >= 0 as (sqrt(v) X)' (sqrt(v) X): a product with its own transpose takes half the work.

    Outer products beside it are added, units and diagonal matrices to the diagonal.
    """
    parts = terms(form)
    grams = [p for p in parts if _is_weighted_gram(peeled(p)[1])]
    diagonals = [p for p in parts if peeled(p)[1].kind in ("eye", "diag")]
    outer = [p for p in parts if peeled(p)[1].kind == "outer"]
    if len(grams) > 1 or not (grams or outer) or len(diagonals) + len(outer) + len(grams) != len(parts):
        return None
    if not grams and not diagonals:
        return None
    found: list[str] = []
    if grams:
        scalars, inner = peeled(grams[0])
        (left, weights, _), (flag, _, _) = inner.args, inner.value
        inside = [f for f in scalars if nonnegative(f)]
        outside = [f for f in scalars if not nonnegative(f)]
        root, matrix = code.write(mul(inside, weights.args[0])), code.at(left, ATOM)
        word = "filled.T @ filled" if flag else "filled @ filled.T"
        if outside:
            word = times(outside, f"({word})", code)
        found = [f"filled = {f'np.sqrt({root})[:, None] * {matrix}' if flag else f'{matrix} * np.sqrt({root})'}"]
        if len(parts) == 1:
            return [*found, f"return {word}"]
        found.append(f"filled = {word}")
    for k, part in enumerate(outer):
        factors, pair = peeled(part)
        column = f"1.0 * {code.at(mul(factors, pair.args[0]), MUL)}"  # floats, whatever comes in: others are added
        first = not grams and k == 0
        found.append(f"filled {'=' if first else '+='} np.outer({column}, {code.write(pair.args[1])})")
    for part in diagonals:
        factors, plain = peeled(part)
        entry = mul(factors, plain.args[0]) if plain.kind == "diag" else mul(factors, None)
        found.append(f"np.einsum('ii->i', filled)[...] += {code.write(entry)}")
    return [*found, "return filled"]


def _is_weighted_gram(inner: Form) -> bool:
    if inner.kind != "mat" or len(inner.args) != 3:
        return False
    (left, weights, right), (flag, _, back) = inner.args, inner.value
    return left == right and flag != back and weights.kind == "diag" and nonnegative(weights.args[0]) and left.rank == 2


def mirrored(form: Form) -> tuple[str, float] | None:
    """The name A and the factor c of a form c (A + A'), when the product with c rounds as what is printed does."""
    c, inner = unscaled(form)
    if inner.kind != "add" or len(inner.args) != 2 or not isinstance(c, Fraction):
        return None
    a, b = inner.args
    if a.kind == "T":
        a, b = b, a
    exact = c.numerator == 1 and c.denominator & (c.denominator - 1) == 0  # 1, 1/2, 1/4: shifts of the exponent
    if not exact or a.kind != "name" or a.rank != 2 or b.kind != "T" or b.args[0] != a:
        return None
    return a.value[0], float(c)


def softmax_lines(name: str, form: Form, code: Code) -> list[str] | None:
    """A softmax in steps: the argument is computed once, and its maximum keeps the exponentials finite."""
    if form.kind != "reduce" or form.value[0] != "softmax" or not form.args[0].rank:
        return None
    _, axes, rank = form.value
    axis = "" if len(axes) == rank else f", axis={axes[0] if len(axes) == 1 else axes}"
    keep = f"{axis}, keepdims=True" if axis else ""
    return [
        f"{name} = {code.write(form.args[0])}",
        f"{name} = np.exp({name} - np.max({name}{keep}))",
        f"{name} = {name} / np.sum({name}{keep})",
    ]


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
    (a, first), (b, second) = groups.items()
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
