"""How a program is measured for the benchmarks of compiled code: ours, its peers, the goals, one row of the table.

May import wengert's public API, `measure`, `gradients` (for `disagreement`) and the standard library. Invariant: no
time is reported before the answers of all who are timed agree.
"""

from __future__ import annotations

import ctypes
import gc
import math
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import wengert
from benchmarks import measure, native_first
from benchmarks.gradients import disagreement

BACKENDS = ("auto", "native", "numpy")
"""Ours to time; the first is the one that is compared. `uncompiled` stands for no compilation."""
DERIVATIVE_OVER_FUNCTION = 3.0
AUTO_OVER_BETTER = 1.15
FIRST_OVER_JAX = 1 / 3
SCREENING = 3
LARGER = 1.0 + 2.0**-10


@dataclass
class Peer:
    """Somebody else's way to the same derivative; `prepare` traces or compiles anew and gives what is timed."""

    kind: str  # JAX, C, by hand, limit
    name: str
    prepare: Callable[[], Callable[[], Any]]
    read: Callable[[Any], Any] | None = lambda found: found  # the answer as ours is laid out; None: it computes less


@dataclass
class Goal:
    """Our time is to be at most `bound` times that of the fastest peer of a kind, or `bound` seconds for `seconds`."""

    against: str
    bound: float


@dataclass
class Workload:
    """A function, the derivative of it that is wanted, its arguments, and who else computes it."""

    title: str
    objective: Callable[..., Any]
    derivative: Callable[..., Any]
    arguments: tuple[Any, ...]
    peers: list[Peer]
    goals: list[Goal]
    agreement: float = 1e-10
    is_gradient: bool = True  # then it is held against three times its function
    objective_arguments: tuple[Any, ...] | None = None
    remark: str = ""  # what the rest of the time goes to, said where a goal is missed
    arrays: tuple[float, float] | None = None  # bytes of one array, and how many of them the peak may be


@dataclass
class Row:
    """What was measured of one program."""

    title: str
    seconds: dict[str, float] = field(default_factory=dict)
    ratios: dict[str, float] = field(default_factory=dict)
    first: dict[str, float] = field(default_factory=dict)
    stages: dict[str, float] = field(default_factory=dict)
    peak: dict[str, float] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    runs: dict[str, str] = field(default_factory=dict)
    formulations: dict[str, float] = field(default_factory=dict)
    difference: float = 0.0


class WrongAnswer(Exception):
    """Two who are timed disagree."""


def ours(function: Callable[..., Any], backend: str) -> Callable[..., Any]:
    """The function compiled by wengert; itself for the backend `uncompiled`."""
    return function if backend == "uncompiled" else wengert.compile(function, backend=backend)


def runs(compiled: Any) -> str:
    """What `explain` says about who executes the first path."""
    text = compiled.explain() if hasattr(compiled, "explain") else ""
    return next((line.split(":", 1)[1].strip() for line in text.splitlines() if line.strip().startswith("runs:")), "")


def peak_resident(call: Callable[[], object]) -> float | None:
    """Bytes of resident memory at the highest point of a call above what was resident before it; None where the system
    does not tell.
    """
    status, clear = Path("/proc/self/status"), Path("/proc/self/clear_refs")
    gc.collect()
    try:
        ctypes.CDLL(None).malloc_trim(0)  # so that memory freed before is not taken for memory at hand
        clear.write_text("5")
        before = _field(status, "VmRSS")
        result = call()
        peak = _field(status, "VmHWM")
    except (OSError, AttributeError):
        return None
    del result
    return max(peak - before, 0.0)


def _field(status: Path, name: str) -> float:
    line = next(line for line in status.read_text().splitlines() if line.startswith(name))
    return float(line.split()[1]) * 1024


def first_call(make: Callable[[], Callable[[], Any]], calls: int = 1) -> tuple[float, Callable[[], Any], Any]:
    """Processor seconds from nothing to the first answer, or to one of the next; the call; the answer."""
    gc.collect()
    started = time.process_time()
    call = make()
    for _ in range(calls):
        result = call()
    return time.process_time() - started, call, result


