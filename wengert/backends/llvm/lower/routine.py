"""A routine of whole arrays as a step in index form.

Imports ``indexed``, ``routines``, ``lower/builder``. Invariant: an output has axes of its own."""

from __future__ import annotations

from collections.abc import Sequence

from wengert.backends.llvm.indexed import Axis, Routine, ScanOutput
from wengert.backends.llvm.lower.builder import Builder, Laid
from wengert.backends.llvm.routines import results


def routine(b: Builder, name: str, operands: Sequence[Laid]) -> list[Laid]:
    """The outputs of a routine, over fresh axes."""
    given = tuple((o.value, tuple(d.find() if isinstance(d, Axis) else 0 for d in o.dims)) for o in operands)
    made, found = Routine(name, given), []
    for number, (shape, dtype) in enumerate(results(made)):
        dims = b.axes(shape)
        axes = tuple(d for d in dims if isinstance(d, Axis))
        found.append(b.laid(ScanOutput(axes, dtype, made, number, dims, where=b.where), dims))
    return found


__all__ = ["routine"]
