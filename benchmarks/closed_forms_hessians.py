"""Dense Hessians of many kinds, evaluated from closed forms beside a compiled JAX Hessian of the same formula.

May import NumPy, wengert, JAX where it is installed, and the problems. Invariant: both sides compute the same dense
array in float64 on one core, each is as warm as it gets, and both are timed by the clock of the thread that works.
"""

from __future__ import annotations

import contextlib
import functools
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

import wengert as wg
from benchmarks.closed_forms_problems import PROBLEMS
from benchmarks.measure import Limit, interleaved, microseconds
from wengert.symbolic import programs

WARM = 0.5
"""Processor seconds of evaluation before a form is timed: after 0.01, 0.1 and 0.3 of them the program is written anew,
compiled, and compared with the accumulated derivative, compiled.
"""
LOWEST = 0.8
"""The promised ratio of JAX's time to ours, of every Hessian."""


class InThisThread:
    """A call timed by the clock of its thread, in which JAX works too once it does not dispatch to others."""

    def __init__(self, call: Any) -> None:
        self.call = call

    def __call__(self) -> Any:
        return self.call()

    def sample(self, repeats: int) -> float:
        """Processor seconds of this thread per call."""
        started = time.thread_time()
        for _ in range(repeats):
            self.call()
        return (time.thread_time() - started) / repeats


@functools.cache
def jax() -> Any:
    """JAX with float64, one thread, and its work done by the calling thread; None where it is not installed."""
    flags = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {flags}".strip()
    try:
        import jax as module
    except ImportError:
        return None
    module.config.update("jax_enable_x64", True)
    module.config.update("jax_platforms", "cpu")
    module.config.update("jax_cpu_enable_async_dispatch", False)
    return module


def ready(text: str, wrt: str, values: Mapping[str, Any]) -> InThisThread:
    """The compiled Hessian of a formula by JAX, its arrays on JAX's side."""
    module = jax()
    names = list(values)
    function = eval(f"lambda {', '.join(names)}: {text}", {"np": module.numpy})
    compiled = module.jit(module.hessian(function, argnums=names.index(wrt)))
    arguments = [module.numpy.asarray(v) for v in values.values()]
    return InThisThread(lambda: compiled(*arguments).block_until_ready())


def warmed(call: Callable[[], Any]) -> InThisThread:
    """A call that was made often enough to be compiled."""
    until = time.process_time() + WARM
    while time.process_time() < until:
        call()
    return InThisThread(call)


@contextlib.contextmanager
def numpy_alone() -> Iterator[None]:
    """What forms evaluate within is compiled, if at all, to plans of NumPy, as where llvmlite is not installed."""

    def accumulated(function: Callable[..., Any], argument: int, order: int) -> Callable[..., Any]:
        derivative = wg.hessian if order == 2 else wg.jacobian
        return wg.compile(derivative(function, argnums=argument), backend="numpy")

    compilers, accumulators = list(programs._compilers), list(programs._accumulators)
    quietly = dict(programs._quietly)
    programs.install_compiler(wg.compile, backend="numpy")
    programs.install_accumulator(accumulated)
    try:
        yield
    finally:
        programs.install_compiler(*compilers, **quietly)
        programs.install_accumulator(*accumulators)


def hessians(quick: bool) -> tuple[list[list[str]], list[Limit], list[str]]:
    """A row for each problem, and the limit on the lowest of all ratios."""
    if jax() is None:
        return [], [], []
    rows: list[list[str]] = []
    ratios: dict[str, float] = {}
    alone: dict[str, float] = {}
    for problem in PROBLEMS:
        form, lone = (wg.D(problem.text, problem.wrt, 2, shapes=dict(problem.shapes)) for _ in range(2))
        figures, words = [], []
        for sizes in problem.sizes[:1] if quick else problem.sizes:
            values = problem.values(sizes)
            theirs = ready(problem.text, problem.wrt, values)
            wanted = np.asarray(theirs())
            ours = warmed(functools.partial(form.evaluate, **values))
            with numpy_alone():
                numpy = warmed(functools.partial(lone.evaluate, **values))
                for found in (ours(), numpy(), form.numpy()(**values)):
                    if not np.allclose(found, wanted, rtol=1e-8, atol=1e-9 * np.max(np.abs(wanted))):
                        raise AssertionError(f"{problem.name}: other values than JAX has")
                mine, plain, other = interleaved([ours, numpy, theirs], rounds=7, sample_seconds=0.004)
            name = f"{problem.name}, n={sizes['n']}"
            ratios[name], alone[name] = other / mine, other / plain
            figures.append(f"n={sizes['n']}: {microseconds(mine)} us")
            words.append(f"{microseconds(other)} us, {other / mine:.1f} times ({other / plain:.2g})")
        rows.append([f"Hessian of {problem.name}", "; ".join(figures), f"jitted JAX {'; '.join(words)}"])
    lowest = min(ratios, key=lambda name: ratios[name])
    mean = math.exp(sum(map(math.log, ratios.values())) / len(ratios))
    slower = min(alone, key=lambda name: alone[name])
    note = (
        f"{len(ratios)} Hessians of {len(PROBLEMS)} formulas: JAX takes {mean:.1f} times as long in the geometric "
        f"mean, {ratios[lowest]:.2f} times at the least ({lowest}). In parentheses the same where llvmlite is "
        f"not installed: {sum(r < LOWEST for r in alone.values())} of them are below {LOWEST} there, the lowest "
        f"{alone[slower]:.2f} ({slower})."
    )
    limit = Limit(f"{LOWEST} over the lowest ratio of all Hessians, {lowest}", LOWEST / ratios[lowest], 1.0)
    return rows, [limit], [note]


__all__ = ["InThisThread", "hessians", "jax", "ready", "warmed"]
