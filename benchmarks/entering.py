"""What it costs to start and end a trace: the names of the user's modules are rebound and restored each time, and the
arguments taken apart.

May import wengert's public API, its bindings and containers. Invariant: the modules hold the names they claim, and the
names that a trace must serve are served, before anything is timed.
"""

from __future__ import annotations

import copy
import sys
import types
from functools import partial
from typing import Any

import numpy as np

import wengert
from benchmarks import measure
from wengert.core.tree import flatten
from wengert.numpy_api import reach

FEW_LIMIT, MANY_LIMIT, GRADIENT_LIMIT = 12.0, 25.0, 75.0
"""Microseconds; a user who calls a gradient of one multiplication sees the last."""
FLATTEN_LIMIT = 0.3
"""Of the time of a deep copy of the same arguments."""

SMALL = """
import numpy as np
zeros = np.zeros

def double(x):
    return 2.0 * x

def filled(x):
    y = zeros(1)
    y[0] = 2.0 * x
    return y[0]
"""


def module_with(names: int) -> Any:
    """A module of the user's that holds NumPy's ``zeros`` under so many more names: globals and defaults in turn."""
    lines = [SMALL]
    for number in range(0, names, 2):
        lines += [f"name{number} = np.zeros", f"def function{number}(maker=zeros): return maker(1)"]
    module = types.ModuleType(f"benchmark_module_{names}")
    sys.modules[module.__name__] = module
    exec("\n".join(lines), vars(module))
    return module


def places() -> int:
    """How many names a trace rebinds and restores at present."""
    return sum(len(slot.pairs()) for record in reach.bindings()._live for slot in record.slots)


def once(fun: Any) -> None:
    """Enter and leave, with nothing in between."""
    reach.leave(reach.enter(fun))


def measure_entering(quick: bool) -> measure.Table:
    rounds, repeats = (5, 200) if quick else (25, 1000)
    table = measure.Table(
        "Starting and ending a trace",
        ["names in the module", "places rebound", "entering and leaving us", "gradient of 2 x us"],
    )
    for names, limit in ((0, FEW_LIMIT), (100, MANY_LIMIT)):
        module = module_with(names)
        gradient = wengert.grad(module.double)
        for fun in (module.double, module.filled):
            if wengert.grad(fun)(1.0) != 2.0:
                raise SystemExit(f"the derivative of 2 x is {wengert.grad(fun)(1.0)!r}: a name was not served")
        rebound = places()
        if rebound < names:
            raise SystemExit(f"only {rebound} of {names} names are rebound")
        entering = measure.median_seconds(partial(once, module.double), rounds, repeats)
        whole = measure.median_seconds(partial(gradient, 1.0), rounds, repeats)
        table.rows.append([str(names), str(rebound), measure.microseconds(entering), measure.microseconds(whole)])
        table.data.append({"names": names, "places": rebound, "entering": entering, "gradient": whole})
        table.limits += [
            measure.Limit(f"{names} names: microseconds of entering and leaving", entering * 1e6, limit),
            measure.Limit(f"{names} names: microseconds of the gradient of 2 x", whole * 1e6, GRADIENT_LIMIT),
        ]
    arguments = (np.ones(3), np.ones(3), 1.0)
    calls = [partial(flatten, arguments), partial(copy.deepcopy, arguments)]
    taken_apart, copied = measure.interleaved(calls, rounds)
    table.notes.append(f"Arguments of two arrays and a number are taken apart in {taken_apart * 1e6:.2g} us.")
    table.limits.append(measure.Limit("taking arguments apart, over a deep copy", taken_apart / copied, FLATTEN_LIMIT))
    return table


if __name__ == "__main__":
    measure.main("entering", measure_entering)
