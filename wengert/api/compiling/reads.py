"""What a compiled function read from outside, as facts that can be asked again at each call.

Imports core and the table of twins. Invariant: a fact holds only when what it names is what it was: the same object,
or an equal number or text of the same type; an array also in the content that is looked at."""

from __future__ import annotations

import operator
import pickle
import sys
from collections import deque
from collections.abc import Callable
from random import Random
from types import MappingProxyType, MethodType
from typing import Any

import numpy as np

from wengert.numpy_api import reach

SCALARS = (bool, int, float, complex, str, bytes, type(None), np.generic)
SMALL = 65536
"""Bytes of an array that are kept whole, to compare and to restore."""
_SAMPLED = 128


def original(value: Any) -> Any:
    """What stands in user code, where another thread's trace has put a twin."""
    return reach.bindings()._table.original_of.get(id(value), value)


def same(value: Any, known: Any) -> bool:
    """Whether a value is the known one, or a number or text that nothing can tell from it."""
    if value is known:
        return True
    value = original(value)
    if value is known:
        return True
    if type(value) is not type(known):
        return False
    if isinstance(known, (float, complex, np.inexact)):
        return np.asarray(value).tobytes() == np.asarray(known).tobytes()
    if isinstance(known, SCALARS):
        return bool(value == known)
    if type(known) is MethodType:
        return value.__func__ is known.__func__ and value.__self__ is known.__self__
    if type(known) is tuple:
        return len(value) == len(known) and all(map(same, value, known))
    return False


class Read:
    """One fact; ``expression(bind)`` is its text for a generated check, true when it surely holds."""

    __slots__ = ("label",)

    def __init__(self, label: str) -> None:
        self.label = label

    def holds(self) -> bool:
        """Whether it is as it was."""
        raise NotImplementedError

    def expression(self, bind: Callable[[Any], str]) -> str:
        """Quick text: true only if the fact holds."""
        return f"{bind(self.holds)}()"

    def restorable(self) -> bool:
        """Whether ``restore`` can put back what was there."""
        return True

    def restore(self) -> None:
        """Put back what was there."""


class Missing:
    """Stands for a name that is not there."""


MISSING = Missing()


class Entry(Read):
    """A name in a dictionary: a global, an attribute of an object or class."""

    __slots__ = ("key", "known", "owner", "space")

    def __init__(self, label: str, space: Any, key: Any, known: Any, owner: Any = None) -> None:
        super().__init__(label)
        self.space, self.key, self.known, self.owner = space, key, known, owner

    def holds(self) -> bool:
        """Whether it is as it was."""
        if self.owner is not None and self.owner.__dict__ is not self.space:
            return False
        return same(self.space.get(self.key, MISSING), self.known)

    def expression(self, bind: Callable[[Any], str]) -> str:
        """Quick text: true only if the fact holds."""
        if self.known is MISSING:
            return f"{self.key!r} not in {bind(self.space)}"
        text = f"{bind(self.space)}[{self.key!r}] is {bind(self.known)}"
        return text if self.owner is None else f"{bind(self.owner)}.__dict__ is {bind(self.space)} and {text}"

    def restorable(self) -> bool:
        """Not the attributes of classes."""
        return type(self.space) is dict or self.holds()

    def restore(self) -> None:
        """Put back what was there."""
        if self.holds():
            return
        if self.known is MISSING:
            self.space.pop(self.key, None)
        else:
            self.space[self.key] = self.known


class Attribute(Read):
    """An attribute that is no entry of a dictionary: a closure cell, a slot, the defaults of a function."""

    __slots__ = ("known", "name", "owner")

    def __init__(self, label: str, owner: Any, name: str, known: Any) -> None:
        super().__init__(label)
        self.owner, self.name, self.known = owner, name, known

    def holds(self) -> bool:
        """Whether it is as it was."""
        try:
            return same(getattr(self.owner, self.name), self.known)
        except (AttributeError, ValueError):
            return False

    def expression(self, bind: Callable[[Any], str]) -> str:
        """Quick text: true only if the fact holds."""
        return f"{bind(self.owner)}.{self.name} is {bind(self.known)}"

    def restore(self) -> None:
        """Put back what was there."""
        if not self.holds():
            setattr(self.owner, self.name, self.known)


