"""Arrays inside loops: what is read element by element becomes a sequence, what is written element by element becomes
rows and one write after the loop.

Imports ``loops/tape``, ``loops/body``. All indices are known tables, so nothing is guessed. Invariant: a buffer is
dropped from the loop only if every read of it in the loop is resolved to a value of a fixed number of iterations ago,
or to what the buffer held before the loop.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from wengert.core.handle import is_handle
from wengert.core.types import ArrayType
from wengert.ops.memory import UPDATE
from wengert.ops.paths import apply
from wengert.rewrite.loops.find import FARTHEST
from wengert.rewrite.loops.paths import Static, path_of
from wengert.rewrite.loops.tables import WEAK, Info

Array = np.ndarray[Any, Any]
_WINDOWS_UP_TO = 1 << 22
"""Elements of the index of a gather that replaces a sliding window."""


@dataclass(slots=True)
class Written:
    """A buffer that is written to once after the loop: number of its row among the extra rows, and where it goes."""

    row: int
    base: int
    static: Static
    numbers: list[Any]


class _Access:
    """The numbers of a read or write: the entries of its one index, and per number its values over the iterations."""

    def __init__(self, folder: Any, q: int, skip: int) -> None:
        info = folder.infos[q]
        self.fits = len(info.static) == 1 and info.static[0][0] == "index"
        self.static: Static = info.static
        if not self.fits:
            return
        self.entries: tuple[Any, ...] = info.static[0][1]
        column = folder.columns[q] + skip
        ids = folder.matrix[:, column : column + info.arity - skip]
        if (ids >= 0).any():
            self.fits = False
            return
        self.ids = ids
        self.varying = (ids != ids[0]).any(0)
        value = folder.tables.value
        self.values: list[Any] = []
        owners = [e for e in self.entries if e[0] in "isa"]
        for k, entry in enumerate(owners):
            if not self.varying[k]:
                self.values.append(value(int(ids[0, k])))
            elif entry[0] == "a":
                self.fits = False
                return
            else:
                self.values.append(np.array([value(int(i)) for i in ids[:, k]], np.int64))
        self.owners = owners

    def address(self) -> Array:
        """One row of varying numbers per iteration."""
        return self.ids[:, self.varying]

    def windows(self) -> bool:
        """Whether a slice moves."""
        return any(e[0] == "s" and moves for e, moves in zip(self.owners, self.varying, strict=True))

    def prefix(self, k: int) -> _Access:
        """The first ``k`` entries alone, all of them elements."""
        made = object.__new__(_Access)
        made.fits, made.entries, made.owners = True, self.entries[:k], self.owners[:k]
        made.static = (("index", self.entries[:k]),)
        made.ids, made.varying, made.values = self.ids[:, :k], self.varying[:k], self.values[:k]
        return made

    def steady(self) -> tuple[Any, ...]:
        """What does not vary."""
        return self.static, tuple(self.varying.tolist()), tuple(self.ids[0, ~self.varying].tolist())

    def together(self, count: int) -> tuple[Static, list[Any]] | None:
        """The region of all iterations at once, their axis first; None where it has no simple path."""
        kinds = [e[0] for e in self.entries]
        if "a" in kinds:
            return None
        owner = iter(range(len(self.owners)))
        fixed: list[Any] = []  # the entries with the varying ones left whole
        fixed_numbers: list[Any] = []
        moving: list[tuple[int, Any, Any]] = []  # axis after the fixed entries, entry, values
        axis = 0
        for entry in self.entries:
            if entry[0] in "fn":
                fixed.append(entry)
                axis += 1
                continue
            k = next(owner)
            if self.varying[k]:
                moving.append((axis, entry, self.values[k]))
                fixed.append(("f",))
                axis += 1
            else:
                fixed.append(entry)
                fixed_numbers.append(self.values[k])
                axis += entry[0] == "s"
        windows = [m for m in moving if m[1][0] == "s"]
        if windows and (len(moving) > 1 or moving[0][0] != 0 or count * windows[0][1][1] > _WINDOWS_UP_TO):
            return None
        last: list[Any] = []
        numbers: list[Any] = []
        for _, entry, values in moving:
            step = int(values[1] - values[0])
            if len(moving) == 1 and entry[0] == "i" and step and (np.diff(values) == step).all():
                last.append(("s", count, step))
                numbers.append(int(values[0]))
            elif entry[0] == "s":
                index = values[:, None] + np.arange(entry[1]) * entry[2]
                last.append(("a", index.shape))
                numbers.append(index)
            else:
                last.append(("a", values.shape))
                numbers.append(values)
        axes = [m[0] for m in moving]
        steps: list[Any] = []
        if any(e[0] != "f" for e in fixed):
            steps.append(("index", tuple(fixed)))
        if axes != list(range(len(axes))):
            steps.append(("transpose", (*axes, *(k for k in range(axis) if k not in axes))))
        steps.append(("index", tuple(last)))
        if len(steps) == 1:
            steps = [("index", (*last, *self.entries[len(last) :]))]
        return tuple(steps), [*fixed_numbers, *numbers]


def element_sequences(folder: Any) -> None:
    """Reads of an array that no iteration changes, at places that vary: read before the loop, all at once."""
    for q, info in enumerate(folder.infos):
        if info.kind != "read" or info.static[0][0] == "whole" or folder.refs[q][0][0] != "k":
            continue
        source = folder.invariants[folder.refs[q][0][1]]
        if source < 0 and not is_handle(folder.tables.value(source)):
            continue
        access = _Access(folder, q, 1)
        if not access.fits or not access.varying.any():
            continue
        if access.together(folder.piece.count) is not None:
            kind = folder.tables.types[folder.kinds[q]]
            folder.alias[q] = _rows_before(folder, q, access, folder.emit.value(source), kind)


def rows_for_writes(folder: Any, late: set[int], early: set[int]) -> dict[int, Written]:
    """The buffers that leave the loop, by the position of their write."""
    found: dict[int, Written] = {}
    for u, info in enumerate(folder.infos):
        chains = folder.chains.get(u)
        if info.kind != "write" or info.node.op is not UPDATE or u in early or info.static[0][0] == "whole":
            continue
        if chains is None or len(chains) != 1 or len(chains[0]) != 1 or folder.refs[u][0] != ("c", chains[0][0]):
            continue
        made = _without_buffer(folder, u, chains[0][0])
        if made is not None:
            found[u] = made
    return found


def _without_buffer(folder: Any, u: int, carry: int) -> Written | None:
    """Take the buffer that position ``u`` writes to out of the loop, if all its reads can be resolved."""
    tables, n = folder.tables, folder.piece.count
    access = _Access(folder, u, 2)
    if not access.fits or not access.varying.any() or access.windows():
        return None
    whole: ArrayType = tables.types[folder.kinds[u]]
    region = np.shape(apply(path_of(access.static, _first(access)), np.broadcast_to(np.zeros(()), whole.shape)))
    value = folder.resolve(folder.refs[u][1])
    kind = folder.type_of(value)
    if not isinstance(kind, ArrayType) or kind.shape != region or kind.dtype != whole.dtype:
        return None
    together = access.together(n)
    start = folder.initial[carry]
    base = start[1] if type(start) is tuple else folder.emit.value(start)
    if together is None or (base < 0 and type(tables.value(base)) in WEAK):
        return None
    plans = _plans(folder, u, carry, access)
    if plans is None:
        return None
    for read in plans:
        if read.lag is None:
            ref = _rows_before(folder, read.q, read.place, base, kind)
        elif read.lag == 0:
            ref = value
        else:
            ref = ("c", _registers(folder, value, kind, read.lag, read.place, base))
        if read.rest:
            _read_of_row(folder, read, ref, kind)
        else:
            folder.alias[read.q] = ref
    folder.extra.append(value)
    return Written(len(folder.extra) - 1, base, *together)


@dataclass(slots=True)
class _Read:
    """A read of a buffer in the loop: where it stands, what it reads of the written place (entries of the rest of its
    index), and how many iterations ago that was written (None: never)."""

    q: int
    after: bool
    place: _Access
    rest: tuple[Any, ...]
    lag: int | None = None


def _plans(folder: Any, u: int, carry: int, access: _Access) -> list[_Read] | None:
    """How every read of the buffer is resolved; None where one is not, or something else uses the buffer."""
    n = folder.piece.count
    when = {row: t for t, row in enumerate(map(bytes, access.address()))}
    buffer = (("c", carry), ("b", u))
    if len(when) != n or any(r in buffer for c, r in enumerate(folder.updates) if c != carry):
        return None
    plans: list[_Read] = []
    for q, refs in enumerate(folder.refs):
        for k, ref in enumerate(refs):
            if ref not in buffer or (q == u and k == 0) or q in folder.alias:
                continue
            read = _read_at(folder, q, access, after=ref[0] == "b") if k == 0 else None
            if read is None:
                return None
            lags = {}
            for t, row in enumerate(map(bytes, read.place.address())):
                w = when.get(row)
                if w is not None and (w < t or (read.after and w == t)):
                    lags[t] = t - w
            if lags:
                read.lag = next(iter(lags.values()))
                steady = all(v == read.lag for v in lags.values())
                if not steady or set(lags) != set(range(read.lag, n)) or read.lag > FARTHEST:
                    return None
            elif read.place.together(n) is None:
                return None
            plans.append(read)
    return plans


def _read_at(folder: Any, q: int, access: _Access, *, after: bool) -> _Read | None:
    """A read of the places that are written, or of a part of them."""
    info = folder.infos[q]
    if info.kind != "read" or info.static[0][0] == "whole" or folder.tokens[q] != folder.original[q]:
        return None
    other = _Access(folder, q, 1)
    if not other.fits:
        return None
    if other.steady() == access.steady():
        return _Read(q, after, other, ())
    entries = list(access.entries)
    while entries and entries[-1] == ("f",):
        entries.pop()
    k = len(entries)
    if any(e[0] != "i" for e in entries) or any(e[0] != "i" for e in other.entries[:k]) or len(other.entries) <= k:
        return None
    place = other.prefix(k)
    whole = access.prefix(k)
    if place.steady() != whole.steady():
        return None
    return _Read(q, after, place, other.entries[k:])


def _read_of_row(folder: Any, read: _Read, row: Any, kind: ArrayType) -> None:
    """A read of a part of a row: the same position now reads the row itself."""
    tables, q = folder.tables, read.q
    static = (("index", read.rest),)
    base, number = tables.type(kind), folder.kinds[q]
    refs = [row, *folder.refs[q][1 + len(read.place.entries) :]]
    where = folder.infos[q].where
    info = Info("read", len(refs), number, None, static, number=base, where=where)
    key = ("made read", static, number, base, len(refs), folder.original[q])
    folder.tokens[q] = tables.token(key, lambda: info)
    folder.refs[q] = refs


def _rows_before(folder: Any, q: int, place: _Access, source: int, kind: ArrayType) -> Any:
    """The rows that an array holds at the places of a read, before the loop, as a sequence."""
    n = folder.piece.count
    found = place.together(n)
    assert found is not None
    rows = folder.emit.read(source, *found, ArrayType((n, *kind.shape), kind.dtype), folder.infos[q].where)
    return ("x", folder.new_sequence(rows, kind))


def _first(access: _Access, t: int = 0) -> list[Any]:
    """The numbers at one iteration."""
    return [(int(v[t]) if access.varying[k] else v) for k, v in enumerate(access.values)]


def _registers(folder: Any, value: Any, kind: ArrayType, lag: int, other: _Access, base: int) -> int:
    """A carry that holds what ``value`` was ``lag`` iterations ago, begun with what the buffer held."""
    initial = [folder.emit.read(base, other.static, _first(other, lag - ago), kind, None) for ago in range(1, lag + 1)]
    key = (value, *initial)
    if key in folder.register_keys:
        return int(folder.register_keys[key])
    ref = value
    for number in initial:
        folder.updates.append(ref)
        ref = ("c", len(folder.initial))
        folder.initial.append(("new", number))
        folder.carries.append(folder.tables.type(kind))
    folder.register_keys[key] = ref[1]
    return int(ref[1])


__all__ = ["Written", "element_sequences", "rows_for_writes"]
