"""The tokens of steps: what a step does, where it stands and what type it gives, as one number.

Imports core, ops, ``loops/paths``, ``loops/tables``. Long recordings pass through here, so stretches that repeat what
stands before them are compared as wholes and counted once. Invariant: two steps with one token differ in nothing but
their operands.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from itertools import compress
from operator import itemgetter
from typing import Any

import numpy as np

from wengert.core.columns import CONSTANT, Columns, Steps
from wengert.core.node import Node
from wengert.ops.memory import ADD_AT, GET, UPDATE
from wengert.rewrite.loops.paths import ONE, Static, parsed
from wengert.rewrite.loops.tables import Info, Tables

Array = np.ndarray[Any, Any]
_SHORTEST = 16
"""Steps of a stretch that is worth comparing as a whole."""
_NOWHERE = (None, -1)


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


def numbers_of(columns: Columns, tables: Tables) -> Array:
    """The numbers of all operands, constants among them."""
    numbers = columns.numbers
    constant = numbers == CONSTANT
    if constant.any():
        numbers = numbers.copy()
        numbers[constant] = _constants(columns.steps.constants, tables)
    return numbers


def _constants(values: list[Any], tables: Tables) -> Any:
    kinds = {*map(type, values)}
    bits = np.array(values) if kinds in ({float}, {int}) else np.zeros(0, object)
    if bits.dtype.kind == "O":  # numbers of several types, or large ones
        known: dict[int, int] = {}  # by the object: most are literals
        found = [*map(known.get, map(id, values))]
        for k, value in enumerate(values):
            number = known.get(id(value))
            if number is None:
                number = known[id(value)] = tables.constant(value)
            found[k] = number
        return found
    _, first, which = np.unique(bits.view(np.int64), return_index=True, return_inverse=True)
    made = np.empty(len(first), np.int64)
    for k in np.argsort(first).tolist():
        made[k] = tables.constant(values[first[k]])
    return made[which]


def tokens_of(
    steps: Steps, operands: Array, starts: Array, asked: dict[int, tuple[str, ...]], tables: Tables
) -> tuple[Array, list[int], list[int]]:
    """The tokens of steps, and the numbers that stand in indices, which are further operands: of which steps, in order,
    and which. ``asked``: by step the kinds of questions that guards ask of it."""
    rest, owners, more = _rest(steps, operands, starts, asked, tables)
    if steps.indices:
        owners, more = _in_order(
            np.concatenate([steps.readers(), np.array(owners, np.int64)]),
            np.concatenate([_constants(steps.indices, tables), np.array(more, np.int64)]),
        )
    like = _alike([steps.kinds, steps.wheres, steps.types, rest])
    nodes = steps.nodes
    sites, found = _Sites(), np.zeros(len(nodes), np.int64)
    lengths = np.diff(starts)
    for k in np.flatnonzero(like == np.arange(len(like))).tolist():
        node = nodes[k]
        kind, count = tables.type(node.type), int(lengths[k])
        own = operands[starts[k] : starts[k + 1]].tolist() if rest[k] else []
        full, what, static, extra = _key(node, kind, own, count, sites, tables)
        if k in asked:
            full = (*full, asked[k])
        make = partial(Info, what, count + extra, kind, node, static, where=node.where)
        found[k] = tables.token(full, make)
    return found[like], owners, more


def _in_order(owners: Array, more: Array) -> tuple[list[int], list[int]]:
    """Numbers by their owners, those of one owner as they stand."""
    order = np.argsort(owners, kind="stable")
    return owners[order].tolist(), more[order].tolist()


def _rest(
    steps: Steps, operands: Array, starts: Array, asked: dict[int, tuple[str, ...]], tables: Tables
) -> tuple[list[int], list[int], list[int]]:
    """Per step a number for all that its token says besides operation, place and type (0: nothing); and the numbers in
    its path."""
    nodes = steps.nodes
    rest = [0] * len(nodes)
    # A constant exponent chooses the algorithm; a list of operands may be longer elsewhere.
    alone = {
        kind
        for kind in set(steps.kinds)
        if kind.shape is None and (kind.op.name == "power" or kind.op.params or kind.op.inputs[:1] == ("*operands",))
    }
    special = [*compress(range(len(nodes)), map(alone.__contains__, steps.kinds))] if alone else []
    keys: dict[Any, int] = {}
    owners: list[int] = []
    more: list[int] = []
    integers: dict[int, int] = {}
    for k in special:
        node = nodes[k]
        op, params = node.op, node.params
        key: Any
        if op is GET or op is UPDATE or op is ADD_AT:
            path, shape = params[0], params[1] if op is GET else params[2]
            form = shape if op is GET else (shape, params[4])
            if len(path) == 1 and path[0][0] == "index" and type(path[0][1]) is int:  # as in ``parsed``
                at = path[0][1]
                if at < 0:
                    at += shape[0]
                number = integers.get(at)
                if number is None:
                    number = integers[at] = tables.constant(at)
                owners.append(k)
                more.append(number)
                key = ONE, form
            else:
                static, found = parsed(path, shape)
                owners.extend([k] * len(found))
                more.extend(map(tables.constant, found))
                key = static, form
            if starts[k + 1] - starts[k] > 2:
                key = *key, int(starts[k + 1] - starts[k])
        elif params:
            key = _params_key(params, tables), int(starts[k + 1] - starts[k])
        else:
            own = operands[starts[k] : starts[k + 1]]
            key = len(own), *own[own < 0].tolist()
        rest[k] = keys.setdefault(key, len(keys) + 1)
    for k, questions in asked.items():
        own = operands[starts[k] : starts[k + 1]]
        key = "asked", rest[k], questions, *own[own < 0].tolist()
        rest[k] = keys.setdefault(key, len(keys) + 1)
    return rest, owners, more


def _alike(columns: Sequence[list[Any]]) -> Array:
    """For every step the first one that is equal in all columns. ``columns``: kinds, places, types, the rest."""
    size = len(columns[0])
    like = np.empty(size, np.int64)
    first: dict[Any, int] = {}
    last: dict[Any, int] = {}
    at = wait = patience = 0
    keys: list[Any] = []
    begun = 0
    while at < size:
        if not begun <= at < begun + len(keys):
            begun, keys = at, _keys(columns, at, at + 4 * _SHORTEST)
        key = keys[at - begun]
        before = last.get(key)
        if before is not None and wait <= 0:
            length = _match(columns, before, at)
            if length:
                like[at : at + length] = np.resize(like[before:at], length)
                at += length
                patience = 0
                continue
            patience = min(2 * patience + 1, 4 * _SHORTEST)
            wait = patience
        wait -= 1
        like[at] = first.setdefault(key, at)
        last[key] = at
        at += 1
    return like


def _keys(columns: Sequence[list[Any]], start: int, end: int) -> list[Any]:
    kinds, wheres, types, rest = (column[start:end] for column in columns)
    # Code objects and types are slow to hash; one of each is met in all places.
    wheres = [w or _NOWHERE for w in wheres]
    codes, offsets = map(id, map(itemgetter(0), wheres)), map(itemgetter(1), wheres)
    return [*zip(kinds, codes, offsets, map(id, types), rest, strict=True)]


def _match(columns: Sequence[list[Any]], before: int, at: int) -> int:
    """How many steps from ``at`` on are as those from ``before`` on; 0 for too few."""
    size, length, step = len(columns[0]), 0, _SHORTEST
    growing = True
    while step >= _SHORTEST:
        i, j = before + length, at + length
        if j + step <= size and all(column[i : i + step] == column[j : j + step] for column in columns):
            length += step
        else:
            growing = False
        step = 2 * step if growing else step // 2
    return length


def _key(
    node: Node, kind: int, operands: list[int], count: int, sites: _Sites, tables: Tables
) -> tuple[tuple[Any, ...], str, Static, int]:
    """What makes a token of a step, the kind of its ``Info``, what is fixed of its path, how many numbers are in it."""
    op, params, site = node.op, node.params, sites.number(node.where)
    if op is GET or op is UPDATE or op is ADD_AT:
        static, found = parsed(params[0], params[1] if op is GET else params[2])
        form = params[1] if op is GET else (params[2], params[4])
        what = "read" if op is GET else "write"
        return (id(op), static, kind, site, count + len(found), form), what, static, len(found)
    if params:
        return (id(op), id(node.evaluate), _params_key(params, tables), kind, site, count), "op", (), 0
    return (id(op), id(node.evaluate), kind, site, count, *(a for a in operands if a < 0)), "op", (), 0


def with_more(operands: Array, starts: Array, owners: list[int], more: Iterable[int]) -> tuple[Array, Array]:
    """Where the operands of each step start, and all operands: first those of a step, then ``more`` of its owner."""
    if not owners:
        return starts, operands
    sizes = np.diff(starts)
    extra = np.bincount(np.array(owners, np.int64), minlength=len(sizes))
    wider = np.concatenate([[0], np.cumsum(sizes + extra)]).astype(np.int64)
    mine = np.arange(len(operands)) + np.repeat(np.cumsum(extra) - extra, sizes)
    found, left = np.empty(wider[-1], np.int64), np.ones(wider[-1], bool)
    found[mine], left[mine] = operands, False
    found[left] = [*more]  # noted in the order of the steps
    return wider, found


def _params_key(params: tuple[Any, ...], tables: Tables) -> Any:
    try:
        hash(params)
    except TypeError:
        tables.alive.append(params)
        return id(params)
    return params, tuple(map(type, params))


__all__ = ["numbers_of", "tokens_of", "with_more"]
