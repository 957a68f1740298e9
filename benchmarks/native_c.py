"""The hand-written C references of `c/`: built with the system compiler when there is one, called through ctypes.

May import the standard library, NumPy and `measure`. Invariant: a driver repeats its work inside C, so that its time is
that of the arithmetic alone, without the cost of a call from Python.
"""

from __future__ import annotations

import atexit
import ctypes
import functools
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

FOLDER = Path(__file__).resolve().parent / "c"
FLAGS = ("-O3", "-march=native", "-ffast-math")
POINTER = ctypes.POINTER(ctypes.c_double)


@functools.cache
def compiler() -> str | None:
    """The system's C compiler, or None."""
    return next((found for name in ("cc", "gcc", "clang") if (found := shutil.which(name))), None)


def described() -> str:
    """One sentence for the notes: which compiler with which flags, or that there is none."""
    found = compiler()
    if found is None:
        return "There is no C compiler here: no hand-written C references."
    first = subprocess.run([found, "--version"], capture_output=True, text=True, check=True).stdout.splitlines()[0]
    return f"C: {first}, `{' '.join(FLAGS)}`, repeated inside C."


@functools.cache
def built() -> Path:
    """The folder of this process for what is compiled; it goes when the process ends."""
    folder = Path(tempfile.mkdtemp(prefix="wengert-benchmarks-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@functools.cache
def library(source: str) -> ctypes.CDLL:
    """The compiled `c/<source>.c`."""
    target = built() / f"{source}.so"
    found = compiler()
    assert found is not None
    # Linked apart, without the flags: -ffast-math at linking makes a library flush denormals in the whole process.
    objects = target.with_suffix(".o")
    for command in (
        [found, *FLAGS, "-fPIC", "-c", str(FOLDER / f"{source}.c"), "-o", str(objects)],
        [found, "-shared", str(objects), "-o", str(target), "-lm"],
    ):
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            raise SystemExit(f"{source}.c does not compile with {' '.join(command[:4])}:\n{done.stderr}")
    return ctypes.CDLL(str(target))


class Driver:
    """One C function on fixed arrays: called, it runs once and gives its outputs; `sample` gives seconds per run."""

    def __init__(
        self, source: str, name: str, sizes: Sequence[int], inputs: Sequence[Any], shapes: Sequence[tuple[int, ...]]
    ) -> None:
        self._function = getattr(library(source), name)
        self._inputs = [np.ascontiguousarray(value, dtype=float) for value in inputs]
        self.outputs = [np.zeros(shape) for shape in shapes]
        self._sizes = (ctypes.c_long * len(sizes))(*sizes)
        self._in = (POINTER * len(inputs))(*(value.ctypes.data_as(POINTER) for value in self._inputs))
        self._out = (POINTER * len(shapes))(*(value.ctypes.data_as(POINTER) for value in self.outputs))

    def __call__(self) -> Any:
        self._function(ctypes.c_long(1), self._sizes, self._in, self._out)
        return tuple(self.outputs)

    def sample(self, repeats: int) -> float:
        """Processor seconds per run, over `repeats` runs in one call."""
        started = time.process_time()
        self._function(ctypes.c_long(repeats), self._sizes, self._in, self._out)
        return (time.process_time() - started) / repeats


def driver(
    source: str, name: str, sizes: Sequence[int], inputs: Sequence[Any], shapes: Sequence[tuple[int, ...]]
) -> Callable[[], Any] | None:
    """A `Driver`, or None without a compiler."""
    return Driver(source, name, sizes, inputs, shapes) if compiler() else None


def matrix_blocks(count: int) -> tuple[Any, Any]:
    """Blocks (p, 2, 15) and weight entries (p) of the sparse matrix that `ba_matrix` made last."""
    values = np.empty(31 * count)
    library("ba").ba_matrix_values(values.ctypes.data_as(POINTER))
    return values[: 30 * count].reshape(count, 2, 15), values[30 * count :]
