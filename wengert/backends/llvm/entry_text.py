"""LLVM text of the native entry: one C function that every plan is called through.

Its ``self`` is a ctypes structure that describes the plan (``entry`` lays it out), so that the code is the same for
all plans and comes from the disk cache. Imports the standard library only. Invariant: no address stands in the text;
what it calls and compares with are symbols, and the offsets into objects are arguments that were checked before."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from wengert.backends.llvm.entry_support import SUPPORT


@dataclass(frozen=True, slots=True)
class Layout:
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


# Words of a descriptor, and of the rows of its tables.
KERNEL, INPUTS, CONSTANTS, OUTPUTS, WORKSPACE, RELEASE, INPUT_TABLE, CONSTANT_TABLE, OUTPUT_TABLE, WORDS = range(10)
IS_SCALAR, DESCR, NDIM, DIMS, SCALAR_TYPE, PYTHON_TYPE, ROW = range(7)

FITTING = 0x101
"""Flags of an array that is C-contiguous and aligned."""

STACK = 1024 if sys.platform == "win32" else 16384
"""Bytes of workspace up to which it lies on the stack (Windows wants every page of a stack touched in turn)."""

KEPT = 1 << 28
"""Bytes of workspace above which it is not kept for the next call."""

ENTRY, PROBE = "wengert_entry", "wengert_probe"

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
  %objects = alloca ptr, i64 %outputs, align 16
  %values = alloca [2 x i64], i64 %outputs, align 16
  br label %input

; ---- inputs: each leaf must be exactly what the kernel reads
input:
  %i = phi i64 [ 0, %prepare ], [ %i.next, %found ]
  %i.more = icmp ult i64 %i, %inputs
  br i1 %i.more, label %leaf, label %constant
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

constant:
  %c = phi i64 [ 0, %input ], [ %c.next, %copy ]
  %c.more = icmp ult i64 %c, %constants
  br i1 %c.more, label %copy, label %output
copy:
  %c.from = getelementptr ptr, ptr %constanttable, i64 %c
  %c.value = load ptr, ptr %c.from
  %c.place = add i64 %inputs, %c
  %c.to = getelementptr ptr, ptr %args, i64 %c.place
  store ptr %c.value, ptr %c.to
  %c.next = add i64 %c, 1
  br label %constant

; ---- outputs: fresh arrays; numbers come back through memory here
output:
  %o = phi i64 [ 0, %constant ], [ %o.next, %placed ]
  %o.more = icmp ult i64 %o, %outputs
  br i1 %o.more, label %make, label %space
make:
  %o.object.at = getelementptr ptr, ptr %objects, i64 %o
  store ptr null, ptr %o.object.at
  %o.row = getelementptr [ROW x i64], ptr %outputtable, i64 %o
  %o.scalar = load i64, ptr %o.row
  %o.number = getelementptr [2 x i64], ptr %values, i64 %o
  %o.is.scalar = icmp ne i64 %o.scalar, 0
  br i1 %o.is.scalar, label %placed, label %allocate
allocate:
  %o.descr.at = getelementptr i64, ptr %o.row, i64 R_DESCR
  %o.descr = load ptr, ptr %o.descr.at
  %o.nd.at = getelementptr i64, ptr %o.row, i64 R_NDIM
  %o.nd = load i64, ptr %o.nd.at
  %o.nd32 = trunc i64 %o.nd to i32
  %o.dims.at = getelementptr i64, ptr %o.row, i64 R_DIMS
  %o.dims = load ptr, ptr %o.dims.at
  call void @Py_IncRef(ptr %o.descr)
  %o.array = call ptr @wengert_new_array(ptr @wengert_ndarray, ptr %o.descr, i32 %o.nd32, ptr %o.dims, ptr null,
                                         ptr null, i32 0, ptr null)
  store ptr %o.array, ptr %o.object.at
  %o.failed = icmp eq ptr %o.array, null
  br i1 %o.failed, label %fail.early, label %allocated
allocated:
  %o.data.at = getelementptr i8, ptr %o.array, i64 L_DATA
  %o.data = load ptr, ptr %o.data.at
  br label %placed
placed:
  %o.memory = phi ptr [ %o.number, %make ], [ %o.data, %allocated ]
  %o.place = add i64 %known, %o
  %o.to = getelementptr ptr, ptr %args, i64 %o.place
  store ptr %o.memory, ptr %o.to
  %o.next = add i64 %o, 1
  br label %output

; ---- workspace
space:
  %is.small = icmp ule i64 %workspace, STACK
  br i1 %is.small, label %small, label %large
small:
  %small.space = alloca i8, i64 %workspace, align 64
  br label %run
large:
  %large.space = call ptr @acquire(i64 %workspace)
  %no.space = icmp eq ptr %large.space, null
  br i1 %no.space, label %no.memory, label %run
no.memory:
  %ignored = call ptr @PyErr_NoMemory()
  br label %fail

; ---- the call, without the interpreter's lock where it is long
run:
  %work = phi ptr [ %small.space, %small ], [ %large.space, %large ]
  %is.short = icmp eq i64 %long, 0
  br i1 %is.short, label %call.short, label %call.long
call.short:
  %answer.short = call i64 %kernel(ptr %args, ptr %work)
  br label %called
call.long:
  %thread = call ptr @PyEval_SaveThread()
  %answer.long = call i64 %kernel(ptr %args, ptr %work)
  call void @PyEval_RestoreThread(ptr %thread)
  br label %called
called:
  %answer = phi i64 [ %answer.short, %call.short ], [ %answer.long, %call.long ]
  br i1 %is.small, label %judge, label %give.back
give.back:
  call void @release(ptr %work)
  br label %judge
judge:
  %holds = icmp eq i64 %answer, 0
  br i1 %holds, label %box, label %guard
guard:
  call void @drop(ptr %objects, i64 %outputs)
  call void @Py_IncRef(ptr @wengert_guard)
  ret ptr @wengert_guard

; ---- results
box:
  %b = phi i64 [ 0, %judge ], [ %b.next, %boxed ]
  %b.more = icmp ult i64 %b, %outputs
  br i1 %b.more, label %look, label %give
look:
  %b.at = getelementptr ptr, ptr %objects, i64 %b
  %b.object = load ptr, ptr %b.at
  %b.done = icmp ne ptr %b.object, null
  %b.next = add i64 %b, 1
  br i1 %b.done, label %boxed, label %number
number:
  %b.row = getelementptr [ROW x i64], ptr %outputtable, i64 %b
  %b.descr.at = getelementptr i64, ptr %b.row, i64 R_DESCR
  %b.descr = load ptr, ptr %b.descr.at
  %b.value = getelementptr [2 x i64], ptr %values, i64 %b
  %b.scalar = call ptr @wengert_new_scalar(ptr %b.value, ptr %b.descr, ptr null)
  store ptr %b.scalar, ptr %b.at
  %b.failed = icmp eq ptr %b.scalar, null
  br i1 %b.failed, label %fail, label %boxed
boxed:
  br label %box
give:
  %one = icmp eq i64 %outputs, 1
  br i1 %one, label %single, label %several
single:
  %only = load ptr, ptr %objects
  ret ptr %only
several:
  %tuple = call ptr @PyTuple_New(i64 %outputs)
  %t.failed = icmp eq ptr %tuple, null
  br i1 %t.failed, label %fail, label %fill
fill:
  %t = phi i64 [ 0, %several ], [ %t.next, %set ]
  %t.more = icmp ult i64 %t, %outputs
  br i1 %t.more, label %set, label %filled
set:
  %t.at = getelementptr ptr, ptr %objects, i64 %t
  %t.object = load ptr, ptr %t.at
  %t.ignored = call i32 @PyTuple_SetItem(ptr %tuple, i64 %t, ptr %t.object)
  %t.next = add i64 %t, 1
  br label %fill
filled:
  ret ptr %tuple

miss:
  call void @Py_IncRef(ptr @wengert_miss)
  ret ptr @wengert_miss
fail.early:
  call void @drop(ptr %objects, i64 %o)
  ret ptr null
fail:
  call void @drop(ptr %objects, i64 %outputs)
  ret ptr null
}

define internal void @drop(ptr %objects, i64 %count) nounwind noinline {
  br label %loop
loop:
  %k = phi i64 [ 0, %0 ], [ %next, %step ]
  %more = icmp ult i64 %k, %count
  br i1 %more, label %body, label %end
body:
  %at = getelementptr ptr, ptr %objects, i64 %k
  %object = load ptr, ptr %at
  %none = icmp eq ptr %object, null
  %next = add i64 %k, 1
  br i1 %none, label %step, label %let.go
let.go:
  call void @Py_DecRef(ptr %object)
  br label %step
step:
  br label %loop
end:
  ret void
}
"""

