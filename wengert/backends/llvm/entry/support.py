"""LLVM text beside the native entry: what it declares, the memory it lends to kernels, and the kernel of its self-test.

Imports the standard library only. Invariant: a workspace is in one pair of hands: the slot that keeps the last one is
emptied and filled by one atomic exchange each."""

from __future__ import annotations

SUPPORT = """
@wengert_ndarray = external global i8
@wengert_miss = external global i8
@wengert_guard = external global i8
@wengert_kept = internal global ptr null
declare void @Py_IncRef(ptr)
declare void @Py_DecRef(ptr)
declare ptr @PyTuple_New(i64)
declare i32 @PyTuple_SetItem(ptr, i64, ptr)
declare ptr @PyErr_NoMemory()
declare ptr @PyEval_SaveThread()
declare void @PyEval_RestoreThread(ptr)
declare ptr @PyMem_RawMalloc(i64)
declare void @PyMem_RawFree(ptr)
declare ptr @wengert_new_array(ptr, ptr, i32, ptr, ptr, ptr, i32, ptr)
declare ptr @wengert_new_scalar(ptr, ptr, ptr)

; Large workspaces: the one used last is kept for whoever comes next; calls at the same time get their own.
; 64 bytes before the workspace stand the address that was allocated and the size.
define internal ptr @acquire(i64 %bytes) nounwind noinline {
  %old = atomicrmw xchg ptr @wengert_kept, ptr null acq_rel
  %none = icmp eq ptr %old, null
  br i1 %none, label %fresh, label %look
look:
  %sizeat = getelementptr i64, ptr %old, i64 1
  %size = load i64, ptr %sizeat
  %enough = icmp uge i64 %size, %bytes
  br i1 %enough, label %take, label %drop
take:
  %known = getelementptr i8, ptr %old, i64 64
  ret ptr %known
drop:
  %gone = load ptr, ptr %old
  call void @PyMem_RawFree(ptr %gone)
  br label %fresh
fresh:
  %more = add i64 %bytes, 128
  %raw = call ptr @PyMem_RawMalloc(i64 %more)
  %failed = icmp eq ptr %raw, null
  br i1 %failed, label %fail, label %made
fail:
  ret ptr null
made:
  %start = ptrtoint ptr %raw to i64
  %up = add i64 %start, 63
  %aligned = and i64 %up, -64
  %base = inttoptr i64 %aligned to ptr
  store ptr %raw, ptr %base
  %tosize = getelementptr i64, ptr %base, i64 1
  store i64 %bytes, ptr %tosize
  %space = getelementptr i8, ptr %base, i64 64
  ret ptr %space
}

define internal void @release(ptr %space) nounwind noinline {
  %base = getelementptr i8, ptr %space, i64 -64
  %sizeat = getelementptr i64, ptr %base, i64 1
  %size = load i64, ptr %sizeat
  %large = icmp ugt i64 %size, KEPT
  br i1 %large, label %free, label %keep
free:
  %raw = load ptr, ptr %base
  call void @PyMem_RawFree(ptr %raw)
  ret void
keep:
  %old = atomicrmw xchg ptr @wengert_kept, ptr %base acq_rel
  %none = icmp eq ptr %old, null
  br i1 %none, label %done, label %drop
drop:
  %gone = load ptr, ptr %old
  call void @PyMem_RawFree(ptr %gone)
  ret void
done:
  ret void
}

; What the self-test calls: copies six doubles and one, answers 1 when the first is negative, fills its workspace.
define i64 @wengert_probe(ptr %args, ptr %space) nounwind {
  %p0 = load ptr, ptr %args
  %a1 = getelementptr ptr, ptr %args, i64 1
  %p1 = load ptr, ptr %a1
  %a2 = getelementptr ptr, ptr %args, i64 2
  %p2 = load ptr, ptr %a2
  %a3 = getelementptr ptr, ptr %args, i64 3
  %p3 = load ptr, ptr %a3
  %a4 = getelementptr ptr, ptr %args, i64 4
  %p4 = load ptr, ptr %a4
  %x = load <6 x double>, ptr %p0, align 8
  store <6 x double> %x, ptr %p3, align 8
  %y = load double, ptr %p1, align 8
  %n = load i64, ptr %p2, align 8
  store double %y, ptr %p4, align 8
  br label %loop
loop:
  %i = phi i64 [ 0, %0 ], [ %next, %body ]
  %more = icmp slt i64 %i, %n
  br i1 %more, label %body, label %end
body:
  %at = getelementptr i8, ptr %space, i64 %i
  store volatile i8 1, ptr %at
  %next = add i64 %i, 1
  br label %loop
end:
  %first = extractelement <6 x double> %x, i64 0
  %negative = fcmp olt double %first, 0.0
  %answer = zext i1 %negative to i64
  ret i64 %answer
}
"""

__all__ = ["SUPPORT"]
