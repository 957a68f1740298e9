"""LLVM text of the threads that kernels share: who waits for whom, and how the blocks of a loop are handed out.

Imports the standard library only. Invariants: a block is run by one thread, once; ``wengert_split`` returns when all
blocks are done and no helper looks at the call any more; the pool serves one loop at a time, and a loop that finds it
taken runs on its own thread."""

from __future__ import annotations

SPLIT, WORK, FORGET = "wengert_split", "wengert_work", "wengert_forget"
WORKERS, CEILING, RECORDS, FINISHED = "wengert_workers", "wengert_ceiling", "wengert_records", "wengert_finished"

THREADS = "wengert_threads"
"""The symbol at which a kernel finds the number of threads that it may use."""
MOST = 64
"""The most threads that one loop is split among, the calling one included."""
RECORD = 128
"""Bytes of a helper's record: its state, its lock, its number (two lines of cache, which are fetched together)."""
SPINS = 400
"""Turns of waiting without sleep: some ten microseconds, in which a kernel comes to its next loop."""

IDLE, PARKED, CALLED, RUNNING, AWAITED = range(5)

# A helper's state goes IDLE -> PARKED (it sleeps on its lock) -> CALLED (by the caller, who opens the lock if it was
# PARKED) -> RUNNING -> IDLE. A caller that has run out of blocks takes its call back (CALLED -> IDLE), so that it need
# not wait for a helper that the system has not woken yet; for one that is RUNNING it waits, first turning, then asleep
# on the common lock (RUNNING -> AWAITED, and the helper that finds itself AWAITED opens it).
_TEXT = """
@wengert_workers = global i64 0
@wengert_ceiling = global i64 LAST
@wengert_records = global [MOST x [RECORD x i8]] zeroinitializer, align 128
@wengert_finished = global ptr null
@busy = internal global i64 0, align 128
@next = internal global i64 0, align 128
@job = internal global [7 x i64] zeroinitializer, align 128
@modes = internal global [256 x i8] zeroinitializer, align 64

declare i32 @PyThread_acquire_lock(ptr, i32)
declare void @PyThread_release_lock(ptr)
declare void @wengert_more(i64)
declare i32 @fegetenv(ptr)
declare i32 @fesetenv(ptr)

define internal ptr @record(i64 %k) nounwind alwaysinline {
  %at = getelementptr [RECORD x i8], ptr @wengert_records, i64 %k
  ret ptr %at
}

; Blocks as long as there are any: block b is the steps from b * steps / blocks on.
define internal void @blocks(i64 %who) nounwind noinline {
  %function = load ptr, ptr @job
  %at1 = getelementptr i64, ptr @job, i64 1
  %args = load ptr, ptr %at1
  %at2 = getelementptr i64, ptr @job, i64 2
  %workspace = load ptr, ptr %at2
  %at3 = getelementptr i64, ptr @job, i64 3
  %scratches = load ptr, ptr %at3
  %at4 = getelementptr i64, ptr @job, i64 4
  %scratch = load i64, ptr %at4
  %at5 = getelementptr i64, ptr @job, i64 5
  %steps = load i64, ptr %at5
  %at6 = getelementptr i64, ptr @job, i64 6
  %count = load i64, ptr %at6
  %away = mul i64 %scratch, %who
  %own = getelementptr i8, ptr %scratches, i64 %away
  br label %loop
loop:
  %b = atomicrmw add ptr @next, i64 1 seq_cst
  %more = icmp slt i64 %b, %count
  br i1 %more, label %run, label %end
run:
  %b1 = add i64 %b, 1
  %low = mul i64 %b, %steps
  %high = mul i64 %b1, %steps
  %first = udiv i64 %low, %count
  %last = udiv i64 %high, %count
  call void %function(ptr %args, ptr %workspace, ptr %own, i64 %first, i64 %last, i64 %b)
  br label %loop
end:
  ret void
}

; function(args, workspace, own, first step, last step, block) for all blocks; ``own`` is memory of the thread.
define void @wengert_split(ptr %function, ptr %args, ptr %workspace, ptr %scratches, i64 %scratch, i64 %steps,
                           i64 %count, i64 %threads) nounwind {
start:
  %asked = sub i64 %threads, 1
  %few = call i64 @llvm.smin.i64(i64 %asked, i64 LAST)
  %some = icmp sgt i64 %few, 0
  br i1 %some, label %take, label %alone
take:
  %pair = cmpxchg ptr @busy, i64 0, i64 1 seq_cst seq_cst
  %taken = extractvalue { i64, i1 } %pair, 1
  br i1 %taken, label %count.helpers, label %alone

; the pool is in other hands, or one thread was asked for
alone:
  %a = phi i64 [ 0, %start ], [ 0, %take ], [ %a1, %turn ]
  %a.more = icmp slt i64 %a, %count
  br i1 %a.more, label %turn, label %done
turn:
  %a1 = add i64 %a, 1
  %a.low = mul i64 %a, %steps
  %a.high = mul i64 %a1, %steps
  %a.first = udiv i64 %a.low, %count
  %a.last = udiv i64 %a.high, %count
  call void %function(ptr %args, ptr %workspace, ptr %scratches, i64 %a.first, i64 %a.last, i64 %a)
  br label %alone

count.helpers:
  %there = load i64, ptr @wengert_workers
  %ceiling = load i64, ptr @wengert_ceiling
  %wanted = call i64 @llvm.smin.i64(i64 %few, i64 %ceiling)
  %enough = icmp sge i64 %there, %wanted
  br i1 %enough, label %call, label %hire
hire:
  call void @wengert_more(i64 %wanted)
  br label %call
call:
  %now = load i64, ptr @wengert_workers
  %helpers = call i64 @llvm.smin.i64(i64 %few, i64 %now)
  %modes = call i32 @fegetenv(ptr @modes)
  store ptr %function, ptr @job
  %to1 = getelementptr i64, ptr @job, i64 1
  store ptr %args, ptr %to1
  %to2 = getelementptr i64, ptr @job, i64 2
  store ptr %workspace, ptr %to2
  %to3 = getelementptr i64, ptr @job, i64 3
  store ptr %scratches, ptr %to3
  %to4 = getelementptr i64, ptr @job, i64 4
  store i64 %scratch, ptr %to4
  %to5 = getelementptr i64, ptr @job, i64 5
  store i64 %steps, ptr %to5
  %to6 = getelementptr i64, ptr @job, i64 6
  store i64 %count, ptr %to6
  store atomic i64 0, ptr @next seq_cst, align 8
  br label %each

each:
  %k = phi i64 [ 0, %call ], [ %k1, %called ]
  %k1 = add i64 %k, 1
  %k.more = icmp slt i64 %k, %helpers
  br i1 %k.more, label %one, label %work
one:
  %it = call ptr @record(i64 %k)
  %was = atomicrmw xchg ptr %it, i64 CALLED seq_cst
  %slept = icmp eq i64 %was, PARKED
  br i1 %slept, label %wake, label %called
wake:
  %lock.at = getelementptr i64, ptr %it, i64 1
  %lock = load ptr, ptr %lock.at
  call void @PyThread_release_lock(ptr %lock)
  br label %called
called:
  br label %each

work:
  call void @blocks(i64 0)
  br label %wait

wait:
  %w = phi i64 [ 0, %work ], [ %w1, %next.one ]
  %w1 = add i64 %w, 1
  %w.more = icmp slt i64 %w, %helpers
  br i1 %w.more, label %look, label %over
look:
  %her = call ptr @record(i64 %w)
  %back = cmpxchg ptr %her, i64 CALLED, i64 IDLE seq_cst seq_cst
  %unseen = extractvalue { i64, i1 } %back, 1
  br i1 %unseen, label %next.one, label %spin
spin:
  %s = phi i64 [ 0, %look ], [ %s1, %again ]
  %state = load atomic i64, ptr %her seq_cst, align 8
  %ready = icmp eq i64 %state, IDLE
  br i1 %ready, label %next.one, label %patience
patience:
  %s1 = add i64 %s, 1
  %s.more = icmp slt i64 %s1, SPINS
  br i1 %s.more, label %again, label %sleep
again:
PAUSE  br label %spin
sleep:
  %ask = cmpxchg ptr %her, i64 RUNNING, i64 AWAITED seq_cst seq_cst
  %running = extractvalue { i64, i1 } %ask, 1
  br i1 %running, label %down, label %next.one
down:
  %finished = load ptr, ptr @wengert_finished
  %ignored = call i32 @PyThread_acquire_lock(ptr %finished, i32 1)
  br label %next.one
next.one:
  br label %wait

over:
  store atomic i64 0, ptr @busy seq_cst, align 8
  br label %done
done:
  ret void
}

; What a helper does for ever. It knows nothing of Python and holds nothing when the process ends.
define void @wengert_work(ptr %me) nounwind {
  %number.at = getelementptr i64, ptr %me, i64 2
  %number = load i64, ptr %number.at
  %lock.at = getelementptr i64, ptr %me, i64 1
  %lock = load ptr, ptr %lock.at
  br label %watch
watch:
  %s = phi i64 [ 0, %0 ], [ %s1, %again ], [ 0, %park ], [ 0, %asleep ], [ 0, %take ], [ 0, %worked ]
  %state = load atomic i64, ptr %me seq_cst, align 8
  %wanted = icmp eq i64 %state, CALLED
  br i1 %wanted, label %take, label %patience
patience:
  %s1 = add i64 %s, 1
  %s.more = icmp slt i64 %s1, SPINS
  br i1 %s.more, label %again, label %park
again:
PAUSE  br label %watch
park:
  %rest = cmpxchg ptr %me, i64 IDLE, i64 PARKED seq_cst seq_cst
  %parked = extractvalue { i64, i1 } %rest, 1
  br i1 %parked, label %asleep, label %watch
asleep:
  %ignored = call i32 @PyThread_acquire_lock(ptr %lock, i32 1)
  br label %watch
take:
  %pair = cmpxchg ptr %me, i64 CALLED, i64 RUNNING seq_cst seq_cst
  %mine = extractvalue { i64, i1 } %pair, 1
  br i1 %mine, label %work, label %watch
work:
  %modes = call i32 @fesetenv(ptr @modes)
  call void @blocks(i64 %number)
  %was = atomicrmw xchg ptr %me, i64 IDLE seq_cst
  %awaited = icmp eq i64 %was, AWAITED
  br i1 %awaited, label %tell, label %worked
tell:
  %finished = load ptr, ptr @wengert_finished
  call void @PyThread_release_lock(ptr %finished)
  br label %worked
worked:
  br label %watch
}

; In the child of a fork there are no helpers, and nobody else is in here.
define void @wengert_forget() nounwind {
  store i64 0, ptr @wengert_workers
  store i64 LAST, ptr @wengert_ceiling
  store i64 0, ptr @busy
  call void @llvm.memset.p0.i64(ptr @wengert_records, i8 0, i64 ALL, i1 false)
  ret void
}
declare i64 @llvm.smin.i64(i64, i64)
declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)
"""


