"""Where a tape repeats itself: runs of tokens with a period, and the pieces of them whose operands fit one body.

Imports NumPy and ``loops/tape``. The operands of a run, one row per iteration, are a matrix; a column is carried when
its numbers grow by the period, else it must lie before the run. Invariant: every number of every accepted row was
looked at, so that unfolding the piece gives back the tape.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from wengert.rewrite.loops.paths import may_vary
from wengert.rewrite.loops.tables import Info
from wengert.rewrite.loops.tape import Tape

MIN_ITERATIONS = 4
FARTHEST = 12
"""A value carried over more iterations than this is not kept in registers: the run is cut instead."""
_PERIODS = 48
Array = np.ndarray[Any, Any]
_STRUCTURAL = frozenset({"item", "stack", "concat", "read", "input"})


@dataclass(slots=True)
class Piece:
    """``count`` iterations of ``period`` steps, the first one at ``start``."""

    start: int
    period: int
    count: int

    @property
    def end(self) -> int:
        """The step after the last one."""
        return self.start + self.period * self.count


def pieces_of(tape: Tape) -> list[Piece]:
    """Disjoint pieces of the tape that repeat, in order."""
    tokens = tape.tokens
    covered = np.zeros(len(tokens), bool)
    covered[: tape.inputs] = True
    found: list[Piece] = []
    for period in _periods(tape):
        if 2 * period > len(tokens):
            break
        same = tokens[period:] == tokens[:-period]
        same &= ~covered[period:]
        same &= ~covered[:-period]
        reached = 0
        for first, last in _runs(same, (MIN_ITERATIONS - 1) * period):
            first = max(first, reached)  # the last iteration of one run may be the first of the next
            length = last + period - first
            best: list[Piece] = []
            for several in range(1, 7):  # the period of the tokens may be a fraction of the body's
                if length < several * period * MIN_ITERATIONS:
                    break
                got = _Run(tape, first, length, several * period).pieces()
                if _size(got) > _size(best):
                    best = got
                if _size(best) * 2 >= length:
                    break
            reached = max([reached, *(piece.end for piece in best)])
            for piece in best:
                covered[piece.start : piece.end] = True
            found.extend(best)
    found.sort(key=lambda piece: piece.start)
    assert all(a.end <= b.start for a, b in pairwise(found)), "pieces of a tape overlap"
    return found


def _size(pieces: list[Piece]) -> int:
    return sum(p.period * p.count for p in pieces)


def _periods(tape: Tape) -> list[int]:
    """The most frequent distances between two steps of one token, in ascending order.

    A line may make several steps of one token (a product and its tangents), which only their operands tell apart: so
    distances are also taken between steps whose operands' tokens agree, and the operands of those."""
    tokens = tape.tokens
    found: dict[int, int] = {}
    consumer = np.repeat(np.arange(len(tokens)), np.diff(tape.starts))
    position = np.arange(len(tape.operands)) - tape.starts[consumer]
    real = tape.operands >= 0
    refined = tokens
    for _ in range(3):
        order = np.argsort(refined, kind="stable")
        near = refined[order]
        distance = np.diff(order)[near[1:] == near[:-1]]
        if len(distance):
            counts = np.bincount(distance)
            for p in np.flatnonzero(counts >= MIN_ITERATIONS - 1).tolist():
                found[p] = max(found.get(p, 0), int(counts[p]))
        mixed = np.where(real, refined[np.maximum(tape.operands, 0)] * 2 + 1, 0) * (2 * position + 3)
        sums = np.bincount(consumer, mixed % 1_000_003, len(tokens)).astype(np.int64)
        refined = (refined * 31 + sums * 1009 + 17) % 1_000_000_007
    return sorted(sorted(found, key=lambda p: -found[p])[:_PERIODS])


def _runs(flags: Array, shortest: int) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate(([False], flags, [False])).astype(np.int8)))
    starts, ends = edges[::2], edges[1::2]
    long = ends - starts >= shortest
    return list(zip(starts[long].tolist(), ends[long].tolist(), strict=True))


def _results_before(tape: Tape, start: int, period: int) -> int:
    """How far a run must start later so that no iteration takes results of several from the one before."""
    shift = 0
    several = tape.tables.several()
    for k in range(period):
        at = start + period + k
        for source in tape.operands[tape.starts[at] : tape.starts[at + 1]].tolist():
            if start <= source < start + period and several[tape.types[source]]:
                shift = k + 1
    return shift


