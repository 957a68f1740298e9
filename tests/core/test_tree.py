"""Containers are taken apart and rebuilt exactly, and what does not fit is refused by name."""

import copy
import pickle
from collections import Counter, OrderedDict, namedtuple
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wengert.core.tree import Structure, flatten, register, tree_map

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


@dataclass
class Box(Generic[T]):
    content: T


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
        Layer(1.0, [2.0]), Frozen(1.0, {"x": 2.0}), Box(Box(3.0)), 7.5, "text",
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


def test_describe_cuts_long_texts():
    text = flatten([[1.0] * 50, 2.0])[1].describe()
    assert len(text) == 80 and text.endswith("...")
    assert isinstance(flatten(1.0)[1], Structure)
