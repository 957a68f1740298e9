"""Peak memory: reverse mode against what the derivative really needs, forward mode against the
length of the program.

May import wengert's public API. Invariant: the bytes a program needs are written down by hand from
its formula, so the limit does not come from the tool that is measured.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np

import wengert
from benchmarks import measure

FORWARD_LIMIT = 8.0
MEGABYTE = 1e6


@dataclass
class Case:
    """A program, its argument, the bytes of residuals its derivative needs, and its largest array
    in bytes.
    """

    title: str
    program: Callable[[Any], Any]
    argument: Any
    needed: int
    largest: int


def tanh_chain(steps: int) -> Callable[[Any], Any]:
    """Each step needs its tanh (1 - y^2) and nothing of the two linear operations."""

    def run(x: Any) -> Any:
        for _ in range(steps):
            x = np.tanh(x * 0.9 + 0.1) - 0.05
        return np.sum(x)

    return run


def product_chain(steps: int) -> Callable[[Any], Any]:
    """x <- sin(x) x needs x (of the sine and of the product) and sin(x): two arrays a step."""

    def run(x: Any) -> Any:
        for _ in range(steps):
            x = np.sin(x) * x
        return np.sum(x)

    return run


def linear_chain(steps: int) -> Callable[[Any], Any]:
    """Constant factors and sums need nothing at all."""

    def run(x: Any) -> Any:
        for _ in range(steps):
            x = 0.99 * x + 0.01
        return np.sum(x)

    return run


def network(images: Any, target: Any) -> Callable[[Any], Any]:
    """Two tanh layers and a squared error on a large batch."""

    def run(layers: Any) -> Any:
        hidden = images
        for weight, bias in layers[:-1]:
            hidden = np.tanh(hidden @ weight + bias)
        weight, bias = layers[-1]
        return np.sum((hidden @ weight + bias - target) ** 2)

    return run


def cases(quick: bool) -> list[Case]:
    size = 10**5
    array = np.linspace(0.1, 0.9, size)
    steps = 30 if quick else 100
    batch, widths = 4096, (64, 256, 128, 10)
    random = np.random.default_rng(1)
    images, target = (
        random.standard_normal((batch, widths[0])),
        random.standard_normal((batch, widths[-1])),
    )
    layers = [(random.standard_normal((a, b)) / a**0.5, np.zeros(b)) for a, b in pairwise(widths)]
    # Kept: both hidden layers (the tanh is also the next product's input) and the final error.
    network_needs = batch * (widths[1] + widths[2] + widths[3]) * 8
    return [
        Case("tanh chain, 10 steps", tanh_chain(10), array, 10 * array.nbytes, array.nbytes),
        Case(
            f"tanh chain, {steps} steps",
            tanh_chain(steps),
            array,
            steps * array.nbytes,
            array.nbytes,
        ),
        Case(
            f"sin(x) x, {steps} steps",
            product_chain(steps),
            array,
            2 * steps * array.nbytes,
            array.nbytes,
        ),
        Case("linear chain, 400 operations", linear_chain(200), array, 0, array.nbytes),
        Case(
            "network, batch 4096",
            network(images, target),
            layers,
            network_needs,
            batch * widths[1] * 8,
        ),
    ]


def forward_chain(steps: int, a: float, b: float) -> Callable[[Any], Any]:
    def run(x: Any) -> Any:
        for _ in range(steps):
            x = np.tanh(a * x + b)
        return x

    return run


def measure_memory(quick: bool) -> measure.Table:
    table = measure.Table(
        "Peak memory",
        ["program", "NumPy's own peak MB", "residuals needed MB", "wengert peak MB", "allowed MB"],
        notes=[
            (
                "Reverse: allowed is 1.15 times the larger of NumPy's own peak and the residuals "
                "needed, plus three of the largest arrays. "
                f"Forward: allowed is {FORWARD_LIMIT:g} arrays, whatever the length. "
                "Peaks by tracemalloc."
            )
        ],
    )
    for case in cases(quick):
        gradient = wengert.grad(case.program)
        gradient(case.argument)
        own = measure.peak_bytes(partial(case.program, case.argument))
        peak = measure.peak_bytes(partial(gradient, case.argument))
        allowed = 1.15 * max(own, case.needed) + 3 * case.largest
        add(table, f"reverse: {case.title}", own, case.needed, peak, allowed)
        table.limits.append(measure.Limit(f"{case.title}: peak over allowed", peak / allowed, 1.0))
    array = np.linspace(-1.0, 1.0, 10**5)
    for steps in (10, 100) if quick else (10, 100, 1000):
        chain = forward_chain(steps, 0.9, 0.1)
        call = partial(wengert.jvp, chain, (array,), (array,))
        call()
        own = measure.peak_bytes(partial(chain, array))
        peak = measure.peak_bytes(call)
        add(
            table,
            f"forward: tanh(a x + b), {steps} steps",
            own,
            0,
            peak,
            FORWARD_LIMIT * array.nbytes,
        )
        arrays = peak / array.nbytes
        table.limits.append(measure.Limit(f"forward, {steps} steps: peak in arrays", arrays, FORWARD_LIMIT))
    return table


def add(table: measure.Table, title: str, own: float, needed: float, peak: float, allowed: float) -> None:
    figures = [own, needed, peak, allowed]
    table.rows.append([title, *(f"{figure / MEGABYTE:.2f}" for figure in figures)])
    names = ("own", "needed", "peak", "allowed")
    table.data.append({"program": title, **dict(zip(names, figures, strict=True))})
    print("  " + "  ".join(table.rows[-1]), flush=True)


if __name__ == "__main__":
    measure.main("memory", measure_memory)
