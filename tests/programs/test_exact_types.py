"""Programs that ask for exact types: `type(t) is float`, `t.__class__ is np.ndarray`, tables keyed by types.

Imports the public API. Invariant: a traced value answers with the type of its value, and the name `type` is the builtin
in all else and after every call.
"""

from __future__ import annotations

import builtins
import copy
import functools
import gc
import pickle
import sys
import types

import numpy as np
import pytest

import wengert as wg
from wengert.core.handle import CLASS_READS
from wengert.numpy_api.bindings.exact_types import asks_type

X = np.array([0.7, -0.4, 1.3])


def number_is_float(t):
    return t**2 if type(t) is float else t


def number_in_a_tuple_of_types(t):
    return t**2 if type(t) in (int, float) else t


def number_is_not_int(t):
    return t**2 if type(t) is not int and type(t) != np.ndarray else t  # noqa: E721


def same_type_as_a_constant(t):
    return t**2 if type(t) == type(1.0) else t  # noqa: E721, UP003


def name_of_the_type(t):
    return t**2 if type(t).__name__ == "float" else t


def table_by_type(t):
    return {float: t**2, int: t}.get(type(t), 3 * t)


def class_is_float(t):
    return t**2 if t.__class__ is float else t


def class_and_isinstance(t):
    return t**2 if isinstance(t, float) and t.__class__ in {int, float} and not isinstance(t, np.ndarray) else t


def types_of_several(t):
    return t**2 if set(map(type, [t, 1.0])) == {float} else t


def in_a_nested_function(t):
    def asks(value):
        return [type(v) is float for v in [value]][0]  # noqa: RUF015

    return t**2 if asks(t) else t


class Base:
    def __init__(self, value):
        self.value = value

    def doubled(self):
        return type(self)(2 * self.value)

    def square(self):
        return self.value**2 if type(self.value) is float and type(self) is not Base else self.value


class Derived(Base):
    pass


def in_methods(t):
    return Derived(t).doubled().square() / 4


def classes_made_inside(t):
    class Meta(type):
        def __new__(mcs, name, bases, space):
            return type.__new__(mcs, name, bases, space)

        def __call__(cls, *args):
            return type.__call__(cls, *args)

    class Made(Base, metaclass=Meta):
        pass

    plain = type("Plain", (Base,), {"factor": 1.0})
    facts = [
        isinstance(Made, type), issubclass(Meta, type), type(Made) is Meta, type(plain) is type, type(type) is type,
        isinstance(type, type), isinstance(Made, (str, type)), plain.__module__ == __name__, callable(type),
        isinstance(int, type | None), {type: 1}[builtins.type] == 1, type.__name__ == "type",
        repr(type) == "<class 'type'>", copy.copy(type) is builtins.type,
        pickle.loads(pickle.dumps(type)) is builtins.type, str(type[int]) == "type[int]",
    ]  # fmt: skip
    return Made(t).value ** 2 * plain(1.0).factor if all(facts) else t


def hasattr_of_shape(t):
    return t if hasattr(t, "shape") else t**2


NUMBERS = [
    number_is_float, number_in_a_tuple_of_types, number_is_not_int, same_type_as_a_constant, name_of_the_type,
    table_by_type, class_is_float, class_and_isinstance, types_of_several, in_a_nested_function, in_methods,
    classes_made_inside, hasattr_of_shape,
]  # fmt: skip


def array_is_ndarray(x):
    return np.sum(x**2) if type(x) is np.ndarray else np.sum(x)


def array_equals_ndarray(x):
    return np.sum(x**2) if type(x) == np.ndarray and type(x * 2) == np.ndarray else np.sum(x)  # noqa: E721


def elements_are_numpy_floats(x):
    return sum(v**2 if type(v) is np.float64 else v for v in x)


def buffers_and_views(x):
    y = np.zeros_like(x)
    v = y[:]
    v[...] = x
    return np.sum(v**2) if type(y) is type(v) is np.ndarray else np.sum(v)


def class_is_ndarray(x):
    return np.sum(x**2) if x.__class__ is np.ndarray and x[0].__class__ is np.float64 else np.sum(x)


ARRAYS = [array_is_ndarray, array_equals_ndarray, elements_are_numpy_floats, buffers_and_views, class_is_ndarray]


