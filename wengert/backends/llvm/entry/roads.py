"""The roads on which kernels can be called, and the first of them that serves in this process.

``fields`` and ``buffers`` are C functions (how they get at an array's memory), ``ctypes`` is Python. Imports the
entries' texts, the engine and the cache. Invariant: a C entry is handed out only after a test of everything that it
takes and refuses; what does not fit leaves the next road, and a reason."""

from __future__ import annotations

import ctypes
import os
import sys
from typing import Any

import numpy as np

from wengert.backends.llvm.cache import cache
from wengert.backends.llvm.engine import Library, NativeCodeError, engine, making
from wengert.backends.llvm.entry import layout as entry_layout
from wengert.backends.llvm.entry.buffers_text import buffers_text
from wengert.backends.llvm.entry.fields_text import fields_text
from wengert.backends.llvm.entry.layout import Unfit
from wengert.backends.llvm.entry.tables import GUARD, MISS, Descriptor, describe_slots
from wengert.backends.llvm.entry.text import ENTRY, PROBE
from wengert.backends.llvm.slots import Slot
from wengert.core.errors import WengertValueError, error_at

ROADS = ("fields", "buffers", "ctypes")

VARIABLE = "WENGERT_NATIVE_ENTRY"
"""The environment variable that says which road is tried first: one of ROADS."""

# Places in NumPy's table of functions, which are part of its binary interface (numpy/__multiarray_api.h).
_NEW_FROM_DESCR, _NEW_SCALAR, _GET_PTR = 94, 60, 160

_FUNCTIONS = (
    "Py_IncRef", "Py_DecRef", "PyTuple_New", "PyTuple_SetItem", "PyErr_NoMemory", "PyEval_SaveThread",
    "PyEval_RestoreThread", "PyMem_RawMalloc", "PyMem_RawFree",
)  # fmt: skip
_FOR_BUFFERS = (
    "PyTuple_GetItem", "PyLong_AsVoidPtr", "PyObject_Type", "PyFloat_AsDouble", "PyObject_GetBuffer",
    "PyBuffer_Release", "PyErr_Clear",
)  # fmt: skip


def _symbols(functions: tuple[str, ...]) -> dict[str, int]:
    """The addresses of what an entry calls and compares with."""
    try:
        capsule = np._core._multiarray_umath._ARRAY_API  # type: ignore[attr-defined]
        pointer = ctypes.pythonapi.PyCapsule_GetPointer
        pointer.restype, pointer.argtypes = ctypes.c_void_p, (ctypes.py_object, ctypes.c_char_p)
        table = ctypes.cast(pointer(capsule, None), ctypes.POINTER(ctypes.c_void_p))
        found = {name: ctypes.cast(getattr(ctypes.pythonapi, name), ctypes.c_void_p).value for name in functions}
    except (AttributeError, ValueError) as error:
        raise Unfit(f"Python or NumPy lacks {error}") from error
    found |= {"wengert_new_array": table[_NEW_FROM_DESCR], "wengert_new_scalar": table[_NEW_SCALAR]}
    found |= {"wengert_place": table[_GET_PTR]}
    found |= {"wengert_ndarray": id(np.ndarray), "wengert_miss": id(MISS), "wengert_guard": id(GUARD)}
    if not all(found.values()):
        raise Unfit("NumPy's table of functions has gaps")
    return {name: address for name, address in found.items() if address}


class _Method(ctypes.Structure):
    """PyMethodDef."""

    _fields_ = (
        ("name", ctypes.c_char_p), ("function", ctypes.c_void_p), ("flags", ctypes.c_int), ("doc", ctypes.c_char_p),
    )  # fmt: skip


_FASTCALL = 0x80


class CEntry:
    """A linked entry; ``bind`` makes a Python function of a descriptor."""

    def __init__(self, library: Library, road: str) -> None:
        self.library, self.road = library, road
        self._new = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p, ctypes.py_object, ctypes.c_void_p)(
            ("PyCFunction_NewEx", ctypes.pythonapi)
        )

    def bind(self, descriptor: Descriptor, name: str) -> Any:
        """A C function of the leaves. It owns the descriptor, which owns everything else."""
        method = _Method(name.encode(), self.library[ENTRY], _FASTCALL, None)
        descriptor.method = method
        descriptor.code = self.library
        mine = descriptor if self.road == "fields" else (ctypes.addressof(descriptor), descriptor)
        return self._new(ctypes.addressof(method), mine, None)


_state: dict[str, CEntry | str] = {}


