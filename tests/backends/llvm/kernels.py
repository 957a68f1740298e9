"""Kernels written by hand in LLVM text, and a fresh Python to run programs in."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from wengert.backends.llvm.indexed import Slot

ROOT = Path(__file__).resolve().parents[3]
FLOAT = np.dtype(np.float64)


def pointer(k):
    return f"  %a{k} = getelementptr ptr, ptr %args, i64 {k}\n  %p{k} = load ptr, ptr %a{k}\n"


def product(name="product"):
    """Two numbers -> their product; the guard asks that the first is not negative."""
    body = "".join(map(pointer, range(3)))
    return f"""define i64 @{name}(ptr %args, ptr %space) nounwind {{
{body}  %x = load double, ptr %p0
  %y = load double, ptr %p1
  %z = fmul double %x, %y
  store double %z, ptr %p2
  %negative = fcmp olt double %x, 0.0
  %answer = zext i1 %negative to i64
  ret i64 %answer
}}
"""


def number(name, kind="input", dtype=FLOAT):
    return Slot(name, (), np.dtype(dtype), kind)


PRODUCT_SLOTS = (number("x"), number("y"), number("z", "output"))


def scaled_sum(n, name="scaled"):
    """a[n], c[n] constant -> a + c, and a third output sum(a), through the workspace."""
    body = "".join(map(pointer, range(4)))
    return f"""define i64 @{name}(ptr %args, ptr %space) nounwind {{
{body}  br label %loop
loop:
  %i = phi i64 [ 0, %0 ], [ %next, %body ]
  %s = phi double [ 0.0, %0 ], [ %s.next, %body ]
  %more = icmp slt i64 %i, {n}
  br i1 %more, label %body, label %copy
body:
  %x.at = getelementptr double, ptr %p0, i64 %i
  %x = load double, ptr %x.at
  %c.at = getelementptr double, ptr %p1, i64 %i
  %c = load double, ptr %c.at
  %y = fadd double %x, %c
  %w.at = getelementptr double, ptr %space, i64 %i
  store double %y, ptr %w.at
  %s.next = fadd double %s, %x
  %next = add i64 %i, 1
  br label %loop
copy:
  store double %s, ptr %p3
  %ignored = call ptr @memcpy(ptr %p2, ptr %space, i64 {8 * n})
  ret i64 0
}}
declare ptr @memcpy(ptr, ptr, i64)
"""


def scaled_slots(n, constant):
    return (
        Slot("a", (n,), FLOAT, "input"),
        Slot("c", (n,), FLOAT, "constant", constant),
        Slot("y", (n,), FLOAT, "output"),
        Slot("s", (), FLOAT, "output"),
    )


def fresh_python(program, cache_dir=None, **environment):
    """What a program prints in a process of its own."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("WENGERT_")}
    env |= {"WENGERT_CACHE_DIR": str(cache_dir)} if cache_dir else {"WENGERT_CACHE": "0"}
    env |= environment
    env["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(Path(__file__).parent)])
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], env=env, capture_output=True, text=True, timeout=40
    )
    assert done.returncode == 0, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    assert "Exception ignored" not in done.stderr, done.stderr
    return done.stdout
