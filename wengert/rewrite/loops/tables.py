"""What the numbers on a tape stand for: tokens, types and constants, each under one number.

Imports core, ``loops/paths``. Invariant: equal numbers stand for equal things, constants of equal bits and type among
them.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from wengert.core.handle import is_handle
from wengert.core.types import ArrayType
from wengert.rewrite.loops.paths import Static

WEAK = frozenset({float, int, bool, complex})


@dataclass(slots=True, eq=False)
class Info:
    """What a token means: ``kind`` is op, write or read (with the path's ``static`` part), or a step that folding made:
    scan (``loop``), item (``number``), stack, concat."""

    kind: str
    arity: int
    type: int
    node: Any = None
    static: Static = ()
    loop: Any = None
    number: int = 0
    where: Any = None


@dataclass(slots=True, eq=False)
class Asked:
    """A guard on a step: kind, outcome, value and line; of a loop's rows, outcome and value are stacked."""

    kind: str
    outcome: Any
    value: Any
    where: Any


class Tables:
    """What all passes share: tokens, types and constants, each under one number."""

    def __init__(self) -> None:
        self.infos: list[Info] = []
        self.tokens: dict[Any, int] = {}
        self.types: list[Any] = []
        self.type_numbers: dict[Any, int] = {}
        self.constants: list[Any] = []
        self.constant_numbers: dict[Any, int] = {}
        self.constant_types: list[int] = []
        self.alive: list[Any] = []  # what tokens know by identity

    def token(self, key: Any, make: Callable[[], Info]) -> int:
        """The number of a token."""
        found = self.tokens.get(key)
        if found is None:
            found = self.tokens[key] = len(self.infos)
            self.infos.append(make())
        return found

    def type(self, kind: Any) -> int:
        """The number of an ArrayType (of a tuple of them)."""
        key = (kind.shape, kind.dtype) if type(kind) is ArrayType else tuple((k.shape, k.dtype) for k in kind)
        found = self.type_numbers.get(key)
        if found is None:
            found = self.type_numbers[key] = len(self.types)
            self.types.append(kind)
        return found

    def several(self) -> np.ndarray[Any, Any]:
        """Per type number, whether it is that of a step with several results."""
        return np.array([type(k) is tuple and bool(k) and isinstance(k[0], ArrayType) for k in self.types], bool)

    def constant(self, value: Any) -> int:
        """The (negative) number of a constant: equal only for equal bits of equal type."""
        kind = type(value)
        key: Any
        if kind is float:
            key = (float, value) if not math.isnan(value) and value != 0.0 else (float, struct.pack("d", value))
        elif kind is int or kind is bool:
            key = (kind, value)
        elif kind is np.ndarray and value.dtype.kind in "fciub":
            if value.nbytes <= 16384:
                key = ("array", value.shape, value.dtype, value.tobytes())
            else:
                key = ("array", id(value))
        elif is_handle(value):
            key = ("handle", id(value.node))
        elif isinstance(value, np.generic):
            key = (kind, value.tobytes())
        else:
            key = ("object", id(value))
        found = self.constant_numbers.get(key)
        if found is None:
            found = self.constant_numbers[key] = len(self.constants)
            self.constants.append(value)
            self.constant_types.append(self._type_of_constant(value))
        return -1 - found

    def _type_of_constant(self, value: Any) -> int:
        kind = type(value)
        if kind in WEAK:
            key: Any = kind
        elif is_handle(value):
            return self.type(ArrayType.of(value.value))
        elif isinstance(value, (np.ndarray, np.generic)):
            return self.type(ArrayType.of(value))
        else:
            key = ("object", id(value))
        found = self.type_numbers.get(key)
        if found is None:
            found = self.type_numbers[key] = len(self.types)
            self.types.append(key)
        return found

    def value(self, number: int) -> Any:
        """The constant of a negative number."""
        return self.constants[-1 - number]


__all__ = ["WEAK", "Asked", "Info", "Tables"]
