"""LLVM text of the C entry that reads arrays where NumPy keeps their fields, which is the fastest way there is.

Its ``self`` is a ctypes structure that describes the plan (``entry/tables`` lays it out). Imports the shared text.
Invariant: the offsets into objects are arguments, which ``entry/layout`` found by looking and tests before use."""

from __future__ import annotations

from typing import NamedTuple

from wengert.backends.llvm.entry.text import module_text, words


class Layout(NamedTuple):
    """Where things lie in objects, in bytes: the type of an object, the memory of a ctypes object, the value of a
    float and of a NumPy scalar, and the fields of an array."""

    type: int
    memory: int
    float: int
    scalar: int
    data: int
    ndim: int
    dims: int
    descr: int
    flags: int


FITTING = 0x101
"""Flags of an array that is C-contiguous and aligned."""

_ENTRY = """
define ptr @wengert_entry(ptr %self, ptr %leaves, i64 %given) nounwind "no-stack-arg-probe" {
start:
  %memory = getelementptr i8, ptr %self, i64 L_MEMORY
  %d = load ptr, ptr %memory
WORDS
  %fits = icmp eq i64 %given, %inputs
  br i1 %fits, label %prepare, label %miss
prepare:
  %known = add i64 %inputs, %constants
  %all = add i64 %known, %outputs
  %args = alloca ptr, i64 %all, align 16
  br label %input

; ---- inputs: each leaf must be exactly what the kernel reads
input:
  %i = phi i64 [ 0, %prepare ], [ %i.next, %found ]
  %i.more = icmp ult i64 %i, %inputs
  br i1 %i.more, label %leaf, label %serve
leaf:
  %leaf.at = getelementptr ptr, ptr %leaves, i64 %i
  %x = load ptr, ptr %leaf.at
  %row = getelementptr [ROW x i64], ptr %inputtable, i64 %i
  %type.at = getelementptr i8, ptr %x, i64 L_TYPE
  %type = load ptr, ptr %type.at
  %is.scalar = load i64, ptr %row
  %is.array = icmp eq i64 %is.scalar, 0
  br i1 %is.array, label %array, label %scalar
scalar:
  %scalar.type.at = getelementptr i64, ptr %row, i64 R_SCALAR_TYPE
  %scalar.type = load ptr, ptr %scalar.type.at
  %is.numpy = icmp eq ptr %type, %scalar.type
  %numpy.value = getelementptr i8, ptr %x, i64 L_SCALAR
  br i1 %is.numpy, label %found, label %python
python:
  %python.type.at = getelementptr i64, ptr %row, i64 R_PYTHON_TYPE
  %python.type = load ptr, ptr %python.type.at
  %is.python = icmp eq ptr %type, %python.type
  %python.value = getelementptr i8, ptr %x, i64 L_FLOAT
  br i1 %is.python, label %found, label %array
array:
  %is.ndarray = icmp eq ptr %type, @wengert_ndarray
  br i1 %is.ndarray, label %facts, label %miss
facts:
  %descr.at = getelementptr i8, ptr %x, i64 L_DESCR
  %descr = load ptr, ptr %descr.at
  %row.descr.at = getelementptr i64, ptr %row, i64 R_DESCR
  %row.descr = load ptr, ptr %row.descr.at
  %same.descr = icmp eq ptr %descr, %row.descr
  %nd.at = getelementptr i8, ptr %x, i64 L_NDIM
  %nd = load i32, ptr %nd.at
  %row.nd.at = getelementptr i64, ptr %row, i64 R_NDIM
  %row.nd = load i64, ptr %row.nd.at
  %row.nd32 = trunc i64 %row.nd to i32
  %same.nd = icmp eq i32 %nd, %row.nd32
  %flags.at = getelementptr i8, ptr %x, i64 L_FLAGS
  %flags = load i32, ptr %flags.at
  %masked = and i32 %flags, FITTING
  %good.flags = icmp eq i32 %masked, FITTING
  %good.1 = and i1 %same.descr, %same.nd
  %good = and i1 %good.1, %good.flags
  br i1 %good, label %shape, label %miss
shape:
  %dims.at = getelementptr i8, ptr %x, i64 L_DIMS
  %dims = load ptr, ptr %dims.at
  %row.dims.at = getelementptr i64, ptr %row, i64 R_DIMS
  %row.dims = load ptr, ptr %row.dims.at
  br label %dim
dim:
  %j = phi i64 [ 0, %shape ], [ %j.next, %extent ]
  %j.more = icmp ult i64 %j, %row.nd
  br i1 %j.more, label %extent, label %data
extent:
  %n.at = getelementptr i64, ptr %dims, i64 %j
  %n = load i64, ptr %n.at
  %row.n.at = getelementptr i64, ptr %row.dims, i64 %j
  %row.n = load i64, ptr %row.n.at
  %same.n = icmp eq i64 %n, %row.n
  %j.next = add i64 %j, 1
  br i1 %same.n, label %dim, label %miss
data:
  %data.at = getelementptr i8, ptr %x, i64 L_DATA
  %data.value = load ptr, ptr %data.at
  br label %found
found:
  %value = phi ptr [ %numpy.value, %scalar ], [ %python.value, %python ], [ %data.value, %data ]
  %arg.at = getelementptr ptr, ptr %args, i64 %i
  store ptr %value, ptr %arg.at
  %i.next = add i64 %i, 1
  br label %input

serve:
  %answer = call ptr @serve(ptr %d, ptr %args)
  ret ptr %answer

miss:
  call void @Py_IncRef(ptr @wengert_miss)
  ret ptr @wengert_miss
}
"""

_MEMORY_OF_OUTPUT = """  %o.data.at = getelementptr i8, ptr %o.array, i64 L_DATA
  %o.data = load ptr, ptr %o.data.at"""


def fields_text(layout: Layout) -> str:
    """The module of the entry for objects of this layout."""
    numbers = {f"L_{name.upper()}": int(getattr(layout, name)) for name in Layout._fields} | {"FITTING": FITTING}
    entry = _ENTRY.replace("WORDS", words("inputs", "constants", "outputs", "inputtable"))
    return module_text(entry, _MEMORY_OF_OUTPUT, numbers)


__all__ = ["FITTING", "Layout", "fields_text"]
