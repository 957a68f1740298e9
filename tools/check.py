"""Runs ruff, mypy and every test, and ends with one plain line: `N passed, N failed`.

Each of the three runs even where an earlier one failed, so that one run shows everything.
A failing linter or type checker counts as one failed check, a passing one as one passed.
Imports the standard library only.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parent.parent


def run(title: str, *command: str) -> int:
    """Run `python -m command` in the project's root and return its exit status."""
    print(f"== {title}", flush=True)
    # One thread for BLAS: two workers share the cores, and sums keep one order.
    threads = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    environment = os.environ | threads
    return subprocess.run(
        [sys.executable, "-m", *command], cwd=ROOT, env=environment, check=False
    ).returncode


def counts(report: Path) -> tuple[int, int, int]:
    """Return how many tests passed, failed (errors included) and were skipped."""
    if not report.exists():
        return 0, 0, 0
    # The file was written by the pytest run above.
    suites = ElementTree.parse(report).getroot().iter("testsuite")  # noqa: S314
    total = failed = skipped = 0
    for suite in suites:
        total += int(suite.get("tests", 0))
        failed += int(suite.get("failures", 0)) + int(suite.get("errors", 0))
        skipped += int(suite.get("skipped", 0))
    return total - failed - skipped, failed, skipped


def main(arguments: list[str]) -> int:
    """Run all checks; the arguments are handed to pytest."""
    checks = [
        run("ruff", "ruff", "check", "."),
        run("mypy", "mypy"),
    ]
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        status = run("pytest", "pytest", "-q", "-n", "2", f"--junit-xml={report}", *arguments)
        passed, failed, skipped = counts(report)
    if status and not failed:  # the run itself broke: a crash, or nothing collected
        failed = 1
    passed += checks.count(0)
    failed += len(checks) - checks.count(0)
    if skipped:
        print(f"({skipped} skipped)")
    print(f"{passed} passed, {failed} failed", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