class _Run:
    """A run of tokens with a period, as a matrix of operands."""

    def __init__(self, tape: Tape, start: int, length: int, period: int) -> None:
        shift = _results_before(tape, start, period) if length >= 2 * period else 0
        start, length = start + shift, length - shift
        self.tape, self.start, self.length, self.period = tape, start, length, period
        self.count = length // period
        self.infos: list[Info] = [tape.tables.infos[t] for t in tape.tokens[start : start + period]]
        self.structural = all(i.kind in _STRUCTURAL for i in self.infos)

    def matrix(self, start: int, count: int) -> Array:
        """The operands of ``count`` iterations from ``start`` on, one row each."""
        tape = self.tape
        return tape.operands[tape.starts[start] : tape.starts[start + count * self.period]].reshape(count, -1)

    def pieces(self) -> list[Piece]:
        if self.count < MIN_ITERATIONS or self.structural:
            return []
        p, n = self.period, self.count
        rows = self.matrix(self.start, n)
        cuts = np.zeros(n + 1, bool)
        cuts[0] = cuts[n] = True
        if rows.shape[1]:
            self._cut(rows, cuts)
        found: list[Piece] = []
        edges = np.flatnonzero(cuts).tolist()
        for first, last in itertools.pairwise(edges):
            work, budget = [(first, last)], 24
            while work and budget:
                s, e = work.pop()
                if e - s < MIN_ITERATIONS:
                    continue
                budget -= 1
                split = self._check(self.start + s * p, e - s)
                if split is None:
                    found.append(Piece(self.start + s * p, p, e - s))
                else:
                    work.append((s + split, e))
                    if split >= MIN_ITERATIONS and split < e - s:
                        work.append((s, s + split))
        if not found:
            return []
        found.sort(key=lambda piece: piece.start)
        limits = [*(piece.start for piece in found[1:]), self.start + self.length]
        return [self._rotated(piece, limit) for piece, limit in zip(found, limits, strict=True)]

    def _cut(self, rows: Array, cuts: Array) -> None:
        """Mark the iterations at which carried values or invariants start anew."""
        n, p, a = self.count, self.period, self.start
        inside = (rows >= a).any(0)
        step = np.diff(rows, axis=0)
        carried = inside & ((step == p).sum(0) * 2 >= n - 1)
        time = np.arange(n)[:, None]
        if carried.any():
            some = rows[:, carried]
            base = np.sort(some - time * p, axis=0)[n // 2]
            lag = -((base - a) // p)
            bad = (some - time * p != base) & ~((time < lag) & (some < a))
            cuts[:n] |= bad.any(1)
            for far in set(lag[lag > FARTHEST].tolist()):
                if far < n:
                    cuts[0:n:far] = True
        rest = inside & ~carried & ((step == 0).sum(0) * 2 >= n - 1)
        if rest.any():
            some = rows[1:, rest]
            cuts[1:n] |= ((step[:, rest] != 0) & (some >= a)).any(1)

    def _check(self, start: int, count: int) -> int | None:
        """None when the piece is a loop; else the iteration at which to split it."""
        p = self.period
        rows = self.matrix(start, count)
        if not rows.shape[1]:
            return None
        tape = self.tape
        time = np.arange(count)[:, None]
        base = rows[-1] - (count - 1) * p
        inside = rows >= start
        carried = inside[-1]
        lag = np.where(carried, -((base - start) // p), 0)
        good = np.where(carried, np.where(time < lag, ~inside, rows == base + time * p), ~inside)
        good &= ~(carried & (lag > FARTHEST))
        kinds = tape.type_numbers(rows)
        # The type of a column is that of its last row (of the producer, where it is carried).
        same = kinds == kinds[-1]
        if not same.all():
            same |= self._weak_fit(kinds, rows)
        good &= same
        good &= ~(tape.tables.several()[kinds[-1]] & (~carried | (lag != 0)))
        steady = (rows == rows[0]).all(0)
        moves = ~carried & ~steady
        if moves.any():
            good &= ~(moves & self._stiff(moves, kinds, rows))
        bad = ~good.all(1)
        if not bad.any():
            return None
        first = int(np.argmax(bad))
        if first >= MIN_ITERATIONS:
            return first
        # Something in the first iterations is other than later: peel them.
        last = int(np.flatnonzero(bad)[-1])
        columns = ~good.all(0)
        early = rows[:, columns]
        early = early[early >= start]
        referred = int((early.min() - start) // p) + 1 if early.size and last == count - 1 else last + 1
        return min(max(1, referred if referred < count else first + 1), count)

    def _weak_fit(self, kinds: Array, rows: Array) -> Array:
        """Python numbers that stand where float64 scalars stand otherwise: they may be given that type."""
        tables = self.tape.tables
        double = tables.type_numbers.get(((), np.dtype(float)), -2)
        weak = [tables.type_numbers.get(k, -2) for k in (float, int)]
        return (kinds[-1] == double) & np.isin(kinds, weak)

    def _stiff(self, moves: Array, kinds: Array, rows: Array) -> Array:
        """Columns that may not vary: tuples of results, constants that are no numbers, indices that must stay."""
        out = np.zeros(len(moves), bool)
        tables = self.tape.tables
        column = 0
        for info in self.infos:
            span = range(column, column + info.arity)
            column += info.arity
            if not moves[span.start : span.stop].any():
                continue
            first = _first_number(info)
            if first is not None:
                varying = moves[span.start + first : span.stop].tolist()
                out[span.start + first : span.stop] |= not may_vary(info.static, varying, reads=info.kind == "read")
            for c in span:
                if moves[c]:
                    kind = tables.types[kinds[-1, c]]
                    value = tables.value(int(rows[-1, c])) if rows[-1, c] < 0 else None
                    mixed = bool((rows[:, c] < 0).any() and (rows[:, c] >= 0).any())
                    out[c] |= type(kind) is tuple or kind is complex or kind is bool or mixed or _is_traced(value)
                    if kind in (float, int):
                        out[c] |= table_dtype(info, c - span.start, kinds[-1, span.start : span.stop], tables) is None
        return out

    def _rotated(self, piece: Piece, limit: int) -> Piece:
        """The piece begun where the fewest values are carried, if that costs little."""
        p, n, a = self.period, piece.count, piece.start
        rows = self.matrix(a, n)
        if not rows.shape[1]:
            return piece
        base = rows[-1] - (n - 1) * p
        carried = rows[-1] >= a
        lag = np.where(carried, -((base - a) // p), 0)[carried]
        producer = (base[carried] - a) % p
        place = np.repeat(np.arange(p), [i.arity for i in self.infos])[carried]
        last: dict[int, int] = {}
        for q, u in zip(producer.tolist(), (place + lag * p).tolist(), strict=True):
            last[q] = max(last.get(q, 0), u)
        live = np.zeros(p, np.int64)
        for q, u in last.items():
            whole, part = divmod(u - q, p)
            live += whole
            for boundary in range(q + 1, q + 1 + part):
                live[boundary % p] += 1
        best = int(live.min())
        if live[0] == best:
            return piece
        ties = np.flatnonzero(live == best)
        shift = int(ties[np.argmin(self.tape.tokens[a + ties])])  # the same one in all outer iterations
        room = piece.end + shift <= limit
        fewer = n if room else n - 1
        if fewer < MIN_ITERATIONS or (not room and n * (live[0] - best) <= p):
            return piece
        shifted = _Run(self.tape, a + shift, fewer * p, p)
        if shifted._check(a + shift, fewer) is not None:
            return piece
        return Piece(a + shift, p, fewer)


def _is_traced(value: Any) -> bool:
    from wengert.core.handle import is_handle

    return value is not None and is_handle(value)


def _first_number(info: Info) -> int | None:
    """Where among a step's operands the numbers of its index begin."""
    if info.kind == "read":
        return 1 if info.static[0][0] != "whole" else None
    if info.kind == "write":
        return 2 if info.static[0][0] != "whole" else None
    return None


def table_dtype(info: Info, position: int, kinds: Array, tables: Any) -> Any:
    """The dtype that varying Python numbers get in a table so that every bit stays; None where there is none."""
    from wengert.core.op import CONSTANT, ELEMENTWISE

    if info.kind == "scan":
        return _dtype_in_body(info.loop, position, tables)
    first = _first_number(info)
    if first is not None and position >= first:
        return np.dtype(np.int64)
    if info.kind == "write" and position == 1:
        dtype = tables.types[info.type].dtype
        return dtype if dtype.kind in "fc" else None
    if info.kind != "op" or info.node is None or info.node.op.kind not in (ELEMENTWISE, CONSTANT):
        return None
    if info.node.op.name == "power":
        return None
    others = [tables.types[k] for j, k in enumerate(kinds.tolist()) if j != position]
    dtypes = {k.dtype for k in others if hasattr(k, "dtype")}
    if len(dtypes) != 1:
        return None
    (dtype,) = dtypes
    return dtype if dtype.kind in "fc" else None


def _dtype_in_body(loop: Any, position: int, tables: Any) -> Any:
    """What all uses of an invariant of a loop agree on."""
    k = position - len(loop.carries) - len(loop.sequences)
    if k < 0:
        return None
    kinds = {"c": loop.carries, "x": loop.sequences, "k": loop.invariants}
    found: set[Any] = set()
    for _, token, refs in loop.steps:
        if ("k", k) in refs:
            types = np.array([loop.steps[i][0] if w == "b" else kinds[w][i] for w, i in refs])
            found.update(
                table_dtype(tables.infos[token], j, types, tables) for j, r in enumerate(refs) if r == ("k", k)
            )
    if ("k", k) in loop.updates or ("k", k) in loop.rows or len(found) != 1:
        return None
    return found.pop()


__all__ = ["MIN_ITERATIONS", "Piece", "pieces_of", "table_dtype"]
