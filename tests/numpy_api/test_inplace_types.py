"""Results that the memory they are written to cannot hold: refused as NumPy refuses them, never cut off silently."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.core.errors import CutError, WengertTypeError


def _added(x: Any) -> Any:
    y = np.zeros(3)
    y += x * 1j
    return np.sum(y)


def _multiplied(x: Any) -> Any:
    y = x.copy()
    np.multiply(y, 1j, out=y)
    return np.sum(y)


def _into_whole_numbers(x: Any) -> Any:
    m = np.argsort(x)
    m -= x
    return np.sum(m * x)


@pytest.mark.parametrize("function", [_added, _multiplied, _into_whole_numbers])
def test_what_numpy_refuses_is_refused(function: Callable[[Any], Any]) -> None:
    x = np.array([0.5, -1.0, 2.0])
    with pytest.raises(TypeError):
        function(x)
    for transform in (wg.grad, wg.jacfwd, wg.vmap, wg.trace):
        rows = np.stack([x, x]) if transform is wg.vmap else x
        with pytest.raises((TypeError, CutError)):
            transform(function)(rows)
    with pytest.raises(TypeError, match="Cannot cast ufunc"):
        wg.compile(function, backend="numpy")(x)


def test_the_error_names_the_types_and_the_fix() -> None:
    with pytest.raises(WengertTypeError, match=r"complex128, which an array of float64 .*\n.*\n.*new array"):
        wg.grad(_added)(np.ones(3))


def test_what_numpy_casts_is_cast() -> None:
    def narrow(x: Any) -> Any:
        y = x.astype("f4")
        y += x
        y *= 2
        np.add(y, x * 1j, out=y, casting="unsafe")
        return np.sum(y)

    x = np.array([0.5, -1.0, 2.0])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", np.exceptions.ComplexWarning)
        assert narrow(x) == 6.0
        np.testing.assert_allclose(wg.grad(narrow)(x), [4.0, 4.0, 4.0])
