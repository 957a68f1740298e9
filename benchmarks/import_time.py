"""How long `import wengert` takes once NumPy is there, each time in a fresh interpreter.

May import the standard library only. Invariant: the module cache is warm (one import is thrown away
first), and the optional packages must not have been pulled in.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from pathlib import Path

from benchmarks import measure

ROOT = Path(__file__).resolve().parent.parent
LIMIT_MILLISECONDS = 100.0
OPTIONAL = ("scipy", "llvmlite", "autograd", "sympy", "matplotlib")
PROGRAM = """
import json, sys, time, numpy
before = set(sys.modules)
wall, processor = time.perf_counter(), time.process_time()
import wengert
wall, processor = time.perf_counter() - wall, time.process_time() - processor
print(json.dumps([wall, processor, sorted(set(sys.modules) - before)]))
"""


def one_import() -> tuple[float, float, list[str]]:
    done = subprocess.run([sys.executable, "-c", PROGRAM], cwd=ROOT, capture_output=True, text=True, check=True)
    wall, processor, modules = json.loads(done.stdout)
    return wall, processor, modules


def measure_import_time(quick: bool) -> measure.Table:
    one_import()
    results = [one_import() for _ in range(5 if quick else 15)]
    wall = statistics.median(result[0] for result in results) * 1e3
    processor = statistics.median(result[1] for result in results) * 1e3
    modules = results[0][2]
    optional = [name for name in OPTIONAL if name in modules]
    own = [name for name in modules if name.split(".")[0] == "wengert"]
    table = measure.Table(
        "`import wengert` after NumPy",
        [
            "wall ms",
            "processor ms",
            "modules of wengert",
            "other modules",
            "optional packages loaded",
        ],
    )
    table.rows.append(
        [
            f"{wall:.1f}",
            f"{processor:.1f}",
            str(len(own)),
            str(len(modules) - len(own)),
            ", ".join(optional) or "none",
        ]
    )
    table.data.append({"wall": wall, "processor": processor, "modules": modules})
    table.limits = [
        measure.Limit("processor milliseconds of the import", processor, LIMIT_MILLISECONDS),
        measure.Limit("optional packages loaded", float(len(optional)), 0.0),
    ]
    return table


if __name__ == "__main__":
    measure.main("import_time", measure_import_time)
