"""Where CPython and NumPy keep what the native entries read, found by looking.

Imports the entries' texts. Invariant: memory is only read inside objects whose size is known until everything found
fits several objects of each kind; if anything does not fit, Unfit is raised, and ``entry/roads`` goes on."""

from __future__ import annotations

import ctypes
import struct
import sys
import sysconfig
from collections.abc import Sequence
from typing import Any

import numpy as np

from wengert.backends.llvm.entry import buffers_text as view
from wengert.backends.llvm.entry.fields_text import Layout
from wengert.backends.llvm.entry.tables import Descriptor, format_of

SCALAR_DTYPES = tuple(map(np.dtype, (np.float64, np.float32, np.int64, np.int32, np.bool_)))


class Unfit(Exception):
    """Why an entry does not serve in this process."""


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
    if sys.version_info >= (3, 13) and sysconfig.get_config_var("Py_GIL_DISABLED"):  # asking takes a millisecond
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


_UNTOUCHED = b"\xa5"


def check_views() -> None:
    """Look whether the fields of a buffer stand where the entry's text reads them.

    Raises Unfit where they do not."""
    if sys.implementation.name != "cpython" or struct.calcsize("P") != 8:
        raise Unfit("only 64-bit CPython has the buffers that the entry asks for")
    ask, give_back = ctypes.pythonapi.PyObject_GetBuffer, ctypes.pythonapi.PyBuffer_Release
    ask.restype, ask.argtypes = ctypes.c_int, (ctypes.py_object, ctypes.c_void_p, ctypes.c_int)
    give_back.restype, give_back.argtypes = None, (ctypes.c_void_p,)
    samples: list[Any] = [np.zeros((3, 5)), np.zeros((2, 7), np.int32, order="F"), np.float32(1.5), np.array(True)]
    samples.append(np.zeros((2, 3, 4, 5), np.complex128)[:, ::2])
    for x in samples:
        room = ctypes.create_string_buffer(_UNTOUCHED * 4 * view.VIEW, 4 * view.VIEW)
        ask(x, ctypes.addressof(room), view.FLAGS)
        try:
            _check_view(room, x)
        finally:
            give_back(ctypes.addressof(room))


def _check_view(room: Any, x: Any) -> None:
    """Raise Unfit where a buffer is not that of this array or number."""

    def word(at: int, kind: str = "=q") -> int:
        return int(struct.unpack_from(kind, room, at)[0])

    if (word(view.LENGTH), word(view.SIZE), word(view.RANK, "=i")) != (x.nbytes, x.itemsize, x.ndim):
        raise Unfit("the sizes in a buffer stand elsewhere")
    if type(x) is np.ndarray and word(view.MEMORY) != x.__array_interface__["data"][0]:
        raise Unfit("the memory of a buffer stands elsewhere")
    if any(room[k] != _UNTOUCHED for k in range(view.VIEW, 4 * view.VIEW)) or word(view.SUBOFFSETS):
        raise Unfit("a buffer is larger than it was")
    letters = format_of(x.dtype).encode() + b"\0"
    if not word(view.LETTERS) or ctypes.string_at(word(view.LETTERS), len(letters)) != letters:
        raise Unfit("the format of a buffer stands elsewhere")
    for at, known in ((view.SHAPE, x.shape), (view.STRIDES, x.strides)):
        if x.ndim and (not word(at) or ctypes.string_at(word(at), 8 * x.ndim) != struct.pack(f"={x.ndim}q", *known)):
            raise Unfit("the shape of a buffer stands elsewhere")


__all__ = ["SCALAR_DTYPES", "Unfit", "check_views", "find_layout"]