def measured(work: Workload, quick: bool) -> Row:
    """Time one program and its peers."""
    rounds, sample = (3, 0.005) if quick else (9, 0.03)
    row = Row(work.title)
    calls: dict[str, Callable[[], Any]] = {}
    answer = None
    given = work.arguments if work.objective_arguments is None else work.objective_arguments
    for backend in BACKENDS:
        make = partial(_bound, work.derivative, backend, work.arguments)
        # With "auto" the recording gives the first answer, and the second call compiles: both count.
        row.first[backend], calls[backend], result = first_call(make, 2 if backend == "auto" else 1)
        answer = result if answer is None else answer
        _equal(row, work, f"wengert ({backend})", answer, result)
    main = BACKENDS[0]
    row.stages = native_first.parts(calls[main].func)  # type: ignore[attr-defined]
    row.first["function"], calls["function"], value = first_call(partial(_bound, work.objective, main, given))
    _equal(row, work, "the compiled function", value, work.objective(*given))
    _elsewhere(row, work, calls, given)
    for call in calls.values():
        call()
    row.peak["wengert"] = measure.peak_bytes(calls[main])
    resident = peak_resident(calls[main])
    if resident is not None:
        row.peak["wengert, resident"] = resident
    for kind in dict.fromkeys(peer.kind for peer in work.peers):
        best = _fastest(row, work, kind, answer, sample)
        if best is not None:
            calls[kind] = best
    found = dict(zip(calls, measure.samples(list(calls.values()), rounds, sample), strict=True))
    row.runs = {name: runs(calls[name].func) for name in BACKENDS}  # type: ignore[attr-defined]
    row.seconds = {name: statistics.median(times) for name, times in found.items()}
    for name, times in found.items():
        row.ratios[name] = statistics.median(a / b for a, b in zip(times, found[main], strict=True))
    if {"auto", "native", "numpy"} <= found.keys():
        row.ratios["auto over better"] = statistics.median(
            a / min(b, c) for a, b, c in zip(found["auto"], found["native"], found["numpy"], strict=True)
        )
    return row


def _elsewhere(row: Row, work: Workload, calls: dict[str, Callable[[], Any]], given: tuple[Any, ...]) -> None:
    """Hold what is compiled against what is not at other arguments: a constant might hide in a plan."""
    arguments, other = moved(work.arguments), moved(given)
    expected, value = work.derivative(*arguments), work.objective(*other)
    for name, call in calls.items():
        function = call.func  # type: ignore[attr-defined]
        found = function(*other) if name == "function" else function(*arguments)
        _equal(row, work, f"{name}, at other arguments", found, value if name == "function" else expected)


def moved(tree: Any) -> Any:
    """The same containers with every floating point leaf a little larger."""
    if isinstance(tree, (tuple, list)):
        return type(tree)(moved(branch) for branch in tree)
    if isinstance(tree, float):
        return tree * LARGER
    if isinstance(tree, np.ndarray) and tree.dtype.kind == "f":
        return tree * tree.dtype.type(LARGER)
    return tree


def _bound(function: Callable[..., Any], backend: str, arguments: tuple[Any, ...]) -> Callable[[], Any]:
    return partial(ours(function, backend), *arguments)


def _fastest(row: Row, work: Workload, kind: str, answer: Any, sample: float) -> Callable[[], Any] | None:
    """The fastest peer of a kind, after a short race; the row gets every formulation's time, the least first call."""
    best, least = None, math.inf
    for peer in work.peers:
        if peer.kind != kind:
            continue
        first, call, result = first_call(peer.prepare)
        if peer.read is not None:
            _equal(row, work, f"{kind}, {peer.name}", answer, peer.read(result))
        del result
        call()
        repeats = measure.repeats_for(call, sample / 2)
        seconds = measure.median_seconds(call, SCREENING, repeats)
        row.formulations[f"{kind}: {peer.name}"] = seconds
        row.first[f"{kind}: {peer.name}"] = first
        if seconds < least:
            best, least = call, seconds
            row.names[kind] = peer.name
        row.first[kind] = min(first, row.first.get(kind, math.inf))
    if hasattr(best, "peak_bytes"):
        row.peak[kind] = best.peak_bytes()
    return best


