"""A recorded graph as arrays of numbers, the form in which repetitions are found.

Imports core, ops. Every step is a token (what it does, where it stands, what type it gives) and the numbers of its
operands; constants, and all numbers in indices, are operands with negative numbers. Invariant: two steps with one token
differ in nothing but their operands, so a body made from one of them is right for all of them.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import accumulate, chain, count
from operator import attrgetter, itemgetter
from typing import Any

import numpy as np

from wengert.core.graph import Graph, Guard
from wengert.core.handle import is_handle
from wengert.core.node import Const, Node
from wengert.core.types import ArrayType
from wengert.ops.memory import ADD_AT, GET, UPDATE
from wengert.rewrite.loops.paths import Static, parsed

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


_NOWHERE = (None, -1)
_op, _args, _params = attrgetter("op"), attrgetter("args"), attrgetter("params")
_type, _where, _evaluate = attrgetter("type"), attrgetter("where"), attrgetter("evaluate")
_code, _offset = itemgetter(0), itemgetter(1)


def tape_of(graph: Graph) -> Tape:
    """The graph as a tape. (Long recordings pass through here: what every step needs is asked of all steps at once.)"""
    tables, nodes, given = Tables(), graph.nodes, len(graph.inputs)
    number: dict[Any, int] = dict(zip(chain(graph.inputs, nodes), count(), strict=False))
    asked: dict[Node, list[Guard]] = {}
    for guard in graph.guards:
        asked.setdefault(guard.node, []).append(guard)
    kinds = [tables.type(node.type) for node in graph.inputs]
    tokens = [
        tables.token(("input", k), partial(Info, "input", 0, kinds[k], node)) for k, node in enumerate(graph.inputs)
    ]
    args = [*map(_args, nodes)]
    operands = _operands([*chain.from_iterable(args)], number, tables)
    lengths = [*map(len, args)]
    found, more = _tokens(nodes, operands, lengths, asked, tables)
    starts, numbers = _with_more(operands, lengths, more)
    every = np.concatenate([np.array(tokens, np.int64), found])
    return Tape(
        tables,
        every,
        np.concatenate([np.zeros(given, np.int64), starts]),
        numbers,
        np.array([info.type for info in tables.infos] or [0], np.int64)[every],
        given,
        [number[o] if not isinstance(o, Const) else tables.constant(o.value) for o in graph.outputs],
        {number[n]: [Asked(g.kind, g.outcome, g.value, g.where) for g in gs] for n, gs in asked.items()},
    )


def _operands(args: list[Any], number: dict[Any, int], tables: Tables) -> list[int]:
    """The numbers of operands, constants among them."""
    found: list[Any] = [*map(number.get, args)]
    known: dict[int, int] = {}  # by the object: most are literals
    for k, a in enumerate(args):
        if type(a) is Const:
            value = a.value
            n = known.get(id(value))
            if n is None:
                n = known[id(value)] = tables.constant(value)
            found[k] = n
    return found


def _tokens(
    nodes: Sequence[Node], operands: list[int], lengths: list[int], asked: dict[Node, list[Guard]], tables: Tables
) -> tuple[Any, dict[int, list[int]]]:
    """The tokens of steps, and by step the numbers that stand in indices: further operands."""
    ops = [*map(_op, nodes)]
    # A constant exponent chooses the algorithm; a list of operands may be longer elsewhere.
    alone = {op for op in set(ops) if op.name == "power" or op.params or op.inputs[:1] == ("*operands",)}
    special = [k for k, op in enumerate(ops) if op in alone] if alone else []
    if asked:
        special += [k for k, node in enumerate(nodes) if node in asked]
    wheres = [*map(_where, nodes)]
    if None in wheres:
        wheres = [w or _NOWHERE for w in wheres]
    codes, kinds = map(id, map(_code, wheres)), map(id, map(_type, nodes))
    keys: list[Any] = [*zip(ops, codes, map(_offset, wheres), kinds, map(_evaluate, nodes), strict=True)]
    for k in special:
        keys[k] = k
    first: dict[Any, int] = {}
    like = np.array([*map(first.setdefault, keys, range(len(keys)))], np.int64)  # the first step that is the same
    sites, more, found = _Sites(), {}, np.zeros(len(keys), np.int64)
    starts = [0, *accumulate(lengths)] if special else []
    for key, k in first.items():
        node, plain = nodes[k], type(key) is tuple
        kind = tables.type(node.type)
        own = [] if plain else operands[starts[k] : starts[k + 1]]
        full, what, static, extra = _key(node, kind, own, lengths[k], sites, tables)
        if extra:
            more[k] = extra
        if not plain and node in asked:
            full = (*full, tuple(g.kind for g in asked[node]))
        make = partial(Info, what, lengths[k] + len(extra), kind, node, static, where=node.where)
        found[k] = tables.token(full, make)
    return found[like], more


def _key(
    node: Node, kind: int, operands: list[int], count: int, sites: _Sites, tables: Tables
) -> tuple[tuple[Any, ...], str, Static, list[int]]:
    """What makes a token of a step, the kind of its ``Info``, what is fixed of its path, the numbers in the path."""
    op, params, site = node.op, node.params, sites.number(node.where)
    if op is GET or op is UPDATE or op is ADD_AT:
        static, found = parsed(params[0], params[1] if op is GET else params[2])
        extra = [*map(tables.constant, found)]
        form = params[1] if op is GET else (params[2], params[4])
        what = "read" if op is GET else "write"
        return (id(op), static, kind, site, count + len(extra), form), what, static, extra
    if params:
        return (id(op), id(node.evaluate), _params_key(params, tables), kind, site, count), "op", (), []
    return (id(op), id(node.evaluate), kind, site, count, *(a for a in operands if a < 0)), "op", (), []


def _with_more(operands: list[int], lengths: list[int], more: dict[int, list[int]]) -> tuple[Any, Any]:
    """Where the operands of each step start, and all operands: first those of a step, then ``more`` of it."""
    plain, sizes = np.array(operands, np.int64), np.array(lengths, np.int64)
    extra = np.zeros(len(sizes), np.int64)
    extra[[*more]] = [len(v) for v in more.values()]
    starts = np.concatenate([[0], np.cumsum(sizes + extra)]).astype(np.int64)
    if not more:
        return starts, plain
    mine = np.arange(len(plain)) + np.repeat(np.cumsum(extra) - extra, sizes)
    found, rest = np.empty(starts[-1], np.int64), np.ones(starts[-1], bool)
    found[mine], rest[mine] = plain, False
    found[rest] = [*chain.from_iterable(more.values())]  # noted in the order of the steps
    return starts, found


def _params_key(params: tuple[Any, ...], tables: Tables) -> Any:
    try:
        hash(params)
    except TypeError:
        tables.alive.append(params)
        return id(params)
    return params, tuple(map(type, params))


__all__ = ["WEAK", "Asked", "Info", "Tables", "Tape", "tape_of"]