def pool_text(triple: str) -> str:
    """The module of the pool for a machine."""
    architecture = triple.partition("-")[0]
    pause, declared = "", ""
    if architecture in ("x86_64", "amd64", "i686"):
        pause, declared = "  call void @llvm.x86.sse2.pause()\n", "declare void @llvm.x86.sse2.pause()\n"
    elif architecture in ("aarch64", "arm64"):
        pause, declared = "  call void @llvm.aarch64.hint(i32 1)\n", "declare void @llvm.aarch64.hint(i32)\n"
    numbers = {"IDLE": IDLE, "PARKED": PARKED, "CALLED": CALLED, "RUNNING": RUNNING, "AWAITED": AWAITED}
    numbers |= {"RECORD": RECORD, "MOST": MOST, "LAST": MOST - 1, "SPINS": SPINS, "ALL": MOST * RECORD}
    text = _TEXT.replace("PAUSE", pause) + declared
    for name in sorted(numbers, key=len, reverse=True):
        text = text.replace(name, str(numbers[name]))
    return text


__all__ = [
    "CEILING",
    "FINISHED",
    "FORGET",
    "MOST",
    "RECORD",
    "RECORDS",
    "SPLIT",
    "THREADS",
    "WORK",
    "WORKERS",
    "pool_text",
]