@pytest.mark.parametrize("fun", NUMBERS)
def test_numbers(fun):
    assert fun(0.7) == 0.7**2
    assert wg.grad(fun, verify=True)(0.7) == 1.4
    assert wg.derivative(fun)(0.7) == 1.4
    assert wg.derivative(wg.grad(fun))(0.7) == 2.0
    assert wg.hessian(fun)(0.7) == 2.0
    assert vars(sys.modules[__name__]).get("type", type) is type


@pytest.mark.parametrize("fun", ARRAYS)
def test_arrays(fun):
    np.testing.assert_allclose(wg.grad(fun, verify=True)(X), 2 * X, rtol=1e-15)
    np.testing.assert_allclose(wg.jacfwd(fun)(X), 2 * X, rtol=1e-15)
    np.testing.assert_allclose(wg.hessian(fun)(X), 2 * np.eye(3), rtol=1e-15)
    np.testing.assert_allclose(wg.vmap(wg.grad(fun))(np.stack([X, -X])), [2 * X, -2 * X], rtol=1e-15)


@pytest.mark.parametrize("fun", [class_is_float, class_and_isinstance, number_is_float, hasattr_of_shape])
def test_answers_stay_when_the_interpreter_specialises_instructions(fun):
    assert [float(wg.grad(fun)(0.7)) for _ in range(200)] == [1.4] * 200


SOURCE = "import numpy as np\ndef asks(t):\n    return t ** 2 if type(t) is float else t\n"


def test_code_without_a_module_and_modules_of_their_own():
    space = {}
    exec(SOURCE, space)
    assert wg.grad(space["asks"])(0.7) == 1.4
    assert space["type"] is type
    assert wg.grad(eval("lambda t: t ** 2 if type(t) is float else t", {}))(0.7) == 1.4
    helper = types.ModuleType("wengert_test_exact_types_helper")
    sys.modules[helper.__name__] = helper
    try:
        exec(SOURCE, vars(helper))
        assert wg.grad(lambda t: helper.asks(t))(0.7) == 1.4
    finally:
        del sys.modules[helper.__name__]


def test_functions_that_no_name_holds():
    def inner(t, power):
        return t**power if type(t) is float else t

    class Model:
        def __call__(self, t):
            return inner(t, 2)

    assert wg.grad(functools.partial(inner, power=2))(0.7) == 1.4
    assert wg.grad(Model())(0.7) == 1.4
    assert wg.grad(Model().__call__)(0.7) == 1.4
    assert wg.grad(functools.lru_cache(lambda t: inner(t, 2)))(0.7) == 1.4
    table = {"inner": [inner]}
    assert wg.grad(lambda t: table["inner"][0](t, 2))(0.7) == 1.4


def test_a_pattern_keeps_the_builtin():
    space = {}
    source = "def kind(v):\n    match v:\n        case type(): return 0.0\n        case _: return 1.0\n"
    exec(source + "def fun(t):\n    return t * kind(t) + t * kind(int)\n", space)
    assert wg.grad(space["fun"])(0.7) == 1.0


def test_a_name_type_of_the_users_own_stays():
    space = {"type": lambda value: "mine"}
    exec("def fun(t):\n    return t ** 2 if type(t) == 'mine' else t\n", space)
    mine = space["type"]
    assert wg.grad(space["fun"])(0.7) == 1.4
    assert space["type"] is mine


def test_code_that_is_gone_is_forgotten():
    source = "def fun(t):\n    return t ** 2 if t.__class__ is float else t\n"
    known = len(CLASS_READS)
    for _ in range(20):
        code = compile(source, "made.py", "exec")
        assert not asks_type(code)
        assert len(CLASS_READS) == known + 1
        del code
        gc.collect()
        assert len(CLASS_READS) == known
    space = {}
    exec(compile(source, "made.py", "exec"), space)
    assert wg.grad(space["fun"])(0.7) == 1.4


def test_the_name_is_a_class_among_classes():
    def fun(t):
        assert issubclass(type, type)
        assert issubclass(type, object)
        assert issubclass(type("Made", (type,), {}), type)
        assert not issubclass(int, type)
        return t**2 if type(t) is float else t

    assert wg.grad(fun)(0.7) == 1.4
