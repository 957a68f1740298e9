"""Containers are taken apart and rebuilt exactly, and what does not fit is refused by name."""

import copy
import functools
import pickle
import time
from collections import Counter, OrderedDict, defaultdict, namedtuple
from dataclasses import dataclass, field
from enum import Enum, IntEnum
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wengert.core.tree import LEAF, Structure, flatten, is_static, register, tree_map

T = TypeVar("T")
Pair = namedtuple("Pair", "left right")


class Line(NamedTuple):
    slope: Any
    offset: Any = 0.0


@dataclass
class Layer:
    weights: Any
    bias: Any
    activation: Any = "tanh"
    count: ClassVar[int] = 0


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
class Box(Generic[T]):
    content: T

    def __call__(self):
        return self.content


class Colour(Enum):
    RED = (1.0, 2.0)


class Level(IntEnum):
    LOW = 1


class Registered:
    def __init__(self, name, *parts):
        self.name, self.parts = name, parts


register(Registered, lambda v: (v.parts, v.name), lambda name, parts: Registered(name, *parts))


def test_leaves_come_in_reading_order():
    x = np.ones(2)
    value = ({"b": 1.0, "a": [x, None]}, Line(2.0, 3.0), Layer(4.0, 5.0), Registered("r", 6.0))
    leaves, structure = flatten(value)
    assert leaves[0] == 1.0 and leaves[1] is x
    assert leaves[2:] == [2.0, 3.0, 4.0, 5.0, "tanh", 6.0]
    assert structure.size == 8
    assert structure.paths() == [
        "[0]['b']", "[0]['a'][0]", "[1].slope", "[1].offset",
        "[2].weights", "[2].bias", "[2].activation", "[3][0]",
    ]
    assert repr(structure) == (
        "Structure(({'b': *, 'a': [*, None]}, Line(slope=*, offset=*), "
        "Layer(weights=*, bias=*, activation=*), Registered[*]))"
    )


@pytest.mark.parametrize(
    "value",
    [
        (), [], {}, None, (1.0,), [1.0, 2.0], {"a": 1.0, 3: 2.0}, tuple(range(40)), [0.5] * 40,
        Pair(1.0, (2.0, None)), Line(1.0), ([[]], {}), OrderedDict(a=1.0, b=[2.0]),
        Layer(1.0, [2.0]), Frozen(1.0, {"x": 2.0}), Derived(1.0, 2.0), Box(Box(3.0)), 7.5, "text",
        Counter("abca"), {"k": {"k": {"k": (1.0,)}}},
    ],
)  # fmt: skip
def test_unflatten_rebuilds_an_equal_value_of_the_same_classes(value):
    leaves, structure = flatten(value)
    again = structure.unflatten(leaves)
    assert type(again) is type(value)
    assert again == value
    assert flatten(again)[1] == structure
    assert hash(flatten(again)[1]) == hash(structure)
    assert len(structure.paths()) == structure.size == len(leaves)
    assert structure.unflatten(iter(leaves)) == value


def test_rebuilding_shares_no_container_with_the_old_value_or_the_leaves():
    value = [1.0, 2.0]
    leaves, structure = flatten(value)
    again = structure.unflatten(leaves)
    again[0] = 9.0
    assert value == [1.0, 2.0] and leaves == [1.0, 2.0]


def test_dataclasses_are_rebuilt_without_their_constructor():
    _, structure = flatten(Frozen(1.0, 2.0))
    made = structure.unflatten([None, "anything"])
    assert type(made) is Frozen and made.a is None and made.b == "anything"
    made = flatten(Derived(1.0, 2.0))[1].unflatten([10.0, 20.0, None, 5.0])
    assert made.total == 5.0


def test_a_dataclass_that_is_callable_is_a_container_not_a_static_leaf():
    assert flatten(Box(2.0))[0] == [2.0]


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


def test_structures_compare_by_class_keys_and_nesting_not_by_leaves():
    def shape(value):
        return flatten(value)[1]

    assert shape([1.0, "relu"]) == shape([np.ones(3), 7])
    different = [
        shape(v)
        for v in (
            1.0, None, (), [], {}, (1.0,), [1.0], (1.0, 2.0), [1.0, 2.0], [1.0, None],
            Pair(1.0, 2.0), Line(1.0, 2.0), {"a": 1.0}, {"b": 1.0}, {"a": 1.0, "b": 1.0},
            {"b": 1.0, "a": 1.0}, OrderedDict(a=1.0), Frozen(1.0, 2.0), Registered("r", 1.0),
            Registered("s", 1.0), [(1.0, 2.0)], [(1.0,), 2.0], ((1.0,), (2.0, 3.0)),
            ((1.0, 2.0), (3.0,)),
        )
    ]  # fmt: skip
    for i, left in enumerate(different):
        for j, right in enumerate(different):
            assert (left == right) is (i == j), (left, right)
    assert len(set(different)) == len(different)
    assert shape(1.0) != 1.0


trees = st.recursive(
    st.floats(allow_nan=False) | st.none() | st.text(max_size=2),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(st.text(max_size=2) | st.integers(), inner, max_size=4)
        | st.builds(Layer, inner, inner, inner)
        | st.builds(Pair, inner, inner)
    ),
    max_leaves=20,
)


