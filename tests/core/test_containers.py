"""Which classes are containers, how their instances are rebuilt, and what is a leaf or static."""

import functools
import time
from collections import OrderedDict, defaultdict, namedtuple
from dataclasses import dataclass, field
from enum import Enum, IntEnum
from typing import Any

import numpy as np
import pytest

from wengert.core import containers
from wengert.core.tree import LEAF, flatten, is_static, register


@dataclass
class Layer:
    weights: Any
    bias: Any


@dataclass(frozen=True, slots=True)
class Frozen:
    a: Any
    b: Any

    def __post_init__(self):
        if not isinstance(self.a, float):
            raise TypeError("a must be a float")  # so a rebuild that ran it would fail


@dataclass
class Derived(Layer):
    total: Any = field(init=False)

    def __post_init__(self):
        self.total = self.weights + self.bias


@dataclass
class Callable:
    content: Any

    def __call__(self):
        return self.content


class Colour(Enum):
    RED = (1.0, 2.0)


class Level(IntEnum):
    LOW = 1


def test_dataclasses_are_rebuilt_without_their_constructor():
    _, structure = flatten(Frozen(1.0, 2.0))
    made = structure.unflatten([None, "anything"])
    assert type(made) is Frozen and made.a is None and made.b == "anything"
    made = flatten(Derived(1.0, 2.0))[1].unflatten([10.0, 20.0, 5.0])
    assert made.total == 5.0


def test_a_dataclass_that_is_callable_is_a_container_not_a_static_leaf():
    assert flatten(Callable(2.0))[0] == [2.0]


def test_a_field_without_a_value_is_named():
    layer = Layer(1.0, 2.0)
    del layer.bias
    with pytest.raises(ValueError, match="Layer has a field without a value.*'bias'"):
        flatten(layer)


def test_subclasses_of_builtin_containers_keep_what_makes_them_work():
    counts = defaultdict(list, a=[1.0])
    again = flatten(counts)[1].unflatten([2.0])
    assert type(again) is defaultdict and again == {"a": [2.0]} and again["new"] == []

    ordered = OrderedDict(a=1.0, b=2.0)
    ordered.move_to_end("a")
    leaves, structure = flatten(ordered)
    assert leaves == [2.0, 1.0] and list(structure.unflatten(leaves)) == ["b", "a"]

    class Namespace(dict):
        def __init__(self, **entries):
            super().__init__(entries)
            self.__dict__ = self

    space = flatten(Namespace(w=1.0))[1].unflatten([3.0])
    assert type(space) is Namespace and space.w == 3.0

    class Stack(list):
        def __init__(self):
            raise AssertionError("constructors are not run")

    stack = list.__new__(Stack)
    list.extend(stack, [1.0, [2.0]])
    again = flatten(stack)[1].unflatten([5.0, 6.0])
    assert type(again) is Stack and again == [5.0, [6.0]]


@pytest.mark.parametrize(
    "leaf",
    [
        "ab", b"ab", {1.0, 2.0}, Colour.RED, Level.LOW, time.localtime(0), Layer, np.sin,
        np.array([[1.0, 2.0]]), np.float32(1), range(3), np.ma.array([1.0]), object(), Ellipsis,
        functools.partial(max, 1),
    ],
)  # fmt: skip
def test_everything_else_is_one_leaf(leaf):
    leaves, structure = flatten(leaf)
    assert leaves[0] is leaf and len(leaves) == 1 and structure is LEAF
    assert structure.paths() == [""] and structure.unflatten([3.0]) == 3.0
    leaves, structure = flatten([leaf, (leaf,)])
    assert leaves[0] is leaf and leaves[1] is leaf and structure.size == 2


def test_statics_are_the_listed_kinds_and_nothing_else():
    static = ["a", b"a", True, 3, np.bool_(True), np.int64(3), np.uint8(1), Colour.RED, Level.LOW,
              np.sin, len, Layer, float, lambda: 0, functools.partial(max, 1), None]  # fmt: skip
    moving = [1.0, 1j, np.float64(1), np.float32(1), np.complex128(1), np.ones(2), np.arange(3),
              np.array(1), object(), {1.0}]  # fmt: skip
    assert [is_static(leaf) for leaf in static] == [True] * len(static)
    assert [is_static(leaf) for leaf in moving] == [False] * len(moving)


def test_is_static_asks_the_real_class_of_a_value_that_poses_as_another():
    class Poser:
        @property
        def __class__(self):
            return int

    assert isinstance(Poser(), int) and not is_static(Poser())


def test_registering_is_checked():
    def open_(value):
        return (), None

    def rebuild(extra, children):
        return None

    class Twice:
        pass

    assert flatten(Twice())[1] is LEAF
    assert register(Twice, open_, rebuild) is Twice
    assert flatten(Twice())[1] is not LEAF  # although the class was seen as a leaf before
    with pytest.raises(ValueError, match="Twice is registered already"):
        register(Twice, open_, rebuild)
    for cls in (list, np.ndarray, float, type(None)):
        with pytest.raises(TypeError, match="fixed meaning"):
            register(cls, open_, rebuild)
    with pytest.raises(TypeError, match="needs a class, got 3 of type int"):
        register(3, open_, rebuild)

    class Other:
        pass

    with pytest.raises(TypeError, match="two functions, got NoneType and function"):
        register(Other, None, rebuild)
    register(Other, lambda v: [1.0], rebuild)
    with pytest.raises(TypeError, match="flatten of Other returned a list"):
        flatten(Other())


def test_a_registered_class_goes_before_what_its_bases_are():
    class Half(list):
        pass

    register(Half, lambda v: (v[:1], len(v)), lambda n, ch: Half(ch * n))
    assert flatten(Half([1.0, 2.0]))[0] == [1.0]
    assert flatten(Half([1.0, 2.0]))[1].unflatten([3.0]) == [3.0, 3.0]


def test_an_array_kept_besides_the_children_is_refused_when_compared():
    class Keeps:
        pass

    register(Keeps, lambda v: ((1.0,), np.ones(2)), lambda extra, ch: Keeps())
    with pytest.raises(TypeError, match="flatten of Keeps keeps besides the children"):
        bool(flatten(Keeps())[1] == flatten(Keeps())[1])


def test_classes_made_in_a_loop_are_all_understood_and_not_all_kept():
    for number in range(50):
        made = namedtuple(f"Made{number}", "x y")
        assert flatten(made(1.0, 2.0))[0] == [1.0, 2.0]
    for number in range(containers._REMEMBERED + 100):
        flatten([type(f"Leaf{number}", (), {})()])
    assert len(containers.LEAF_CLASSES) <= containers._REMEMBERED + 2
    assert flatten([np.ones(2), 1.0])[1].size == 2
