"""Which classes are containers: how each is opened, rebuilt, and how its places are named.

Here live `Container`, `container_of`, `register`. May import NumPy, the standard library and
`errors`.
Invariant: a class has one container or none; it is worked out once, and an instance is rebuilt
without calling its `__init__`, so that no code of the user runs on a derivative.
"""

from __future__ import annotations

import dataclasses
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Sequence
from enum import Enum
from typing import Any, TypeVar

import numpy as np

from wengert.core.errors import WengertTypeError, WengertValueError, error_at

C = TypeVar("C", bound=type)


class Container:
    """One class of containers. Compared by identity: there is one for each class.

    `open(value)` gives (children, extra); `rebuild(extra, children)` makes a new value;
    `label(extra, place)` names a child's place; `text(extra, texts)` prints it around its
    children; `keyed` says that `extra` is the tuple of a mapping's keys.
    """

    __slots__ = ("cls", "keyed", "label", "open", "rebuild", "text")

    def __init__(
        self,
        cls: type,
        open: Callable[[Any], tuple[Sequence[Any], Any]],
        rebuild: Callable[[Any, list[Any]], Any],
        label: Callable[[Any, int], str],
        text: Callable[[Any, list[str]], str],
        keyed: bool = False,
    ) -> None:
        self.cls = cls
        self.open = open
        self.rebuild = rebuild
        self.label = label
        self.text = text
        self.keyed = keyed

    def __repr__(self) -> str:
        return f"Container({self.cls.__name__})"


_ALWAYS_LEAVES: frozenset[type] = frozenset(
    [np.ndarray, float, complex, int, bool, str, bytes]
    + [np.dtype(code).type for code in np.typecodes["All"]]
)
LEAF_CLASSES: set[type] = set(_ALWAYS_LEAVES)
"""Classes known to be leaves; grows as others are met."""

_registered: dict[type, Container] = {}
_known: dict[type, Container] = {}
_REMEMBERED = 4096  # classes made in a loop must not be kept alive for ever


def container_of(cls: type) -> Container | None:
    """The container of a class, or None when its instances are leaves."""
    container = _registered.get(cls) or _known.get(cls)
    if container is not None or cls in LEAF_CLASSES:
        return container
    container = _classify(cls)
    if container is None:
        if len(LEAF_CLASSES) > _REMEMBERED:
            LEAF_CLASSES.intersection_update(_ALWAYS_LEAVES)
        LEAF_CLASSES.add(cls)
        return None
    return _known.setdefault(cls, container)


def _classify(cls: type) -> Container | None:
    if issubclass(cls, Enum):
        return None  # a member of a tuple-valued Enum is a name, not a tuple
    if cls is type(None):
        return Container(
            cls,
            lambda value: ((), None),
            lambda extra, children: None,
            _index,
            lambda extra, texts: "None",
        )
    bases = [base for base in (tuple, list, dict) if issubclass(cls, base)]
    if dataclasses.is_dataclass(cls):
        return _dataclass(cls) if not bases and _can_be_made(object, cls) else None
    if not bases or not _can_be_made(bases[0], cls):
        return None
    if bases[0] is dict:
        return _mapping(cls)
    fields = getattr(cls, "_fields", None)
    if bases[0] is tuple and isinstance(fields, tuple):
        return _namedtuple(cls, fields)
    return _sequence(cls, bases[0])


def _can_be_made(base: Any, cls: type) -> bool:
    """Whether `base.__new__(cls)` works: not for results of C code such as `time.localtime()`."""
    try:
        base.__new__(cls)
    except TypeError:
        return False
    return True


def _index(extra: Any, place: int) -> str:
    return f"[{place}]"


def _sequence(cls: Any, base: Any) -> Container:
    if cls is base:

        def rebuild(extra: Any, children: list[Any]) -> Any:
            return base(children)

    elif base is tuple:

        def rebuild(extra: Any, children: list[Any]) -> Any:
            return tuple.__new__(cls, children)

    else:

        def rebuild(extra: Any, children: list[Any]) -> Any:
            made = list.__new__(cls)
            list.extend(made, children)
            return made

    def text(extra: Any, texts: list[str]) -> str:
        inner = ", ".join(texts)
        if base is list:
            return _prefixed(cls, f"[{inner}]")
        return _prefixed(cls, f"({inner},)" if len(texts) == 1 else f"({inner})")

    copy: Any = base  # tuple(value) of an exact tuple is the tuple itself
    return Container(cls, lambda value: (copy(value), None), rebuild, _index, text)


def _prefixed(cls: type, inner: str) -> str:
    return inner if cls in (tuple, list, dict) else f"{cls.__name__}({inner})"


class Keys(tuple[Any, ...]):  # noqa: SLOT001  a tuple of keys that carries two facts
    """The keys of a mapping of a subclass of dict, with what else its rebuilding needs."""

    factory: Callable[[], Any] | None = None  # of a defaultdict
    own_namespace = False  # `self.__dict__ = self`: keys that are read as attributes


