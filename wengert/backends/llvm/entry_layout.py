"""Where CPython and NumPy keep what the native entry reads, found by looking, and the entry linked and tested.

Imports entry texts, the engine and the cache. Invariant: memory is only read inside objects whose size is known until
everything found fits several objects of each kind; if anything does not fit, there is no C entry (a reason is kept)
and ``entry`` calls kernels through ctypes."""

from __future__ import annotations

import ctypes
import struct
import sys
import sysconfig
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np

from wengert.backends.llvm.cache import cache
from wengert.backends.llvm.engine import Library, NativeCodeError, engine
from wengert.backends.llvm.entry_tables import GUARD, MISS, Descriptor, describe_slots
from wengert.backends.llvm.entry_text import ENTRY, PROBE, Layout, entry_text
from wengert.backends.llvm.indexed import Slot

SCALAR_DTYPES = tuple(map(np.dtype, (np.float64, np.float32, np.int64, np.int32, np.bool_)))

# Places in NumPy's table of functions, which are part of its binary interface (numpy/__multiarray_api.h).
_NEW_FROM_DESCR, _NEW_SCALAR = 94, 60

_FUNCTIONS = (
    "Py_IncRef", "Py_DecRef", "PyTuple_New", "PyTuple_SetItem", "PyErr_NoMemory", "PyEval_SaveThread",
    "PyEval_RestoreThread", "PyMem_RawMalloc", "PyMem_RawFree",
)  # fmt: skip


class Unfit(Exception):
    """Why there is no C entry in this process."""


def _place(samples: Sequence[tuple[object, int, bytes]], what: str) -> int:
    """The only offset at which each object, of so many bytes, holds its pattern."""
    found: set[int] | None = None
    for thing, size, pattern in samples:
        memory = ctypes.string_at(id(thing), size)
        here = {k for k in range(8, size - len(pattern) + 1, 4) if memory[k : k + len(pattern)] == pattern}
        found = here if found is None else found & here
    if not found or len(found) != 1:
        raise Unfit(f"the place of {what} was not found")
    return found.pop()


def find_layout() -> Layout:
    """The places, found in objects made for it.

    Raises Unfit where this interpreter or NumPy keeps things otherwise."""
    if sys.implementation.name != "cpython" or struct.calcsize("P") != 8 or sys.byteorder != "little":
        raise Unfit("only 64-bit CPython keeps its objects as the entry reads them")
    if sysconfig.get_config_var("Py_GIL_DISABLED"):
        raise Unfit("free-threaded Python counts references otherwise")
    word = struct.Struct("<q").pack
    floats = [1.2345e-67, -9.8765e43]
    size = float.__basicsize__
    in_float = _place([(x, size, struct.pack("<d", x)) for x in floats], "a float's value")
    scalars = [dtype.type(x) for dtype in SCALAR_DTYPES[:4] for x in (1234567.0, 7654321.0)]
    in_scalar = _place([(s, type(s).__basicsize__, s.tobytes()) for s in scalars], "a scalar's value")
    for flag in (True, False):
        memory = ctypes.string_at(id(np.bool_(flag)), np.bool_.__basicsize__)
        if memory[in_scalar] != flag:
            raise Unfit("the place of a Boolean's value is another one")
    arrays: list[np.ndarray[Any, Any]] = [
        np.zeros((3, 5)),
        np.zeros((2, 7), order="F"),
        np.zeros(11, np.float32),
        np.array(2.5),
        np.zeros((2, 3, 4, 5), np.int64)[:, ::2],
    ]
    arrays[0].flags.writeable = False
    size = np.ndarray.__basicsize__
    data = _place([(a, size, word(a.__array_interface__["data"][0])) for a in arrays], "an array's memory")
    descr = _place([(a, size, word(id(a.dtype))) for a in arrays], "an array's dtype")
    ndim = _place([(a, size, struct.pack("<i", a.ndim)) for a in arrays], "an array's rank")
    flags = _place([(a, size, struct.pack("<i", a.flags.num)) for a in arrays], "an array's flags")
    dims = data + 16
    if ndim != data + 8 or dims in (descr, flags):
        raise Unfit("the fields of an array stand in another order")
    for a in arrays[:3] + arrays[4:]:
        address = struct.unpack_from("<q", ctypes.string_at(id(a), size), dims)[0]
        if not address or ctypes.string_at(address, 8 * a.ndim) != struct.pack(f"<{a.ndim}q", *a.shape):
            raise Unfit("the place of an array's shape is another one")
    things: list[Any] = [*floats, *scalars, *arrays]
    of_type = _place([(x, type(x).__basicsize__, word(id(type(x)))) for x in things], "an object's type")
    descriptors = [Descriptor(), Descriptor()]
    in_descriptor = _place([(d, 40, word(ctypes.addressof(d))) for d in descriptors], "a descriptor's memory")
    return Layout(of_type, in_descriptor, in_float, in_scalar, data, ndim, dims, descr, flags)


