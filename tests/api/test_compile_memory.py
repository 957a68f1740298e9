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
