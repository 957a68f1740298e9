"""Native code against NumPy on random programs, to a few units in the last place.

Run as a program it looks for faults as long as it is told, and prints each as the smallest program that has it:
``python -m tests.backends.llvm.fuzz 600 [first seed]``; with ``--seed N`` one program is run and shown.

How far two right answers may be apart is found by evaluating the recorded graph again with roundings of its own
(every inexact step moved by two units in the last place, sums also in each term): that is what cancellation makes of
rounding. Imports the words, wengert and NumPy. Invariant: nothing is compared with what native code gave."""

from __future__ import annotations

import argparse
import time
import traceback
import warnings
from typing import Any

import numpy as np

import wengert
from tests.backends.llvm.fuzz_programs import Program, is_float, random_program
from wengert.backends.guards import GuardFailed
from wengert.backends.llvm.program import NativePlan
from wengert.core.graph import Graph
from wengert.core.node import Const
from wengert.core.op import CONSTANT, ELEMENTWISE
from wengert.ops.steps import run_step

EXACT = frozenset(
    "get update stack concatenate where negative absolute fabs maximum minimum fmax fmin clip copysign relu conjugate"
    " positive item astype sort partition max min input".split()
)
"""Operations whose results are not rounded."""

CHAINS = {"logaddexp_reduce": 1, "cumprod": 1, "prod": 1, "cumsum": 1}
"""Operations that round again and again, one element after the other."""

TRANSFORMS = ("value", "value", "value", "gradient", "gradient", "tangent", "product", "batch", "hessian")


# ---------------------------------------------------------------- what NumPy says, and how surely


class Nothing(Exception):
    """There is nothing to compare: NumPy or the derivative refuses."""


def rounded(x: Any, rng: np.random.Generator, units: float = 2.0, *, terms: bool = False) -> Any:
    """A float value moved by up to so many units in the last place; terms of sums also all together, as many equal
    terms lose the same."""
    if isinstance(x, tuple):
        return tuple(rounded(part, rng, units, terms=terms) for part in x)
    if not is_float(x):
        return x
    array = np.asarray(x)
    moves = rng.uniform(-units, units, array.shape)
    if terms:
        moves += np.where(array > 0, rng.uniform(-8, 8), rng.uniform(-8, 8))
    moved = array * (1 + np.finfo(array.dtype).eps * moves).astype(array.dtype)
    return moved if type(x) is np.ndarray else moved[()]


def evaluated(graph: Graph, values: list[Any], rng: np.random.Generator | None) -> list[Any]:
    """The outputs, step by step as the operations say; with roundings of another kind if there is a generator."""
    known: dict[Any, Any] = dict(zip(graph.inputs, values, strict=True))
    for node in graph.nodes:
        operands = [a.value if isinstance(a, Const) else known[a] for a in node.args]
        inexact = rng is not None and node.op.kind != CONSTANT and node.op.name not in EXACT
        if inexact and node.op.kind != ELEMENTWISE:
            operands = [rounded(x, rng, terms=True) for x in operands]
        y = run_step(node.op, operands, node.params, node.evaluate)
        chain = CHAINS.get(node.op.name, 0) and np.sqrt(max(map(np.size, operands), default=1))
        known[node] = rounded(y, rng, 2.0 + chain) if inexact else y
    for guard in graph.guards if rng is not None else ():
        try:
            guard.check(known[guard.node])
        except ValueError:
            raise Nothing("what the program decides hangs on rounding") from None
    return [o.value if isinstance(o, Const) else known[o] for o in graph.outputs]


