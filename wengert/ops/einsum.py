"""einsum: sums of products by index letters.

The value is ``np.einsum`` itself, bit for bit; a cotangent is contracted pair by pair. Imports
core,
the makers, ``contract``, ``pairwise``, ``select``. Invariant: a cotangent is made of operations of
those files only, so any order of derivative exists.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from wengert.core.handle import is_handle
from wengert.ops.contract import (
    conj,
    normal,
    unbroadcast,
)
from wengert.ops.kinds import variadic
from wengert.ops.memory import read
from wengert.ops.pairwise import Labels, Term, contract, sizes_of, spread_labels
from wengert.ops.select import where
from wengert.ops.visit import spread

_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


class Spec(NamedTuple):
    """Subscripts read: the labels of every operand and of the output."""

    operands: tuple[Labels, ...]
    output: Labels


def from_lists(arguments: Sequence[Any]) -> tuple[str, list[Any]]:
    """The subscripts and operands of the form ``einsum(a, [0, 1], b, [1, 2], [0, 2])``."""
    operands = list(arguments[0::2])
    lists = list(arguments[1::2])
    output = None
    if len(operands) > len(lists):
        output = operands.pop()
    text = ",".join(map(_spelled, lists))
    return (text if output is None else f"{text}->{_spelled(output)}"), operands


def _spelled(indices: Any) -> str:
    if not isinstance(indices, (list, tuple)):
        raise TypeError(
            "einsum: subscripts in list form must be lists of integers, got "
            f"{type(indices).__name__}"
        )
    return "".join("..." if k is Ellipsis else _LETTERS[int(k)] for k in indices)


def explicit(subscripts: str) -> str:
    """Subscripts with their output written out: in implicit form the letters that occur once, in
    alphabetical order."""
    text = subscripts.replace(" ", "")
    if "->" in text:
        return text
    count = Counter(text.replace("...", "").replace(",", ""))
    letters = "".join(sorted(letter for letter, n in count.items() if n == 1))
    return f"{text}->{'...' if '...' in text else ''}{letters}"


def parse(subscripts: str, ranks: Sequence[int]) -> Spec:
    """The labels of explicit subscripts for operands of these ranks; raises ValueError where they
    do not fit."""
    left, right = subscripts.split("->")
    terms = left.split(",")
    if len(terms) != len(ranks):
        raise ValueError(f"einsum: {len(terms)} terms in {subscripts!r} but {len(ranks)} operands")
    operands = tuple(_labels(t, n, subscripts) for t, n in zip(terms, ranks, strict=True))
    widest = max((-k for labels in operands for k in labels if isinstance(k, int)), default=0)
    head, dots, tail = right.partition("...")
    output = (*head, *(range(-widest, 0) if dots else ()), *tail)
    return Spec(operands, output)


def _labels(term: str, rank: int, subscripts: str) -> Labels:
    head, dots, tail = term.partition("...")
    named = len(head) + len(tail)
    if named > rank or (not dots and named != rank):
        raise ValueError(
            f"einsum: the term {term!r} of {subscripts!r} does not fit an operand of {rank} axes"
        )
    return (*head, *(range(named - rank, 0) if dots else ()), *tail)


# ---------------------------------------------------------------- derivative


def _transpose(
    k: int,
    ct: Any,
    values: Sequence[Any],
    shapes: Sequence[tuple[int, ...]],
    subscripts: str,
    optimize: Any,
) -> Any:
    spec = parse(subscripts, [len(s) for s in shapes])
    sizes = sizes_of(spec.operands, shapes)
    mine = spec.operands[k]
    unique = tuple(dict.fromkeys(mine))
    terms: list[Term] = [(spec.output, ct)]
    for i, value in enumerate(values):
        if i != k:
            labels = spec.operands[i]
            terms.append((tuple(dict.fromkeys(labels)), conj(_without_repeats(labels, value))))
    made, out = contract(terms, unique, sizes)
    if made != unique:
        # Letters that occur in this operand only: where along them it was read does not matter.
        out = spread(spread_labels(made, out, unique), tuple(sizes[name] for name in unique))
    if len(unique) < len(mine):
        out = _on_diagonal(unique, out, mine, sizes)
    return unbroadcast(out, shapes[k])


def _without_repeats(labels: Labels, value: Any) -> Any:
    """An operand with its diagonals taken, so that no label occurs twice; the labels stay in order
    of first occurrence."""
    steps, _ = diagonal_steps(labels)
    for step in steps:
        value = read(value, step) if is_handle(value) else _apply(step, value)
    return value


def _apply(step: Any, value: Any) -> Any:
    return value.transpose(step[1]) if step[0] == "transpose" else np.einsum("...ii->...i", value)


def diagonal_steps(labels: Labels) -> tuple[list[Any], Labels]:
    """View steps that take the diagonals of repeated labels, and the labels that remain, in order
    of first occurrence."""
    steps: list[Any] = []
    have = list(labels)
    while len(set(have)) < len(have):
        name = next(k for k in have if have.count(k) > 1)
        first = have.index(name)
        second = have.index(name, first + 1)
        order = (*(k for k in range(len(have)) if k not in (first, second)), first, second)
        steps += [("transpose", order), ("einsum_diagonal", None)]
        have = [have[k] for k in order[:-1]]
    wanted = tuple(dict.fromkeys(labels))
    order = tuple(have.index(k) for k in wanted)
    if order != tuple(range(len(order))):
        steps.append(("transpose", order))
    return steps, wanted


def _on_diagonal(unique: Labels, ct: Any, mine: Labels, sizes: dict[Any, int]) -> Any:
    """A cotangent put on the diagonal that its operand was read along, with zeros beside it."""
    first = {name: mine.index(name) for name in unique}
    keep = np.ones((), bool)
    for axis, name in enumerate(mine):
        if axis != first[name]:
            n = sizes[name]
            shape = [1] * len(mine)
            shape[first[name]] = shape[axis] = n
            keep = keep & np.eye(n, dtype=bool).reshape(shape)
    index = tuple(slice(None) if first[name] == axis else None for axis, name in enumerate(mine))
    return where(keep, ct[index], 0.0)


def _shape(shapes: Sequence[tuple[Any, ...]], subscripts: str, optimize: Any) -> tuple[Any, ...]:
    spec = parse(subscripts, [len(s) for s in shapes])
    sizes = sizes_of(spec.operands, shapes)
    return tuple(sizes[k] for k in spec.output)


def _evaluate(*arguments: Any) -> Any:
    *operands, subscripts, optimize = arguments
    out = np.einsum(subscripts, *operands, optimize=optimize)
    # One operand without a sum is a view in NumPy: the step's value must not share memory with what
    # went in.
    return (
        out.copy()
        if len(operands) == 1 and type(out) is np.ndarray and out.base is not None
        else out
    )


def _batch(values: Any, mask: Any, params: Any) -> Any:
    subscripts, optimize = params
    left, right = subscripts.split("->")
    letter = next(c for c in _LETTERS if c not in subscripts)
    terms = [letter + t if m else t for t, m in zip(left.split(","), mask, strict=True)]
    return einsum(values, f"{','.join(terms)}->{letter}{right}", optimize)


_CASES: tuple[tuple[str, tuple[tuple[int, ...], ...]], ...] = (
    ("ij,jk->ik", ((2, 3), (3, 4))),
    ("ij,ij->", ((2, 3), (2, 3))),
    ("kij,nkj->nki", ((2, 3, 3), (4, 2, 3))),
    ("i,j->ij", ((2,), (3,))),
    ("ij,i->ij", ((2, 3), (2,))),
    ("ij->i", ((2, 3),)),
    ("ii->", ((3, 3),)),
    ("iji->ij", ((2, 3, 2),)),
    ("...ij,...jk->...ik", ((5, 2, 3), (3, 2))),
    ("ij,jk,kl->il", ((2, 3), (3, 4), (4, 2))),
    ("ii,ij->j", ((3, 3), (3, 2))),
    ("ij,kl->il", ((2, 3), (4, 2))),
    ("i,i,i->", ((3,), (3,), (3,))),
    ("ij,jk->ki", ((2, 1), (3, 4))),
    (",i->i", ((), (3,))),
)


def _samples(rng: Any) -> Iterable[Any]:
    for k, (subscripts, shapes) in enumerate(_CASES):
        yield tuple(normal(rng, *s) for s in shapes), (subscripts, k % 3 == 2)
    subscripts, shapes = _CASES[2]
    for dtype in (complex, np.float32):
        yield tuple(normal(rng, *s, dtype=dtype) for s in shapes), (subscripts, False)


einsum = variadic(
    "einsum",
    _evaluate,
    _transpose,
    params={"subscripts": "->", "optimize": False},
    joint=False,
    shape=_shape,
    doc="The sum over all letters outside the output of the product of the operands.",
    batch=_batch,
    samples=_samples,
)
