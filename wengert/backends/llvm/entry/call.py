"""The native entry of a plan: a function of the flat leaves that checks them, allocates outputs and runs the kernel.

A C function where ``entry/roads`` has one, else the same in Python through ctypes. Invariants: leaves are taken
only when they are exactly what the kernel reads (else the answer is MISS); outputs are fresh memory; the function keeps
alive the machine code, the constants and its own description."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.backends.llvm.entry.buffers_text import MOST_INPUTS
from wengert.backends.llvm.entry.layout import SCALAR_DTYPES
from wengert.backends.llvm.entry.roads import c_entry, road_taken
from wengert.backends.llvm.entry.tables import GUARD, MISS, constant_memory, describe_slots, of_kind
from wengert.backends.llvm.slots import Slot

MOST_LEAVES = 2000
"""Slots that a C entry takes: it keeps their pointers on the stack."""

_KERNEL = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p)


def make_entry(address: int, slots: Sequence[Slot], workspace: int, *, long: bool, keep: Any, name: str) -> Any:
    """A function of the input leaves: returns the output (a tuple of several), MISS or GUARD.

    ``address`` is the kernel's, ``keep`` is what must live as long as the function, ``long`` says that the kernel runs
    long enough to let other threads of Python run meanwhile. Outputs of no axes are NumPy scalars."""
    made = c_entry()
    if made is not None and not _unfit(slots):
        descriptor = describe_slots(address, slots, workspace, long=long)
        descriptor.keep = (descriptor.keep, keep)
        return made.bind(descriptor, name)
    return python_entry(address, slots, workspace, keep)


def road_of(slots: Sequence[Slot]) -> tuple[str, str]:
    """The road on which ``make_entry`` has a kernel of these slots called, and why on no faster one."""
    road, why = road_taken()
    unfit = _unfit(slots) if road != "ctypes" else ""
    return ("ctypes", unfit) if unfit else (road, why)


def _unfit(slots: Sequence[Slot]) -> str:
    """What about the slots no C entry takes; empty where they fit."""
    if len(slots) > MOST_LEAVES:
        return f"more than {MOST_LEAVES} arrays and numbers"
    if road_taken()[0] == "buffers" and len(of_kind(slots, "input")) > MOST_INPUTS:
        return f"more than {MOST_INPUTS} inputs"
    for s in slots:
        number = not s.shape and s.kind == "input"
        if s.dtype not in SCALAR_DTYPES if number else s.dtype.itemsize > 16:
            return f"{'a number' if number else 'an array'} of dtype {s.dtype}"
    return ""


def _address(array: np.ndarray[Any, Any]) -> int:
    return int(array.__array_interface__["data"][0])


def run_kernel(address: int, arrays: Sequence[np.ndarray[Any, Any]], workspace: int) -> int:
    """Call a kernel on arrays (inputs, constants, outputs, all as it wants them) through ctypes; its answer."""
    pointers = (ctypes.c_void_p * len(arrays))(*map(_address, arrays))
    space = np.empty(workspace + 64, np.uint8)
    start = _address(space)
    return int(_KERNEL(address)(pointers, start + -start % 64))


def python_entry(address: int, slots: Sequence[Slot], workspace: int, keep: Any) -> Callable[..., Any]:
    """The entry without C: the same answers, some microseconds slower."""
    inputs, outputs = of_kind(slots, "input"), of_kind(slots, "output")
    constants = [constant_memory(s) for s in of_kind(slots, "constant")]
    places = tuple(map(_address, constants))
    kinds = [(s.shape, np.dtype(s.dtype.type)) for s in inputs]
    kernel, pointers = _KERNEL(address), ctypes.c_void_p * len(slots)

    def call(*leaves: Any, _keep: Any = (keep, constants)) -> Any:
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
        space = np.empty(workspace + 64, np.uint8)
        start = _address(space)
        if kernel(pointers(*map(_address, arrays), *places, *map(_address, made)), start + -start % 64):
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
    "road_of",
    "run_kernel",
]
