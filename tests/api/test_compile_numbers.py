"""Python's own numbers inside compiled functions: what they raise, when they are complex, how they weigh in types."""

from __future__ import annotations

import collections
import itertools
import math
import operator
import random

import numpy as np
import pytest

import wengert as wg

SPECIAL = [-2.0, 2.0, 0.0, -0.0, math.nan, math.inf, -math.inf, 3.0, -3.5]
EXPONENTS = [0.5, -0.5, 2, -2, 3.0, -3.0, 0, math.inf, -math.inf, math.nan, 1 / 3]


def answer(fun, *args):
    """The type and the value of a result, or the type of what is raised."""
    try:
        found = fun(*args)
    except (ZeroDivisionError, ValueError, OverflowError) as problem:
        return type(problem)
    return type(found), repr(found)


def in_all_orders(fun, calls):
    """A compiled function answers as the function does, whichever call recorded the path."""
    for seed in range(3):
        compiled = wg.compile(fun, backend="numpy")
        for args in random.Random(seed).sample(calls, len(calls)):
            assert answer(compiled, *args) == answer(fun, *args), args


@pytest.mark.parametrize("exponent", EXPONENTS)
def test_powers_of_a_python_number(exponent):
    in_all_orders(lambda x: x**exponent, [(x,) for x in SPECIAL])


@pytest.mark.parametrize("base", [-0.5, -2, 0, 0.0, 2.5, math.inf, -math.inf, math.nan])
def test_powers_with_a_python_number(base):
    in_all_orders(lambda x: base**x, [(x,) for x in [*SPECIAL, -1.0, -1.5]])


@pytest.mark.parametrize("op", [operator.pow, operator.truediv, operator.floordiv, operator.mod])
def test_operations_of_two_python_numbers(op):
    calls = list(itertools.product([-2.0, 2.0, 0.0, -0.0, math.nan, math.inf], [0.5, -0.5, 2.0, -2.0, 0.0, math.inf]))
    for start in range(0, len(calls), 9):
        in_all_orders(lambda x, y: op(x, y), calls[start : start + 9])


@pytest.mark.parametrize("exponent", [2, -1, 0.5, 0, 1j])
def test_powers_of_complex_numbers(exponent):
    in_all_orders(lambda x: x**exponent, [(complex(a, b),) for a in (0.0, 1.0, -2.0) for b in (0.0, 1.5)])


ITEMS = {
    "a quotient": lambda x: 1.0 / x.sum().item(),
    "a remainder": lambda x: 1.0 % x.sum().item(),
    "a root": lambda x: x.max().item() ** 0.5,
    "from a list": lambda x: [1.0 / v for v in x.tolist()],
    "a tuple of them": lambda x: (x.item(0), x.item((1,)), x[:1].item()),
}


@pytest.mark.parametrize("fun", ITEMS.values(), ids=ITEMS)
def test_items_are_numbers_of_pythons(fun):
    in_all_orders(fun, [(np.array(v),) for v in ([1.0, 2.0], [-1.0, 1.0], [-1.0, -3.0], [0.0, 0.0], [math.nan, 1.0])])


@pytest.mark.parametrize("backend", ["numpy", "native"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_items_have_no_say_in_types(backend, dtype):
    if backend == "native":
        pytest.importorskip("llvmlite")
    short = np.arange(3, dtype=np.float32)
    for fun in (lambda x: x.sum().item() * short, lambda x: np.float32(2.0) * x.tolist()[1], lambda x: x.item(0)):
        compiled = wg.compile(fun, backend=backend)
        for k in range(3):
            x = np.arange(2.0, 4.0, dtype=dtype) + k
            found, wanted = compiled(x), fun(x)
            assert type(found) is type(wanted)
            assert np.asarray(found).dtype == np.asarray(wanted).dtype
            np.testing.assert_allclose(found, wanted, rtol=1e-6)


def test_items_have_derivatives_of_any_order():
    x = np.array([0.5, 1.5])
    for item in (lambda x: x.sum().item(), lambda x: sum(x.tolist())):
        np.testing.assert_allclose(wg.grad(lambda x, item=item: item(x) ** 3)(x), np.full(2, 12.0), rtol=1e-14)
        np.testing.assert_allclose(wg.hessian(lambda x, item=item: item(x) ** 3)(x), np.full((2, 2), 12.0), rtol=1e-14)
        rows = wg.vmap(wg.grad(lambda x, item=item: item(x) ** 3))(np.stack([x, 2 * x]))
        np.testing.assert_allclose(rows, [[12.0, 12.0], [48.0, 48.0]], rtol=1e-14)


TABLE = {1.0: 10.0, 2.0: 20.0}
LOOKED_UP = {
    "a table": lambda x: TABLE.get(x, 0.0) * x,
    "a set": lambda x: x in {1.0, 2.0},
    "distinct numbers": lambda x: len({x: 1, 2.0: 2}),
    "a hash": lambda x: hash(x) % 7,
    "a hash of a tuple": lambda x: hash((x, 1)) % 7,
    "the commonest": lambda x: collections.Counter([x, 1.0, 2.0]).most_common(1)[0][1],
}


@pytest.mark.filterwarnings("ignore::wengert.CompileWarning")
@pytest.mark.parametrize("fun", LOOKED_UP.values(), ids=LOOKED_UP)
def test_what_is_looked_up_by_value(fun):
    in_all_orders(fun, [(x,) for x in (1.0, 2.0, 3.0, 4.0)])


def test_steps_of_numbers_are_numbers():
    compiled = wg.compile(np.heaviside, backend="numpy")
    for x, at_zero in ((0.0, 0.5), (np.float64(1.0), np.float64(0.5)), (np.array(0.0), np.array(0.25))):
        assert type(compiled(x, at_zero)) is np.float64
        assert compiled(x, at_zero) == np.heaviside(x, at_zero)
    np.testing.assert_array_equal(compiled(np.zeros(2), 0.75), [0.75, 0.75])


@pytest.mark.parametrize(
    "function",
    [np.sign, np.nan_to_num, np.i0, np.squeeze, np.transpose, np.real_if_close, lambda x: np.linspace(0, x, 3)],
)
def test_numbers_and_arrays_without_axes_come_back_as_numpy_gives_them(function):
    compiled = wg.compile(function, backend="numpy")
    for one in (0.5, np.float64(0.5), np.array(0.5), np.float32(0.5), np.array(0.5, "f4"), 1 + 2j, np.complex64(2j)):
        if function is np.i0 and np.iscomplexobj(one):
            continue
        for x in (one, one * 2, one + 1):
            found, wanted = compiled(x), function(x)
            assert type(found) is type(wanted)
            assert getattr(found, "dtype", None) == getattr(wanted, "dtype", None)
            np.testing.assert_allclose(found, wanted, rtol=1e-6 if np.result_type(wanted).itemsize < 16 else 1e-14)