@given(trees)
def test_any_tree_survives(value):
    leaves, structure = flatten(value)
    assert structure.unflatten(leaves) == value
    assert structure.flatten_like(value) == leaves
    for copied in (pickle.loads(pickle.dumps(structure)), copy.deepcopy(structure)):
        assert copied == structure and copied.unflatten(leaves) == value
    # Each path is Python that leads to its leaf.
    for path, leaf in zip(structure.paths("value"), leaves, strict=True):
        assert eval(path, {"value": value}) is leaf


def test_tree_map_walks_several_trees_together():
    parameters = {"w": [1.0, 2.0], "name": "net", "none": None}
    slopes = {"name": None, "none": None, "w": [10.0, 20.0]}  # another order, None for a static
    moved = tree_map(lambda p, g: p if g is None else p - g, parameters, slopes)
    assert moved == {"w": [-9.0, -18.0], "name": "net", "none": None}
    assert tree_map(lambda p: 2 * p, (1.0, [2.0])) == (2.0, [4.0])
    assert tree_map(lambda p, rest: rest, (1.0, 2.0), ([1], {"a": 2})) == ([1], {"a": 2})


@pytest.mark.parametrize(
    ("other", "error", "message"),
    [
        ([1.0, 2.0], TypeError, r"tangents must be built like \{'w'.*but is \[\*, \*\] \(list\)"),
        (3.0, TypeError, "tangents must be built like .* but is of type float"),
        ({"w": (1.0, 2.0), "b": 0.0}, TypeError, r"tangents\['w'\] must be built like \[\*, \*\]"),
        ({"w": [1.0], "b": 0.0}, ValueError, r"tangents\['w'\].* 1 entries instead of 2"),
        ({"w": [1.0, 2.0]}, ValueError, r"keys \['w', 'b'\], but lacks \['b'\]"),
        ({"w": [1.0, 2.0], "c": 0}, ValueError, r"lacks \['b'\] and has \['c'\] besides"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_place(other, error, message):
    structure = flatten({"w": [1.0, 2.0], "b": 3.0})[1]
    with pytest.raises(error, match=message):
        structure.flatten_like(other, "tangents")


@pytest.mark.parametrize("count", [0, 1, 3])
def test_unflatten_needs_the_right_number_of_leaves(count):
    with pytest.raises(ValueError, match=f"has 2 leaves and cannot be rebuilt from {count}"):
        flatten((1.0, [2.0]))[1].unflatten([0.0] * count)


def test_a_container_that_contains_itself_is_named():
    inner = {"back": None, "x": 1.0}
    value = [1.0, (2.0, inner)]
    inner["back"] = [inner]
    with pytest.raises(ValueError, match="contains itself") as caught:
        flatten(value)
    text = str(caught.value)
    assert "the value[1][1], a dict" in text
    assert "the value[1][1]['back'][0] is the same object" in text
    assert "break the cycle" in text


def test_two_layers_that_know_each_other_are_a_cycle():
    first, second = Layer(1.0, 2.0), Layer(3.0, 4.0)
    first.activation, second.activation = second, first
    with pytest.raises(ValueError, match=r"the value\.activation\.activation is the same object"):
        flatten(first)


def nested(depth):
    value = 1.0
    for _ in range(depth):
        value = (value,)
    return value


@pytest.mark.parametrize("depth", [201, 5000])
def test_nesting_too_deep_is_an_error_not_an_overflow(depth):
    with pytest.raises(ValueError, match="nested more than 200 containers deep"):
        flatten([nested(depth)])


def test_deep_but_sensible_nesting_works():
    leaves, structure = flatten(nested(150))
    assert leaves == [1.0] and structure.unflatten([2.0]) != nested(150)
    assert structure.paths() == ["[0]" * 150] and structure == flatten(nested(150))[1]


def test_a_program_deep_in_its_own_recursion_gets_the_clear_error():
    value = nested(190)

    def down():
        try:
            down()
        except RecursionError:
            flatten(value)  # there is no room left for 190 calls here

    with pytest.raises((ValueError, RecursionError)) as caught:
        down()
    errors = []
    error = caught.value
    while error is not None:
        errors.append(error)
        error = error.__context__
    assert any(isinstance(e, ValueError) and "too deep here" in str(e) for e in errors)


def test_one_object_in_two_places_is_two_leaves():
    x = np.ones(2)
    shared = [x]
    leaves, structure = flatten({"a": shared, "b": shared})
    assert len(leaves) == 2
    again = structure.unflatten(leaves)
    assert again["a"] is not again["b"]


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
    from wengert.core import containers

    for number in range(50):
        made = namedtuple(f"Made{number}", "x y")
        assert flatten(made(1.0, 2.0))[0] == [1.0, 2.0]
    for number in range(containers._REMEMBERED + 100):
        flatten([type(f"Leaf{number}", (), {})()])
    assert len(containers.LEAF_CLASSES) <= containers._REMEMBERED + 2
    assert flatten([np.ones(2), 1.0])[1].size == 2


def test_flattening_the_usual_arguments_is_cheap():
    # Relative to a deep copy of the same thing, so that a slow machine slows both.
    value = (np.ones(3), np.ones(3), 1.0)

    def best(run):
        times = []
        for _ in range(7):
            start = time.perf_counter()
            for _ in range(500):
                run()
            times.append(time.perf_counter() - start)
        return min(times)

    assert best(lambda: flatten(value)) < 0.3 * best(lambda: copy.deepcopy(value))


def test_describe_cuts_long_texts():
    text = flatten([[1.0] * 50, 2.0])[1].describe()
    assert len(text) == 80 and text.endswith("...")
    assert isinstance(flatten(1.0)[1], Structure)