def _equal(row: Row, work: Workload, who: str, ours: Any, theirs: Any) -> None:
    difference = disagreement(ours, theirs)
    row.difference = max(row.difference, difference)
    if not difference <= work.agreement:
        raise WrongAnswer(
            f"{work.title}: wengert and {who} differ by {difference:.3g} (relative to the largest entry), more than "
            f"{work.agreement:g}: no time is reported for a wrong answer."
        )


SHOWN = ("function", "JAX", "C")
COLUMNS = [
    "program",
    "wengert us",
    "native us",
    "NumPy plan us",
    "function us",
    "derivative / function",
    "JAX us",
    "JAX / wengert",
    "C us",
    "C / wengert",
    "others us",
    "first call ms (JAX)",
    "peak MB (JAX)",
    "worst difference",
]


def cells(row: Row) -> list[str]:
    """One printed row; what is absent is a dash."""

    def seconds(name: str) -> str:
        return measure.microseconds(row.seconds[name]) if name in row.seconds else "-"

    def ratio(name: str) -> str:
        return f"{row.ratios[name]:.2f}" if name in row.ratios else "-"

    main = BACKENDS[0]
    others = ", ".join(
        f"{name}: {seconds(name)} ({ratio(name)})" for name in row.seconds if name not in (*SHOWN, *BACKENDS)
    )
    first = f"{1e3 * row.first[main]:.0f}" + (f" ({1e3 * row.first['JAX']:.0f})" if "JAX" in row.first else "")
    peak = f"{row.peak['wengert'] / 1e6:.2f}" + (f" ({row.peak['JAX'] / 1e6:.2f})" if "JAX" in row.peak else "")
    jax = seconds("JAX") + (f" ({row.names['JAX']})" if "JAX" in row.names else "")
    return [
        row.title,
        seconds(main),
        seconds("native"),
        seconds("numpy"),
        seconds("function"),
        f"{1 / row.ratios['function']:.2f}",
        jax,
        ratio("JAX"),
        seconds("C"),
        ratio("C"),
        others or "-",
        first,
        peak,
        f"{row.difference:.0e}",
    ]


def limits(work: Workload, row: Row) -> list[measure.Limit]:
    """The goals of one program as limits."""
    found = []
    for goal in work.goals:
        if goal.against == "seconds":
            name, value = f"{work.title}: microseconds", row.seconds["auto"] * 1e6
            found.append(measure.Limit(name, value, goal.bound * 1e6))
        elif goal.against in row.ratios:
            name = f"{work.title}: time over {goal.against}"
            found.append(measure.Limit(name, 1 / row.ratios[goal.against], goal.bound))
    if work.is_gradient:
        over = 1 / row.ratios["function"]
        found.append(measure.Limit(f"{work.title}: derivative over function", over, DERIVATIVE_OVER_FUNCTION))
    if "JAX" in row.first:
        over = row.first["auto"] / row.first["JAX"]
        found.append(measure.Limit(f"{work.title}: first call over JAX's", over, 1.0))
    over = row.ratios["auto over better"]
    found.append(measure.Limit(f"{work.title}: auto over the better backend", over, AUTO_OVER_BETTER))
    if work.arrays is not None:
        size, most = work.arrays
        peak = max(row.peak["wengert"], row.peak.get("wengert, resident", 0.0))
        found.append(measure.Limit(f"{work.title}: peak in arrays", peak / size, most))
    return found


