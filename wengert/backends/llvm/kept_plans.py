"""Plans on disk under the graph they were made of, so that a second process neither lowers nor schedules nor emits, nor
loads the modules that do.

Imports the cache, the digest of graphs and slots. A plan's file names the files of its kernels and says what their
slots are. Invariants: a key covers the graph, wengert's own sources, the versions of what it computes with, the
processor and whether loops are split; what does not fit the graph is not used."""

from __future__ import annotations

import marshal
import sys
import zlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from wengert.backends.llvm import graph_digest
from wengert.backends.llvm.cache import Cache
from wengert.backends.llvm.slots import Slot
from wengert.core import sources
from wengert.core.graph import Graph
from wengert.core.node import Node
from wengert.core.structure import ITEM

if TYPE_CHECKING:
    from wengert.backends.llvm.fresh_kernel import Fresh
    from wengert.backends.llvm.kernel import Kernel
    from wengert.backends.llvm.segments import Cut, Segment

TABLES = 1 << 22
"""The most bytes of tables that are kept with a kernel, and of constants that are kept with a plan."""


_FORM = 4
"""The form of ``marshal`` that all Pythons read."""


_CUT = ()
_MARK = marshal.dumps(_CUT, _FORM)
"""What is kept in the place of a plan of one kernel where there are several."""


class KeptKernel:
    """A ``Kernel`` from disk, with its texts still packed."""

    __slots__ = ("_texts", "external", "name", "scratch", "slots", "threads", "workspace")

    def __init__(self, facts: tuple[Any, ...], slots: tuple[Slot, ...], texts: bytes) -> None:
        self.name, self.workspace, self.external, self.scratch, self.threads = facts
        self.slots, self._texts = slots, texts

    @property
    def text(self) -> str:
        """The text of the module."""
        return zlib.decompress(self._texts).decode().partition("\0")[0]

    @property
    def loops(self) -> str:
        """The loop nest as text."""
        return zlib.decompress(self._texts).decode().partition("\0")[2]


def packed(kernel: Kernel, slots: list[int], tables: Sequence[np.ndarray[Any, Any]], code: bytes) -> bytes:
    """The content of a kernel's file: ``slots`` are the numbers of its slots among those of its program, with
    ``tables`` behind these."""
    texts = zlib.compress(f"{kernel.text}\0{kernel.loops}".encode(), 1)
    facts = (kernel.name, int(kernel.workspace), tuple(kernel.external), int(kernel.scratch), tuple(kernel.threads))
    kinds = [(t.shape, t.dtype.str, t.tobytes()) for t in tables]
    return marshal.dumps((facts, slots, kinds, texts, code), _FORM)


def unpacked(content: bytes, slots: Sequence[Slot]) -> tuple[KeptKernel, bytes]:
    """A kernel and its object code, for a program with these slots. (The content is what we wrote: the cache has
    compared its hash.)"""
    facts, numbers, kinds, texts, code = marshal.loads(content)  # noqa: S302
    own = [*slots]
    for shape, dtype, memory in kinds:
        data = _array(shape, dtype, memory)
        own.append(Slot("", shape, data.dtype, "constant", data))
    return KeptKernel(facts, tuple(own[k] for k in numbers), texts), code


def _array(shape: tuple[int, ...], dtype: str, memory: bytes) -> np.ndarray[Any, Any]:
    return np.frombuffer(bytearray(memory), np.dtype(dtype)).reshape(shape)


# ---------------------------------------------------------------- plans


class Name(NamedTuple):
    """What the plan of a graph is kept under, the constant arrays of the graph in the order of the digest, and what
    they held then."""

    key: tuple[str, ...]
    arrays: list[np.ndarray[Any, Any]]
    contents: list[str]

    def like(self, made: Fresh) -> dict[int, int]:
        """The numbers of the arrays that the constants of a kernel are copies of, by the ``id`` of the constant's."""
        known: dict[Any, int] = {
            (told, a.shape, a.dtype): k
            for k, (a, told) in enumerate(zip(self.arrays, self.contents, strict=True))
            if a.flags.c_contiguous
        }
        found = {id(s.data): known.get((made.told.get(id(s.data)), s.shape, s.dtype)) for s in made.program.constants}
        return {k: number for k, number in found.items() if number is not None}


class Kept(NamedTuple):
    """A plan from disk: its kernel, the object code; how many steps the program has, about how many operations a call
    does, how many guards it asks, and whether it checks computed indices besides."""

    kernel: KeptKernel
    code: bytes
    steps: int
    operations: float
    guards: int
    checks: bool


def name_of(graph: Graph, machine: str, *, split: bool) -> Name | None:
    """What the plan of a graph is kept under; None where anything that decides it is not known in full."""
    stamp = sources.first()
    if stamp is None:
        return None
    found = graph_digest.digest(graph)
    if found is None:
        return None
    # SciPy's functions may be called where it is loaded.
    others = [f"{name} {getattr(sys.modules.get(name), '__version__', '')}" for name in ("numpy", "scipy", "llvmlite")]
    versions = " ".join((sys.version, str(sys.implementation.cache_tag), *others))
    return Name(("plan", machine, versions, f"split {split}", stamp, found[0]), found[1], found[2])


def load(kept: Cache, name: Name, graph: Graph) -> Kept | bool:
    """The plan that was kept under a name, where it and its kernel are there, and fit the graph; else whether one of
    several kernels may be there, under the name of the graph that is compiled."""
    found = kept.get(*name.key)
    entry = None if found is None else marshal.loads(found)  # noqa: S302
    if entry is None:
        return False
    return entry == _CUT or _from_entry(kept, entry, name.arrays, graph) or False