def _mapping(cls: Any) -> Container:
    # The order of an OrderedDict is its own, not that of the dict below it.
    base: Any = OrderedDict if issubclass(cls, OrderedDict) else dict

    def open_subclass(value: Any) -> tuple[Sequence[Any], Any]:
        keys = Keys(base.keys(value))
        if isinstance(value, defaultdict):
            keys.factory = value.default_factory
        keys.own_namespace = getattr(value, "__dict__", None) is value
        return list(base.values(value)), keys

    def rebuild_subclass(keys: Keys, children: list[Any]) -> Any:
        made = base.__new__(cls)
        for key, child in zip(keys, children, strict=True):
            base.__setitem__(made, key, child)
        if keys.factory is not None:
            made.default_factory = keys.factory
        if keys.own_namespace:
            object.__setattr__(made, "__dict__", made)
        return made

    def text(keys: Any, texts: list[str]) -> str:
        pairs = ", ".join(f"{key!r}: {inner}" for key, inner in zip(keys, texts, strict=True))
        return _prefixed(cls, f"{{{pairs}}}")

    def label(keys: Any, place: int) -> str:
        return f"[{keys[place]!r}]"

    if cls is dict:
        return Container(
            cls,
            lambda value: (list(value.values()), tuple(value)),
            lambda keys, children: dict(zip(keys, children, strict=True)),
            label,
            text,
            keyed=True,
        )
    return Container(cls, open_subclass, rebuild_subclass, label, text, keyed=True)


def _by_name(cls: type, names: Sequence[str]) -> tuple[Callable[..., str], Callable[..., str]]:
    """The label and the text of a container whose places have names."""

    def label(extra: Any, place: int) -> str:
        return f".{names[place]}"

    def text(extra: Any, texts: list[str]) -> str:
        inner = ", ".join(f"{name}={inner}" for name, inner in zip(names, texts, strict=True))
        return f"{cls.__name__}({inner})"

    return label, text


def _namedtuple(cls: Any, names: tuple[str, ...]) -> Container:
    label, text = _by_name(cls, names)
    return Container(
        cls,
        lambda value: (tuple(value), None),
        lambda extra, children: tuple.__new__(cls, children),
        label,
        text,
    )


def _dataclass(cls: Any) -> Container:
    names = tuple(field.name for field in dataclasses.fields(cls))

    def open_(value: Any) -> tuple[Sequence[Any], Any]:
        try:
            return [getattr(value, name) for name in names], None
        except AttributeError as error:
            raise error_at(
                WengertValueError,
                f"a {cls.__name__} has a field without a value: {error}",
                fix="give every field of the dataclass a value before differentiating",
            ) from None

    def rebuild(extra: Any, children: list[Any]) -> Any:
        # Frozen classes refuse setattr, and `__post_init__` may check or convert: neither is run.
        made = object.__new__(cls)
        for name, child in zip(names, children, strict=True):
            object.__setattr__(made, name, child)
        return made

    label, text = _by_name(cls, names)
    return Container(cls, open_, rebuild, label, text)


def register(
    cls: C,
    flatten: Callable[[Any], tuple[Iterable[Any], Any]],
    unflatten: Callable[[Any, list[Any]], Any],
) -> C:
    """Make a class a container; returns the class.

    `flatten(value)` returns its children and whatever else is needed to rebuild it, which must
    compare with ==; `unflatten(extra, children)` rebuilds a value around new children, which may
    be of any kind (None too), so it should not check or convert them. Subclasses are registered
    on their own. Raises TypeError for something that is no class or has a fixed meaning (an array
    or number class, tuple, list, dict, None), ValueError for a class registered already.

    >>> class Line:
    ...     def __init__(self, slope, offset):
    ...         self.slope, self.offset = slope, offset
    >>> _ = register(Line, lambda v: ((v.slope, v.offset), None), lambda extra, ch: Line(*ch))
    >>> from wengert.core.tree import tree_map
    >>> tree_map(lambda leaf: 10 * leaf, Line(1.0, 2.0)).offset
    20.0
    """
    if not isinstance(cls, type):
        raise error_at(
            WengertTypeError,
            f"register needs a class, got {cls!r} of type {type(cls).__name__}",
            fix="register(MyClass, flatten, unflatten)",
        )
    if cls in _ALWAYS_LEAVES or cls in (tuple, list, dict, type(None)):
        raise error_at(
            WengertTypeError,
            f"{cls.__name__} has a fixed meaning and cannot be registered",
            fix="register a class of your own, which may be a subclass of it",
        )
    if not callable(flatten) or not callable(unflatten):
        raise error_at(
            WengertTypeError,
            f"register({cls.__name__}, ...) needs two functions, got "
            f"{type(flatten).__name__} and {type(unflatten).__name__}",
            fix="flatten(value) -> (children, extra) and unflatten(extra, children) -> value",
        )
    if cls in _registered:
        raise error_at(
            WengertValueError,
            f"{cls.__qualname__} is registered already",
            fix="register a class once, where it is defined",
        )

    def open_(value: Any) -> tuple[Sequence[Any], Any]:
        result = flatten(value)
        if type(result) is not tuple or len(result) != 2:
            raise error_at(
                WengertTypeError,
                f"the registered flatten of {cls.__name__} returned a {type(result).__name__}",
                fix="return a tuple of two: (children, extra)",
            )
        return tuple(result[0]), result[1]

    def text(extra: Any, texts: list[str]) -> str:
        return f"{cls.__name__}[{', '.join(texts)}]"

    _registered[cls] = Container(cls, open_, unflatten, _index, text)
    LEAF_CLASSES.discard(cls)
    _known.pop(cls, None)
    return cls