def _symbols() -> dict[str, int]:
    """The addresses of what the entry calls and compares with."""
    try:
        capsule = np._core._multiarray_umath._ARRAY_API  # type: ignore[attr-defined]
        pointer = ctypes.pythonapi.PyCapsule_GetPointer
        pointer.restype, pointer.argtypes = ctypes.c_void_p, (ctypes.py_object, ctypes.c_char_p)
        table = ctypes.cast(pointer(capsule, None), ctypes.POINTER(ctypes.c_void_p))
        found = {name: ctypes.cast(getattr(ctypes.pythonapi, name), ctypes.c_void_p).value for name in _FUNCTIONS}
    except (AttributeError, ValueError) as error:
        raise Unfit(f"Python or NumPy lacks {error}") from error
    found |= {"wengert_new_array": table[_NEW_FROM_DESCR], "wengert_new_scalar": table[_NEW_SCALAR]}
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
    """The linked entry; ``bind`` makes a Python function of a descriptor."""

    def __init__(self, library: Library) -> None:
        self.library = library
        self._new = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p, ctypes.py_object, ctypes.c_void_p)(
            ("PyCFunction_NewEx", ctypes.pythonapi)
        )

    def bind(self, descriptor: Descriptor, name: str) -> Any:
        """A C function of the leaves. It owns the descriptor, which owns everything else."""
        method = _Method(name.encode(), self.library[ENTRY], _FASTCALL, None)
        descriptor.method = method
        descriptor.code = self.library
        return self._new(ctypes.addressof(method), descriptor, None)


_state: dict[str, Any] = {}
_making = threading.Lock()


def c_entry() -> CEntry | None:
    """The C entry of this process, made and tested when first asked for; None where there is none."""
    if "entry" not in _state:
        with _making:
            if "entry" not in _state:
                try:
                    _state["entry"] = _make()
                except (Unfit, NativeCodeError) as error:
                    _state["reason"], _state["entry"] = str(error), None
    return _state["entry"]  # type: ignore[no-any-return]


def why_no_c_entry() -> str | None:
    """Why kernels are called through ctypes; None where they are not."""
    return None if c_entry() is not None else _state["reason"]


def _make() -> CEntry:
    layout = find_layout()
    text = entry_text(layout)
    machine = engine()
    code = cache().get("entry", machine.key(), text)
    if code is None:
        code = machine.compile(text)
        cache().put(code, "entry", machine.key(), text)
    made = CEntry(machine.link(code, (ENTRY, PROBE), symbols=_symbols()))
    _test(made)
    return made


def _test(made: CEntry) -> None:
    """Call the entry as plans do; everything it answers is known."""
    double, whole = np.dtype(np.float64), np.dtype(np.int64)
    x = np.arange(1.0, 7.0).reshape(2, 3)
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
            misses = (
                (x.T, 2.5), (x[:, ::-1], 2.5), (x.astype(np.float32), 2.5), (x, 2), (x, np.float32(2.5)), (x[:1], 2.5),
                (x.astype(">f8"), 2.5), (x,), (x, 2.5, 2.5), (x, x), (2.5, 2.5), (None, 2.5), (x.tolist(), "2.5"),
            )  # fmt: skip
            if any(call(*leaves) is not MISS for leaves in misses) or call(-x, 2.5) is not GUARD:
                raise Unfit("the entry's self-test took what it must not take")


__all__ = ["SCALAR_DTYPES", "CEntry", "Unfit", "c_entry", "find_layout", "why_no_c_entry"]
