"""The native entry of a plan: a function of the flat leaves that checks them, allocates outputs and runs the kernel.

A C function where ``entry_layout`` could make one, else the same in Python through ctypes. Invariants: leaves are taken
only when they are exactly what the kernel reads (else the answer is MISS); outputs are fresh memory; the function keeps
alive the machine code, the constants and its own description."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.backends.llvm.entry_layout import SCALAR_DTYPES, c_entry, why_no_c_entry
from wengert.backends.llvm.entry_tables import GUARD, MISS, constant_memory, describe_slots, of_kind
from wengert.backends.llvm.indexed import Slot

MOST_LEAVES = 2000
"""Slots that the C entry takes: it keeps their pointers on the stack."""

_KERNEL = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p)


def make_entry(address: int, slots: Sequence[Slot], workspace: int, *, long: bool, keep: Any, name: str) -> Any:
    """A function of the input leaves: returns the output (a tuple of several), MISS or GUARD.

    ``address`` is the kernel's, ``keep`` is what must live as long as the function, ``long`` says that the kernel runs
    long enough to let other threads of Python run meanwhile. Outputs of no axes are NumPy scalars."""
    made = c_entry()
    if made is not None and len(slots) <= MOST_LEAVES and all(_plain(s) for s in slots):
        descriptor = describe_slots(address, slots, workspace, long=long)
        descriptor.keep = (descriptor.keep, keep)
        return made.bind(descriptor, name)
    return python_entry(address, slots, workspace, keep)


def _plain(slot: Slot) -> bool:
    return slot.dtype in SCALAR_DTYPES if not slot.shape and slot.kind == "input" else slot.dtype.itemsize <= 16


def run_kernel(address: int, arrays: Sequence[np.ndarray[Any, Any]], workspace: int) -> int:
    """Call a kernel on arrays (inputs, constants, outputs, all as it wants them) through ctypes; its answer."""
    pointers = (ctypes.c_void_p * len(arrays))(*(a.__array_interface__["data"][0] for a in arrays))
    space = np.empty(workspace + 64, np.uint8)
    start = space.__array_interface__["data"][0]
    return int(_KERNEL(address)(pointers, start + -start % 64))


def python_entry(address: int, slots: Sequence[Slot], workspace: int, keep: Any) -> Callable[..., Any]:
    """The entry without C: the same answers, some microseconds slower."""
    inputs, outputs = of_kind(slots, "input"), of_kind(slots, "output")
    constants = [constant_memory(s) for s in of_kind(slots, "constant")]
    kinds = [(s.shape, np.dtype(s.dtype.type)) for s in inputs]

    def call(*leaves: Any, _keep: Any = keep) -> Any:
        if len(leaves) != len(kinds):
            return MISS
        arrays: list[np.ndarray[Any, Any]] = []
        for x, (shape, dtype) in zip(leaves, kinds, strict=True):
            if type(x) is not np.ndarray:
                if shape or not (type(x) is dtype.type or (type(x) is float and dtype == np.float64)):
                    return MISS
                x = np.array(x, dtype)
            flags = x.flags
            if x.dtype is not dtype or x.shape != shape or not (flags.c_contiguous and flags.aligned):
                return MISS
            arrays.append(x)
        made = [np.empty(s.shape, s.dtype) for s in outputs]
        if run_kernel(address, [*arrays, *constants, *made], workspace):
            return GUARD
        results = [a if a.ndim else a[()] for a in made]
        return results[0] if len(results) == 1 else tuple(results)

    return call


def exact(value: Any, slot: Slot) -> np.ndarray[Any, Any]:
    """A value as an array that every entry takes: of the slot's dtype, C-contiguous, aligned, native byte order.

    Raises ValueError or TypeError for another shape, or a dtype that does not go into the slot's."""
    array = np.asarray(value)
    if array.shape != slot.shape:
        raise ValueError(f"shape {array.shape} where the compiled program takes {slot.shape}")
    dtype = np.dtype(slot.dtype.type)
    if not np.can_cast(array.dtype, dtype, "safe" if type(value) is not int else "same_kind"):
        raise TypeError(f"dtype {array.dtype} where the compiled program takes {dtype}")
    found = np.require(array, dtype, ("C", "A"))
    if type(found) is not np.ndarray or found.dtype is not dtype:
        copy = np.empty(slot.shape, dtype)
        copy[...] = found  # a dtype that is only equal has another address, and addresses are what entries compare
        return copy
    return found


__all__ = [
    "GUARD",
    "MISS",
    "constant_memory",
    "describe_slots",
    "exact",
    "make_entry",
    "of_kind",
    "python_entry",
    "run_kernel",
    "why_no_c_entry",
]
