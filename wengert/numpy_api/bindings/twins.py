"""Twins: the callables that stand for NumPy, math or SciPy functions in a trace, and their table.

Imports ``core.context`` only. Invariant: a twin called while nothing is traced in this thread or
task is its original, and it pickles, compares, hashes and shows its signature as its original does.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping
from types import MethodType
from typing import Any

from wengert.core.context import tracing

_HEAP_TYPE = 1 << 9  # Py_TPFLAGS_HEAPTYPE: the class of an object may be changed to a subclass


class Twin(staticmethod):
    """A callable that runs ``implementation`` in a trace and ``original`` everywhere else.

    Not a plain function: pickle stores those by name and insists that the name leads back to the
    same object, which it cannot while NumPy itself stays untouched. ``staticmethod`` forwards a
    call in C (30 ns), and like the builtins it stands for it does not bind ``self`` when a class
    holds it as an attribute.
    """

    __slots__ = ("implementation", "original")
    original: Any
    implementation: Any

    @property
    def __wrapped__(self) -> Any:
        return self.original

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        # Loads as the original, and needs no wengert on the side that loads.
        return operator.getitem, ((self.original,), 0)

    def __eq__(self, other: object) -> bool:
        return other is self or other is self.original

    def __hash__(self) -> int:
        return hash(self.original)

    def __repr__(self) -> str:
        return repr(self.original)


class BindingTwin(Twin):
    """The twin of a function that binds ``self`` (``class A: mean = np.mean``)."""

    __slots__ = ()

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else MethodType(self, instance)


# A twin can be referred to weakly if its original can: Numba's table of functions is keyed by weak
# references where there are such, and finds the original's entry for its twin by hash and equality.
class _ReferableTwin(Twin):
    __slots__ = ("__weakref__",)


class _ReferableBindingTwin(BindingTwin):
    __slots__ = ("__weakref__",)


def _kind_for(original: Any) -> type[Twin]:
    binds = hasattr(type(original), "__get__")
    if type(original).__weakrefoffset__:
        return _ReferableBindingTwin if binds else _ReferableTwin
    return BindingTwin if binds else Twin


def make_twin(original: Callable[..., Any], implementation: Callable[..., Any]) -> Twin:
    """Return the twin of ``original``: ``implementation`` while a trace runs here, ``original``
    otherwise.

    The two take the same arguments. The twin carries the original's name, module, documentation
    and signature, and a pickle of it loads as the original.

    >>> import math
    >>> from wengert.core.context import tracing
    >>> sine = make_twin(math.sin, lambda x: "traced")
    >>> sine(0.0), sine == math.sin, sine.__name__
    (0.0, True, 'sin')
    >>> token = tracing.set(object())
    >>> sine(0.0)
    'traced'
    >>> tracing.reset(token)
    """
    if not callable(original) or not callable(implementation):
        raise TypeError(
            f"make_twin needs two callables, got {type(original).__name__} and "
            f"{type(implementation).__name__}"
        )
    read = tracing.get

    def twin(*args: Any, **kwargs: Any) -> Any:
        if read() is None:
            return original(*args, **kwargs)
        return implementation(*args, **kwargs)

    for place in ("__name__", "__qualname__", "__module__", "__doc__"):
        setattr(twin, place, getattr(original, place, None) or getattr(twin, place))
    twin.__doc__ = getattr(original, "__doc__", None)
    twin.__wrapped__ = original  # type: ignore[attr-defined]
    made = _kind_for(original)(twin)
    made.original = original
    made.implementation = implementation
    return made


class TwinTable:
    """Originals and their twins, both ways, by identity; modules and their namespaces are entries
    too.
    """

    __slots__ = ("_alive", "classes", "original_of", "twin_of", "untouched")

    def __init__(self) -> None:
        self.twin_of: dict[int, Any] = {}
        self.original_of: dict[int, Any] = {}
        self.classes: dict[type, tuple[type, type]] = {}  # either class -> (original, twin)
        self.untouched: set[int] = set()  # functions that no scan may rewrite
        self._alive: list[Any] = []  # an id means nothing once its object is gone

    def add(self, original: Any, twin: Any) -> None:
        """Enter one pair; a second twin for the same original is refused."""
        if twin is original:
            raise ValueError(f"the twin of {original!r} is the original itself")
        known = self.twin_of.get(id(original))
        if known is not None and known is not twin:
            raise ValueError(f"{original!r} has a twin already")
        if id(twin) in self.twin_of or id(original) in self.original_of:
            raise ValueError(f"{original!r} or its twin is already on the other side of the table")
        self._alive.append((original, twin))
        self.twin_of[id(original)] = twin
        self.original_of.setdefault(id(twin), original)
        if type(original) is type and isinstance(twin, type) and original.__flags__ & _HEAP_TYPE:
            # Objects made by the original class (``np.vectorize``) can be lent the twin's methods.
            self.classes[original] = self.classes[twin] = original, twin
        parts = [twin]
        if isinstance(twin, Twin):
            parts += [twin.__func__, twin.implementation]
        self.untouched.update(map(id, parts))

    def extend(self, twins: Mapping[Any, Any] | Iterable[tuple[Any, Any]]) -> None:
        """Enter every pair of a mapping, or of ``(original, twin)`` tuples."""
        for original, twin in twins.items() if isinstance(twins, Mapping) else twins:
            self.add(original, twin)