def table_of(
    title: str, works: list[Callable[[], Workload]], quick: bool, notes: list[str], wanted: Sequence[str] = ()
) -> measure.Table:
    """Measure the programs one after the other; those alone in whose titles something `wanted` occurs, if it is given.

    Where something fails or disagrees the row says so, misses its limit, and the others go on.
    """
    table = measure.Table(title, COLUMNS, notes=notes)
    found = (make() for make in works)
    chosen = (work for work in found if not wanted or any(part in work.title for part in wanted))
    with tempfile.TemporaryDirectory(prefix="wengert-benchmarks-") as empty:
        os.environ["WENGERT_CACHE_DIR"] = empty
        _backends_warm()
        done = [(work, row) for work in chosen if (row := _tried(table, work, quick)) is not None]
    rows = [row for _, row in done]
    distances = [text for work, row in done if (text := distance(work, row))]
    table.notes += ["\n".join(_details(row) for row in rows)]
    table.notes += ["\n".join(native_first.described(row.title, row.first, row.stages) for row in rows if row.stages)]
    later = native_first.distances(rows, FIRST_OVER_JAX)
    table.notes += [*(["\n".join(distances)] if distances else []), *([later] if later else []), READING]
    firsts = [row.first["auto"] / row.first["JAX"] for row in rows if "JAX" in row.first]
    if firsts:
        mean = math.exp(statistics.mean(math.log(value) for value in firsts))
        table.limits.append(measure.Limit("first call over JAX's, geometric mean", mean, FIRST_OVER_JAX))
    return table


def _tried(table: measure.Table, work: Workload, quick: bool) -> Row | None:
    """Measure one program into the table; None where it fails."""
    try:
        row = measured(work, quick)
    except Exception as error:  # noqa: BLE001 whatever it is, it is printed and a limit is missed
        table.rows.append([work.title, *("-" for _ in COLUMNS[1:])])
        table.limits.append(measure.Limit(f"{work.title}: {type(error).__name__}: {error}", math.inf, 0.0))
        print(f"  {work.title}: {type(error).__name__}: {error}", flush=True)
        return None
    table.data.append(vars(row))
    table.rows.append(cells(row))
    print("  " + "  ".join(table.rows[-1]), flush=True)
    table.limits += limits(work, row)
    return row


def distance(work: Workload, row: Row) -> str:
    """Where a ratio is missed: how long at most the program might take, and what none can do without."""
    missed = [goal for goal in work.goals if goal.against in row.ratios and 1 / row.ratios[goal.against] > goal.bound]
    bounds = {name.split(": ")[1]: seconds for name, seconds in row.seconds.items() if name.startswith("bound: ")}
    if not missed or not bounds:
        return ""
    goal = min(missed, key=lambda goal: goal.bound * row.seconds[goal.against])
    wanted, least, ours = goal.bound * row.seconds[goal.against], sum(bounds.values()), row.seconds[BACKENDS[0]]
    each = " and ".join(f"{name.replace('_', '-')} {measure.microseconds(seconds)}" for name, seconds in bounds.items())
    reach = "more than the goal allows" if least > wanted else f"{least / ours:.0%} of its time"
    return (
        f"- {work.title} misses {goal.bound:.3g} of {goal.against}'s time, {measure.microseconds(wanted)} us. "
        f"Its bounds, us: {each}: {reach}. {work.remark}".rstrip()
    )


READING = (
    "wengert: `compile(...)`, backend `auto`. JAX: the fastest of the formulations listed above, arrays on its side. "
    "In brackets after other peers: their time over ours. Peaks: tracemalloc for wengert, the compiler's own account "
    "for JAX. First calls trace, differentiate and compile with an empty cache, in processor time (`auto` compiles in "
    "its first or second call: the first two together; their stages in wall clock); the least of JAX's counts; the "
    "engines of both tools are loaded before. Recording runs the program and its derivative once, for what Python's "
    "own branches and the guards need to know; steps on large arrays are taken only where a value is asked for. The "
    "rest is LLVM. Bounds are what C takes, in this run, for what none can do without: the multiply-adds of dense "
    "contractions at the peak of one core, the exponentials, a pass that reads and writes."
)


def _details(row: Row) -> str:
    """One line with the time of every formulation of every peer, and who executes ours."""
    each = "; ".join(f"{name} {measure.microseconds(seconds)}" for name, seconds in row.formulations.items())
    return f"- {row.title}, us: {each}. Native: {row.runs['native'] or '-'}; auto: {row.runs['auto'] or '-'}."


def _backends_warm() -> None:
    """Load the engine of every backend, as `native_jax.jax` loads JAX's: no first call pays for an import."""
    for backend in BACKENDS:
        wengert.compile(lambda x: x * 2.0, backend=backend)(1.0)
