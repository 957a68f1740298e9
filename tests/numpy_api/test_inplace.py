"""`y += t` and `out=y` on memory that no twin has made: the result takes the one name's place, or
it is refused.

Imports the public API. Invariant: no other name for the array may go on holding values without the
derivative.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wengert as wg

from .differences import slope

X = np.array([0.7, 0.4, 1.3])
W = np.array([1.0, 2.0, 3.0])


class Box:
    """Something with an attribute."""


def fresh(scale: float = 2.0) -> np.ndarray:
    """Memory made by a plain array's method, which no twin sees."""
    return W.__mul__(scale)


def local(x):
    y = fresh()
    y += x
    y *= x * x
    y[0] = x[1]
    return (y * W).sum()


def attribute(x):
    box = Box()
    box.y = fresh()
    box.y -= x
    return (box.y**2).sum()


def list_item(x):
    held = [fresh()]
    held[0] /= x
    return held[0].sum() ** 2


def returned_array(x):
    def add(y):
        y += x
        return y

    return (add(fresh()) ** 2).sum()


def large(x):
    y = np.asarray(W.repeat(3000))
    y *= x[0]
    y **= x[1]
    return y.sum() * 1e-4


def closure_cell(x):
    y = fresh()

    def add():
        nonlocal y
        y += x

    add()
    return (y * y).sum()


def matrix_product(x):
    a = np.outer(W, W).__add__(np.eye(3))
    a @= np.outer(x, x)
    return a.sum()


def broadcast_operand(x):
    y = np.outer(W, W).__mul__(1.0)
    y += x
    return (y * y).sum()


BOUND = [
    local,
    attribute,
    list_item,
    returned_array,
    large,
    closure_cell,
    matrix_product,
    broadcast_operand,
]


@pytest.mark.parametrize("fun", BOUND, ids=lambda f: f.__name__)
def test_the_only_name_is_bound_to_the_result(fun):
    value, gradient = wg.value_and_grad(fun)(X)
    np.testing.assert_allclose(value, fun(X), rtol=1e-15)
    np.testing.assert_allclose(gradient, slope(fun, X), rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(wg.jvp(fun, (X,), (W,))[1], gradient @ W, rtol=1e-12)


def alias(x):
    y = fresh()
    other = y
    y += x
    return other.sum()


def view_of_it(x):
    y = fresh()
    tail = y[1:]
    y += x
    return tail.sum()


def is_a_view(x):
    y = fresh()[:2]
    y += x[:2]
    return y.sum()


def row_of_a_loop(x):
    rows = [fresh(1.0), fresh(2.0)]
    for row in rows:
        row += x
    return rows[0].sum()


def callers_array(x):
    def add(y):
        y += x

    mine = fresh()
    add(mine)
    return mine.sum()


def two_lists(x):
    first = [fresh()]
    second = list(first)
    first[0] += x
    return second[0].sum()


def memory_view(x):
    y = fresh()
    watched = memoryview(y)
    y += x
    return watched[0]


def out_by_position(x):
    y = fresh()
    np.multiply(x, x, y)
    return y.sum()


def out_by_name(x):
    y = fresh()
    np.add(x, x, out=y)
    return y.sum()


def out_of_matmul(x):
    y = fresh()
    np.matmul(np.eye(3), x, out=y)
    return y.sum()


def out_beside_an_inplace_operator(x):
    y, k = fresh(), 0.0
    k += np.multiply(x, x, out=y).sum()
    return k + y.sum()


def whole_numbers(x):
    y = np.arange(3)
    y = y.copy()
    y += x  # NumPy itself refuses the cast
    return y.sum()


def single_precision(x):
    y = fresh().astype(np.float32)
    y += x
    return y.sum()


def without_axes(x):
    y = fresh().sum(keepdims=True).reshape(())
    y += x[0]
    return y * 1.0


def global_argument(x):
    module_level = W
    module_level += x
    return module_level.sum()


REFUSED = [
    alias,
    view_of_it,
    is_a_view,
    row_of_a_loop,
    callers_array,
    two_lists,
    memory_view,
    out_by_position,
    out_by_name,
    out_of_matmul,
    out_beside_an_inplace_operator,
    whole_numbers,
    single_precision,
    without_axes,
    global_argument,
]


@pytest.mark.parametrize("fun", REFUSED, ids=lambda f: f.__name__)
def test_an_array_that_others_hold_is_refused(fun):
    before = W.copy()
    with pytest.raises(wg.CutError, match="plain array") as caught:
        wg.grad(fun)(X)
    assert caught.value.file == __file__
    assert "np.array(y)" in caught.value.fix
    np.testing.assert_array_equal(W, before)


def test_a_buffer_without_traced_values_goes_into_plain_memory():
    kept = fresh()

    def fun(x):
        b = np.ones(3)
        target = kept
        target += b
        np.multiply(b, 2.0, out=target[:3])
        return x.sum()

    wg.grad(fun)(X)
    np.testing.assert_array_equal(kept, 2.0)


def test_nested_traces_bind_too():
    def fun(x):
        y = fresh()
        y += x
        return wg.grad(lambda v: (v * v * y).sum())(x).sum()

    np.testing.assert_allclose(wg.grad(fun)(X), 2 * (fresh() + X) + 2 * X)


# ---------------------------------------------------------------- memory that was lent


def lent_then_written(x):
    y = np.zeros(3)
    seen = memoryview(np.ndarray.__array__(W)) and _lend(y)
    y[0] = x[0]
    return y.sum() + seen[0]


def _lend(y: Any) -> np.ndarray:
    """What compiled code does to its arguments: nothing of it is served."""
    return _ASARRAY[0](y)


class _Hidden:
    """Keeps a function where no scan looks."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._kept = {"function": function}

    def __getitem__(self, _: int) -> Callable[..., Any]:
        return self._kept["function"]


_ASARRAY = _Hidden(np.asarray)


def test_lent_memory_is_the_memory_itself_and_read_only():
    def fun(x):
        y = np.zeros(3)
        seen = _lend(y)
        part = _lend(y[1:])
        y[1] = 5.0  # untraced: goes through
        assert seen[1] == 5.0
        assert part[0] == 5.0
        assert not seen.flags.writeable
        del seen, part
        y[0] = x[0]  # nobody looks any more
        return y.sum()

    np.testing.assert_array_equal(wg.grad(fun)(X), [1.0, 0.0, 0.0])


def test_a_traced_write_under_the_eyes_of_compiled_code_is_refused():
    with pytest.raises(wg.CutError, match="shared with compiled code") as caught:
        wg.grad(lent_then_written)(X)
    assert caught.value.file == __file__


def test_an_earlier_borrower_counts_as_much_as_the_last():
    def fun(x):
        y = np.zeros(3)
        first = _lend(y)
        _lend(y)  # is gone at once
        y[0] = x[0]
        return y.sum() + first[0]

    with pytest.raises(wg.CutError, match="shared with compiled code"):
        wg.grad(fun)(X)


def test_a_view_of_the_lent_memory_counts():
    def fun(x):
        y = np.zeros(3)
        tail = _lend(y)[1:]
        y[0] = x[0]
        return y.sum() + tail[0]

    with pytest.raises(wg.CutError, match="shared with compiled code"):
        wg.grad(fun)(X)
