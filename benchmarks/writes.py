"""Filling an array by n indexed writes: time and memory per write must not grow with n.

May import wengert's public API. Invariant: every gradient is compared with its closed form before
it is timed.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

import wengert
from benchmarks import measure

DECAY = 0.999
GROWTH_LIMIT = 2.0
"""Quadratic cost would show as a factor 100 from n = 1e3 to 1e5; cache misses stay far below 2."""


def fill(n: int) -> Callable[[Any], Any]:
    """y[i] = i x: the derivative of the sum is n (n - 1) / 2."""

    def run(x: Any) -> Any:
        y = np.zeros(n)
        for i in range(n):
            y[i] = x * i
        return np.sum(y)

    return run


def recurrence(n: int) -> Callable[[Any], Any]:
    """y[i] = c y[i-1] + x with y[0] = x: the last element is x (1 - c^n) / (1 - c)."""

    def run(x: Any) -> Any:
        y = np.zeros(n)
        y[0] = x
        for i in range(1, n):
            y[i] = y[i - 1] * DECAY + x
        return y[-1]

    return run


def measure_writes(quick: bool) -> measure.Table:
    sizes = [10**3, 10**4] if quick else [10**3, 10**4, 10**5]
    table = measure.Table(
        "Filling n elements by n indexed writes (gradient)",
        [
            "program",
            *(f"n = {n:.0e}: us / bytes per write" for n in sizes),
            "time last / first",
            "memory last / first",
        ],
    )
    for title, make, exact in (
        ("y[i] = x i", fill, lambda n: n * (n - 1) / 2),
        ("y[i] = c y[i-1] + x", recurrence, lambda n: (1.0 - DECAY**n) / (1.0 - DECAY)),
    ):
        times, bytes_each = [], []
        for n in sizes:
            gradient = wengert.grad(make(n))
            got = float(gradient(1.5))
            if abs(got - exact(n)) > 1e-10 * abs(exact(n)):
                raise SystemExit(f"{title}, n = {n}: derivative {got!r} instead of {exact(n)!r}")
            call = partial(gradient, 1.5)
            times.append(measure.median_seconds(call, 5, max(1, 10**4 // n)) / n)
            bytes_each.append(measure.peak_bytes(call) / n)
        slower, larger = times[-1] / times[0], bytes_each[-1] / bytes_each[0]
        pairs = [f"{t * 1e6:.2f} / {b:.0f}" for t, b in zip(times, bytes_each, strict=True)]
        table.rows.append([title, *pairs, f"{slower:.2f}", f"{larger:.2f}"])
        table.data.append(
            {
                "program": title,
                "sizes": sizes,
                "seconds_per_write": times,
                "bytes_per_write": bytes_each,
            }
        )
        table.limits += [
            measure.Limit(f"{title}: growth of time per write", slower, GROWTH_LIMIT),
            measure.Limit(f"{title}: growth of memory per write", larger, GROWTH_LIMIT),
        ]
        print("  " + "  ".join(table.rows[-1]), flush=True)
    return table


if __name__ == "__main__":
    measure.main("writes", measure_writes)
