"""Outputs whose lanes lie apart, written row by row, and loops that guards do not cut; against NumPy."""

import numpy as np
import pytest

import wengert
from wengert.backends.llvm.emit.emit import emit
from wengert.backends.llvm.lower.lower import lower
from wengert.backends.llvm.scan_forms import settled
from wengert.backends.llvm.schedule import guarded_axes, schedule

pytest.importorskip("llvmlite")

from tests.backends.llvm.emitted import agree


def directions(columns):
    """A function from (n,) to (n, 2, columns), written out per direction."""

    def f(x):
        s, c = np.sin(x), np.cos(x)
        first = np.stack([s * (k + 1) + c for k in range(columns)], axis=1)
        return np.stack([first, c[:, None] - first], axis=1)

    return f


@pytest.mark.parametrize("columns", [2, 3, 4, 5, 7, 8])
@pytest.mark.parametrize("rows", [64, 67, 131])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("bits", [512, 256])
def test_columns_of_lanes_become_rows(columns, rows, dtype, bits):
    x = np.random.default_rng(columns).standard_normal(rows).astype(dtype)
    f = directions(columns)
    tolerance = 1e-12 if dtype is np.float64 else 1e-5
    found = agree(lower(wengert.trace(f)(x)), [x], bits, tolerance)
    np.testing.assert_allclose(found[0], f(x), rtol=tolerance, atol=tolerance)


def test_jacobians_of_rows_use_whole_stores():
    weight = np.random.default_rng(1).standard_normal((2, 15))

    def f(x):
        return np.tanh(weight @ (x * x))

    x = np.random.default_rng(2).standard_normal((1003, 15))
    program = lower(wengert.trace(wengert.vmap(wengert.jacfwd(f)))(x))
    found = agree(program, [x])[0]
    slope = 1 - np.tanh(x**2 @ weight.T) ** 2
    np.testing.assert_allclose(found, slope[:, :, None] * weight * 2 * x[:, None], rtol=1e-11, atol=1e-13)
    text = emit(program, width_bits=512, fma=True).text
    assert "shufflevector <8 x double>" in text and "store <8 x double>" in text


def test_guards_of_other_axes_do_not_cut_a_loop():
    def f(x):
        return np.concatenate([x[:, :2], np.sin(x[:, 2:])], axis=1)

    def g(x):
        return np.concatenate([x[:40], np.sin(x[40:])], axis=0)

    x = np.random.default_rng(3).standard_normal((100, 4))
    for function, cut in ((f, False), (g, True)):
        program = settled(lower(wengert.trace(function)(x)))
        loops = [item for item in schedule(program, 512).tree if hasattr(item, "axis")]
        assert {loop.guarded for loop in loops} == {cut}
        assert any(a.extent == 100 for a in guarded_axes(program)) is cut
        np.testing.assert_allclose(agree(program, [x])[0], function(x), rtol=1e-13)
