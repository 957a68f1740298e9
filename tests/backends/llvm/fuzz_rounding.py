"""What a right answer may be: a recorded graph evaluated by NumPy, and how far rounding can move the result.

The graph is evaluated again and again with roundings of its own: every inexact step is moved by two units in the last
place (each element for itself, or all one way), sums also in each term, or they are summed in more digits; where NumPy
promises no order of zeros of both signs, it is drawn. What cancellation, decisions, overflow and the choice of an
order make of that is the bound. Imports wengert's graph and NumPy. Invariant: no native code is asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from wengert.core.graph import Graph
from wengert.core.node import Const, Node
from wengert.core.op import CONSTANT, ELEMENTWISE
from wengert.ops.steps import run_step

EXACT = frozenset(
    "get update stack concatenate where negative absolute fabs maximum minimum fmax fmin clip copysign relu conjugate"
    " positive item astype sort partition max min input".split()
)
"""Operations whose results are not rounded."""

JOINED = frozenset(("sum", "mean", "add", "subtract"))
"""Operations that may add products with one rounding for both, so that a product alone need not be in range."""

CHAINS = frozenset(("logaddexp_reduce", "logaddexp2_reduce", "cumprod", "prod", "cumsum"))
"""Operations that round again and again, one element after the other."""

COMPOSED = frozenset(("logaddexp", "logaddexp2", "softplus", "sinc", "unwrap", "angle"))
"""Element-wise operations that NumPy itself makes of several, whose first results may cancel."""

SUMS = frozenset(
    "sum mean matmul tensordot dot inner outer vdot vecdot matvec vecmat einsum cumsum sumprod var std"
    " convolve vector_norm".split()
)
"""Operations of many terms, which have a result of their own in more digits and a wider range."""

MATRICES = frozenset(
    "inv solve pinv lstsq adjugate det slogdet cholesky qr qr_complete eigh eigvalsh svd svdvals polar"
    " matrix_norm".split()
)
"""Operations that are right for a matrix near the one they are given, as measured by its largest element."""

SOLVED = frozenset(("inv", "solve"))
"""Operations that subtract sums which may be left out where a factor is zero."""

LARGER = frozenset(("maximum", "minimum", "fmax", "fmin", "max", "min", "clip", "relu", "sort", "partition"))
"""Operations that choose between zeros of two signs as it comes (vectors that are sorted do not even keep them)."""


class Nothing(Exception):
    """There is nothing to compare: NumPy or the derivative refuses, or the decisions hang on rounding."""


@dataclass(frozen=True)
class Answer:
    """What NumPy gives, how far from it a right answer may be (NaN: anything may come), and where it must have the
    sign of a zero."""

    value: Any
    bound: Any
    signed: Any


# ---------------------------------------------------------------- one evaluation with other roundings


def rounded(
    x: Any, rng: np.random.Generator, units: float = 2.0, *, terms: bool = False, together: bool = False
) -> Any:
    """A value moved by up to so many units in the last place: each element for itself, or all of a sign ``together``.
    ``terms`` of sums are moved further all together, as many equal terms lose the same."""
    if isinstance(x, tuple):
        return tuple(rounded(part, rng, units, terms=terms, together=together) for part in x)
    array = np.asarray(x)
    if array.dtype.kind == "c":
        parts = (array.real, array.imag)
        real, imaginary = (rounded(part, rng, units, terms=terms, together=together) for part in parts)
        across = rounded(np.abs(array), rng, units) - np.abs(array)  # parts of a product are rounded like its size
        moved = (real + across + 1j * (imaginary - across)).astype(array.dtype)
    elif array.dtype.kind == "f":
        info = np.finfo(array.dtype)
        moves = rng.uniform(-units, units, () if together else array.shape)
        if terms:
            moves = moves + np.where(array > 0, rng.uniform(-8, 8), rng.uniform(-8, 8))
        moved = (array * (1 + info.eps * moves)).astype(array.dtype)
        last = np.abs(array) < 8 * info.smallest_normal  # whose units do not become smaller any more
        if np.any(last):
            moved = np.where(last & (array != 0), moved + (moves * info.smallest_subnormal).astype(array.dtype), moved)
    else:
        return x
    return moved if type(x) is np.ndarray else moved[()]


def near_matrix(x: Any, rng: np.random.Generator) -> Any:
    """A matrix each of whose elements is moved by up to two units of the largest one."""
    x = np.asarray(x)
    if x.dtype.kind not in "fc" or x.size == 0:
        return x
    largest = np.max(np.abs(x), axis=tuple(range(x.ndim))[-2:], keepdims=True)
    return (x + rng.uniform(-2, 2, x.shape) * np.finfo(x.dtype).eps * largest).astype(x.dtype)


def vanishing(x: Any) -> Any:
    """A matrix that may have zeros in place of what is less than the rounding of its largest element."""
    if isinstance(x, tuple):
        return tuple(vanishing(part) for part in x)
    array = np.asarray(x)
    if array.dtype.kind not in "fc" or array.ndim < 2 or array.size == 0:
        return x
    largest = np.max(np.abs(array), axis=(-2, -1), keepdims=True)
    return np.where(np.abs(array) < 32 * np.finfo(array.dtype).eps * largest, 0, array).astype(array.dtype)


def _both_zeros(x: Any) -> bool:
    x = np.asarray(x)
    zero = np.signbit(x[x == 0]) if x.dtype.kind == "f" else np.zeros(0, bool)
    return bool(np.any(zero) and not np.all(zero))


def _any_zero(y: Any, operands: Sequence[Any], rng: np.random.Generator) -> Any:
    """A choice between zeros of two signs, which fell at random."""
    floats = [np.ravel(x) for x in operands if np.asarray(x).dtype.kind == "f"]
    if not floats or not _both_zeros(np.concatenate(floats)):
        return y
    sign = np.where(rng.random(np.shape(y)) < 0.5, -1.0, 1.0)
    return np.where(np.asarray(y) == 0, np.copysign(0.0, sign), y).astype(np.asarray(y).dtype)[()]


def _wide(node: Node, operands: list[Any]) -> Any:
    """The result of a sum in more digits, rounded once; None where there is none."""
    dtype = getattr(node.type, "dtype", None)
    if dtype is None or np.dtype(dtype).kind != "f" or any(np.asarray(x).dtype.kind not in "fib" for x in operands):
        return None
    wide = [np.asarray(x).astype(np.longdouble) if np.asarray(x).dtype.kind == "f" else x for x in operands]
    try:
        return run_step(node.op, wide, node.params, node.evaluate)
    except TypeError:
        return None


def _may_overflow(operands: list[Any]) -> bool:
    floats = [x for x in map(np.asarray, operands) if x.dtype.kind == "f"]
    return any(np.any(np.abs(x) > np.finfo(x.dtype).max ** 0.2) for x in floats)


def _overflows(node: Node, operands: list[Any]) -> Any:
    """Where the terms of a sum can leave the range on their way, so that its order decides what comes."""
    finite = [np.where(np.isfinite(x), np.abs(x), 0).astype(np.longdouble) for x in operands]
    most = _wide(node, finite)
    return False if most is None else most > np.finfo(node.type.dtype).max


def evaluated(graph: Graph, values: Sequence[Any], run: int | None = None) -> list[Any]:
    """The outputs, step by step as the operations say; with roundings of another kind, those of the ``run``."""
    known: dict[Any, Any] = dict(zip(graph.inputs, values, strict=True))
    rng = np.random.default_rng(run)
    products: dict[Node, Any] = {}
    for node in graph.nodes:
        operands = [a.value if isinstance(a, Const) else known[a] for a in node.args]
        if run is None:
            known[node] = run_step(node.op, operands, node.params, node.evaluate)
            continue
        wide = run % 3 == 2
        if wide and (terms := _unrounded(node, operands, products)) is not None:
            known[node] = terms
            continue
        known[node] = _otherwise(node, operands, rng, together=run % 3 == 1, wide=wide)
        if wide and node.op.name in ("multiply", "square") and np.any(np.isinf(known[node])):
            products[node] = _wide(node, operands)
    for guard in graph.guards if run is not None else ():
        try:
            guard.check(known[guard.node])
        except ValueError:
            raise Nothing("what the program decides hangs on rounding") from None
    return [o.value if isinstance(o, Const) else known[o] for o in graph.outputs]


def _unrounded(node: Node, operands: list[Any], products: dict[Node, Any]) -> Any:
    """A sum of products that overflow by themselves, which are not rounded: as machines add them that multiply and add
    in one step. None where the operands are no such products; views of them are noted too."""
    exact = [products.get(a) for a in node.args if isinstance(a, Node)]
    if all(x is None for x in exact):
        return None
    operands = [
        x if not isinstance(a, Node) or products.get(a) is None else products[a]
        for a, x in zip(node.args, operands, strict=True)
    ]
    if node.op.name in ("get", "negative"):
        products[node] = run_step(node.op, operands, node.params, node.evaluate)
        return np.asarray(products[node]).astype(node.type.dtype)[()]
    return _rounded_once(node, operands) if node.op.name in JOINED else None


def _rounded_once(node: Node, operands: list[Any]) -> Any:
    found = _wide(node, operands)
    return None if found is None else np.asarray(found).astype(node.type.dtype)[()]


def _other_einsum(subscripts: str, operands: list[Any], rng: np.random.Generator) -> Any:
    """A sum of products in another of the orders that are left open: factors in pairs, or first each summed over the
    letters that are its own."""
    left, right = subscripts.split("->")
    terms, given = left.split(","), list(operands)
    if rng.random() < 0.7 and "." not in subscripts:
        for k, term in enumerate(terms):
            others = right + "".join(terms[:k] + terms[k + 1 :])
            kept = "".join(dict.fromkeys(c for c in term if c in others))
            given[k], terms[k] = np.einsum(f"{term}->{kept}", given[k]), kept
    return np.einsum(f"{','.join(terms)}->{right}", *given, optimize=True)


def _otherwise(node: Node, operands: list[Any], rng: np.random.Generator, *, together: bool, wide: bool) -> Any:
    name = node.op.name
    if node.op.kind == CONSTANT or name in EXACT:
        y = run_step(node.op, operands, node.params, node.evaluate)
        return _any_zero(y, operands, rng) if name in LARGER else y
    if node.op.kind != ELEMENTWISE or name in COMPOSED:
        operands = [rounded(x, rng, terms=node.op.kind != ELEMENTWISE, together=together) for x in operands]
    if name in MATRICES:
        operands = [near_matrix(x, rng) for x in operands]
    y = run_step(node.op, operands, node.params, node.evaluate)
    if name in MATRICES and rng.random() < 0.5:
        y = vanishing(y)
    if name == "einsum" and wide and rng.random() < 0.5:
        y = np.asarray(_other_einsum(node.params[0], operands, rng)).astype(y.dtype)[()]
    elif wide and name in SUMS:
        more = _wide(node, operands)
        y = y if more is None else more.astype(y.dtype)[()]
    if name in SUMS and _may_overflow(operands):
        y = np.where(_overflows(node, operands), rng.choice([0.0, np.inf, -np.inf, np.nan]), y).astype(y.dtype)[()]
    if name in SUMS | SOLVED and np.any(np.equal(y, 0)):  # a sum that begins with zero is no minus zero
        y = np.where(np.equal(y, 0), np.copysign(0.0, rng.uniform(-1, 1, np.shape(y))), y).astype(y.dtype)[()]
    chain = np.sqrt(max(map(np.size, operands), default=1)) if name in CHAINS else 0.0
    return rounded(y, rng, 2.0 + chain, together=together)


# ---------------------------------------------------------------- what many of them say


def allowed(graph: Graph, values: Sequence[Any], runs: int = 4, alternative: Graph | None = None) -> list[Answer]:
    """The outputs by NumPy and what may come in their place, as so many ``runs`` say. The runs of an ``alternative``,
    the same mathematics in other steps, count like those of the graph."""
    with np.errstate(all="ignore"):
        want = evaluated(graph, values)
        try:
            others = [evaluated(g, values, k) for g in (graph, alternative) if g is not None for k in range(runs)]
        except (np.linalg.LinAlgError, ValueError) as refused:
            raise Nothing(f"with other roundings NumPy refuses it: {refused}") from None
        return [_answer(np.asarray(w), [np.asarray(o[k]) for o in others]) for k, w in enumerate(want)]


def _answer(want: Any, others: list[Any]) -> Answer:
    never = np.zeros(want.shape, bool)
    if want.dtype.kind not in "fc":
        same = np.all([o == want for o in others], axis=0)
        return Answer(want, np.where(same, 0.0, np.nan), never)
    if want.dtype.kind == "c":
        parts = [_answer(want.real, [o.real for o in others]), _answer(want.imag, [o.imag for o in others])]
        return Answer(want, np.hypot(parts[0].bound, parts[1].bound), never)
    info = np.finfo(want.dtype)
    spread = np.max([np.abs(np.subtract(o, want, dtype=float)) for o in others], axis=0)
    same = np.all([(o == want) | (np.isnan(o) & np.isnan(want)) for o in others], axis=0)
    spread = np.where(same | ~np.isfinite(spread), 0.0, spread)
    size = np.abs(np.where(np.isfinite(want), want, 0.0), dtype=float)
    usual = float(np.sum(spread) / max(np.sum(size), 1e-300)) * size  # few runs can agree by luck
    margin = 8.0 if len(others) < 32 else 4.0  # the largest of few is smaller
    bound = margin * np.maximum(spread, usual) + 8 * float(info.eps) * size + 4 * float(info.smallest_subnormal)
    alike = np.all([_class(o) == _class(want) for o in others], axis=0)
    signed = np.all([(o == 0) & (np.signbit(o) == np.signbit(want)) for o in others], axis=0)
    return Answer(want, np.where(alike, bound, np.nan), signed)


def _class(x: Any) -> Any:
    """Finite, one of the infinities, or NaN."""
    return np.where(np.isfinite(x), 0, np.where(np.isnan(x), 2, np.sign(x)))


def assert_near(got: Any, answer: Answer, what: str, *, factor: float = 1.0, zeros: bool = False) -> None:
    """Assert that type, shape and every element are right, with ``zeros`` also the signs of zeros that are sure."""
    g, w = np.asarray(got), np.asarray(answer.value)
    assert g.dtype == w.dtype and g.shape == w.shape, f"{what}: {g.dtype}{g.shape}, wanted {w.dtype}{w.shape}"
    bound = factor * answer.bound
    with np.errstate(all="ignore"):
        if w.dtype.kind in "fc":
            right = np.abs(np.subtract(g, w, dtype=np.promote_types(w.dtype, np.float64))) <= bound
            right |= (g == w) | (np.isnan(g) & np.isnan(w)) | np.isnan(bound)
        else:
            right = (g == w) | np.isnan(bound)
        if zeros and w.dtype.kind == "f":
            right &= ~answer.signed | (np.signbit(g) == np.signbit(w))
    if not np.all(right):
        at = np.unravel_index(int(np.argmin(right)), right.shape)
        error = f"{what}: {right.size - np.count_nonzero(right)} of {right.size} wrong, at {tuple(map(int, at))} "
        raise AssertionError(f"{error}{g[at]!r}, wanted {w[at]!r} within {np.broadcast_to(bound, w.shape)[at]:.3g}")
