"""Native code against NumPy on random programs, to a few units in the last place.

Run as a program it looks for faults as long as it is told, and prints each as the smallest program that has it:
``python -m tests.backends.llvm.fuzz 600 [first seed]``; with ``--seed N`` one program is run and shown.

How far two right answers may be apart is found by evaluating the recorded graph again with other roundings
(``fuzz_rounding``). Imports the words, wengert and NumPy. Invariant: nothing is compared with what native code gave,
but the bits of two threads with those of one."""

from __future__ import annotations

import argparse
import functools
import os
import time
import traceback
import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from unittest import mock

import numpy as np

import wengert
from tests.backends.llvm.fuzz_programs import Program, is_float, random_program
from tests.backends.llvm.fuzz_rounding import Nothing, allowed, assert_near
from wengert.backends.guards import GuardFailed
from wengert.backends.llvm.program import NativePlan
from wengert.backends.llvm.threads import division as threads_division
from wengert.core.graph import Graph

SLOW = 8.0
"""Seconds of the processor from which on a program is worth a look, though it is right."""

REFUSALS = (wengert.WengertError, ValueError, IndexError, ZeroDivisionError, np.linalg.LinAlgError)
"""What NumPy, or a derivative, may say to a program."""

TRANSFORMS = ("value", "value", "value", "gradient", "gradient", "tangent", "product", "batch", "hessian")


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
    if kind == 6 and x.size and np.broadcast_to(x[:1], x.shape).tobytes() == x.tobytes():  # signs of zeros too
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


def compare(
    program: Program, seed: int, *, transform: str, compiled: bool, threads: bool = False, zeros: bool = False
) -> None:
    """Assert that native code gives what NumPy gives, and with ``threads`` the same bits by two. Raises Nothing, or an
    AssertionError with the difference."""

    def alternative(args: tuple[Any, ...]) -> Graph | None:
        if not program.has_otherwise:
            return None
        return wengert.trace(transformed(replace(program, otherwise=True), transform, np.random.default_rng(seed))[0])(
            *args
        )

    rng = np.random.default_rng(seed)
    fun, args = transformed(program, transform, rng)
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            graph = wengert.trace(fun)(*args)
        except REFUSALS as refused:
            raise Nothing(str(refused)) from None
        if len(graph) > 3000:
            raise Nothing("too long")
        points = [args, *(tuple(_elsewhere(x, rng) for x in args) for _ in range(2))]
        if compiled:
            _compare_compiled(fun, points, rng, alternative)
        else:
            _compare_plan(fun, graph, points, rng, zeros, threads)


def _elsewhere(x: Any, rng: np.random.Generator) -> Any:
    if not is_float(x):
        return x
    x = np.asarray(x)
    return (x * (1 + 0.02 * rng.standard_normal(x.shape))).astype(x.dtype)


def _inputs(graph: Graph, args: tuple[Any, ...]) -> list[Any]:
    assert graph.signature is not None
    leaves = graph.signature.structure.flatten_like((args, {}), "arguments")
    return [v for v, taken in zip(leaves, graph.signature.taken, strict=True) if taken]


def _all_near(
    got: list[Any],
    uncompiled: list[Any],
    graph: Graph,
    values: list[Any],
    what: str,
    *,
    alternative: Callable[[], Graph | None] = lambda: None,
    zeros: bool = False,
    factor: float = 1.0,
) -> None:
    """Assert that the outputs of native code, and those of the function itself, are those of the graph. What four other
    roundings do not explain, many more are asked about."""
    for runs, other in ((4, lambda: None), (48, alternative)):
        answers = allowed(graph, values, runs, other())
        try:
            for k, (y, plain, answer) in enumerate(zip(got, uncompiled, answers, strict=True)):
                assert_near(plain, answer, f"output {k} {what}, uncompiled,", factor=factor)
                assert_near(y, answer, f"output {k} {what}", factor=factor, zeros=zeros)
        except AssertionError:
            if runs > 4:
                raise
        else:
            return


def _compare_plan(
    fun: Any, graph: Graph, points: list[tuple[Any, ...]], rng: np.random.Generator, zeros: bool, threads: bool
) -> None:
    plan = NativePlan(graph)
    shared = _many_threads(graph) if threads else None
    for number, args in enumerate(points[:2]):
        values = _inputs(graph, args)
        try:
            graph.evaluate(values)
        except ValueError as refused:
            try:
                plan.run(values)
            except (GuardFailed, type(refused)):
                continue
            raise AssertionError(f"NumPy says {refused!r}, native code nothing") from None
        given = [layouts(x, rng) for x in values]
        before = [np.array(x) for x in given]
        try:
            got = [_native(g) for g in plan.run(given)]
        except GuardFailed:
            allowed(graph, values, 48)  # raises Nothing where the decision hangs on rounding
            raise
        _all_near(got, _leaves(fun(*args)), graph, values, f"at point {number}", zeros=zeros)
        for k, g in enumerate(got):
            assert not any(np.may_share_memory(g, x) for x in given if isinstance(g, np.ndarray)), "shared memory"
            if shared is not None:
                same = np.asarray(_native(shared.run(given)[k])).tobytes() == np.asarray(g).tobytes()
                assert same or np.any(np.isnan(g)), f"output {k} has other bits with two threads"
        for x, kept in zip(given, before, strict=True):
            assert np.array_equal(x, kept, equal_nan=kept.dtype.kind == "f"), "an input was changed"


def _many_threads(graph: Graph) -> NativePlan:
    """A plan that splits its loops however short they are."""
    with mock.patch.multiple(threads_division, LEAST=0.0, EACH=1e-3, BLOCK=1e-3):
        return NativePlan(graph, threads=2)


def _compare_compiled(
    fun: Any,
    points: list[tuple[Any, ...]],
    rng: np.random.Generator,
    alternative: Callable[[tuple[Any, ...]], Graph | None],
) -> None:
    compiled = wengert.compile(fun, backend="native")
    for number, args in enumerate([points[0], points[0], *points[1:]]):
        try:
            plain = wengert.trace(fun)(*args)
        except REFUSALS:
            return
        given = tuple(layouts(x, rng) for x in args) if number else args
        before = [np.array(x) for x in given]
        try:
            got = [_native(g) for g in _leaves(compiled(*given))]
        except REFUSALS as refused:
            try:
                fun(*given)
            except type(refused):  # a loop said outright takes no other byte order
                return
            raise
        otherwise = functools.partial(alternative, args)
        uncompiled, values = _leaves(fun(*args)), _inputs(plain, args)
        _all_near(got, uncompiled, plain, values, f"of call {number}", alternative=otherwise, factor=4.0)
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
    compiled = seed % 2 == 1 and not special
    threads, zeros = seed % 5 == 0 and not compiled, transform == "value" and not compiled
    return {"special": special, "transform": transform, "compiled": compiled, "threads": threads, "zeros": zeros}


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
    os.environ["WENGERT_CACHE"] = "0"  # which does not know of loops split however short they are
    end, seed, done, failed = time.monotonic() + given.seconds, given.first, 0, 0
    while time.monotonic() < end:
        seed = given.seed if given.seed is not None else seed
        begin = time.process_time()
        try:
            done += check(seed)
        except Exception as problem:  # noqa: BLE001
            failed += 1
            report(seed, problem)
        else:
            if (spent := time.process_time() - begin) > SLOW:
                print(f"---- seed {seed} took {spent:.0f} s of the processor", flush=True)
        seed += 1
        if given.seed is not None:
            break
    print(f"{done} programs compared, {failed} failed, next seed {seed}")


if __name__ == "__main__":
    main()
