"""What every measurement shares: clocks, interleaved medians, memory peaks, the result table and
its limits.

May import the standard library and NumPy. Invariant: nothing here knows which tool is being
measured, so ours and the peer's pass through the same lines of code.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import platform
import statistics
import sys
import time
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any, Protocol

from benchmarks import ONE_THREAD

OUTPUT = Path(__file__).resolve().parent / "output"


@dataclass
class Limit:
    """One promised figure: `value` must be at most `bound`."""

    name: str
    value: float
    bound: float

    @property
    def holds(self) -> bool:
        return self.value <= self.bound


@dataclass
class Table:
    """The outcome of one measurement, ready to be printed and stored."""

    title: str
    columns: list[str]
    rows: list[list[str]] = field(default_factory=list)
    limits: list[Limit] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    data: list[dict[str, Any]] = field(default_factory=list)

    def markdown(self) -> str:
        lines = ["| " + " | ".join(self.columns) + " |", "|" + "---|" * len(self.columns)]
        lines += ["| " + " | ".join(row) + " |" for row in self.rows]
        if self.limits:
            lines.append("")
        for limit in self.limits:
            verdict = "holds" if limit.holds else "**MISSED**"
            lines.append(f"- {limit.name}: {limit.value:.3g}, limit {limit.bound:.3g}: {verdict}")
        for note in self.notes:
            lines += ["", note]
        return "\n".join(lines)


def pin() -> int | None:
    """Keep this process on one processor where the system allows it; returns which, or None."""
    if not hasattr(os, "sched_setaffinity"):
        return None
    chosen = max(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {chosen})
    return chosen


def repeats_for(call: Callable[[], object], sample_seconds: float) -> int:
    """How many calls fill one timing sample, so that the clock's own cost does not show."""
    return max(1, round(sample_seconds / max(seconds_of(call, 1), 1e-7)))


class Sampled(Protocol):
    """A call that times itself: it lives in another process, or repeats inside C."""

    def __call__(self) -> Any: ...

    def sample(self, repeats: int) -> float:
        """Processor seconds per call, over that many calls."""
        ...


def seconds_of(call: Callable[[], object] | Sampled, repeats: int) -> float:
    """Processor seconds per call; a call that times itself is asked."""
    sample = getattr(call, "sample", None)
    if sample is not None:
        return float(sample(repeats))
    started = time.process_time()
    for _ in range(repeats):
        call()
    return (time.process_time() - started) / repeats


def samples(calls: Sequence[Callable[[], object]], rounds: int = 11, sample_seconds: float = 0.02) -> list[list[float]]:
    """Processor seconds per call of each, one figure a round, taken in turn so that drift hits all
    of them alike. A short call runs once untimed before each sample: what ran before it has filled
    the caches with its own data.
    """
    for call in calls:
        call()
    repeats = [repeats_for(call, sample_seconds) for call in calls]
    found: list[list[float]] = [[] for _ in calls]
    gc.collect()
    for _ in range(rounds):
        for call, repeat, sample in zip(calls, repeats, found, strict=True):
            if repeat > 1:
                call()
            sample.append(seconds_of(call, repeat))
    return found


def interleaved(calls: Sequence[Callable[[], object]], rounds: int = 11, sample_seconds: float = 0.02) -> list[float]:
    """Median processor seconds per call of each, taken in turn."""
    return [statistics.median(sample) for sample in samples(calls, rounds, sample_seconds)]


def median_seconds(call: Callable[[], object], count: int, repeats: int = 1) -> float:
    """Median processor seconds per call over `count` samples of `repeats` calls each."""
    return statistics.median(seconds_of(call, repeats) for _ in range(count))


def peak_bytes(call: Callable[[], object]) -> int:
    """Largest memory held at one time during the call, above what was held before it."""
    gc.collect()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    tracemalloc.reset_peak()
    try:
        result = call()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    del result
    return peak - before


def version(package: str) -> str:
    """The installed version of a package, or `absent`."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "absent"


def machine() -> str:
    """One line about the machine and the versions, without names or paths."""
    processor = platform.processor() or platform.machine()
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                processor = line.split(":", 1)[1].strip()
                break
    except OSError:
        pass
    parts = [processor, f"Python {platform.python_version()}"]
    parts += [f"{name} {version(name)}" for name in ("numpy", "scipy", "autograd")]
    parts += [f"{name} {version(name)}" for name in ("jax", "llvmlite") if version(name) != "absent"]
    parts.append("one thread" if ONE_THREAD else "THREADS NOT LIMITED: NumPy was loaded first")
    return ", ".join(parts)


def microseconds(seconds: float) -> str:
    """A duration as microseconds with three figures."""
    value = seconds * 1e6
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def main(name: str, measure: Callable[..., Table], choosing: bool = False) -> None:
    """Entry point of one measurement: pins, measures, prints, and stores the JSON. With `choosing`
    the measurement also takes parts of the titles of the rows that are wanted; then nothing is
    stored.
    """
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks.{name}")
    parser.add_argument("--quick", action="store_true", help="fewer rounds, smaller sizes")
    if choosing:
        parser.add_argument("rows", nargs="*", help="parts of titles: only these rows, not stored")
    options = parser.parse_args()
    pin()
    rows = getattr(options, "rows", [])
    table = measure(options.quick, rows) if choosing else measure(options.quick)
    if not rows:
        OUTPUT.mkdir(exist_ok=True)
        stored = {"name": name, "quick": options.quick, "machine": machine(), **asdict(table)}
        (OUTPUT / f"{name}.json").write_text(json.dumps(stored, indent=1))
    print(f"{table.title}\n\n{table.markdown()}")
    sys.exit(0 if all(limit.holds for limit in table.limits) else 1)
