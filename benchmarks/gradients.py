"""Uncompiled gradients against HIPS autograd: the same source, one run, one thread, interleaved medians.

Each tool has a process of its own (forked, measured in turn), because wengert tells the C library to keep freed memory,
from which autograd would profit too. May import wengert's public API and autograd (lazily: without it ours is timed
alone). Invariant: no time is reported before values and gradients of the two agree to 1e-10.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import measure, programs
from benchmarks.elsewhere import Elsewhere

ROOT = Path(__file__).resolve().parent.parent
AGREEMENT = 1e-10


def leaves(tree: Any) -> list[Any]:
    """The arrays of nested tuples and lists, from left to right."""
    if isinstance(tree, (tuple, list)):
        return [leaf for branch in tree for leaf in leaves(branch)]
    return [np.asarray(tree)]


def disagreement(ours: Any, theirs: Any) -> float:
    """Largest difference of corresponding arrays, relative to the largest entry of the peer's
    array.
    """
    left, right = leaves(ours), leaves(theirs)
    if [a.shape for a in left] != [b.shape for b in right]:
        return math.inf
    worst = 0.0
    for a, b in zip(left, right, strict=True):
        difference = float(np.max(np.abs(a - b), initial=0.0))
        scale = float(np.max(np.abs(b), initial=0.0))
        relative = difference / scale if scale > 0 else difference
        if not math.isfinite(relative):
            return math.inf
        worst = max(worst, relative)
    return worst


def peer() -> tuple[Callable[..., Any], Any] | None:
    """autograd's `value_and_grad` and the programs run on `autograd.numpy`, or None when it is not
    installed.
    """
    try:
        import autograd
        import autograd.numpy
    except ImportError:
        return None
    return autograd.value_and_grad, programs.substituted(autograd.numpy)


def _peer_call(work: programs.Workload, other: tuple[Callable[..., Any], Any]) -> Callable[[], Any]:
    value_and_grad, module = other
    argnums: Any = work.argnums if len(work.argnums) > 1 else work.argnums[0]
    return partial(value_and_grad(work.bind(module), argnums), *work.arguments)


def measure_gradients(quick: bool) -> measure.Table:
    import wengert

    rounds, sample = (5, 0.005) if quick else (15, 0.03)
    found, notes = programs.workloads(ROOT)
    other = peer()
    elsewhere = None
    if other is not None:
        elsewhere = Elsewhere([_peer_call(work, other) for work in found])
    table = measure.Table(
        "Uncompiled value and gradient",
        [
            "program",
            "NumPy us",
            "autograd us",
            "wengert us",
            "wengert / autograd",
            "wengert / NumPy",
            "first call us, wengert (autograd)",
            "worst difference",
        ],
        notes=notes,
    )
    ratios = []
    for number, work in enumerate(found):
        arguments = work.arguments
        argnums: Any = work.argnums if len(work.argnums) > 1 else work.argnums[0]
        plain = work.bind(programs)
        ours = wengert.value_and_grad(plain, argnums)
        first = measure.median_seconds(partial(ours, *arguments), 1)
        calls: list[Callable[[], object]] = [
            partial(plain, *arguments),
            partial(ours, *arguments),
        ]
        row: dict[str, Any] = {"program": work.title, "first_wengert": first}
        if elsewhere is not None:
            theirs = elsewhere.call(number)
            row["first_autograd"] = measure.median_seconds(theirs, 1)
            row["difference"] = disagreement(ours(*arguments), theirs())
            if not row["difference"] <= AGREEMENT:
                raise SystemExit(
                    f"{work.title}: wengert and autograd differ by {row['difference']:.3g} "
                    f"(relative), more than {AGREEMENT:g}: no time is reported for a wrong answer."
                )
            calls.append(theirs)
        times = measure.interleaved(calls, rounds, sample)
        row.update(zip(("numpy", "wengert", "autograd"), times, strict=False))
        if other is not None:
            ratios.append(row["wengert"] / row["autograd"])
        table.data.append(row)
        table.rows.append(cells(row))
        print("  " + "  ".join(table.rows[-1]), flush=True)
    if elsewhere is not None:
        elsewhere.close()
    if ratios:
        table.limits = [
            measure.Limit("slowest row against autograd (ratio)", max(ratios), 1.0),
            measure.Limit("geometric mean against autograd", math.exp(np.mean(np.log(ratios))), 0.4),
        ]
    else:
        table.notes.append("HIPS autograd is not installed (`pip install autograd`): no ratios.")
    return table


def cells(row: dict[str, Any]) -> list[str]:
    """One printed row; what the absent peer would have given is a dash."""
    both = "autograd" in row
    first = measure.microseconds(row["first_wengert"])
    return [
        row["program"],
        measure.microseconds(row["numpy"]),
        measure.microseconds(row["autograd"]) if both else "-",
        measure.microseconds(row["wengert"]),
        f"{row['wengert'] / row['autograd']:.2f}" if both else "-",
        f"{row['wengert'] / row['numpy']:.1f}",
        first + (f" ({measure.microseconds(row['first_autograd'])})" if both else ""),
        f"{row['difference']:.0e}" if both else "-",
    ]


if __name__ == "__main__":
    measure.main("gradients", measure_gradients)
