"""What programs ask of a value before they use it: attributes and types of traced numbers are those of plain ones."""

from __future__ import annotations

import collections.abc
import numbers

import numpy as np
import pytest

import wengert as wg

CALLS = [
    1.5,
    2.5,
    np.float64(1.5),
    np.float32(2.5),
    1.5 + 1.0j,
    np.complex128(2.5j),
    np.array(1.5),
    np.arange(3.0),
    4.0,
]


def tried(x):
    try:
        return len(x.shape)
    except AttributeError:
        return -1


ASKED = {
    **{
        f"hasattr {name}": lambda x, name=name: hasattr(x, name)
        for name in (
            *("shape", "ndim", "dtype", "size", "T", "sum", "astype", "reshape", "item", "copy", "mean"),
            *("__len__", "real", "imag", "conjugate"),
        )
    },
    **{
        f"isinstance {kind.__name__}": lambda x, kind=kind: isinstance(x, kind)
        for kind in (
            *(float, complex, int, np.ndarray, np.generic, np.floating, np.number, np.inexact, np.float64, np.float32),
            *(numbers.Number, numbers.Real, numbers.Complex, collections.abc.Sequence),
        )
    },
    "getattr ndim": lambda x: getattr(x, "ndim", -1),
    "getattr size": lambda x: getattr(x, "size", -1),
    "an attribute tried": tried,
    "np.ndim": np.ndim,
    "np.isscalar": np.isscalar,
    "an array of numbers": lambda x: isinstance(x, np.ndarray) and hasattr(x, "is_integer"),
}


@pytest.mark.parametrize("asks", ASKED.values(), ids=ASKED)
def test_what_is_asked_of_an_argument(asks):
    def fun(x):
        return 2.0 * x if asks(x) else x * x + asks(x)

    compiled = wg.compile(fun, backend="numpy")
    for _ in range(2):
        for x in CALLS:
            found, wanted = compiled(x), fun(x)
            assert type(found) is type(wanted)
            np.testing.assert_array_equal(found, wanted)


def test_gradients_take_the_branch_of_the_plain_number():
    for asks in (lambda x: hasattr(x, "ndim"), lambda x: isinstance(x, np.floating), lambda x: tried(x) >= 0):

        def fun(x, asks=asks):
            return x * x if asks(x) else 5.0 * x

        assert wg.grad(fun)(3.0) == 5.0
        assert wg.grad(fun)(np.float64(3.0)) == 6.0


@pytest.mark.parametrize("name", ["value", "node", "__iter__"])
def test_names_that_traced_values_have_for_themselves(name):
    space = {}
    exec(f"def fun(x):\n    return 3.0 * x if hasattr(x, {name!r}) else 2.0 * x\n", space)
    fun = space["fun"]
    compiled = wg.compile(fun, backend="numpy")
    with pytest.warns(wg.CompileWarning, match=f"attribute '{name}'"):
        assert compiled(1.0) == 2.0
    for x in (2.0, np.float64(3.0), np.arange(3.0)):
        np.testing.assert_array_equal(compiled(x), fun(x))


class Parameter:
    """Something that does have a value."""

    def __init__(self, value):
        self.value = value

    def get(self):
        return self.value if hasattr(self, "value") else 0.0


def test_objects_may_be_asked_for_the_same_names():
    held = Parameter(2.0)
    compiled = wg.compile(lambda x: x * held.get(), backend="numpy")
    assert [compiled(1.0), compiled(2.0)] == [2.0, 4.0]
    held.value = 5.0
    assert compiled(2.0) == 10.0
    assert len(compiled.paths) == 2
