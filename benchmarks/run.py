"""Runs the measurements, each in a process of its own, and rewrites their sections of RESULTS.md.

May import the standard library. Invariant: a section of RESULTS.md is replaced only by a fresh
measurement of the same name, and carries the command, the day and the machine that made it.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
if str(HERE.parent) not in sys.path:  # started as a file: the package lies beside this folder
    sys.path.insert(0, str(HERE.parent))
OUTPUT = HERE / "output"
RESULTS = HERE / "RESULTS.md"
NAMES = (
    "gradients",
    "linear_cost",
    "memory",
    "writes",
    "large_arrays",
    "import_time",
    "entering",
    "recomputation",
    "tensors",
    "closed_forms",
    "native",
    "native_adbench",
    "threads",
)
HEAD = """# Measured figures

Made by `python benchmarks/run.py`; every section names its own command. Times are processor time,
one thread, pinned to one processor where the system allows it. A figure that misses its limit is
printed as missed, not left out.
"""


def sections(text: str) -> dict[str, str]:
    """The existing sections, by the name of the measurement in their first line."""
    found = {}
    for part in text.split("\n## ")[1:]:
        name = part.split("`", 2)[1] if "`" in part.splitlines()[0] else ""
        if name in NAMES:
            found[name] = "## " + part.strip() + "\n"
    return found


def section(name: str, command: str) -> str:
    """The section of one measurement from the JSON it stored."""
    from benchmarks import measure

    stored = json.loads((OUTPUT / f"{name}.json").read_text())
    limits = [measure.Limit(**limit) for limit in stored["limits"]]
    table = measure.Table(stored["title"], stored["columns"], stored["rows"], limits, stored["notes"])
    day = dt.datetime.now(dt.UTC).date().isoformat()
    made = f"`{command}`, {day}; {stored['machine']}."
    return f"## `{name}`: {table.title}\n\n{made}\n\n{table.markdown()}\n"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python benchmarks/run.py", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=f"any of {', '.join(NAMES)}; default: all")
    parser.add_argument(
        "--quick",
        action="store_true",
        help="fewer rounds and smaller sizes; RESULTS.md is left alone",
    )
    options = parser.parse_args()
    unknown = [name for name in options.names if name not in NAMES]
    if unknown:
        parser.error(f"unknown measurement {unknown[0]!r}; there are {', '.join(NAMES)}")
    written = sections(RESULTS.read_text()) if RESULTS.exists() else {}
    failed = []
    for name in options.names or NAMES:
        print(f"{name}:", flush=True)
        stored = OUTPUT / f"{name}.json"
        stored.unlink(missing_ok=True)
        arguments = [
            sys.executable,
            "-m",
            f"benchmarks.{name}",
            *(["--quick"] if options.quick else []),
        ]
        status = subprocess.run(arguments, cwd=HERE.parent).returncode
        if status != 0:
            failed.append(name)
        if stored.exists() and not options.quick:
            written[name] = section(name, f"python benchmarks/run.py {name}")
            ordered = [written[key] for key in NAMES if key in written]
            RESULTS.write_text(HEAD + "\n" + "\n".join(ordered))
    if failed:
        print(f"failed or missed a limit: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
