"""What the native entry reads of a plan: the descriptor with its tables of leaves, constants and outputs.

Imports the entry's text (the places of the words) and the slots. Invariant: a descriptor keeps alive all
that its words point to, but for the machine code."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import numpy as np

from wengert.backends.guards import GUARD, MISS
from wengert.backends.llvm.entry import text as words
from wengert.backends.llvm.slots import Slot


class Descriptor(ctypes.Structure):
    """What the entry reads of a plan; attributes keep alive whatever its words point to."""

    method: Any
    code: Any
    keep: Any
    _fields_ = (("words", ctypes.c_int64 * words.WORDS),)


def of_kind(slots: Sequence[Slot], kind: str) -> list[Slot]:
    """The slots of a kind."""
    return [s for s in slots if s.kind == kind]


def describe_slots(address: int, slots: Sequence[Slot], workspace: int, *, long: bool) -> Descriptor:
    """The descriptor of a kernel; it keeps its tables and the constants alive, not the machine code."""
    inputs, constants, outputs = (of_kind(slots, kind) for kind in ("input", "constant", "output"))
    if [*inputs, *constants, *outputs] != list(slots):
        raise ValueError("the slots of a kernel are its inputs, constants and outputs, in this order")
    keep: list[Any] = []

    def rows(of: Sequence[Slot]) -> int:
        table = (ctypes.c_int64 * (words.ROW * len(of)))()
        for k, slot in enumerate(of):
            shape = (ctypes.c_int64 * len(slot.shape))(*slot.shape)
            dtype = np.dtype(slot.dtype.type)  # the dtype that arrays of this kind share
            letters = ctypes.c_char_p(format_of(dtype).encode())
            keep.extend((shape, dtype, letters))
            row = k * words.ROW
            table[row + words.IS_SCALAR] = not slot.shape
            table[row + words.DESCR] = id(dtype)
            table[row + words.NDIM] = len(slot.shape)
            table[row + words.DIMS] = ctypes.addressof(shape)
            table[row + words.SCALAR_TYPE] = id(dtype.type)
            table[row + words.PYTHON_TYPE] = id(float) if dtype == np.float64 else 0
            table[row + words.ITEMSIZE], table[row + words.ALIGNMENT] = dtype.itemsize, dtype.alignment
            table[row + words.FORMAT] = ctypes.cast(letters, ctypes.c_void_p).value or 0
        keep.append(table)
        return ctypes.addressof(table)

    held = [constant_memory(s) for s in constants]
    table = (ctypes.c_int64 * len(held))(*(a.__array_interface__["data"][0] for a in held))
    keep.extend((table, *held))
    descriptor = Descriptor()
    w = descriptor.words
    w[words.KERNEL], w[words.WORKSPACE], w[words.RELEASE] = address, workspace, long
    w[words.INPUTS], w[words.CONSTANTS], w[words.OUTPUTS] = len(inputs), len(constants), len(outputs)
    w[words.INPUT_TABLE], w[words.OUTPUT_TABLE] = rows(inputs), rows(outputs)
    w[words.CONSTANT_TABLE] = ctypes.addressof(table)
    descriptor.keep = keep
    return descriptor


def format_of(dtype: np.dtype[Any]) -> str:
    """How NumPy spells a dtype in the buffer protocol; empty where it does not (no array spells its dtype so)."""
    one: Any = np.empty(1, dtype)
    try:
        return memoryview(one).format
    except (ValueError, TypeError, BufferError):
        return ""


def constant_memory(slot: Slot) -> np.ndarray[Any, Any]:
    """A constant's content as a kernel reads it, in memory that nobody else writes to."""
    if slot.data is None or slot.data.shape != slot.shape:
        raise ValueError(f"the constant {slot.name} has no content of shape {slot.shape}")
    return np.array(slot.data, dtype=np.dtype(slot.dtype.type), order="C", copy=True)


__all__ = ["GUARD", "MISS", "Descriptor", "constant_memory", "describe_slots", "format_of", "of_kind"]
