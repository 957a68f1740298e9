"""A compiled function holds no residuals of its recording.

Imports the public API. Invariant: what is counted are bytes that tracemalloc sees."""

from __future__ import annotations

import gc
import tracemalloc

import numpy as np
import pytest

import wengert


def chain(x):
    return np.sum(np.exp(np.sin(x) * x) * np.tanh(x) + (x[1:] * x[:-1] + np.cos(x[1:])).sum())


@pytest.mark.parametrize("enabled", [True, False], ids=["collector", "no collector"])
def test_the_values_of_a_recording_go_with_it(enabled):
    x = np.linspace(0.0, 1.0, 300_000)
    wengert.compile(wengert.value_and_grad(chain), backend="numpy")(x[:50])
    gc.collect()
    if not enabled:
        gc.disable()
    tracemalloc.start()
    try:
        compiled = wengert.compile(wengert.value_and_grad(chain), backend="numpy")
        out = compiled(x)
        held = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
        gc.enable()
    assert held < 3.5 * x.nbytes  # the result, and constants of the sweep: far less than the program's values
    np.testing.assert_allclose(out[0], chain(x), rtol=1e-12)


def peak_of(call):
    """Bytes at the highest point of a call above what was held before it."""
    gc.collect()
    tracemalloc.start()
    try:
        out = call()
        return tracemalloc.get_traced_memory()[1], out
    finally:
        tracemalloc.stop()


def waves(x):
    for k in range(30):
        x = np.sin(x) + 0.1 * k
    return np.sum(x)


def test_a_recorded_sweep_lets_go_what_it_has_used():
    # One residual (the cosine's argument) a step: as the forward values go, so may the cotangents, one for one.
    x = np.linspace(0.0, 1.0, 100_000)
    wengert.compile(wengert.value_and_grad(waves), backend="numpy")(x[:50])
    peak, out = peak_of(lambda: wengert.compile(wengert.value_and_grad(waves), backend="numpy")(x))
    assert peak < 40 * x.nbytes
    assert abs(out[0] - waves(x)) <= 1e-12 * abs(out[0])
    step = 1e-30
    moved = x.astype(complex)
    moved[7] += 1j * step
    assert abs(out[1][7] - waves(moved).imag / step) <= 1e-12


@pytest.mark.parametrize("compiled", [False, True], ids=["at once", "compiled"])
def test_a_batched_call_lets_go_what_it_has_used(compiled):
    rows = np.linspace(0.0, 1.0, 50_000)

    def long(x):
        for k in range(60):
            x = np.cos(x) * 0.5 + 0.01 * k
        return x

    mapped = wengert.vmap(long)
    mapped(rows[:5])
    if compiled:
        mapped = wengert.compile(mapped, backend="numpy")
    peak, out = peak_of(lambda: mapped(rows))
    assert peak < 10 * rows.nbytes
    np.testing.assert_array_equal(out, long(rows))