def entry_by(road: str) -> CEntry | str:
    """The C entry of this process by a road, made and tested when first asked for; or why there is none."""
    if road not in _state:
        with making:
            if road not in _state:
                try:
                    _state[road] = _make(road)
                except (Unfit, NativeCodeError) as error:
                    _state[road] = str(error)
    return _state[road]


def first_road() -> str:
    """The road that is tried first: what WENGERT_NATIVE_ENTRY says, else the fastest.

    Raises WengertValueError where that is no road."""
    said = os.environ.get(VARIABLE, "").strip().lower() or ROADS[0]
    if said not in ROADS:
        raise error_at(
            WengertValueError,
            f"{VARIABLE}={said!r} is no way to call native code",
            fix=f"one of {', '.join(ROADS)}, or leave it unset",
        )
    return said


def c_entry() -> CEntry | None:
    """The fastest C entry that serves in this process; None where there is none."""
    for road in ROADS[ROADS.index(first_road()) : -1]:
        found = entry_by(road)
        if isinstance(found, CEntry):
            return found
    return None


def road_taken() -> tuple[str, str]:
    """The road that kernels are called on, and why on no faster one."""
    first = first_road()
    before = ROADS.index(first)
    reasons = [f"{VARIABLE}={first}"] if before else []
    for road in ROADS[before:-1]:
        found = entry_by(road)
        if isinstance(found, CEntry):
            return road, "; ".join(reasons)
        reasons.append(found)
    return ROADS[-1], "; ".join(reasons)


def _make(road: str) -> CEntry:
    if road == "fields":
        text, symbols = fields_text(entry_layout.find_layout()), _symbols(_FUNCTIONS)
    else:
        entry_layout.check_views()
        text, symbols = buffers_text(), _symbols(_FUNCTIONS + _FOR_BUFFERS)
    machine = engine()
    code = cache().get("entry", machine.key(), text)
    if code is None:
        code = machine.compile(text)
        cache().put(code, "entry", machine.key(), text)
    made = CEntry(machine.link(code, (ENTRY, PROBE), symbols=symbols), road)
    _test(made)
    return made


def _test(made: CEntry) -> None:
    """Call the entry as plans do; everything it answers is known."""
    double, whole = np.dtype(np.float64), np.dtype(np.int64)
    x = np.arange(1.0, 7.0).reshape(2, 3)
    held = sys.getrefcount(x)
    for workspace in (0, 1000, 100_000):
        slots = (
            Slot("x", (2, 3), double, "input"),
            Slot("y", (), double, "input"),
            Slot("n", (), whole, "constant", np.array(workspace)),
            Slot("a", (2, 3), double, "output"),
            Slot("b", (), double, "output"),
        )
        for long in (False, True):
            call = made.bind(describe_slots(made.library[PROBE], slots, workspace, long=long), "probe")
            for y in (2.5, np.float64(2.5), np.array(2.5)):
                found = call(x, y)
                right = type(found) is tuple and np.array_equal(found[0], x) and type(found[1]) is np.float64
                if not (right and found[1] == 2.5 and found[0].flags.owndata and found[0].flags.c_contiguous):
                    raise Unfit("the entry's self-test gave a wrong answer")
            misses: tuple[tuple[Any, ...], ...] = (
                (x.T, 2.5), (x[:, ::-1], 2.5), (x.astype(np.float32), 2.5), (x, 2), (x, np.float32(2.5)), (x[:1], 2.5),
                (x.astype(">f8"), 2.5), (x,), (x, 2.5, 2.5), (x, x), (2.5, 2.5), (None, 2.5), (x.tolist(), "2.5"),
                (x.astype(int), 2.5), (x.astype("M8[s]"), 2.5), (x.data, 2.5), (_misaligned(x), 2.5),
            )  # fmt: skip
            try:
                taken = any(call(*leaves) is not MISS for leaves in misses)
            except SystemError as error:
                raise Unfit(f"the entry's self-test left an error ({error})") from error
            if taken or call(-x, 2.5) is not GUARD:
                raise Unfit("the entry's self-test took what it must not take")
    del misses, found
    if sys.getrefcount(x) != held:
        raise Unfit("the entry's self-test kept an argument")


def _misaligned(x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The same values at an odd address."""
    memory: np.ndarray[Any, Any] = np.zeros(x.nbytes + 1, np.uint8)[1:].view(x.dtype).reshape(x.shape)
    memory[...] = x
    return memory


__all__ = ["ROADS", "VARIABLE", "CEntry", "c_entry", "entry_by", "first_road", "road_taken"]
