"""A recorded graph as arrays of numbers, the form in which repetitions are found.

Imports core, ``loops/tables``, ``loops/tokens``. Every step is a token (what it does, where it stands, what type it
gives) and the numbers of its operands; constants, and all numbers in indices, are operands with negative numbers.
Invariant: two steps with one token differ in nothing but their operands, so a body made from one of them is right for
all of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from wengert.core.columns import COLUMNS, Columns, Steps, columns_of
from wengert.core.graph import Graph
from wengert.core.node import Const
from wengert.rewrite.loops.tables import Asked, Info, Tables
from wengert.rewrite.loops.tokens import numbers_of, tokens_of, with_more


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


def tape_of(graph: Graph) -> Tape:
    """The graph as a tape. (Long recordings pass through here: what every step needs is asked of all steps at once.)"""
    tables, nodes, given = Tables(), graph.nodes, len(graph.inputs)
    columns: Columns = graph.memory.pop(COLUMNS, None) or columns_of(graph.inputs, Steps(nodes))
    asked: dict[int, list[Asked]] = {}
    for g in graph.guards:
        asked.setdefault(columns.number(g.node), []).append(Asked(g.kind, g.outcome, g.value, g.where))
    kinds = [tables.type(node.type) for node in graph.inputs]
    tokens = [
        tables.token(("input", k), partial(Info, "input", 0, kinds[k], node)) for k, node in enumerate(graph.inputs)
    ]
    operands, starts = numbers_of(columns, tables), columns.starts()
    questions = {number - given: tuple(g.kind for g in gs) for number, gs in asked.items() if number >= given}
    found, owners, more = tokens_of(columns.steps, operands, starts, questions, tables)
    starts, operands = with_more(operands, starts, owners, more)
    every = np.concatenate([np.array(tokens, np.int64), found])
    return Tape(
        tables,
        every,
        np.concatenate([np.zeros(given, np.int64), starts]),
        operands,
        np.array([info.type for info in tables.infos] or [0], np.int64)[every],
        given,
        [columns.number(o) if not isinstance(o, Const) else tables.constant(o.value) for o in graph.outputs],
        asked,
    )


__all__ = ["Tape", "tape_of"]