def store(kept: Cache, name: Name, graph: Graph, made: Fresh) -> bool:
    """Keep a plan that is one kernel; whether that was possible."""
    entry = _entry(made, name, graph)
    return (
        entry is not None
        and _unchanged(name, graph, [*name.like(made).values()])
        and kept.put(marshal.dumps(entry, _FORM), *name.key)
    )


def load_cut(kept: Cache, name: Name, graph: Graph) -> tuple[Cut, dict[Segment, Kept]] | None:
    """The cut of a graph that was kept under its name, and what its segments are, where all of them are there."""
    found = kept.get("cut", *name.key)
    if found is None:
        return None
    from wengert.backends.llvm.segments import Cut, segment_of

    parts, guards, reasons = marshal.loads(found)  # noqa: S302
    order: list[Segment | Node] = []
    pieces: dict[Segment, Kept] = {}
    for part in parts:
        if type(part) is int:
            order.append(graph.nodes[part])
            continue
        numbers, entry = part
        segment = segment_of(graph, [graph.nodes[k] for k in numbers], guards)
        piece = _from_entry(kept, entry, name.arrays, segment.graph)
        if piece is None:
            return None
        order.append(segment)
        pieces[segment] = piece
    return Cut(graph, tuple(order), {graph.nodes[k]: why for k, why in reasons.items()}), pieces


def store_cut(kept: Cache, asked: Name, graph: Graph, name: Name, cut: Cut, made: Mapping[Segment, Fresh]) -> bool:
    """Keep a cut and its segments under the name of its graph, and under that of the graph that was ``asked`` for, that
    there is a cut; whether that was possible."""
    numbers = {n: k for k, n in enumerate(cut.graph.nodes)}
    parts: list[Any] = []
    for part in cut.order:
        if isinstance(part, Node):
            parts.append(numbers[part])
            continue
        entry = _entry(made[part], name, part.graph)
        if entry is None:
            return False
        parts.append(([numbers[n] for n in part.nodes], entry))
    guards = sorted(k for part in cut.segments for k in part.guards)
    reasons = {numbers[n]: why for n, why in cut.reasons.items()}
    content = marshal.dumps((parts, guards, reasons), _FORM)
    seen = [k for m in made.values() for k in asked.like(m).values()]
    return _unchanged(asked, graph, seen) and kept.put(content, "cut", *name.key) and kept.put(_MARK, *asked.key)


def _unchanged(name: Name, graph: Graph, seen: Sequence[int]) -> bool:
    """Whether neither the sources nor the graph and its constants were changed while the plan was made; of those with
    the numbers ``seen`` that is known by their copies in a kernel."""
    if not sources.unchanged():
        return False
    now = graph_digest.digest(graph, {id(name.arrays[k]): name.contents[k] for k in seen})
    return now is not None and now[0] == name.key[-1]


def _entry(made: Fresh, name: Name, graph: Graph) -> tuple[Any, ...] | None:
    """What is kept of a kernel of a graph, besides its own file: constants by what they hold, or as the numbers of
    those that are in the graph that has the name. None where there is no such file, or too much to keep."""
    numbers = name.like(made)
    constants: list[Any] = []
    room = TABLES
    for s in made.program.constants:
        if s.data is None or (s.data.shape, s.data.dtype) != (s.shape, s.dtype):
            return None
        number = numbers.get(id(s.data))
        if number is None:
            room -= s.data.nbytes
            if room < 0:
                return None
        data = np.ascontiguousarray(s.data).tobytes() if number is None else number
        constants.append((*_kind(s.data), data))
    inputs = [_kind(s) for s in made.program.inputs]
    outputs = [_kind(s.slot) for s in made.program.stores]
    if made.key is None or not (_fits(inputs, graph.inputs) and _fits(outputs, graph.outputs)):
        return None
    steps = sum(n.op is not ITEM for n in made.nodes)
    return made.key, (steps, float(made.operations), made.guards, made.checks), inputs, constants, outputs


def _from_entry(
    kept: Cache, entry: tuple[Any, ...], arrays: Sequence[np.ndarray[Any, Any]], graph: Graph
) -> Kept | None:
    """The kernel of a graph, where its file is there and it fits."""
    key, facts, inputs, constants, outputs = entry
    if not (_fits(inputs, graph.inputs) and _fits(outputs, graph.outputs)):
        return None
    slots = [Slot(f"x{k}", shape, np.dtype(dtype), "input") for k, (shape, dtype) in enumerate(inputs)]
    for shape, dtype, data in constants:
        array = arrays[data] if type(data) is int else _array(shape, dtype, data)
        if (array.shape, array.dtype.str) != (shape, dtype):
            return None
        slots.append(Slot("", shape, array.dtype, "constant", array))
    slots += [Slot(f"y{k}", shape, np.dtype(dtype), "output") for k, (shape, dtype) in enumerate(outputs)]
    content = kept.get(*key)
    return None if content is None else Kept(*unpacked(content, slots), *facts)


def _kind(of: Any) -> tuple[tuple[int, ...], str]:
    """Shape and dtype as a file has them."""
    return tuple(map(int, of.shape)), of.dtype.str


def _fits(kinds: Sequence[Any], of: Sequence[Any]) -> bool:
    """Whether inputs or outputs of a graph are of these kinds."""
    return all(isinstance(n, Node) for n in of) and kinds == [_kind(n.type) for n in of]


__all__ = [
    "TABLES", "Kept", "KeptKernel", "Name", "load", "load_cut", "name_of", "packed", "store", "store_cut", "unpacked",
]  # fmt: skip
