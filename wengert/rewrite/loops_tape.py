"""A recorded graph as arrays of numbers, the form in which repetitions are found.

Imports core, ops. Every step is a token (what it does, where it stands, what type it gives) and the numbers of its
operands; constants, and all numbers in indices, are operands with negative numbers. Invariant: two steps with one token
differ in nothing but their operands, so a body made from one of them is right for all of them.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from wengert.core.graph import Graph, Guard
from wengert.core.handle import is_handle
from wengert.core.node import Const, Node
from wengert.core.types import ArrayType
from wengert.ops.memory import ADD_AT, GET, UPDATE
from wengert.rewrite.loops_paths import Static, parsed

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


@dataclass(slots=True, eq=False)
class Tape:
    """A program: ``tokens[i]`` and operands ``operands[starts[i]:starts[i + 1]]`` of step i, the first ``inputs`` steps
    being the program's inputs; ``types`` per step, guards per step, and what leaves the program."""

    tables: Tables
    tokens: np.ndarray[Any, Any]
    starts: np.ndarray[Any, Any]
    operands: np.ndarray[Any, Any]
    types: np.ndarray[Any, Any]
    inputs: int
    outputs: list[int]
    guards: dict[int, list[Asked]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.tokens)

    def type_numbers(self, ids: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """The types of operands, constants included."""
        constants = np.asarray(self.tables.constant_types or [0], dtype=np.int64)
        return np.where(ids >= 0, self.types[np.maximum(ids, 0)], constants[np.maximum(-1 - ids, 0)])


class _Sites:
    """The places of steps in the source, free of what the interpreter's specialisation does to offsets."""

    def __init__(self) -> None:
        self.known: dict[Any, int] = {}
        self.numbers: dict[Any, int] = {}
        self.positions: dict[int, list[Any]] = {}

    def number(self, where: Any) -> int:
        if where is None:
            return -1
        code, offset = where
        key = (id(code), offset)
        found = self.known.get(key)
        if found is None:
            positions = self.positions.get(id(code))
            if positions is None:
                positions = self.positions[id(code)] = list(code.co_positions())
            place = positions[offset // 2] if 0 <= offset // 2 < len(positions) else offset
            found = self.known[key] = self.numbers.setdefault((id(code), place), len(self.numbers))
        return found


def tape_of(graph: Graph) -> Tape:
    """The graph as a tape."""
    tables = Tables()
    sites = _Sites()
    site_of, type_of, constant = sites.number, tables.type, tables.constant
    number: dict[Node, int] = {}
    tokens: list[int] = []
    starts: list[int] = [0]
    operands: list[int] = []
    types: list[int] = []
    asked: dict[Node, list[Guard]] = {}
    for guard in graph.guards:
        asked.setdefault(guard.node, []).append(guard)
    infos, known = tables.infos, tables.tokens
    for k, node in enumerate(graph.inputs):
        number[node] = k
        kind = type_of(node.type)
        tokens.append(tables.token(("input", k), partial(Info, "input", 0, kind, node)))
        types.append(kind)
        starts.append(0)
    for node in graph.nodes:
        op, params = node.op, node.params
        kind = type_of(node.type)
        ids = [number[a] if type(a) is not Const else constant(a.value) for a in node.args]
        key: Any
        static: Static = ()
        what = "op"
        if op is GET or op is UPDATE or op is ADD_AT:
            shape = params[1] if op is GET else params[2]
            static, found = parsed(params[0], shape)
            ids.extend(map(constant, found))
            what = "read" if op is GET else "write"
            key = (
                id(op),
                static,
                kind,
                site_of(node.where),
                len(ids),
                params[1] if op is GET else (params[2], params[4]),
            )
        elif not params:
            key = (id(op), id(node.evaluate), kind, site_of(node.where), len(ids))
            if op.name == "power":  # a constant exponent chooses the algorithm
                key = (*key, *(a for a in ids if a < 0))
        else:
            key = (id(op), id(node.evaluate), _params_key(params, tables), kind, site_of(node.where), len(ids))
        if node in asked:
            key = (*key, tuple(g.kind for g in asked[node]))
        token = known.get(key)
        if token is None:
            token = known[key] = len(infos)
            infos.append(Info(what, len(ids), kind, node, static, where=node.where))
        number[node] = len(tokens)
        tokens.append(token)
        types.append(kind)
        operands.extend(ids)
        starts.append(len(operands))
    outputs = [number[o] if not isinstance(o, Const) else constant(o.value) for o in graph.outputs]
    guards = {number[n]: [Asked(g.kind, g.outcome, g.value, g.where) for g in found] for n, found in asked.items()}
    return Tape(
        tables,
        np.array(tokens, np.int64),
        np.array(starts, np.int64),
        np.array(operands, np.int64),
        np.array(types, np.int64),
        len(graph.inputs),
        outputs,
        guards,
    )


def _params_key(params: tuple[Any, ...], tables: Tables) -> Any:
    try:
        hash(params)
    except TypeError:
        tables.alive.append(params)
        return id(params)
    return params, tuple(map(type, params))


__all__ = ["WEAK", "Asked", "Info", "Tables", "Tape", "tape_of"]