def allowed(graph: Graph, values: list[Any], runs: int = 4) -> tuple[list[Any], list[Any]]:
    """The outputs by NumPy and, for each, how far a right answer may be from it (NaN: anything may come)."""
    with np.errstate(all="ignore"):
        want = evaluated(graph, values, None)
        others = [evaluated(graph, values, np.random.default_rng(k)) for k in range(runs)]
        bounds = []
        for k, w in enumerate(want):
            w = np.asarray(w)
            if w.dtype.kind != "f":
                same = np.all([np.asarray(o[k]) == w for o in others], axis=0)
                bounds.append(np.where(same, 0.0, np.nan))
                continue
            info = np.finfo(w.dtype)
            spread = np.max([np.abs(np.subtract(o[k], w, dtype=float)) for o in others], axis=0)
            same = np.all([(np.asarray(o[k]) == w) | (np.isnan(o[k]) & np.isnan(w)) for o in others], axis=0)
            spread = np.where(same | ~np.isfinite(spread), 0.0, spread)
            size = np.abs(np.where(np.isfinite(w), w, 0.0), dtype=float)
            usual = float(np.sum(spread) / max(np.sum(size), 1e-300)) * size  # few runs can agree by luck
            bound = 8 * np.maximum(spread, usual) + 8 * float(info.eps) * size
            known = np.all([np.isfinite(o[k]) == np.isfinite(w) for o in others], axis=0)
            bounds.append(np.where(known, bound + 4 * float(info.smallest_normal) * info.eps, np.nan))
    return want, bounds


def assert_near(got: Any, want: Any, bound: Any, what: str, zeros: bool = False) -> None:
    """Assert that type, shape and every element are right."""
    g, w = np.asarray(got), np.asarray(want)
    assert g.dtype == w.dtype and g.shape == w.shape, f"{what}: {g.dtype}{g.shape}, wanted {w.dtype}{w.shape}"
    with np.errstate(all="ignore"):
        if w.dtype.kind == "f":
            right = np.abs(g.astype(float) - w) <= bound
            right |= (g == w) | (np.isnan(g) & np.isnan(w)) | np.isnan(bound)
            if zeros:
                right &= (w != 0) | (g != 0) | (np.signbit(g) == np.signbit(w))
        else:
            right = (g == w) | np.isnan(bound)
    if not np.all(right):
        at = np.unravel_index(int(np.argmin(right)), right.shape)
        error = f"{what}: {right.size - np.count_nonzero(right)} of {right.size} wrong, at {tuple(map(int, at))} "
        raise AssertionError(f"{error}{g[at]!r}, wanted {w[at]!r} within {np.broadcast_to(bound, w.shape)[at]:.3g}")


# ---------------------------------------------------------------- arguments and transforms


def layouts(x: Any, rng: np.random.Generator) -> Any:
    """The same numbers somewhere else: strided, backwards, misaligned, byte-swapped, read-only, broadcast."""
    if not isinstance(x, np.ndarray) or x.ndim == 0:
        return x
    kind = int(rng.integers(8))
    if kind == 0:
        return np.asfortranarray(x)
    if kind == 1:
        wide = np.full((*x.shape[:-1], 3 * x.shape[-1] + 1), 7, x.dtype)
        wide[..., 1::3] = x
        return wide[..., 1::3]
    if kind == 2:
        return x[::-1].copy()[::-1]
    if kind == 3:
        raw = np.zeros(x.nbytes + 1, np.uint8)[1:].view(x.dtype).reshape(x.shape)
        raw[...] = x
        return raw
    if kind == 4:
        return x.astype(x.dtype.newbyteorder())
    if kind == 5:
        locked = x.copy()
        locked.flags.writeable = False
        return locked
    if kind == 6 and x.size and np.all(x == x[:1]):
        return np.broadcast_to(x[:1].copy(), x.shape)
    return x


