"""A piece of a tape as a loop: carried registers, sequences, invariants, rows; elements of arrays read in order become
sequences, arrays written in order become rows.

Imports ``loops/tape``, ``loops/find``. Invariant: the body run on the loop's operands does what the steps of each
iteration did, on the same bits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from wengert.core.handle import is_handle
from wengert.core.op import CONTROL
from wengert.core.types import ArrayType
from wengert.rewrite.loops.find import Piece, table_dtype
from wengert.rewrite.loops.paths import Static
from wengert.rewrite.loops.tables import WEAK, Info, Tables

Array = np.ndarray[Any, Any]
Ref = tuple[str, int]
"""A value in a body: b (a step of it, by position), c (a carry), x (a row of a sequence), k (an invariant)."""


@dataclass(slots=True, eq=False)
class Loop:
    """A body: steps (token, references), what the carries become, the rows, and the types of everything."""

    count: int
    steps: tuple[tuple[int, int, tuple[Ref, ...]], ...]
    updates: tuple[Ref, ...]
    rows: tuple[Ref, ...]
    carries: tuple[int, ...]
    sequences: tuple[int, ...]
    invariants: tuple[int, ...]
    row_types: tuple[int, ...]

    def weight(self, tables: Tables) -> int:
        """How many steps the loop stands for."""
        inner = sum(
            tables.infos[token].loop.weight(tables) if tables.infos[token].kind == "scan" else 1
            for _, token, _ in self.steps
        )
        return self.count * max(1, inner)


@dataclass(slots=True)
class Folded:
    """What a piece became: per position the number of the final value, and of the stacked rows."""

    finals: dict[int, int]
    rows: dict[int, int]


def fold_piece(emit: Any, piece: Piece, late: set[int], early: set[int]) -> Folded:
    """Write the loop of a piece: ``late`` positions are used after it (of the last iteration), ``early`` ones of
    earlier iterations."""
    return _Folder(emit, piece).fold(late, early)


class _Folder:
    def __init__(self, emit: Any, piece: Piece) -> None:
        self.emit, self.piece, self.tables = emit, piece, emit.tables
        tape = emit.tape
        p, n, a = piece.period, piece.count, piece.start
        self.infos: list[Info] = [self.tables.infos[t] for t in tape.tokens[a : a + p]]
        self.tokens: list[int] = tape.tokens[a : a + p].tolist()
        self.original = list(self.tokens)
        self.kinds: list[int] = tape.types[a : a + p].tolist()
        self.matrix: Array = tape.operands[tape.starts[a] : tape.starts[a + n * p]].reshape(n, -1)
        self.types: Array = tape.type_numbers(self.matrix[-1]) if self.matrix.shape[1] else np.zeros(0, np.int64)
        self.initial: list[Any] = []  # of the carries: an old number, or ("new", number)
        self.updates: list[Ref] = []
        self.carries: list[int] = []
        self.chains: dict[int, list[list[int]]] = {}  # producer -> chains of carries
        self.sequences: list[Any] = []  # a column of the matrix, or ("new", number)
        self.sequence_types: list[int] = []
        self.sequence_keys: dict[Any, int] = {}
        self.invariants: list[Any] = []
        self.invariant_types: list[int] = []
        self.invariant_keys: dict[int, int] = {}
        self.alias: dict[int, Ref] = {}
        self.extra: list[Ref] = []  # rows that are written into buffers after the loop
        self.register_keys: dict[Any, int] = {}
        self.held: set[int] = set()  # carries whose last value is used after the loop
        ends = np.cumsum([0, *(i.arity for i in self.infos)])
        self.columns: list[int] = ends[:-1].tolist()

    # ------------------------------------------------------------ operands

    def references(self) -> list[list[Ref]]:
        """A reference for every operand of every position."""
        p, n, a = self.piece.period, self.piece.count, self.piece.start
        rows = self.matrix
        base = rows[-1] - (n - 1) * p
        carried = (rows[-1] >= a).tolist()
        steady = (rows == rows[0]).all(0).tolist()
        offsets = (base - a).tolist()
        out: list[list[Ref]] = []
        column = 0
        for info in self.infos:
            refs: list[Ref] = []
            for k in range(info.arity):
                if carried[column]:
                    lag = -(offsets[column] // p)
                    q = offsets[column] + lag * p
                    refs.append(("b", q) if lag == 0 else ("c", self.register(q, lag, column)))
                elif steady[column]:
                    refs.append(("k", self.invariant(int(rows[0, column]))))
                else:
                    refs.append(("x", self.sequence(column, info, k)))
                column += 1
            out.append(refs)
        return out

    def register(self, q: int, lag: int, column: int) -> int:
        """The carry that holds what position ``q`` gave ``lag`` iterations ago."""
        wanted = [int(self.matrix[lag - ago, column]) for ago in range(1, lag + 1)]
        for chain in self.chains.setdefault(q, []):
            shared = min(lag, len(chain))
            if [self.initial[c] for c in chain[:shared]] == wanted[:shared]:
                break
        else:
            chain = []
            self.chains[q].append(chain)
        for ago in range(len(chain), lag):
            self.updates.append(("b", q) if ago == 0 else ("c", chain[-1]))
            chain.append(len(self.initial))
            self.initial.append(wanted[ago])
            self.carries.append(self.kinds[q])
        return chain[lag - 1]

    def invariant(self, number: int) -> int:
        # A constant counts once per use, so that two that happen to agree do not change the body.
        if number >= 0 and number in self.invariant_keys:
            return self.invariant_keys[number]
        self.invariant_keys[number] = len(self.invariants)
        self.invariants.append(number)
        kind = self.emit.tape.type_numbers(np.array([number]))[0]
        self.invariant_types.append(int(kind))
        return len(self.invariants) - 1

    def sequence(self, column: int, info: Info, k: int) -> int:
        ids = self.matrix[:, column]
        if ids[0] >= 0:
            key = ids.tobytes()
            if key in self.sequence_keys:
                return self.sequence_keys[key]
            self.sequence_keys[key] = len(self.sequences)
            self.sequence_types.append(int(self.types[column]))
            self.sequences.append(column)
            return len(self.sequences) - 1
        values = [self.tables.value(int(i)) for i in ids]
        kind = self.tables.types[int(self.types[column])]
        if kind in WEAK:
            number = (info.kind == "read" and k >= 1) or (info.kind == "write" and k >= 2)
            span = slice(column - k, column - k + info.arity)
            dtype = np.dtype(np.int64) if number else table_dtype(info, k, self.types[span], self.tables)
            table = np.array(values).astype(dtype)
        else:
            table = np.stack(values)
        return self.new_sequence(self.tables.constant(table), ArrayType(table.shape[1:], table.dtype))

    def new_sequence(self, number: int, kind: ArrayType) -> int:
        """A sequence that is already in the new tape."""
        self.sequence_types.append(self.tables.type(kind))
        self.sequences.append(("new", number))
        return len(self.sequences) - 1

    # ------------------------------------------------------------ the loop

    def fold(self, late: set[int], early: set[int]) -> Folded:
        from wengert.rewrite.loops.buffers import element_sequences, rows_for_writes

        emit, n = self.emit, self.piece.count
        self.refs = self.references()
        element_sequences(self)
        self.hoist(early)
        written = rows_for_writes(self, late, early)
        late = late - set(written)
        final_of: dict[int, int] = {}
        for q in late - early:
            chains = self.chains.get(q)
            if chains:
                final_of[q] = chains[0][0]
            else:  # nobody carries it: a register that nobody reads
                final_of[q] = len(self.initial)
                kind = self.tables.types[self.kinds[q]]
                zero = np.zeros(kind.shape, kind.dtype) if kind.shape else kind.dtype.type(0)
                self.initial.append(("new", self.tables.constant(zero)))
                self.updates.append(("b", q))
                self.carries.append(self.kinds[q])
        row_positions = sorted(early)
        self.held = set(final_of.values())
        loop, token, pruned = self._loop(row_positions)
        carries, sequences, invariants = pruned
        ids = [self._initial(c) for c in carries]
        for x in sequences:
            source = self.sequences[x]
            if type(source) is tuple:
                ids.append(source[1])
            else:
                kind = self.tables.types[self.sequence_types[x]]
                ids.append(emit.stack(self.matrix[:, source], kind))
        ids.extend(self.invariant_number(k) for k in invariants)
        here = emit.add(token, ids, self.tables.infos[token].type)
        finals: dict[int, int] = {}
        rows: dict[int, int] = {}
        for q, c in final_of.items():
            finals[q] = self._item(here, carries.index(c), loop.carries[carries.index(c)])
        for k, q in enumerate(row_positions):
            kind = self.tables.types[loop.row_types[k]]
            number = self.tables.type(ArrayType((n, *kind.shape), kind.dtype))
            rows[q] = self._item(here, len(loop.carries) + k, number)
            if q in late:
                finals[q] = emit.read(rows[q], (("index", (("i",),)),), [n - 1], kind, None)
        for q, w in written.items():
            k = len(row_positions) + w.row
            kind = self.tables.types[loop.row_types[k]]
            number = self.tables.type(ArrayType((n, *kind.shape), kind.dtype))
            value = self._item(here, len(loop.carries) + k, number)
            finals[q] = emit.write(self.infos[q], w.base, value, w.static, w.numbers)
        return Folded(finals, rows)

    def type_of(self, ref: Ref) -> Any:
        """The type of what a reference stands for."""
        which, k = self.resolve(ref)
        numbers = {"b": self.kinds, "c": self.carries, "x": self.sequence_types, "k": self.invariant_types}
        return self.tables.types[numbers[which][k]]

    def hoist(self, early: set[int]) -> None:
        """Steps on invariants alone are made once, before the loop."""
        several = self.tables.several()
        for q, info in enumerate(self.infos):
            refs = [self.resolve(r) for r in self.refs[q]]
            if (
                q in self.alias
                or q in early
                or not refs
                or any(kind != "k" for kind, _ in refs)
                or several[self.kinds[q]]
            ):
                continue
            if info.kind not in ("op", "read") or (info.node is not None and info.node.op.kind == CONTROL):
                continue
            ids = [self.invariant_number(k) for _, k in refs]
            if any(i >= 0 or is_handle(self.tables.value(i)) for i in ids):
                self.invariants.append(("new", self.emit.once(self.tokens[q], ids, self.kinds[q])))
                self.invariant_types.append(self.kinds[q])
                self.alias[q] = ("k", len(self.invariants) - 1)

    def invariant_number(self, k: int) -> int:
        """An invariant in the new tape."""
        source = self.invariants[k]
        return int(source[1]) if type(source) is tuple else int(self.emit.value(source))

    def _initial(self, c: int) -> int:
        start = self.initial[c]
        if type(start) is tuple:
            return int(start[1])
        if start < 0 and type(self.tables.value(start)) in WEAK:
            kind = self.tables.types[self.carries[c]]
            return int(self.tables.constant(kind.dtype.type(self.tables.value(start))))
        return int(self.emit.value(start))

    def _item(self, source: int, k: int, kind: int) -> int:
        token = self.tables.token(("item", k, kind), lambda: Info("item", 1, kind, number=k))
        return int(self.emit.add(token, [source], kind))

    def resolve(self, ref: Ref) -> Ref:
        """What stands for a step of the body that is no longer there."""
        while ref[0] == "b" and ref[1] in self.alias:
            ref = self.alias[ref[1]]
        return ref

    def _loop(self, rows: list[int]) -> tuple[Loop, int, tuple[list[int], list[int], list[int]]]:
        """The body without what nothing needs, its token, and which carries, sequences, invariants are left."""
        resolve = self.resolve
        wanted: list[Ref] = [*(resolve(("b", q)) for q in rows), *map(resolve, self.extra)]
        roots = list(wanted)
        steps: set[int] = set()
        carries: set[int] = set()
        sequences: set[int] = set()
        invariants: set[int] = set()
        stack = [*wanted, *(("c", c) for c in self.held)]
        while stack:
            kind, k = stack.pop()
            if kind == "b":
                if k not in steps:
                    steps.add(k)
                    stack.extend(map(resolve, self.refs[k]))
            elif kind == "c":
                if k not in carries:
                    carries.add(k)
                    stack.append(resolve(self.updates[k]))
            elif kind == "x":
                sequences.add(k)
            else:
                invariants.add(k)
        cs, xs, ks = sorted(carries), sorted(sequences), sorted(invariants)
        names: dict[Ref, Ref] = {("c", c): ("c", j) for j, c in enumerate(cs)}
        names.update({("x", x): ("x", j) for j, x in enumerate(xs)})
        names.update({("k", k): ("k", j) for j, k in enumerate(ks)})
        order = sorted(steps)
        names.update({("b", q): ("b", j) for j, q in enumerate(order)})

        def name(ref: Ref) -> Ref:
            return names[resolve(ref)]

        body = tuple((self.kinds[q], self.tokens[q], tuple(map(name, self.refs[q]))) for q in order)
        updates = tuple(name(self.updates[c]) for c in cs)
        outs = tuple(names[r] for r in roots)
        loop = Loop(
            self.piece.count,
            body,
            updates,
            outs,
            tuple(self.carries[c] for c in cs),
            tuple(self.sequence_types[x] for x in xs),
            tuple(self.invariant_types[k] for k in ks),
            tuple(self.tables.type(self.type_of(r)) for r in roots),
        )
        key = ("scan", loop.count, body, updates, outs, loop.carries, loop.sequences, loop.invariants)
        arity = len(cs) + len(xs) + len(ks)
        types = [self.tables.types[k] for k in loop.carries]
        for k in loop.row_types:
            kind = self.tables.types[k]
            types.append(ArrayType((loop.count, *kind.shape), kind.dtype))
        number = self.tables.type(tuple(types))
        where = self.infos[order[0]].where if order else None
        token = self.tables.token(key, lambda: Info("scan", arity, number, loop=loop, where=where))
        return loop, token, (cs, xs, ks)


__all__ = ["Folded", "Loop", "Ref", "Static", "fold_piece"]
