"""Long native loops on two threads against one: time by the clock, and the processor time that it costs.

May import wengert's public API and the ADBench objectives. Invariant: the bits of every result are those of one thread,
before anything is timed; times here are wall clock, on all processors that the process may use.
"""

from __future__ import annotations

import gc
import os
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import wengert
from benchmarks import measure
from benchmarks.adbench import ba

PROCESSORS = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set(range(os.cpu_count() or 1))
"""Taken before the measurement is pinned to one of them."""
THREADS = 2
SPLIT_LIMIT, SMALL_LIMIT = 0.75, 1.15
"""Of the time of one thread: large loops of arithmetic, and work that is too small to be split."""


def chain(x: Any) -> Any:
    return np.tanh(np.sin(x) * np.exp(-(x**2)) + np.log1p(x**2))


def coupled(x: Any) -> Any:
    """A function of a few numbers, for batches."""
    return np.sum(np.sin(x) * np.roll(x, 1)) + np.exp(-np.sum(x * x))


def logistic(w: Any, table: Any, sign: Any) -> Any:
    return np.mean(np.log1p(np.exp(-sign * (table @ w))))


def programs(quick: bool) -> list[tuple[str, Callable[..., Any], tuple[Any, ...], float | None]]:
    """Titles, functions, arguments, and the limit on the ratio where there is one."""
    random, share = np.random.default_rng(11), 10 if quick else 1
    many = 1_000_000 // share
    x, rows = random.standard_normal(many), random.standard_normal((many // 10, 5))
    table = random.standard_normal((10_000, 100))
    sign, w = np.sign(random.standard_normal(10_000)), random.standard_normal(100) * 0.1
    seen, features = random.standard_normal((31_843, 15)), random.standard_normal((31_843, 2))
    limit = None if quick or len(PROCESSORS) < THREADS else SPLIT_LIMIT
    return [
        (f"tanh(sin x exp(-x^2) + log1p(x^2)), n = {many}", chain, (x,), limit),
        (f"gradient of its sum, n = {many}", wengert.grad(lambda x: np.sum(chain(x))), (x,), limit),
        (f"its sum, n = {many}", lambda x: np.sum(chain(x)), (x,), limit),
        (f"vmap of a gradient, {many // 10} x 5", wengert.vmap(wengert.grad(coupled)), (rows,), limit),
        ("bundle adjustment, 31843 Jacobians", wengert.vmap(wengert.jacfwd(ba.reprojection)), (seen, features), None),
        ("logistic regression gradient, 10000 x 100", wengert.grad(logistic), (w, table, sign), None),
        (f"2 x, n = {many}", lambda x: x * 2.0, (x,), None),
        ("sin x, n = 1000", np.sin, (x[:1000],), None if limit is None else SMALL_LIMIT),
    ]


def compiled(fun: Callable[..., Any], arguments: tuple[Any, ...], threads: int) -> Callable[[], Any]:
    """A call of the native plan, made and warm."""
    made = wengert.compile(fun, backend="native", threads=threads, check="none")
    for _ in range(3):
        made(*arguments)
    return lambda: made(*arguments)


def clocks(call: Callable[[], Any], repeats: int) -> tuple[float, float]:
    """Wall clock and processor seconds of a call."""
    wall, processor = time.perf_counter(), time.process_time()
    for _ in range(repeats):
        call()
    return (time.perf_counter() - wall) / repeats, (time.process_time() - processor) / repeats


def measure_threads(quick: bool) -> measure.Table:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, PROCESSORS)
    columns = ["program", "1 thread, us", f"{THREADS} threads, us", "time", "processor time"]
    table = measure.Table(f"Long native loops on {THREADS} threads", columns)
    for title, fun, arguments, limit in programs(quick):
        one, several = (compiled(fun, arguments, k) for k in (1, THREADS))
        if np.asarray(one()).tobytes() != np.asarray(several()).tobytes():
            raise SystemExit(f"{title}: {THREADS} threads give other bits than one")
        repeats = max(1, round(0.02 / max(clocks(one, 3)[0], 1e-7)))
        gc.collect()
        rounds = [(clocks(one, repeats), clocks(several, repeats)) for _ in range(5 if quick else 31)]
        wall = statistics.median(b[0] / a[0] for a, b in rounds)
        processor = statistics.median(b[1] / a[1] for a, b in rounds)
        times = [statistics.median(r[k][0] for r in rounds) for k in (0, 1)]
        table.rows.append([title, *map(measure.microseconds, times), f"{wall:.2f}", f"{processor:.2f}"])
        table.data.append({"program": title, "seconds": times, "ratio": wall, "processor_ratio": processor})
        if limit is not None:
            table.limits.append(measure.Limit(f"{title}: {THREADS} threads over one", wall, limit))
        print("  " + "  ".join(table.rows[-1]), flush=True)
    table.notes.append(
        f"Times are wall clock, medians of rounds taken in turn; ratios are medians of the ratios of {THREADS} threads "
        f"to one in a round. {len(PROCESSORS)} processors. The bits of the results are the same."
    )
    return table


if __name__ == "__main__":
    measure.main("threads", measure_threads)