def transformed(program: Program, transform: str, rng: np.random.Generator) -> tuple[Any, tuple[Any, ...]]:
    """A function and its arguments: the program itself, or a derivative of a weighted sum of its float outputs."""
    args = program.inputs
    places = tuple(k for k, x in enumerate(args) if is_float(x))
    if transform == "value":
        return program, args
    if transform == "batch":
        axes = tuple(0 if k in places else None for k in range(len(args)))
        rows = tuple(
            np.stack([x, x * x.dtype.type(0.75), x + x.dtype.type(0.25)]) if k in places else x
            for k, x in enumerate(args)
        )
        return wengert.vmap(program, in_axes=axes), rows
    wave = [float(w) for w in rng.uniform(0.5, 1.5, len(program.outputs))]

    def loss(*x: Any) -> Any:
        return sum(w * np.sum(y * 0.5 + y) for w, y in zip(wave, program(*x), strict=True) if is_float_leaf(y))

    if transform == "gradient":
        return wengert.value_and_grad(loss, places), args
    directions = tuple(
        rng.standard_normal(np.shape(x)).astype(np.asarray(x).dtype) if k in places else None
        for k, x in enumerate(args)
    )
    if transform == "tangent":
        return (lambda *x: wengert.jvp(program, x, directions)), args
    if transform == "hessian" and sum(np.size(args[k]) for k in places) <= 12:
        return wengert.hessian(loss, places[0]), args
    return (lambda *x: wengert.hvp(loss, x, directions)), args


def is_float_leaf(y: Any) -> bool:
    """The same for a value of a running trace."""
    return np.dtype(getattr(y, "dtype", float)).kind == "f"


# ---------------------------------------------------------------- one comparison


def compare(program: Program, seed: int, *, transform: str, compiled: bool, zeros: bool = False) -> None:
    """Assert that native code gives what NumPy gives. Raises Nothing, or an AssertionError with the difference."""
    rng = np.random.default_rng(seed)
    fun, args = transformed(program, transform, rng)
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            graph = wengert.trace(fun)(*args)
        except (wengert.WengertError, ValueError, IndexError, ZeroDivisionError, np.linalg.LinAlgError) as refused:
            raise Nothing(str(refused)) from None
        if len(graph) > 3000:
            raise Nothing("too long")
        points = [args, *(tuple(_elsewhere(x, rng) for x in args) for _ in range(2))]
        if compiled:
            _compare_compiled(fun, points, rng)
        else:
            _compare_plan(graph, points, rng, zeros)


def _elsewhere(x: Any, rng: np.random.Generator) -> Any:
    if not is_float(x):
        return x
    x = np.asarray(x)
    return (x * (1 + 0.02 * rng.standard_normal(x.shape))).astype(x.dtype)


def _inputs(graph: Graph, args: tuple[Any, ...]) -> list[Any]:
    assert graph.signature is not None
    leaves = graph.signature.structure.flatten_like((args, {}), "arguments")
    return [v for v, taken in zip(leaves, graph.signature.taken, strict=True) if taken]


def _compare_plan(graph: Graph, points: list[tuple[Any, ...]], rng: np.random.Generator, zeros: bool) -> None:
    plan = NativePlan(graph)
    for number, args in enumerate(points[:2]):
        values = _inputs(graph, args)
        try:
            graph.evaluate(values)
        except ValueError:
            try:
                plan.run(values)
            except GuardFailed:
                continue
            raise AssertionError("a guard that fails in NumPy holds in native code") from None
        want, bounds = allowed(graph, values)
        given = [layouts(x, rng) for x in values]
        before = [np.array(x) for x in given]
        got = [_native(g) for g in plan.run(given)]
        for k, (g, w, bound) in enumerate(zip(got, want, bounds, strict=True)):
            assert_near(g, w, bound, f"output {k} at point {number}", zeros)
            assert not any(np.may_share_memory(g, x) for x in given if isinstance(g, np.ndarray)), "shared memory"
        for x, kept in zip(given, before, strict=True):
            assert np.array_equal(x, kept, equal_nan=kept.dtype.kind == "f"), "an input was changed"


