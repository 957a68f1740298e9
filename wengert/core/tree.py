"""Containers: a value taken apart into its leaves, and put together again around other leaves.

Here live `flatten`, `Structure`, `tree_map`, `is_static`; `containers.py` says which classes are
containers. May import NumPy, the standard library and core.
Invariant: `structure.unflatten(leaves)` after `flatten(value)` rebuilds an equal value, of the same
classes, that shares nothing with the old containers; what no container claims is a leaf.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from enum import Enum
from typing import Any

import numpy as np

from wengert.core.containers import LEAF_CLASSES, Container, container_of, register
from wengert.core.errors import WengertError, WengertTypeError, WengertValueError, error_at

__all__ = ["LEAF", "STANDINS", "Structure", "arrays", "flatten", "is_static", "register", "tree_map"]

DEEPEST = 200  # far beyond any real program, and well inside Python's own recursion limit


class Structure:
    """What remains of a value when its leaves are taken out: classes, keys, fields, nesting.

    Two structures are equal when classes, keys (in their order) and fields are; the leaves,
    static ones such as strings included, are no part of it.

    >>> leaves, structure = flatten({"weights": [1.0, 2.0], "name": "net"})
    >>> leaves
    [1.0, 2.0, 'net']
    >>> structure
    Structure({'weights': [*, *], 'name': *})
    >>> structure.unflatten([3.0, 4.0, None])
    {'weights': [3.0, 4.0], 'name': None}
    >>> structure.paths()
    ["['weights'][0]", "['weights'][1]", "['name']"]
    """

    __slots__ = ("children", "container", "extra", "flat", "size")

    def __init__(
        self, container: Container | None, extra: Any, children: tuple[Structure, ...]
    ) -> None:
        self.container = container  # None: a leaf
        self.extra = extra  # the keys of a mapping, what a registered class keeps
        self.children = children
        self.size: int = 1 if container is None else sum([child.size for child in children])
        self.flat: bool = children.count(LEAF) == len(children) if children else True

    def unflatten(self, leaves: Iterable[Any]) -> Any:
        """Rebuild the value around `leaves`, given in the order of `flatten`.

        Raises ValueError when their number is not `self.size`.

        >>> flatten((1.0, [2.0]))[1].unflatten([5.0, 6.0])
        (5.0, [6.0])
        """
        leaves = leaves if type(leaves) is list else list(leaves)
        if len(leaves) != self.size:
            raise error_at(
                WengertValueError,
                f"{self.describe()} has {self.size} leaves and cannot be rebuilt from "
                f"{len(leaves)}",
                fix="pass one leaf for each path in structure.paths()",
            )
        if self.container is None:
            return leaves[0]
        return self._rebuild(leaves) if self.flat else self._fill(iter(leaves))

    def _rebuild(self, children: list[Any]) -> Any:
        assert self.container is not None
        return self.container.rebuild(self.extra, children)

    def _fill(self, leaves: Iterator[Any]) -> Any:
        if self.container is None:
            return next(leaves)
        return self._rebuild([child._fill(leaves) for child in self.children])

    def paths(self, root: str = "") -> list[str]:
        """How a person would write the way to each leaf, as in `[0].weights['b']`.

        >>> flatten([{"b": 1.0}, (2.0, 3.0)])[1].paths("params")
        ["params[0]['b']", 'params[1][0]', 'params[1][1]']
        """
        found: list[str] = []
        self._collect_paths(root, found)
        return found

    def _collect_paths(self, here: str, found: list[str]) -> None:
        if self.container is None:
            found.append(here)
        for place, child in enumerate(self.children):
            child._collect_paths(here + self.label(place), found)

    def label(self, place: int) -> str:
        """The step from this container to its child at `place`: `[0]`, `.weights` or `['b']`."""
        assert self.container is not None
        return self.container.label(self.extra, place)

    def flatten_like(self, value: Any, name: str = "the other value") -> list[Any]:
        """Take `value` apart exactly as far as this structure goes, and return the parts.

        Where this structure has a leaf, the part may be anything (None, a list). Mappings are
        matched by key, whatever their order. Raises TypeError for another class of container and
        ValueError for other keys or another length; both name the place, beginning with `name`.

        >>> structure = flatten({"a": 1.0, "b": [2.0, 3.0]})[1]
        >>> structure.flatten_like({"b": [20.0, None], "a": 10.0})
        [10.0, 20.0, None]
        """
        parts: list[Any] = []
        self._match(value, parts, name)
        return parts

    def _match(self, value: Any, parts: list[Any], here: str) -> None:
        container = self.container
        if container is None:
            parts.append(value)
            return
        if container_of(type(value)) is not container:
            raise error_at(
                WengertTypeError,
                f"{here} must be built like {self.describe()}, but is {_describe_object(value)}",
                fix="pass the same containers, with one entry for each leaf",
            )
        children, extra = container.open(value)
        if container.keyed:
            if set(extra) != set(self.extra):
                missing = [key for key in self.extra if key not in extra]
                unknown = [key for key in extra if key not in self.extra]
                problems = f"lacks {missing}" if missing else ""
                if unknown:
                    problems += f"{' and ' if missing else ''}has {unknown} besides"
                raise error_at(
                    WengertValueError,
                    f"{here} must have the keys {list(self.extra)}, but {problems}",
                    fix="pass one entry for each key",
                )
            by_key = dict(zip(extra, children, strict=True))
            children = [by_key[key] for key in self.extra]
        elif len(children) != len(self.children):
            raise error_at(
                WengertValueError,
                f"{here} must be built like {self.describe()}, "
                f"but has {len(children)} entries instead of {len(self.children)}",
                fix="pass one entry for each leaf",
            )
        for place, (child, part) in enumerate(zip(self.children, children, strict=True)):
            child._match(part, parts, here + self.label(place))

    def describe(self) -> str:
        """A short text for error messages: `[*, {'a': *}]`, cut when it is long."""
        text = self._text()
        return text if len(text) <= 80 else text[:77] + "..."

    def _text(self) -> str:
        if self.container is None:
            return "*"
        return self.container.text(self.extra, [child._text() for child in self.children])

    def __repr__(self) -> str:
        return f"Structure({self._text()})"

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, Structure):
            return NotImplemented
        return (
            self.container is other.container
            and self.size == other.size
            and self.children == other.children
            and _same(self.container, self.extra, other.extra)
        )

    def __hash__(self) -> int:
        # What a registered class keeps may be unhashable; its class and children tell enough.
        keys = self.extra if self.container is not None and self.container.keyed else None
        return hash((self.container, keys, self.children))

    def __reduce__(self) -> tuple[Any, ...]:
        cls = None if self.container is None else self.container.cls
        return _restore, (cls, self.extra, self.children)


LEAF = Structure(None, None, ())

# The commonest structures, made once: tuples and lists of a few leaves.
_FLAT = {
    (cls, length): Structure(container_of(cls), None, (LEAF,) * length)
    for cls in (tuple, list)
    for length in range(17)
}


def flatten(value: Any) -> tuple[list[Any], Structure]:
    """Take a value apart into its leaves and its structure.

    Containers are tuples, named tuples, lists, dicts (in insertion order), None (without leaves),
    dataclass instances and instances of registered classes; everything else is a leaf. An object
    that stands in two places is two leaves. Raises ValueError for a container that contains
    itself, or that is nested more than 200 deep.

    >>> leaves, structure = flatten(([1.0, 2.0], None, {"a": 3.0}))
    >>> leaves
    [1.0, 2.0, 3.0]
    >>> structure
    Structure(([*, *], None, {'a': *}))
    """
    cls = type(value)
    if cls in LEAF_CLASSES:
        return [value], LEAF
    if (cls is tuple or cls is list) and LEAF_CLASSES.issuperset(map(type, value)):
        structure = _FLAT.get((cls, len(value)))
        if structure is not None:
            return list(value), structure
    leaves: list[Any] = []
    trail: list[Any] = []
    try:
        structure = _take_apart(value, leaves, trail)
    except RecursionError:
        # The program was deep in calls of its own already.
        raise _too_deep(trail) from None
    return leaves, structure


def _take_apart(value: Any, leaves: list[Any], trail: list[Any]) -> Structure:
    cls = type(value)
    container = None if cls in LEAF_CLASSES else container_of(cls)
    if container is None:
        leaves.append(value)
        return LEAF
    depth = len(trail)
    # A cycle comes round again and again, so looking from time to time is enough to find it.
    if depth >= DEEPEST or (depth % 16 == 15 and any(outer is value for outer in trail)):
        raise _too_deep([*trail, value])
    children, extra = container.open(value)
    if LEAF_CLASSES.issuperset(map(type, children)):
        leaves.extend(children)
        flat = _FLAT.get((cls, len(children)))
        return Structure(container, extra, (LEAF,) * len(children)) if flat is None else flat
    trail.append(value)
    parts = tuple([_take_apart(child, leaves, trail) for child in children])
    trail.pop()
    return Structure(container, extra, parts)


def _too_deep(trail: list[Any]) -> WengertError:
    """The error that says where a container contains itself, or that it is only too deep."""
    first_seen: dict[int, int] = {}
    path = "the value"
    paths = []
    for depth, value in enumerate(trail):
        if depth:
            path += _step(trail[depth - 1], value)
        paths.append(path)
        if id(value) in first_seen:
            start = first_seen[id(value)]
            return error_at(
                WengertValueError,
                f"{paths[start]}, a {type(value).__name__}, contains itself: {path} is the same "
                "object",
                fix="break the cycle, or register the class with a flatten that leaves the "
                "backward reference out",
            )
        first_seen[id(value)] = depth
    return error_at(
        WengertValueError,
        f"the value is nested more than {min(len(trail), DEEPEST)} containers deep, too deep here",
        fix="put the numbers into an array or a flat list",
    )


def _step(outer: Any, inner: Any) -> str:
    container = container_of(type(outer))
    assert container is not None
    children, extra = container.open(outer)
    for place, child in enumerate(children):
        if child is inner:
            return container.label(extra, place)
    return "[...]"  # a registered class that makes its children anew each time it is asked


def tree_map(fn: Callable[..., Any], tree: Any, *rest: Any) -> Any:
    """Apply `fn` to each leaf of `tree` (and the parts of `rest` in the same places).

    `rest` must have the containers of `tree`; where `tree` has a leaf it may have anything, as the
    None that stands for the derivative of a string. Raises TypeError or ValueError, naming the
    place, where they do not fit.

    >>> tree_map(lambda p, g: p - 0.5 * g, {"w": 1.0, "b": 2.0}, {"w": 4.0, "b": 2.0})
    {'w': -1.0, 'b': 1.0}
    """
    leaves, structure = flatten(tree)
    if not rest:
        return structure.unflatten([fn(leaf) for leaf in leaves])
    others = [
        structure.flatten_like(other, f"tree number {number}")
        for number, other in enumerate(rest, start=2)
    ]
    return structure.unflatten([fn(*parts) for parts in zip(leaves, *others, strict=True)])


STANDINS: dict[type, Callable[[Any], Any]] = {}
"""Classes of leaves that stand for arrays, with what gives the array; filled when the first instance is made."""


def arrays(value: Any) -> Any:
    """A container with arrays in the place of leaves that stand for them; the value itself where there are none."""
    if not STANDINS:
        return value
    leaves, structure = flatten(value)
    if not any(type(leaf) in STANDINS for leaf in leaves):
        return value
    return structure.unflatten([STANDINS[type(v)](v) if type(v) in STANDINS else v for v in leaves])


_STATIC_CLASSES = (str, bytes, bool, int, np.bool_, np.integer, Enum, type, type(None))


def is_static(leaf: Any) -> bool:
    """Whether a leaf inside a container is fixed data that has no derivative.

    Static are str, bytes, bool, int, NumPy's Boolean and integer scalars, Enum members, classes,
    callables and None. An int is a count: write 3.0 for a number.

    >>> [is_static(leaf) for leaf in ("relu", 3, np.sin, 3.0, np.ones(2))]
    [True, True, True, False, False]
    """
    # The class itself is asked, not isinstance: a traced value answers for the array it stands for.
    return issubclass(type(leaf), _STATIC_CLASSES) or callable(leaf)


def _same(container: Container | None, left: Any, right: Any) -> bool:
    if left is right:
        return True
    equal = left == right
    if equal is True or equal is False:
        return equal
    assert container is not None
    raise error_at(
        WengertTypeError,
        f"what the registered flatten of {container.cls.__name__} keeps besides the children "
        f"compares with == to a {type(equal).__name__}, not to True or False",
        fix="return arrays among the children, and keep names, sizes and the like besides",
    )


def _restore(cls: type | None, extra: Any, children: tuple[Structure, ...]) -> Structure:
    if cls is None:
        return LEAF
    container = container_of(cls)
    if container is None:
        raise error_at(
            WengertTypeError,
            f"{cls.__qualname__} is no container here",
            fix="register the class before unpickling its structures",
        )
    return Structure(container, extra, children)


def _describe_object(value: Any) -> str:
    if container_of(type(value)) is not None:
        return f"{flatten(value)[1].describe()} ({type(value).__name__})"
    return f"of type {type(value).__name__}"
