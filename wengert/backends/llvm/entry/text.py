"""LLVM text that the C entries share: what happens once each leaf is known to be what the kernel reads.

Constants are laid beside the leaves, outputs allocated, the kernel called, results boxed. The description of the plan
is an argument, so that the code is the same for all plans and comes from the disk cache. Imports the standard library
only. Invariant: no address stands in the text; what it calls and compares with are symbols."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from wengert.backends.llvm.entry.support import SUPPORT

# Words of a descriptor, and of the rows of its tables.
KERNEL, INPUTS, CONSTANTS, OUTPUTS, WORKSPACE, RELEASE, INPUT_TABLE, CONSTANT_TABLE, OUTPUT_TABLE, WORDS = range(10)
IS_SCALAR, DESCR, NDIM, DIMS, SCALAR_TYPE, PYTHON_TYPE, ITEMSIZE, ALIGNMENT, FORMAT, ROW = range(10)

STACK = 1024 if sys.platform == "win32" else 16384
"""Bytes of workspace up to which it lies on the stack (Windows wants every page of a stack touched in turn)."""

KEPT = 1 << 28
"""Bytes of workspace above which it is not kept for the next call."""

ENTRY, PROBE = "wengert_entry", "wengert_probe"

_SERVE = """
; Answer a call whose leaves' memory stands in %args, where there is room for constants and outputs.
define internal ptr @serve(ptr %d, ptr %args) nounwind alwaysinline {
start:
WORDS
  %known = add i64 %inputs, %constants
  %objects = alloca ptr, i64 %outputs, align 16
  %values = alloca [2 x i64], i64 %outputs, align 16
  br label %constant

constant:
  %c = phi i64 [ 0, %start ], [ %c.next, %copy ]
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
MEMORY_OF_OUTPUT
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


def words(*names: str) -> str:
    """Text that loads words of the descriptor ``%d``."""
    return "\n".join(
        f"  %{name}.at = getelementptr i64, ptr %d, i64 {_WORDS[name][1]}\n"
        f"  %{name} = load {_WORDS[name][0]}, ptr %{name}.at"
        for name in names
    )


def module_text(entry: str, memory_of_output: str, numbers: Mapping[str, object]) -> str:
    """A module with ``wengert_entry`` and ``wengert_probe``: ``entry`` takes the leaves and ends in ``@serve``,
    ``memory_of_output`` makes ``%o.data`` of the array ``%o.array``, ``numbers`` are put in place of their names."""
    served = words("kernel", "inputs", "constants", "outputs", "workspace", "long", "constanttable", "outputtable")
    text = SUPPORT + entry + _SERVE.replace("WORDS", served).replace("MEMORY_OF_OUTPUT", memory_of_output)
    known: dict[str, object] = {"R_DESCR": DESCR, "R_NDIM": NDIM, "R_DIMS": DIMS, "R_SCALAR_TYPE": SCALAR_TYPE}
    known |= {"R_PYTHON_TYPE": PYTHON_TYPE, "R_ITEMSIZE": ITEMSIZE, "R_ALIGNMENT": ALIGNMENT, "R_FORMAT": FORMAT}
    known |= {"[ROW x": f"[{ROW} x", "STACK": STACK, "KEPT": KEPT, **numbers}
    for name in sorted(known, key=len, reverse=True):
        text = text.replace(name, str(known[name]))
    return text


__all__ = [
    "ALIGNMENT",
    "CONSTANTS",
    "CONSTANT_TABLE",
    "DESCR",
    "DIMS",
    "ENTRY",
    "FORMAT",
    "INPUTS",
    "INPUT_TABLE",
    "IS_SCALAR",
    "ITEMSIZE",
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
    "module_text",
    "words",
]
