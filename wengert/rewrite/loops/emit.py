"""One pass of folding: the pieces of a tape that repeat become single steps, everything else is copied.

Imports ``loops/tape``, ``loops/find``, ``loops/body``. Invariant: what a later step read of an iteration it reads of
the loop: the final value, a row of the stacked rows, or a slice of them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.core.handle import is_handle
from wengert.core.types import ArrayType
from wengert.ops.paths import apply
from wengert.rewrite.loops.body import Folded, Loop, fold_piece
from wengert.rewrite.loops.find import MIN_ITERATIONS, Piece, pieces_of
from wengert.rewrite.loops.paths import Static, path_of
from wengert.rewrite.loops.tables import Asked, Info, Tables
from wengert.rewrite.loops.tape import Tape

Array = np.ndarray[Any, Any]


def fold_pass(tape: Tape) -> Tape:
    """The tape with its pieces folded; the same tape when there are none."""
    pieces = pieces_of(tape)
    if not pieces:
        return tape
    last = _last_uses(tape)
    pieces = [p for p in (_closed(tape, p, last) for p in pieces) if p is not None]
    return _Pass(tape, pieces, last).run() if pieces else tape


def _closed(tape: Tape, piece: Piece, last: Array) -> Piece | None:
    """The piece without an iteration at its end whose several results are taken apart after it; None where that is not
    enough."""
    several = tape.tables.several()[tape.types[piece.start : piece.start + piece.period]]
    if not several.any():
        return piece
    for _ in range(2):
        used = last[piece.start : piece.end].reshape(piece.count, piece.period) >= piece.end
        if not (used & several).any():
            return piece
        piece = Piece(piece.start, piece.period, piece.count - 1)
        if piece.count < MIN_ITERATIONS:
            break
    return None


class _Pass:
    """The new tape while it is written."""

    def __init__(self, tape: Tape, pieces: list[Piece], last: Array) -> None:
        self.tape, self.pieces, self.tables = tape, pieces, tape.tables
        self.tokens: list[int] = []
        self.starts: list[int] = [0]
        self.operands: list[int] = []
        self.types: list[int] = []
        self.guards: dict[int, list[Asked]] = {}
        self.new = np.full(len(tape), -1, np.int64)  # of steps outside of the pieces
        self.bounds = np.array([p.start for p in pieces], np.int64)
        self.folded: list[Folded] = []
        self.finals: list[dict[int, int]] = []
        self.rows: list[dict[int, int]] = []
        self.made: dict[Any, int] = {}
        self.last = last

    # ------------------------------------------------------------ writing

    def add(self, token: int, operands: list[int], kind: int) -> int:
        """Write a step."""
        self.tokens.append(token)
        self.operands.extend(operands)
        self.starts.append(len(self.operands))
        self.types.append(kind)
        return len(self.tokens) - 1

    def once(self, token: int, operands: list[int], kind: int) -> int:
        """Write a step unless this pass wrote it already."""
        key = (token, *operands)
        found = self.made.get(key)
        if found is None:
            found = self.made[key] = self.add(token, operands, kind)
        return found

    def read(self, source: int, static: Static, numbers: list[Any], kind: ArrayType, where: Any) -> int:
        """Write a region of an array."""
        tables = self.tables
        number = tables.type(kind)
        if source < 0 and not is_handle(tables.value(source)):
            found = apply(path_of(static, numbers), np.asarray(tables.value(source)))
            return tables.constant(np.array(found) if type(found) is np.ndarray else found)
        ids = [source, *map(tables.constant, numbers)]
        base = self.type_of(source)
        key = ("made read", static, number, base, len(ids))
        token = tables.token(key, lambda: Info("read", len(ids), number, None, static, number=base, where=where))
        return self.once(token, ids, number)

    def write(self, info: Info, base: int, value: int, static: Static, numbers: list[Any]) -> int:
        """Write an array with a region replaced, the region of many iterations at once."""
        tables = self.tables
        ids = [base, value, *map(tables.constant, numbers)]
        key = ("made write", id(info), static, self.type_of(value), len(ids))
        token = tables.token(key, lambda: Info("write", len(ids), info.type, info.node, static, where=info.where))
        return self.once(token, ids, info.type)

    def type_of(self, number: int) -> int:
        """The type number of an operand of the new tape."""
        return self.types[number] if number >= 0 else self.tables.constant_types[-1 - number]

    def kind_of(self, number: int) -> ArrayType:
        """The type of an operand of the new tape."""
        found = self.tables.types[self.type_of(number)]
        return found if isinstance(found, ArrayType) else ArrayType.of(self.tables.value(number))

    # ------------------------------------------------------------ what old steps became

    def place(self, old: int) -> tuple[int, int, int] | None:
        """Piece, position and iteration of an old step; None outside of the pieces."""
        k = int(np.searchsorted(self.bounds, old, side="right")) - 1
        if k < 0 or old >= self.pieces[k].end:
            return None
        piece = self.pieces[k]
        t, q = divmod(old - piece.start, piece.period)
        return k, q, t

    def value(self, old: int) -> int:
        """The new number of an old step."""
        if old < 0:
            return old
        found = int(self.new[old])
        if found >= 0:
            return found
        where = self.place(old)
        assert where is not None
        k, q, t = where
        if t == self.pieces[k].count - 1 and q in self.finals[k]:
            return self.finals[k][q]
        rows = self.rows[k][q]
        kind = self.tables.types[int(self.tape.types[old])]
        return self.read(rows, (("index", (("i",),)),), [t], kind, None)

    def stack(self, ids: Array, kind: ArrayType) -> int:
        """Many old values as rows of one array."""
        parts: list[int] = []
        singles: list[int] = []
        n = len(ids)

        def close() -> None:
            if singles:
                parts.append(self.joined("stack", list(singles), len(singles), kind))
                singles.clear()

        at = 0
        places = [self.place(int(i)) if i >= 0 and self.new[i] < 0 else None for i in ids]
        while at < n:
            first = places[at]
            if first is None or first[1] not in self.rows[first[0]]:
                singles.append(self.value(int(ids[at])))
                at += 1
                continue
            k, q, t = first
            end, step = at + 1, 1
            if end < n and (second := places[end]) is not None and second[:2] == (k, q) and second[2] != t:
                step = second[2] - t
                while end < n and (other := places[end]) is not None and other == (k, q, t + (end - at) * step):
                    end += 1
            rows = self.rows[k][q]
            close()
            length = end - at
            if (t, length, step) == (0, self.pieces[k].count, 1):
                parts.append(rows)
            else:
                whole = ArrayType((length, *kind.shape), kind.dtype)
                parts.append(self.read(rows, (("index", (("s", length, step),)),), [t], whole, None))
            at = end
        close()
        if len(parts) == 1:
            return parts[0]
        return self.joined("concat", parts, n, kind)

    def joined(self, how: str, parts: list[int], length: int, kind: ArrayType) -> int:
        number = self.tables.type(ArrayType((length, *kind.shape), kind.dtype))
        key = (how, len(parts), number, *(self.type_of(p) for p in parts))
        token = self.tables.token(key, lambda: Info(how, len(parts), number))
        return self.once(token, parts, number)

    # ------------------------------------------------------------ the pass

    def run(self) -> Tape:
        tape, at = self.tape, 0
        for k, piece in enumerate(self.pieces):
            self.copy(at, piece.start)
            self.made.clear()  # what one piece made is not another's: loops around them must look alike
            self.fold(k, piece)
            at = piece.end
        self.copy(at, len(tape))
        outputs = [self.value(o) for o in tape.outputs]
        return Tape(
            self.tables,
            np.array(self.tokens, np.int64),
            np.array(self.starts, np.int64),
            np.array(self.operands, np.int64),
            np.array(self.types, np.int64),
            tape.inputs,
            outputs,
            self.guards,
        )

    def copy(self, start: int, end: int) -> None:
        tape, infos = self.tape, self.tables.infos
        tokens = tape.tokens[start:end].tolist()
        starts = tape.starts[start : end + 1].tolist()
        if not tokens:
            return
        old = tape.operands[starts[0] : starts[-1]]
        new = np.where(old >= 0, self.new[np.maximum(old, 0)], old).tolist()  # -1 may mean a step of a piece
        plain = old.tolist()
        kinds = tape.types[start:end].tolist()
        offset = starts[0]
        for k, token in enumerate(tokens):
            a, b = starts[k] - offset, starts[k + 1] - offset
            ids = new[a:b]
            for j in range(a, b):
                if plain[j] >= 0 and ids[j - a] < 0:
                    if infos[token].kind == "stack" or _is_stack(infos[token]):
                        break
                    found = int(self.new[plain[j]])
                    ids[j - a] = found if found >= 0 else self.value(plain[j])
            else:
                here = self.add(token, ids, kinds[k])
                self.new[start + k] = here
                if start + k in tape.guards:
                    self.guards[here] = tape.guards[start + k]
                continue
            kind = self.tables.types[int(tape.type_numbers(np.array(plain[a : a + 1]))[0])]
            if not isinstance(kind, ArrayType):  # a Python number, whose dtype is that of the stack
                whole = self.tables.types[kinds[k]]
                kind = ArrayType(whole.shape[1:], whole.dtype)
            self.new[start + k] = here = self.stack(np.array(plain[a:b]), kind)
            if start + k in tape.guards:
                self.guards[here] = tape.guards[start + k]

    def fold(self, k: int, piece: Piece) -> None:
        """Write the loop of a piece."""
        tape = self.tape
        used = self.last[piece.start : piece.end].reshape(piece.count, piece.period) >= piece.end
        late = set(np.flatnonzero(used[-1]).tolist())
        early = set(np.flatnonzero(used[:-1].any(0)).tolist())
        asked = [(q, len(tape.guards[piece.start + q])) for q in range(piece.period) if piece.start + q in tape.guards]
        early |= {q for q, _ in asked}
        folded = fold_piece(self, piece, late, early)
        self.finals.append(folded.finals)
        self.rows.append(folded.rows)
        for q, count in asked:
            for g in range(count):
                parts = [tape.guards[piece.start + t * piece.period + q][g] for t in range(piece.count)]
                self.guards.setdefault(folded.rows[q], []).append(_stacked(parts))


def _stacked(parts: list[Asked]) -> Asked:
    first = parts[0]
    value = None if first.value is None else np.stack([np.asarray(p.value) for p in parts])
    outcome = None if value is not None else np.stack([np.asarray(p.outcome) for p in parts])
    return Asked(first.kind, outcome, value, first.where)


def _is_stack(info: Info) -> bool:
    return info.kind == "op" and info.node.op.name == "stack" and info.node.params == (0,) and info.arity >= 4


def _last_uses(tape: Tape) -> Array:
    """The last step that reads each step; the length of the tape for what leaves it."""
    last = np.full(len(tape), -1, np.int64)
    consumer = np.repeat(np.arange(len(tape)), np.diff(tape.starts))
    real = tape.operands >= 0
    last[tape.operands[real]] = consumer[real]  # consumers ascend, so the last one stays
    for o in tape.outputs:
        if o >= 0:
            last[o] = len(tape)
    return last


__all__ = ["Loop", "Tables", "fold_pass"]
