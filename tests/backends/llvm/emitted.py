"""Programs in index form, run as native code."""

import ctypes

import numpy as np

from wengert.backends.llvm.emit.emit import emit
from wengert.backends.llvm.engine import engine
from wengert.backends.llvm.indexed import Program, Slot, Store
from wengert.backends.llvm.interpret import interpret
from wengert.backends.llvm.lapack import addresses

SIGNATURE = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p)


def run(program, arrays, bits=512):
    """Outputs and the answer of the kernel; memory around the outputs and the workspace must stay as it was."""
    kernel = emit(program, width_bits=bits, fma=engine().host.fma)
    symbols = addresses(kernel.external)
    library = engine().link(engine().compile(kernel.text), [kernel.name], external=kernel.external, symbols=symbols)
    inputs = iter([np.ascontiguousarray(a, s.dtype) for a, s in zip(arrays, program.inputs, strict=True)])
    held, outputs, guarded = [], [], []
    for slot in kernel.slots:
        if slot.kind == "input":
            held.append(next(inputs))
        elif slot.kind == "constant":
            held.append(slot.data)
        else:
            size = int(np.prod(slot.shape, dtype=int)) * slot.dtype.itemsize
            around = np.full(size + 256, 0xA5, np.uint8)
            outputs.append(np.frombuffer(around.data, slot.dtype, size // slot.dtype.itemsize, 128).reshape(slot.shape))
            held.append(outputs[-1])
            guarded.append((around, 128, size))
    space = np.full(kernel.workspace + 320, 0xA5, np.uint8)
    start = 128 + -(space.ctypes.data + 128) % 64
    guarded.append((space, start, kernel.workspace))
    pointers = np.array([a.ctypes.data for a in held], np.uint64)
    answer = SIGNATURE(library[kernel.name])(pointers.ctypes.data, space.ctypes.data + start)
    for memory, first, size in guarded:
        assert (memory[:first] == 0xA5).all() and (memory[first + size :] == 0xA5).all(), "memory outside was written"
    return outputs, answer


def agree(program, arrays, bits=512, tolerance=1e-11):
    """Native code and the plain meaning of the program give the same."""
    got, answer = run(program, arrays, bits)
    want, holds = interpret(program, arrays)
    assert answer == (0 if all(holds) else 1 + holds.index(False))
    if answer:
        return got
    for a, b in zip(got, want, strict=True):
        assert a.dtype == b.dtype and a.shape == b.shape
        scale = tolerance * (1 + np.max(np.abs(b[np.isfinite(b)]), initial=0)) if b.dtype.kind == "f" else 0
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=scale)
    return got


def alone(program, value):
    """The program of one value."""
    shape = tuple(a.extent for a in value.axes)
    return Program(
        program.inputs,
        program.constants,
        (Store(Slot("alone", shape, value.dtype, "output"), value, value.axes),),
    )


def agree_everywhere(program, arrays, bits=512, tolerance=1e-11):
    """Every value of the program alone, then all of it."""
    for value in program.values():
        agree(alone(program, value), arrays, bits, tolerance)
    return agree(program, arrays, bits, tolerance)
