"""Checking a form before it is returned.

Against a complex step (or differences) of what was differentiated, at random points. Imports NumPy, evaluate.
Invariant: the reference uses no derivative rule; a form that differs is never returned.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from wengert.core.errors import CheckError, WengertError
from wengert.core.graph import Graph
from wengert.symbolic.dims import Dim, sized
from wengert.symbolic.evaluate import evaluate, magnitude
from wengert.symbolic.graphs import bound, variables_of
from wengert.symbolic.terms import Abstract, Fn, Matrix, Term, Var, dimensions, ordered, variables

PRIMES = (3, 4, 2, 5, 6, 7)
STEP = 1e-30
FURTHER, LARGER, LAST = 6, 9, 12
"""The rounds from which values lie further out, from which sizes are larger, and how many there are."""
ROUGH = {"gammaln", "digamma", "trigamma", "polygamma", "power", "arctan2", "cbrt"}
"""Functions that NumPy and SciPy do not continue to complex arguments, or not along the branch of the real ones."""


class Unchecked(WengertError):
    """No point was found at which a form could be compared."""


def points(term: Term, others: Mapping[str, Var], round_: int) -> tuple[dict[str, Any], dict[str, int]]:
    """Values for all variables that fit their facts, and sizes of the named dimensions; ``round_`` varies both."""
    rng = np.random.default_rng(7 + 13 * round_)
    free = {**variables(term), **others}
    names = sorted(
        dimensions(term) | {n for v in free.values() for d in v.shape if isinstance(d, Dim) for n in d.names}
    )
    more = 0 if round_ < LARGER else 9  # for an index or a slice far from the start
    sizes = {n: PRIMES[(k + round_) % len(PRIMES)] + more for k, n in enumerate(names)}
    values = {n: sample(v, sizes, rng, round_) for n, v in free.items()}
    for node in ordered(term):  # points between which one interpolates increase
        if isinstance(node, Abstract) and node.name == "interp" and isinstance(node.args[1], Var):
            values[node.args[1].name] = np.sort(values[node.args[1].name])
    return values, sizes


def sample(variable: Var, sizes: Mapping[str, int], rng: np.random.Generator, kind: int) -> Any:
    """A random value of a variable: signed in one round, between 0.2 and 0.9 in others, as its facts demand; the
    last rounds look further out, where arccosh and iterated logarithms are defined.
    """
    shape = tuple(sized(d, sizes) for d in variable.shape)
    facts = variable.facts
    value = rng.uniform(0.2, 0.9, shape) if kind % 3 else rng.uniform(0.3, 1.2, shape) * rng.choice((-1.0, 1.0), shape)
    if FURTHER <= kind < LARGER:
        value = rng.uniform(1.5, 3.0, shape) if kind < LARGER - 1 else rng.uniform(6.0, 9.0, shape)
    if "positive" in facts:
        value = np.abs(value)
    if "probability" in facts:
        value = np.abs(value) / np.abs(value).sum(axis=-1, keepdims=True)
    if len(shape) == 2 and shape[0] == shape[1]:
        if facts & {"symmetric", "positive definite"}:
            value = value + value.T
        if "positive definite" in facts:
            value = 0.2 * value + (1.0 + shape[0]) * np.eye(shape[0])
        elif kind % 3 and not FURTHER <= kind < LARGER and not facts:
            value = 0.3 * value + (1.0 + 0.3 * shape[0]) * np.eye(shape[0])
        if "orthogonal" in facts:
            value = np.linalg.qr(value)[0]
        if "triangular" in facts:
            value = np.tril(value)
        if "diagonal" in facts:
            value = np.diag(np.diag(value))
    return float(value) if not shape else value


def smooth(term: Term) -> bool:
    """Whether a complex step passes through every function of a term."""
    return not any(
        (isinstance(t, Matrix) and t.name in ("nuclear", "polar"))
        or isinstance(t, Abstract)
        or (isinstance(t, Fn) and t.name in ROUGH)
        for t in ordered(term)
    )


def regular(term: Term, values: Mapping[str, Any], sizes: Mapping[str, int]) -> bool:
    """Whether every matrix that is inverted, or whose determinant is taken, is far from singular."""
    inner = [t.arg for t in ordered(term) if isinstance(t, Matrix) and t.name not in ("nuclear", "polar")]
    return all(np.linalg.cond(evaluate(a, values, sizes)) < 1e6 for a in inner)


def directional(term: Term, x: Var, values: dict[str, Any], sizes: Mapping[str, int], direction: Any) -> Any:
    """The derivative of a term along a direction of x, measured."""
    if smooth(term):
        return np.imag(evaluate(term, {**values, x.name: values[x.name] + 1j * STEP * direction}, sizes)) / STEP

    def at(h: float) -> Any:
        return evaluate(term, {**values, x.name: values[x.name] + h * direction}, sizes)

    rows: list[list[Any]] = []
    best, spread = None, np.inf
    for k in range(9):  # Richardson's table; where differences of its neighbours are smallest (Ridders 1982)
        s = 2.0 ** (-6 - k)
        row = [(at(s) - at(-s)) / (2 * s)]
        for j, last in enumerate(rows[-1] if rows else [], start=1):
            row.append(row[-1] + (row[-1] - last) / (4.0**j - 1))
            apart = max(np.max(np.abs(row[-1] - row[-2]), initial=0.0), np.max(np.abs(row[-1] - last), initial=0.0))
            if apart < spread:
                best, spread = row[-1], apart
        rows.append(row)
    return rows[-1][0] if best is None else best


def check_derivative(
    before: Term,
    after: Term,
    x: Var,
    computed: Callable[..., Any] | None = None,
    free: Mapping[str, Var] | None = None,
) -> int:
    """Compare ``after`` = d before / dx, and the printed program ``computed``, at random points; returns how many.

    Raises CheckError where they differ, and ``Unchecked`` when no point gives finite values.
    """
    if any(isinstance(t, Abstract) and t.program is None for t in ordered(before)):
        return 0
    # Factorisations of symmetric matrices read one triangle, their derivatives both: alike where symmetry is kept.
    triangles = any(isinstance(t, Abstract) and t.program is not None for t in ordered(before))
    compared = 0
    trouble: Exception | None = None
    for round_ in range(LAST):
        values, sizes = points(before, {**(free or {}), x.name: x}, round_)
        rng = np.random.default_rng(round_)
        direction = rng.normal(size=np.shape(values[x.name]))
        if triangles and x.facts & {"symmetric", "positive definite"}:
            direction = direction + direction.T
        try:
            with np.errstate(all="ignore"):
                here = evaluate(before, values, sizes)
                if not np.all(np.isfinite(here)) or not regular(before, values, sizes):
                    continue
                want = directional(before, x, values, sizes, direction)
                full = evaluate(after, values, sizes)
                got = np.tensordot(full, direction, axes=x.rank) if x.rank else full * direction
        except (np.linalg.LinAlgError, ArithmeticError, IndexError, ValueError) as error:
            trouble = error
            continue
        if not (np.all(np.isfinite(want)) and np.all(np.isfinite(got))):
            continue
        exact = smooth(before)  # a complex step has no rounding errors of its own, differences have
        noise = 1e-12 if exact else 1e-12 + 1e-9 * np.max(np.abs(here), initial=0.0)
        try:
            agree(got, want, 1e-8 if exact else 1e-6, full, noise)
        except CheckError:  # what cancels leaves the rounding errors of its parts, which may be far larger
            parts = np.max(magnitude(after, values, sizes)) * np.max(np.abs(direction), initial=1.0)
            if not exact:
                parts = max(parts, 1e3 * np.max(magnitude(before, values, sizes)))
            agree(got, want, 1e-8 if exact else 1e-6, full, noise + 1e-12 * parts)
        if computed is not None:
            with np.errstate(all="ignore"):
                printed = computed(values, sizes)
            if np.shape(printed) != np.shape(full):
                raise CheckError(
                    f"the printed form has shape {np.shape(printed)}, not {np.shape(full)}: please report it"
                )
            agree(printed, full, 1e-7, full)
        compared += 1
        if compared == 2:
            return compared
    if not compared:
        raise Unchecked(
            "no form: it could not be compared with a numeric derivative at any random point"
            f"{f' ({trouble})' if trouble else ''}"
            "\n  fix: declare facts such as positive=True or positive_definite=True, or pass check=False"
        )
    return compared


def check_alike(term: Term, computed: Callable[..., Any], free: Mapping[str, Var]) -> None:
    """Raise CheckError unless a printed program has the value of a term, where the variables are what they are known
    to be.
    """
    for round_ in range(LAST):
        values, sizes = points(term, free, round_)
        with np.errstate(all="ignore"):
            try:
                want = evaluate(term, values, sizes)
                got = computed(values, sizes)
            except (np.linalg.LinAlgError, ArithmeticError):
                continue
        if np.all(np.isfinite(want)):
            agree(got, want, 1e-7, want)
            return
    raise Unchecked("no form: it could not be compared at any random point\n  fix: pass check=False")


def check_value(term: Term, values: Mapping[str, Any], sizes: Mapping[str, int], want: Any) -> None:
    """Raise CheckError unless a term has the value of the function it was read from, where both are finite."""
    with np.errstate(all="ignore"):
        try:
            if not regular(term, values, sizes):
                return
            found = evaluate(term, values, sizes)
        except (np.linalg.LinAlgError, ArithmeticError):
            return
    if np.shape(found) != np.shape(want):
        raise CheckError(f"no form: what was read has shape {np.shape(found)}, the function {np.shape(want)}")
    if np.all(np.isfinite(want)) and np.all(np.isfinite(found)):
        error = np.max(np.abs(found - np.asarray(want, dtype=float)), initial=0.0)
        if not error <= 1e-8 * max(1.0, np.max(np.abs(want), initial=0.0)):
            raise CheckError(
                f"no form: what was read as a formula differs from the function by {error:.3g}"
                "\n  fix: please report this function; wengert.grad, jacobian and hessian follow it"
            )


def check_read(term: Term, graph: Graph) -> None:
    """Raise CheckError unless a term has the value of the program that a formula is, at two random points."""
    if graph.memory.get("compared") or any(isinstance(t, Abstract) and t.program is None for t in ordered(term)):
        return
    free = {v.name: v for v in variables_of(graph)}
    compared = 0
    for round_ in range(LAST):
        values, sizes = points(term, free, round_)
        try:
            with np.errstate(all="ignore"):
                want = bound(graph, sizes).evaluate([values[n] for n in free])[0]
                if not np.all(np.isfinite(want)):
                    continue
                check_value(term, values, sizes, want)
        except CheckError:
            raise
        except (np.linalg.LinAlgError, ArithmeticError, IndexError, ValueError):
            continue
        compared += 1
        if compared == 2:
            break
    graph.memory["compared"] = True


def agree(got: Any, want: Any, rtol: float, scale: Any, noise: float = 1e-12) -> None:
    """Raise CheckError unless two arrays agree relative to the size of the derivative, or differ by noise."""
    error = np.max(np.abs(np.asarray(got) - want), initial=0.0)
    size = max(np.max(np.abs(want), initial=0.0), np.max(np.abs(scale), initial=0.0))
    if not error <= rtol * size + noise:
        raise CheckError(
            f"no form: what was found differs from the numeric derivative by {error:.3g} (of {size:.3g})"
            "\n  fix: please report this expression; check=False returns the form all the same"
        )
