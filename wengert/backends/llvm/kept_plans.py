"""Plans on disk under the graph they were made of, so that a second process neither lowers nor schedules nor emits, nor
loads the modules that do.

Imports the cache, the digest of graphs and slots. A plan's file names the file of its kernel and says what its slots
are. Invariants: a key covers the graph, wengert's own sources, the versions of what it computes with, the processor and
whether loops are split; what does not fit the graph is not used."""

from __future__ import annotations

import marshal
import sys
import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from wengert.backends.llvm import graph_digest
from wengert.backends.llvm.cache import Cache
from wengert.backends.llvm.slots import Slot
from wengert.core import sources
from wengert.core.graph import Graph
from wengert.core.node import Node

if TYPE_CHECKING:
    from wengert.backends.llvm.indexed import Program
    from wengert.backends.llvm.kernel import Kernel

TABLES = 1 << 22
"""The most bytes of tables that are kept with a kernel, and of constants that are kept with a plan."""


_FORM = 4
"""The form of ``marshal`` that all Pythons read."""


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
    """What a plan is kept under, and the constant arrays of its graph in the order of the digest."""

    key: tuple[str, ...]
    arrays: list[np.ndarray[Any, Any]]
    stamp: str


class Kept(NamedTuple):
    """A plan from disk: its kernel, the object code; how many steps the program has, about how many operations a call
    does, and whether the kernel checks computed indices besides its guards."""

    kernel: KeptKernel
    code: bytes
    steps: int
    operations: float
    checks: bool


def name_of(graph: Graph, machine: str, *, split: bool) -> Name | None:
    """What the plan of a graph is kept under; None where anything that decides it is not known in full."""
    stamp = sources.stamp()
    if stamp is None:
        return None
    found = graph_digest.digest(graph)
    if found is None:
        return None
    # SciPy's functions may be called where it is loaded.
    others = [f"{name} {getattr(sys.modules.get(name), '__version__', '')}" for name in ("numpy", "scipy", "llvmlite")]
    versions = " ".join((sys.version, str(sys.implementation.cache_tag), *others))
    return Name(("plan", machine, versions, f"split {split}", stamp, found[0]), found[1], stamp)


def load(kept: Cache, name: Name, graph: Graph) -> Kept | None:
    """The plan that was kept under a name, where it and its kernel are there, and fit the graph."""
    found = kept.get(*name.key)
    if found is None:
        return None
    kernel_key, steps, operations, checks, inputs, constants, outputs = marshal.loads(found)  # noqa: S302
    if not (_fits(inputs, graph.inputs) and _fits(outputs, graph.outputs)):
        return None
    slots = [Slot(f"x{k}", shape, np.dtype(dtype), "input") for k, (shape, dtype) in enumerate(inputs)]
    for shape, dtype, data in constants:
        array = name.arrays[data] if type(data) is int else _array(shape, dtype, data)
        if (array.shape, array.dtype.str) != (shape, dtype):
            return None
        slots.append(Slot("", shape, array.dtype, "constant", array))
    slots += [Slot(f"y{k}", shape, np.dtype(dtype), "output") for k, (shape, dtype) in enumerate(outputs)]
    content = kept.get(*kernel_key)
    return None if content is None else Kept(*unpacked(content, slots), steps, operations, checks)


def store(kept: Cache, name: Name, graph: Graph, program: Program, made: tuple[Any, ...]) -> bool:
    """Keep a plan that is one kernel: ``made`` has the key of the kernel's file, the number of steps, the operations of
    a call, and whether it checks. Whether that was possible."""
    now = graph_digest.digest(graph)
    if sources.stamp() != name.stamp or now is None or now[0] != name.key[-1]:  # something was changed meanwhile
        return False
    numbers = {id(a): k for k, a in enumerate(name.arrays)}
    constants: list[Any] = []
    room = TABLES
    for s in program.constants:
        if s.data is None or (s.data.shape, s.data.dtype) != (s.shape, s.dtype):
            return False
        number = numbers.get(id(s.data))
        if number is None:
            room -= s.data.nbytes
            if room < 0:
                return False
        data = np.ascontiguousarray(s.data).tobytes() if number is None else number
        constants.append((*_kind(s.data), data))
    inputs = [_kind(s) for s in program.inputs]
    outputs = [_kind(s.slot) for s in program.stores]
    if not (_fits(inputs, graph.inputs) and _fits(outputs, graph.outputs)):
        return False
    return kept.put(marshal.dumps((*made, inputs, constants, outputs), _FORM), *name.key)


def _kind(of: Any) -> tuple[tuple[int, ...], str]:
    """Shape and dtype as a file has them."""
    return tuple(map(int, of.shape)), of.dtype.str


def _fits(kinds: Sequence[Any], of: Sequence[Any]) -> bool:
    """Whether inputs or outputs of a graph are of these kinds."""
    return all(isinstance(n, Node) for n in of) and kinds == [_kind(n.type) for n in of]


__all__ = ["TABLES", "Kept", "KeptKernel", "Name", "load", "name_of", "packed", "store", "unpacked"]
