"""LLVM text of the C entry that asks leaves for their memory through the buffer protocol, by public functions only.

It serves where NumPy or Python keep the fields of objects elsewhere than the faster entry reads them. Its ``self`` is a
tuple: the address of the plan's description, and what keeps that alive. Imports the shared text. Invariant: whatever
was taken by PyObject_GetBuffer is given back by PyBuffer_Release, on every way out."""

from __future__ import annotations

from wengert.backends.llvm.entry.text import module_text, words

# Py_buffer, whose fields are part of Python's stable binary interface (docs.python.org, "Buffer Protocol").
MEMORY, LENGTH, SIZE, RANK, LETTERS, SHAPE, STRIDES, SUBOFFSETS, VIEW = 0, 16, 24, 36, 40, 48, 56, 64, 80

FLAGS = 0x1C
"""PyBUF_FORMAT | PyBUF_STRIDES: any layout, read only or not; what does not fit is refused here, without an error."""

MOST_INPUTS = 400
"""Leaves that this entry takes: it keeps their views on the stack."""

_ENTRY = """
@wengert_zeros = internal constant [64 x i64] zeroinitializer
declare ptr @PyTuple_GetItem(ptr, i64)
declare ptr @PyLong_AsVoidPtr(ptr)
declare ptr @PyObject_Type(ptr)
declare double @PyFloat_AsDouble(ptr)
declare i32 @PyObject_GetBuffer(ptr, ptr, i32)
declare void @PyBuffer_Release(ptr)
declare void @PyErr_Clear()
declare ptr @wengert_place(ptr, ptr)

define ptr @wengert_entry(ptr %self, ptr %leaves, i64 %given) nounwind "no-stack-arg-probe" {
start:
  %address = call ptr @PyTuple_GetItem(ptr %self, i64 0)
  %d = call ptr @PyLong_AsVoidPtr(ptr %address)
WORDS
  %fits = icmp eq i64 %given, %inputs
  br i1 %fits, label %prepare, label %unfit
unfit:
  call void @Py_IncRef(ptr @wengert_miss)
  ret ptr @wengert_miss
prepare:
  %known = add i64 %inputs, %constants
  %all = add i64 %known, %outputs
  %args = alloca ptr, i64 %all, align 16
  %numbers = alloca double, i64 %inputs, align 16
  %views = alloca [VIEW x i8], i64 %inputs, align 16
  br label %input

input:
  %i = phi i64 [ 0, %prepare ], [ %i.next, %found ]
  %taken = phi i64 [ 0, %prepare ], [ %taken.now, %found ]
  %i.more = icmp ult i64 %i, %inputs
  br i1 %i.more, label %leaf, label %serve
leaf:
  %leaf.at = getelementptr ptr, ptr %leaves, i64 %i
  %x = load ptr, ptr %leaf.at
  %row = getelementptr [ROW x i64], ptr %inputtable, i64 %i
  %type = call ptr @PyObject_Type(ptr %x)
  call void @Py_DecRef(ptr %type)                          ; the object keeps it
  %is.ndarray = icmp eq ptr %type, @wengert_ndarray
  br i1 %is.ndarray, label %ask, label %scalar
scalar:
  %is.scalar = load i64, ptr %row
  %is.array = icmp eq i64 %is.scalar, 0
  br i1 %is.array, label %miss, label %number
number:
  %scalar.type.at = getelementptr i64, ptr %row, i64 R_SCALAR_TYPE
  %scalar.type = load ptr, ptr %scalar.type.at
  %python.type.at = getelementptr i64, ptr %row, i64 R_PYTHON_TYPE
  %python.type = load ptr, ptr %python.type.at
  %is.numpy = icmp eq ptr %type, %scalar.type
  %is.python = icmp eq ptr %type, %python.type
  %is.any = or i1 %is.numpy, %is.python
  br i1 %is.any, label %which, label %miss
which:                                                     ; np.float64 is a subclass of float
  %is.other = icmp eq ptr %python.type, null
  br i1 %is.other, label %ask, label %python
python:
  %number.at = getelementptr double, ptr %numbers, i64 %i
  %number.value = call double @PyFloat_AsDouble(ptr %x)
  store double %number.value, ptr %number.at
  br label %found

ask:
  %view = getelementptr [VIEW x i8], ptr %views, i64 %taken
  %refused = call i32 @PyObject_GetBuffer(ptr %x, ptr %view, i32 FLAGS)
  %has.view = icmp eq i32 %refused, 0
  br i1 %has.view, label %facts, label %none
none:
  call void @PyErr_Clear()
  br label %miss
facts:
  %one.more = add i64 %taken, 1
  %size.at = getelementptr i8, ptr %view, i64 V_SIZE
  %size = load i64, ptr %size.at
  %row.size.at = getelementptr i64, ptr %row, i64 R_ITEMSIZE
  %row.size = load i64, ptr %row.size.at
  %same.size = icmp eq i64 %size, %row.size
  %nd.at = getelementptr i8, ptr %view, i64 V_RANK
  %nd32 = load i32, ptr %nd.at
  %nd = sext i32 %nd32 to i64
  %row.nd.at = getelementptr i64, ptr %row, i64 R_NDIM
  %row.nd = load i64, ptr %row.nd.at
  %same.nd = icmp eq i64 %nd, %row.nd
  %sub.at = getelementptr i8, ptr %view, i64 V_SUBOFFSETS
  %sub = load ptr, ptr %sub.at
  %direct = icmp eq ptr %sub, null
  %letters.at = getelementptr i8, ptr %view, i64 V_LETTERS
  %letters = load ptr, ptr %letters.at
  %has.letters = icmp ne ptr %letters, null
  %good.1 = and i1 %same.size, %same.nd
  %good.2 = and i1 %direct, %has.letters
  %good = and i1 %good.1, %good.2
  br i1 %good, label %format, label %unlike

format:
  %row.letters.at = getelementptr i64, ptr %row, i64 R_FORMAT
  %row.letters = load ptr, ptr %row.letters.at
  br label %letter
letter:
  %k = phi i64 [ 0, %format ], [ %k.next, %same ]
  %c.at = getelementptr i8, ptr %letters, i64 %k
  %c = load i8, ptr %c.at
  %row.c.at = getelementptr i8, ptr %row.letters, i64 %k
  %row.c = load i8, ptr %row.c.at
  %same.c = icmp eq i8 %c, %row.c
  br i1 %same.c, label %same, label %unlike
same:
  %k.next = add i64 %k, 1
  %last = icmp eq i8 %c, 0
  br i1 %last, label %shape, label %letter

shape:
  %dims.at = getelementptr i8, ptr %view, i64 V_SHAPE
  %dims = load ptr, ptr %dims.at
  %strides.at = getelementptr i8, ptr %view, i64 V_STRIDES
  %strides = load ptr, ptr %strides.at
  %row.dims.at = getelementptr i64, ptr %row, i64 R_DIMS
  %row.dims = load ptr, ptr %row.dims.at
  br label %dim
dim:                                                       ; from the last axis: how far apart neighbours must lie
  %j = phi i64 [ %nd, %shape ], [ %j.less, %extent ]
  %step = phi i64 [ %size, %shape ], [ %step.next, %extent ]
  %packed = phi i1 [ true, %shape ], [ %packed.next, %extent ]
  %j.done = icmp eq i64 %j, 0
  br i1 %j.done, label %data, label %extent
extent:
  %j.less = sub i64 %j, 1
  %n.at = getelementptr i64, ptr %dims, i64 %j.less
  %n = load i64, ptr %n.at
  %row.n.at = getelementptr i64, ptr %row.dims, i64 %j.less
  %row.n = load i64, ptr %row.n.at
  %stride.at = getelementptr i64, ptr %strides, i64 %j.less
  %stride = load i64, ptr %stride.at
  %right.stride = icmp eq i64 %stride, %step
  %alone = icmp eq i64 %n, 1
  %fine = or i1 %right.stride, %alone
  %packed.next = and i1 %packed, %fine
  %step.next = mul i64 %step, %n
  %same.n = icmp eq i64 %n, %row.n
  br i1 %same.n, label %dim, label %unlike
data:
  %memory.at = getelementptr i8, ptr %view, i64 V_MEMORY
  %memory = load ptr, ptr %memory.at
  %place = ptrtoint ptr %memory to i64
  %alignment.at = getelementptr i64, ptr %row, i64 R_ALIGNMENT
  %alignment = load i64, ptr %alignment.at
  %below = sub i64 %alignment, 1
  %rest = and i64 %place, %below
  %aligned = icmp eq i64 %rest, 0
  %straight = and i1 %aligned, %packed
  %nothing = icmp eq i64 %step, 0                          ; no elements: they are in order anywhere
  %usable = or i1 %straight, %nothing
  br i1 %usable, label %found, label %unlike
found:
  %value = phi ptr [ %number.at, %python ], [ %memory, %data ]
  %taken.now = phi i64 [ %taken, %python ], [ %one.more, %data ]
  %arg.at = getelementptr ptr, ptr %args, i64 %i
  store ptr %value, ptr %arg.at
  %i.next = add i64 %i, 1
  br label %input

serve:
  %answer = call ptr @serve(ptr %d, ptr %args)
  br label %give.views
unlike:
  br label %missing
miss:
  br label %missing
missing:
  %held.missing = phi i64 [ %one.more, %unlike ], [ %taken, %miss ]
  call void @Py_IncRef(ptr @wengert_miss)
  br label %give.views
give.views:
  %out = phi ptr [ %answer, %serve ], [ @wengert_miss, %missing ]
  %held = phi i64 [ %taken, %serve ], [ %held.missing, %missing ]
  br label %views.left
views.left:
  %v = phi i64 [ 0, %give.views ], [ %v.next, %view.back ]
  %v.more = icmp ult i64 %v, %held
  br i1 %v.more, label %view.back, label %end
view.back:
  %v.at = getelementptr [VIEW x i8], ptr %views, i64 %v
  call void @PyBuffer_Release(ptr %v.at)
  %v.next = add i64 %v, 1
  br label %views.left
end:
  ret ptr %out
}
"""

# PyArray_GetPtr at the index (0, 0, ...): where the memory of an array of any rank begins.
_MEMORY_OF_OUTPUT = "  %o.data = call ptr @wengert_place(ptr %o.array, ptr @wengert_zeros)"


def buffers_text() -> str:
    """The module of the entry."""
    numbers: dict[str, object] = {
        "V_MEMORY": MEMORY,
        "V_SIZE": SIZE,
        "V_RANK": RANK,
        "V_LETTERS": LETTERS,
        "V_SHAPE": SHAPE,
    }
    numbers |= {"V_STRIDES": STRIDES, "V_SUBOFFSETS": SUBOFFSETS, "[VIEW x": f"[{VIEW} x", "FLAGS": FLAGS}
    entry = _ENTRY.replace("WORDS", words("inputs", "constants", "outputs", "inputtable"))
    return module_text(entry, _MEMORY_OF_OUTPUT, numbers)


__all__ = [
    "FLAGS",
    "LENGTH",
    "LETTERS",
    "MEMORY",
    "MOST_INPUTS",
    "RANK",
    "SHAPE",
    "SIZE",
    "STRIDES",
    "SUBOFFSETS",
    "VIEW",
    "buffers_text",
]