class Contents(Read):
    """What a list, dictionary, set, deque or array of objects holds, entry by entry."""

    __slots__ = ("known", "value")

    def __init__(self, label: str, value: Any) -> None:
        super().__init__(label)
        self.value, self.known = value, _entries(value)

    def holds(self) -> bool:
        """Whether it is as it was."""
        if isinstance(self.value, (set, frozenset)):
            return bool(self.value == self.known)
        now = _entries(self.value)
        return len(now) == len(self.known) and all(map(same, now, self.known))

    def expression(self, bind: Callable[[Any], str]) -> str:
        """Quick text: true only if the fact holds."""
        if isinstance(self.value, np.ndarray):
            return super().expression(bind)
        value, known = bind(self.value), bind(self.known)
        if isinstance(self.value, set):
            return f"{value} == {known}"
        if isinstance(self.value, (dict, MappingProxyType)):
            keys, held = bind(self.known[: len(self.known) // 2]), bind(self.known[len(self.known) // 2 :])
            _is = bind(operator.is_)
            return (
                f"len({value}) == {len(self.known) // 2} and all(map({_is}, {value}.values(), {held}))"
                f" and all(map({_is}, {value}, {keys}))"
            )
        return f"len({value}) == {len(self.known)} and all(map({bind(operator.is_)}, {value}, {known}))"

    def restorable(self) -> bool:
        """Not what is seen through a view of it."""
        return isinstance(self.value, (list, dict, set, deque)) or self.holds()

    def restore(self) -> None:
        """Put back what was there."""
        if self.holds():
            return
        if isinstance(self.value, set):
            self.value.clear()
            self.value.update(self.known)
        elif isinstance(self.value, dict):
            half = len(self.known) // 2
            self.value.clear()
            self.value.update(zip(self.known[:half], self.known[half:], strict=True))
        elif isinstance(self.value, deque):
            self.value.clear()
            self.value.extend(self.known)
        else:
            self.value[:] = self.known


def _entries(value: Any) -> Any:
    if isinstance(value, (dict, MappingProxyType)):
        return (*value, *value.values())
    if isinstance(value, np.ndarray):
        return tuple(value.ravel().tolist())
    return set(value) if isinstance(value, set) else tuple(value)


class Content(Read):
    """The content of an array: a sample of some 128 spread elements and the last, or all of it."""

    __slots__ = ("array", "full", "known", "shape", "view", "whole")

    def __init__(self, label: str, array: np.ndarray[Any, Any], *, full: bool) -> None:
        super().__init__(label)
        self.array, self.full, self.shape = array, full, array.shape
        self.view = array if full and array.nbytes <= SMALL else sampled(array)
        self.whole: Any = None
        self.known: Any = self.look()

    def look(self) -> bytes:
        """What is compared."""
        if self.full and self.array.nbytes > SMALL:
            return digest(self.array)
        return self.view.tobytes()

    def holds(self) -> bool:
        """Whether it is as it was."""
        return bool(self.array.shape == self.shape and self.look() == self.known)

    def expression(self, bind: Callable[[Any], str]) -> str:
        """Quick text: true only if the fact holds."""
        if self.full and self.array.nbytes > SMALL:
            return f"{bind(self.holds)}()"
        shape = f"{bind(self.array)}.shape == {self.shape!r}"
        return f"{shape} and {bind(self.view)}.tobytes() == {bind(self.known)}"

    def keep(self) -> None:
        """Note the whole content, before the program runs."""
        self.whole = self.array.copy() if self.array.nbytes <= SMALL else digest(self.array)

    def kept(self) -> bool:
        """Whether the whole content is what was noted."""
        if type(self.whole) is bytes:
            return digest(self.array) == self.whole
        return self.whole is None or bool(self.array.tobytes() == self.whole.tobytes())

    def restorable(self) -> bool:
        """Only what was kept whole."""
        return self.kept() or (type(self.whole) is not bytes and bool(self.array.flags.writeable))

    def restore(self) -> None:
        """Put back what was there."""
        if not self.kept():
            self.array[...] = self.whole


def sampled(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """A view of some 128 spread elements of an array, the last one among them."""
    flat = array.reshape(-1) if array.flags.c_contiguous else array
    per_axis = (flat.size / _SAMPLED) ** (1 / max(1, flat.ndim))
    steps = [max(1, min(n, round(per_axis))) for n in flat.shape]
    return flat[tuple(slice((n - 1) % s if n else 0, None, s) for n, s in zip(flat.shape, steps, strict=True))]


def digest(array: np.ndarray[Any, Any]) -> bytes:
    """A hash of all of an array's content."""
    import hashlib

    return hashlib.blake2b(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data, digest_size=16).digest()


def content(array: np.ndarray[Any, Any]) -> bytes:
    """The digest of an array of integers or bools. To compare with what came last under this object's id takes a
    tenth of the time of hashing, and programs get the same indices again and again."""
    if array.dtype.kind not in "iub" or not SMALLEST <= array.nbytes <= LARGEST:
        return digest(array)
    known = _latest.get(id(array))
    if known is not None:
        copy, found = known
        if copy.dtype == array.dtype and copy.shape == array.shape and np.array_equal(copy, array):
            return found
    copy = array.copy()
    found = digest(copy)
    for key in list(_latest)[: max(0, len(_latest) - LATEST + 1)]:
        _latest.pop(key, None)
    _latest[id(array)] = copy, found
    return found


LATEST, SMALLEST, LARGEST = 8, 4096, 1 << 20
"""How many arrays, of how many bytes each, are remembered with their digests."""
_latest: dict[int, tuple[np.ndarray[Any, Any], bytes]] = {}


class Stream(Read):
    """The state of a random generator: a program that draws from it is no function of its arguments."""

    __slots__ = ("generator", "known", "state")

    @staticmethod
    def serves(kind: type) -> bool:
        """Whether objects of a class are random generators. (The name ``np.random`` loads that module.)"""
        loaded = "numpy.random" in sys.modules
        return issubclass(kind, (Random, np.random.Generator, np.random.RandomState) if loaded else Random)

    def __init__(self, label: str, generator: Any) -> None:
        super().__init__(label)
        self.generator = generator
        self.state = _state(generator)
        self.known = pickle.dumps(self.state)

    def holds(self) -> bool:
        """Whether nothing was drawn."""
        return pickle.dumps(_state(self.generator)) == self.known

    def expression(self, bind: Callable[[Any], str]) -> str:
        """Drawing between calls changes no path."""
        return "True"

    def restore(self) -> None:
        """Put the state back."""
        if isinstance(self.generator, Random):
            self.generator.setstate(self.state)
        elif isinstance(self.generator, np.random.RandomState):
            self.generator.set_state(self.state)
        else:
            self.generator.bit_generator.state = self.state


def _state(generator: Any) -> Any:
    if isinstance(generator, Random):
        return generator.getstate()
    return generator.get_state() if isinstance(generator, np.random.RandomState) else generator.bit_generator.state


__all__ = [
    "MISSING",
    "SCALARS",
    "Attribute",
    "Content",
    "Contents",
    "Entry",
    "Read",
    "Stream",
    "content",
    "digest",
    "original",
    "same",
]