_WORDS = {
    "kernel": ("ptr", KERNEL),
    "inputs": ("i64", INPUTS),
    "constants": ("i64", CONSTANTS),
    "outputs": ("i64", OUTPUTS),
    "workspace": ("i64", WORKSPACE),
    "long": ("i64", RELEASE),
    "inputtable": ("ptr", INPUT_TABLE),
    "constanttable": ("ptr", CONSTANT_TABLE),
    "outputtable": ("ptr", OUTPUT_TABLE),
}


def entry_text(layout: Layout) -> str:
    """The module with ``wengert_entry`` and ``wengert_probe`` for objects of this layout."""
    words = "\n".join(
        f"  %{name}.at = getelementptr i64, ptr %d, i64 {place}\n  %{name} = load {kind}, ptr %{name}.at"
        for name, (kind, place) in _WORDS.items()
    )
    text = SUPPORT + _ENTRY.replace("WORDS", words)
    numbers = {f"L_{name.upper()}": getattr(layout, name) for name in Layout.__slots__}
    numbers |= {"R_DESCR": DESCR, "R_NDIM": NDIM, "R_DIMS": DIMS}
    numbers |= {"R_SCALAR_TYPE": SCALAR_TYPE, "R_PYTHON_TYPE": PYTHON_TYPE}
    numbers |= {"[ROW x": f"[{ROW} x", "FITTING": FITTING, "STACK": STACK, "KEPT": KEPT}
    for name in sorted(numbers, key=len, reverse=True):
        text = text.replace(name, str(numbers[name]))
    return text


__all__ = [
    "CONSTANTS",
    "CONSTANT_TABLE",
    "DESCR",
    "DIMS",
    "ENTRY",
    "FITTING",
    "INPUTS",
    "INPUT_TABLE",
    "IS_SCALAR",
    "KERNEL",
    "NDIM",
    "OUTPUTS",
    "OUTPUT_TABLE",
    "PROBE",
    "PYTHON_TYPE",
    "RELEASE",
    "ROW",
    "SCALAR_TYPE",
    "WORDS",
    "WORKSPACE",
    "Layout",
    "entry_text",
]