def _compare_compiled(fun: Any, points: list[tuple[Any, ...]], rng: np.random.Generator) -> None:
    compiled = wengert.compile(fun, backend="native")
    for number, args in enumerate([points[0], points[0], *points[1:]]):
        try:
            plain = wengert.trace(fun)(*args)
        except (wengert.WengertError, ValueError, IndexError, np.linalg.LinAlgError):
            return
        want, bounds = allowed(plain, _inputs(plain, args))
        given = tuple(layouts(x, rng) for x in args) if number else args
        before = [np.array(x) for x in given]
        got = [_native(g) for g in _leaves(compiled(*given))]
        assert len(got) == len(want)
        for k, (g, w, bound) in enumerate(zip(got, want, bounds, strict=True)):
            assert_near(g, w, 4 * bound, f"compiled: output {k} of call {number}")
        for x, kept in zip(given, before, strict=True):
            assert np.array_equal(x, kept, equal_nan=kept.dtype.kind == "f"), "an argument was changed"
    left = [what for path in compiled.paths for what in path.left_out]
    assert not left, f"left out: {left}"


def _native(x: Any) -> Any:
    """An argument that is handed back has the byte order that it came with."""
    return x.astype(x.dtype.newbyteorder("=")) if isinstance(x, np.ndarray) and not x.dtype.isnative else x


def _leaves(out: Any) -> list[Any]:
    if isinstance(out, (tuple, list)):
        return [leaf for part in out for leaf in _leaves(part)]
    return [] if out is None else [out]


# ---------------------------------------------------------------- the command


def options_of(seed: int) -> dict[str, Any]:
    """How the program of a seed is compared."""
    special = seed % 7 == 3
    transform = "value" if special else TRANSFORMS[seed // 2 % len(TRANSFORMS)]
    return {"special": special, "transform": transform, "compiled": seed % 2 == 1 and not special}


def check(seed: int) -> bool:
    """Compare the program of a seed; whether there was something to compare."""
    options = options_of(seed)
    program = random_program(seed, special=options.pop("special"))
    try:
        compare(program, seed, **options)
    except Nothing:
        return False
    return True


def kind_of(problem: BaseException) -> str:
    """What makes two faults the same while a program is made smaller."""
    return f"{type(problem).__name__}{' of values' if ' wrong, at ' in str(problem) else ''}"


def shrunk(program: Program, seed: int, options: dict[str, Any], kind: str, seconds: float = 15.0) -> Program:
    """A smaller program with a fault of the same kind."""
    end = time.monotonic() + seconds
    again = True
    while again:
        again = False
        for candidate in program.smaller():
            if len(candidate.steps) + len(candidate.outputs) >= len(program.steps) + len(program.outputs):
                continue
            if time.monotonic() > end:
                return program
            try:
                compare(candidate, seed, **options)
            except Nothing:
                continue
            except Exception as problem:  # noqa: BLE001 whatever goes wrong is what is looked for
                if kind_of(problem) == kind:
                    program, again = candidate, True
                    break
    return program


def report(seed: int, problem: BaseException) -> None:
    """Print a fault and the smallest program that has it."""
    options = options_of(seed)
    program = random_program(seed, special=options.pop("special"))
    print(f"---- seed {seed}, {options}: {type(problem).__name__}: {str(problem)[:300]}", flush=True)
    small = shrunk(program, seed, options, kind_of(problem))
    try:
        compare(small, seed, **options)
    except Exception as last:  # noqa: BLE001
        problem = last
    text = "".join(traceback.format_exception(problem)[-3:]) if not isinstance(problem, AssertionError) else problem
    print(f"{small}\n{str(text).strip()[:1500]}", flush=True)


def main() -> None:
    """Look for faults until the time is over."""
    parser = argparse.ArgumentParser(description="Compare native code with NumPy on random programs.")
    parser.add_argument("seconds", type=float, nargs="?", default=60.0)
    parser.add_argument("first", type=int, nargs="?", default=0)
    parser.add_argument("--seed", type=int, help="one program only")
    given = parser.parse_args()
    end, seed, done, failed = time.monotonic() + given.seconds, given.first, 0, 0
    while time.monotonic() < end:
        seed = given.seed if given.seed is not None else seed
        try:
            done += check(seed)
        except Exception as problem:  # noqa: BLE001
            failed += 1
            report(seed, problem)
        seed += 1
        if given.seed is not None:
            break
    print(f"{done} programs compared, {failed} failed, next seed {seed}")


if __name__ == "__main__":
    main()
