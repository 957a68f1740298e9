"""What is stored and what is computed again: a tanh chain with and without segments, memory against
depth, a GELU network under the policy "cheap".

May import wengert's public API. Invariant: layers are counted by the layers themselves, memory by
tracemalloc, and an activation is the size of one layer's output.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import wengert
from benchmarks import measure

ROWS, WIDTH = 512, 256
FINEST = 0.02  # seconds of one timing sample

Layer = Callable[[Any], Any]


class Counted:
    """A function that counts its calls."""

    def __init__(self, function: Layer) -> None:
        self.function = function
        self.calls = 0

    def __call__(self, x: Any) -> Any:
        self.calls += 1
        return self.function(x)


def tanh_layers(weight: Any, count: int) -> list[Layer]:
    """Layers that share one weight: what grows with depth is the activations alone."""
    return [lambda h: np.tanh(h @ weight)] * count


def chain(count: int, segments: int | str | None) -> Callable[[Any, Any], Any]:
    """The loss of a tanh chain by its input and its weight."""

    def loss(x: Any, weight: Any) -> Any:
        layers = tanh_layers(weight, count)
        if segments is None:
            for layer in layers:
                x = layer(x)
        else:
            x = wengert.checkpoint_sequential(layers, x, segments)
        return np.sum(x)

    return loss


def gelu_network(depth: int) -> Callable[[Any, Sequence[Any]], Any]:
    """``depth`` layers of a product and the tanh form of GELU, in elementary operations."""

    def network(x: Any, weights: Sequence[Any]) -> Any:
        for weight in weights:
            z = x @ weight
            x = 0.5 * z * (1.0 + np.tanh(0.7978845608028654 * (z + 0.044715 * z * z * z)))
        return np.sum(x)

    assert depth > 0
    return network


def evaluations(count: int, segments: int | str) -> int:
    """How many layers run in one gradient."""
    layer = Counted(np.sin)
    wengert.grad(lambda x: np.sum(wengert.checkpoint_sequential([layer] * count, x, segments)))(np.ones(4))
    return layer.calls


def slope(depths: Sequence[int], peaks: Sequence[float]) -> float:
    """The exponent of memory against depth: a straight line through the logarithms."""
    return float(np.polyfit(np.log(depths), np.log(peaks), 1)[0])


def measure_chain(table: measure.Table, quick: bool) -> None:
    random = np.random.default_rng(0)
    weight = random.standard_normal((WIDTH, WIDTH)) / WIDTH**0.5
    x = random.standard_normal((ROWS, WIDTH))
    depth = 64
    storing = wengert.grad(chain(depth, None), (0, 1))
    saving = wengert.grad(chain(depth, 8), (0, 1))
    same = all(np.array_equal(a, b) for a, b in zip(storing(x, weight), saving(x, weight), strict=True))
    peaks = [measure.peak_bytes(lambda f=f: f(x, weight)) / x.nbytes for f in (storing, saving)]
    times = measure.interleaved([lambda: storing(x, weight), lambda: saving(x, weight)], 3 if quick else 9, FINEST)
    calls = evaluations(depth, 8)
    for name, peak, time, count in zip(("everything stored", "8 segments"), peaks, times, (depth, calls), strict=True):
        table.rows.append([f"tanh chain, {depth} layers: {name}", f"{peak:.1f}", f"{time * 1e3:.0f}", str(count)])
    table.limits += [
        measure.Limit("tanh chain stored: activations", peaks[0], 66.0),
        measure.Limit("tanh chain, 8 segments: activations", peaks[1], 18.0),
        measure.Limit("tanh chain, 8 segments: time over stored", times[1] / times[0], 1.20),
        measure.Limit("tanh chain: gradients differ (0 = bit for bit equal)", float(not same), 0.0),
        measure.Limit("layers run, of twice the depth", calls / depth, 2.0),
    ]


def measure_growth(table: measure.Table, quick: bool) -> None:
    random = np.random.default_rng(0)
    depths = (16, 64, 256) if quick else (16, 32, 64, 128, 256, 512, 1024)
    weight = random.standard_normal((64, 64)) / 8.0
    x = random.standard_normal((256, 64))
    found: dict[str, list[float]] = {}
    for name, segments in (("everything stored", None), ('"sqrt"', "sqrt")):
        gradients = [wengert.grad(chain(n, segments)) for n in depths]
        found[name] = [measure.peak_bytes(lambda g=g: g(x, weight)) / x.nbytes for g in gradients]
        table.rows.append(
            [
                f"tanh chain, {'/'.join(map(str, depths))} layers: {name}",
                "/".join(f"{p:.0f}" for p in found[name]),
                "",
                "",
            ]
        )
    straight, root = (slope(depths, found[k]) for k in ("everything stored", '"sqrt"'))
    table.limits += [
        measure.Limit("growth, stored: distance of the slope from 1", abs(straight - 1.0), 0.1),
        measure.Limit('growth, "sqrt": distance of the slope from 1/2', abs(root - 0.5), 0.1),
    ]
    if not quick:
        deep = wengert.grad(chain(640, "sqrt"))
        peak = measure.peak_bytes(lambda: deep(x, weight)) / x.nbytes
        stored = found["everything stored"][depths.index(64)]
        table.limits.append(measure.Limit('640 layers with "sqrt" over 64 stored', peak / stored, 1.0))


def measure_gelu(table: measure.Table, quick: bool) -> None:
    random = np.random.default_rng(0)
    depth = 16
    weights = [random.standard_normal((WIDTH, WIDTH)) / WIDTH**0.5 for _ in range(depth)]
    x = random.standard_normal((ROWS, WIDTH))
    network = gelu_network(depth)
    storing = wengert.grad(network, 1)
    saving = wengert.grad(wengert.checkpoint(network, policy="cheap"), 1)
    same = all(np.array_equal(a, b) for a, b in zip(storing(x, weights), saving(x, weights), strict=True))
    peaks = [measure.peak_bytes(lambda f=f: f(x, weights)) / x.nbytes for f in (storing, saving)]
    times = measure.interleaved([lambda: storing(x, weights), lambda: saving(x, weights)], 3 if quick else 9, FINEST)
    for name, peak, time in zip(("everything stored", '"cheap"'), peaks, times, strict=True):
        table.rows.append([f"GELU network, {depth} layers: {name}", f"{peak:.1f}", f"{time * 1e3:.0f}", ""])
    table.limits += [
        measure.Limit('GELU network, "cheap": activations', peaks[1], 21.0),
        measure.Limit('GELU network, "cheap": time over stored', times[1] / times[0], 1.05),
        measure.Limit("GELU network: gradients differ", float(not same), 0.0),
    ]


def measure_recomputation(quick: bool) -> measure.Table:
    table = measure.Table(
        "Recomputation by hand",
        ["program", "peak, activations", "ms", "layers run"],
        notes=[
            (
                f"An activation is one layer's output: {ROWS} x {WIDTH} float64 (1 MB) for the chain and "
                "the GELU network (whose peak includes 8 activations' worth of weight gradients), "
                "256 x 64 for the growth. Peaks by tracemalloc, above what the arguments take."
            )
        ],
    )
    measure_chain(table, quick)
    measure_gelu(table, quick)
    measure_growth(table, quick)
    return table


if __name__ == "__main__":
    measure.main("recomputation", measure_recomputation)
