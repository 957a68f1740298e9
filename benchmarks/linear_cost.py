"""Cost per recorded operation from a thousand to a million operations: it must stay flat, and no
recursion may appear.

May import wengert's public API. Invariant: the programs record exactly the number of operations
they claim; that is checked on a trace before anything is timed.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

import wengert
from benchmarks import measure

OPERATIONS_PER_STEP = 4


def scalar_loop(operations: int) -> Callable[[Any], Any]:
    """A relaxation whose every step is one sine, one subtraction, one product and one sum on a
    scalar.
    """
    steps = operations // OPERATIONS_PER_STEP

    def run(x: Any) -> Any:
        for _ in range(steps):
            x = x + 0.001 * (np.sin(x) - x)
        return x

    return run


def array_loop(operations: int) -> Callable[[Any], Any]:
    """The same on ten elements, then one sum."""
    steps = operations // OPERATIONS_PER_STEP

    def run(x: Any) -> Any:
        for _ in range(steps):
            x = x + 0.001 * (np.sin(x) - x)
        return np.sum(x)

    return run


def recorded(program: Callable[[Any], Any], point: Any) -> int:
    """The number of operations a full trace of the program holds, by the public graph."""
    return sum(1 for _ in wengert.trace(program)(point).nodes)


def measure_linear_cost(quick: bool) -> measure.Table:
    sizes = [10**3, 10**4, 10**5] if quick else [10**3, 10**4, 10**5, 10**6]
    table = measure.Table(
        "Cost per recorded operation (value and gradient)",
        [
            "loop of 4 operations a step",
            *(f"{size:.0e} operations, us each" for size in sizes),
            "last / first",
        ],
    )
    for title, make, point in (
        ("scalar", scalar_loop, 0.7),
        ("10 elements", array_loop, np.linspace(0.1, 1.0, 10)),
    ):
        counts = [recorded(make(size), point) for size in (400, 800)]
        if counts[1] - counts[0] != 400:
            raise SystemExit(f"{title}: 400 more operations recorded {counts[1] - counts[0]} more nodes")
        costs = []
        for size in sizes:
            gradient = wengert.value_and_grad(make(size))
            gradient(point)
            samples, repeats = 3 if size >= 10**6 else 7, max(1, 10**5 // size)
            call = partial(gradient, point)
            costs.append(measure.median_seconds(call, samples, repeats) / size)
        ratio = costs[-1] / costs[0]
        table.rows.append([title, *(f"{cost * 1e6:.2f}" for cost in costs), f"{ratio:.2f}"])
        table.data.append({"loop": title, "sizes": sizes, "seconds_per_operation": costs})
        table.limits.append(measure.Limit(f"{title}: cost at {sizes[-1]:.0e} over cost at 1e3", ratio, 1.6))
        print("  " + "  ".join(table.rows[-1]), flush=True)
    return table


if __name__ == "__main__":
    measure.main("linear_cost", measure_linear_cost)
