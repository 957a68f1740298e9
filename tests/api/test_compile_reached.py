"""What a compiled function reaches through objects that hold others: bound methods of built-in objects, views."""

from __future__ import annotations

import collections
import configparser
import ctypes
import functools
import io
import itertools
import operator
import queue
import random
import sys
import textwrap
import threading
import types
import warnings
import weakref

import numpy as np
import pytest

import wengert as wg


def agree(make, calls=4):
    """A compiled function does as the function does, each with objects of its own; ``make`` gives a function and what
    changes its surroundings between calls."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", wg.CompileWarning)
        (plain, change), (fun, change_too) = make(), make()
        compiled = wg.compile(fun, backend="numpy")
        for k in range(calls):
            x = np.arange(1.0, 4.0) + k
            np.testing.assert_array_equal(compiled(x), plain(x))
            change()
            change_too()


def nothing():
    """No change from outside."""


NUMBERS = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]


def lines():
    """A function that reads the next line of a text."""
    read = io.StringIO("1\n2\n3\n4\n5\n").readline
    return lambda: float(read())


def longer():
    """A function that makes a list longer, and says how long it is."""
    held = []
    push = held.append
    return lambda: push(1.0) or len(held)


DRAWN = {
    "list.pop": lambda: list(NUMBERS).pop,
    "next": lambda: iter(NUMBERS).__next__,
    "count": lambda: itertools.count(1).__next__,
    "popleft": lambda: collections.deque(NUMBERS).popleft,
    "random": lambda: random.Random(3).random,
    "generator": lambda: np.random.default_rng(3).normal,
    "readline": lines,
    "partial": lambda: functools.partial(list(NUMBERS).pop, 0),
    "pushed": longer,
}


@pytest.mark.parametrize("make", DRAWN.values(), ids=DRAWN)
def test_bound_methods_that_change_what_they_are_bound_to(make):
    def both():
        draw = make()
        return lambda x: x * draw(), nothing

    agree(both)


def _queues():
    for kind in (queue.Queue, queue.SimpleQueue):
        held = kind()
        for number in NUMBERS:
            held.put(number)
        yield held


@pytest.mark.parametrize("place", [0, 1])
def test_queues(place):
    def both():
        held = list(_queues())[place]
        return lambda x: x * held.get(), nothing

    agree(both)


class Box:
    """An object with attributes."""


def _box(**attributes):
    made = Box()
    vars(made).update(attributes)
    return made


def dictionary_method():
    held = {"a": 1.0}
    get = held.get
    return lambda x: x * get("a"), lambda: held.update(a=held["a"] + 1)


def array_method():
    held = np.arange(5.0)
    total = held.sum
    return lambda x: x * total(), lambda: operator.iadd(held, 1.0)


def getter():
    held, get = _box(inner=_box(scale=1.0)), operator.attrgetter("inner.scale")
    return lambda x: x * get(held), lambda: setattr(held.inner, "scale", held.inner.scale + 1)


def caller():
    class Scale:
        """A factor behind a method."""

        factor = 1.0

        def times(self, number):
            return number * self.factor

    held, call = Scale(), operator.methodcaller("times", 2.0)
    return lambda x: x * call(held), lambda: setattr(held, "factor", held.factor + 1)


def number_of_c():
    held = ctypes.c_double(1.0)
    return lambda x: x * held.value, lambda: setattr(held, "value", held.value + 1)


def weak():
    held = _box(scale=1.0)
    found = weakref.ref(held)
    keep = [held]
    return lambda x: x * found().scale, lambda: setattr(keep[0], "scale", keep[0].scale + 1)


def weak_dictionary():
    held = [_box(scale=1.0)]
    table = weakref.WeakValueDictionary(a=held[0])

    def change():
        held.append(_box(scale=held[-1].scale + 1))
        table["a"] = held[-1]

    return lambda x: x * table["a"].scale, change


def event():
    held = threading.Event()
    return lambda x: x if held.is_set() else -x, held.set


def settings():
    held = configparser.ConfigParser()
    held["a"] = {"b": "1.0"}
    return lambda x: x * float(held["a"]["b"]), lambda: held["a"].update(b=str(float(held["a"]["b"]) + 1))


def values_view():
    held = {"a": 1.0}
    seen = held.values()
    return lambda x: x * sum(seen), lambda: held.update(a=held["a"] + 1)


def items_view():
    held = {"a": 1.0}
    seen = held.items()
    return lambda x: x * sum(v for _, v in seen), lambda: held.update(a=held["a"] + 1)


def keys_view():
    held = {"a": 1.0}
    seen = held.keys()
    return lambda x: x * len(seen), lambda: held.update({str(len(held)): 1.0})


def proxy():
    held = {"a": 1.0}
    seen = types.MappingProxyType(held)
    return lambda x: x * seen["a"], lambda: held.update(a=held["a"] + 1)


def array_of_objects():
    held = np.array([np.zeros(3), 1.0], dtype=object)
    return lambda x: x * held[1], lambda: held.__setitem__(1, held[1] + 1)


def polynomial():
    held = np.polynomial.Polynomial([1.0, 2.0])
    return lambda x: held(x), lambda: held.coef.__setitem__(0, held.coef[0] + 1)


def old_polynomial():
    held = np.poly1d([1.0, 2.0])
    return lambda x: held(x), lambda: held.coeffs.__setitem__(0, held.coeffs[0] + 1)


def shadowed():
    class Base:
        """Has what the other inherits."""

        scale = 2.0

    class Derived(Base):
        """Inherits until it has its own."""

    held = Derived()
    return lambda x: x * held.scale, lambda: setattr(Derived, "scale", Derived.scale + 1)


def other_class():
    class First:
        """One state."""

        scale = 1.0

    class Second:
        """The other state."""

        scale = 3.0

    held = First()
    return lambda x: x * held.scale, lambda: setattr(held, "__class__", Second)


def computed_name():
    held, name = _box(a=1.0), "a" + chr(98)
    return lambda x: x * (2.0 if hasattr(held, name) else 1.0), lambda: setattr(held, "ab", 1)


def computed_write():
    held, name = _box(), "a" + chr(98)

    def fun(x):
        if not hasattr(held, name):
            setattr(held, name, 2.0)
            return x
        return x * getattr(held, name)

    return fun, nothing


def made_by_a_metaclass():
    class Counting(type):
        """Counts the instances of its classes."""

        made = 0

        def __call__(cls):
            Counting.made += 1
            found = super().__call__()
            found.number = float(Counting.made)
            return found

    class Counted(metaclass=Counting):
        """Knows its number."""

    return lambda x: x * Counted().number, nothing


HELD = [
    dictionary_method, array_method, getter, caller, number_of_c, weak, weak_dictionary, event, settings, values_view,
    items_view, keys_view, proxy, array_of_objects, polynomial, old_polynomial, shadowed, other_class, computed_name,
    computed_write, made_by_a_metaclass,
]  # fmt: skip


@pytest.mark.parametrize("make", HELD, ids=lambda make: make.__name__)
def test_what_changes_outside_is_seen_through_what_holds_it(make):
    agree(make)


def test_modules_that_the_function_imports_itself(tmp_path, monkeypatch):
    (tmp_path / "reached_settings.py").write_text(
        textwrap.dedent(
            """
            scale = 2.0

            def get():
                return scale
            """
        )
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    import reached_settings

    def named(x):
        from reached_settings import scale

        return x * scale

    def called(x):
        import reached_settings as settings

        return x * settings.get()

    for fun in (named, called):
        compiled = wg.compile(fun, backend="numpy")
        for scale in (2.0, 2.0, 5.0, 5.0, 2.0):
            reached_settings.scale = scale
            assert compiled(3.0) == 3.0 * scale
        assert len(compiled.paths) == 2
    sys.modules.pop("reached_settings")


def test_a_table_that_does_not_change_is_compiled():
    table = types.MappingProxyType({"a": 2.0})
    get, names = table.get, {"a": 1}.keys()
    compiled = wg.compile(lambda x: x * get("a") * len(names), backend="numpy")
    assert [compiled(1.0), compiled(2.0)] == [2.0, 4.0]
    assert len(compiled.paths) == 1


def test_resizing_an_argument_is_left_to_numpy():
    def shorter(x):
        x.resize(2, refcheck=False)
        return x

    with pytest.warns(wg.CompileWarning, match="resize"):
        assert wg.compile(shorter, backend="numpy")(np.arange(4.0)).tolist() == [0.0, 1.0]
    with pytest.raises(wg.CutError, match="resize"):
        wg.grad(lambda x: shorter(x).sum())(np.arange(4.0))
