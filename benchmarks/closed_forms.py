"""Closed forms.

How many cases are solved, how long their printed forms are, how long it takes, and what evaluating Hessians costs.
May import NumPy, the cases, the other Hessians, and wengert. Invariant: a case counts as solved only when its
value agrees with differences of the formula run by plain NumPy; a refusal counts as unsolved, a wrong value as wrong.
"""

from __future__ import annotations

import ast
import functools
import math
import statistics
import time
from typing import Any

import numpy as np

import wengert as wg
from benchmarks.closed_forms_cases import IDENTITIES, Case
from benchmarks.closed_forms_exact import same
from benchmarks.closed_forms_hessians import hessians as wide
from benchmarks.closed_forms_hessians import jax, ready, warmed
from benchmarks.closed_forms_models import MODELS
from benchmarks.measure import Limit, Table, interleaved, main

CASES = [*IDENTITIES, *MODELS]


def nodes(text: str) -> int:
    """Leaves and operations of a hand-written form; a function call is one."""
    tree = list(ast.walk(ast.parse(text)))
    kinds = (ast.BinOp, ast.UnaryOp, ast.Name, ast.Constant, ast.Attribute)
    return sum(isinstance(x, kinds) for x in tree) - sum(isinstance(x, ast.keyword) for x in tree)


def derived(case: Case) -> Any:
    """The form of a case."""
    shapes = dict(case.shapes or {})
    if case.facts:
        name, fact = case.facts.split(": ")
        shapes[name] = wg.var(name, shapes[name], **{fact.replace(" ", "_"): True})
    return wg.D(case.text, case.wrt, case.order, shapes=shapes)


def measure(quick: bool) -> Table:
    """The table and its limits."""
    solved = {1: 0, 2: 0}
    count = {1: 0, 2: 0}
    times: dict[int, list[float]] = {1: [], 2: []}
    ratios = []
    exact: list[bool] = []
    for case in CASES:
        order = min(case.order, 2)
        count[order] += 1
        started = time.process_time()
        try:
            form = derived(case)
        except wg.WengertError:
            continue
        times[order].append(time.process_time() - started)
        solved[order] += 1
        if case.expected:
            ratios.append(form.size / nodes(case.expected))
            if form.form.rank <= 2:
                exact.append(same(form.form, case.expected))
    mean = math.exp(statistics.fmean(map(math.log, ratios)))
    near = sum(r <= 1.25 for r in ratios) / len(ratios)
    rows = [
        [
            "cases solved, first order",
            f"{solved[1]} of {count[1]}",
            "each compared with a complex step before it is returned",
        ],
        ["cases solved, second and third order", f"{solved[2]} of {count[2]}", ""],
        [
            "printed size / hand-written size, geometric mean",
            f"{mean:.3f}",
            f"{len(ratios)} cases with a hand-written form",
        ],
        ["share of them within 1.25", f"{near:.3f}", ""],
        [
            "share printed exactly as written by hand",
            f"{sum(exact) / len(exact):.3f}",
            f"{len(exact)} results of rank up to 2, up to the order of what commutes",
        ],
        [
            "median time, first order",
            f"{statistics.median(times[1]) * 1e3:.2f} ms",
            f"longest {max(times[1]) * 1e3:.0f} ms",
        ],
        [
            "median time, second order",
            f"{statistics.median(times[2]) * 1e3:.2f} ms",
            f"longest {max(times[2]) * 1e3:.0f} ms",
        ],
    ]
    limits = [
        Limit("unsolved share, first order", 1 - solved[1] / count[1], 0.05),
        Limit("unsolved share, second order", 1 - solved[2] / count[2], 0.07),
        Limit("printed size over hand-written size", mean, 1.15),
        Limit("share of forms longer than 1.25 times", 1 - near, 0.2),
        Limit("share of forms of rank up to 2 that differ from the hand-written one", 1 - sum(exact) / len(exact), 0.3),
        Limit("median milliseconds of a first derivative", statistics.median(times[1]) * 1e3, 20),
        Limit("median milliseconds of a second derivative", statistics.median(times[2]) * 1e3, 100),
    ]
    found, more, notes = hessians(quick)
    return Table("closed forms of derivatives", ["what", "figure", "remark"], rows + found, limits + more, notes)


def problems(quick: bool) -> list[tuple[str, str, str, dict[str, Any], dict[str, Any], float]]:
    """The Hessian problems: name, formula, variable, shapes, values, promised ratio."""
    rng = np.random.default_rng(0)
    n = 200 if quick else 1000
    quad = {"x": rng.normal(size=n), "A": rng.normal(size=(n, n))}
    m = 50 if quick else 200
    factors = {"T": rng.normal(size=(m, m)), "U": rng.normal(size=(m, 5)), "V": rng.normal(size=(m, 5))}
    p = 100 if quick else 200
    logistic = {"X": rng.normal(size=(2 * p, p)), "w": 0.1 * rng.normal(size=p), "y": np.sign(rng.normal(size=2 * p))}
    classes = {"X": rng.normal(size=(64, 20)), "W": rng.normal(size=(20, 10)), "Y": np.eye(10)[rng.integers(0, 10, 64)]}
    return [
        ("x'Ax", "x @ A @ x", "x", {"x": "n", "A": ("n", "n")}, quad, 100),
        (
            "||T - UV'||^2 by U",
            "np.linalg.norm(T - U @ V.T)**2",
            "U",
            {"T": ("m", "n"), "U": ("m", "k"), "V": ("n", "k")},
            factors,
            1000,
        ),
        (
            "logistic regression",
            "np.sum(np.log(1 + np.exp(-y*(X @ w))))",
            "w",
            {"X": ("m", "n"), "w": "n", "y": "m"},
            logistic,
            2,
        ),
        (
            "softmax regression",
            "np.sum(np.log(np.sum(np.exp(X @ W), axis=1)) - np.sum(Y*(X @ W), axis=1))",
            "W",
            {"X": ("m", "n"), "W": ("n", "k"), "Y": ("m", "k")},
            classes,
            2,
        ),
    ]


def hessians(quick: bool) -> tuple[list[list[str]], list[Limit], list[str]]:
    """Dense Hessians from the closed form, beside a compiled JAX Hessian of the same formula."""
    rows, limits, notes = [], [], []
    for name, text, wrt, shapes, values, promised in problems(quick):
        form = wg.D(text, wrt, 2, shapes=shapes)
        ours = warmed(functools.partial(form.evaluate, **values))
        if jax() is None:
            (mine,) = interleaved([ours])
            rows.append([f"Hessian of {name}", f"{mine * 1e3:.3f} ms", "JAX is not installed: no comparison"])
            continue
        theirs = ready(text, wrt, {n: values[n] for n in shapes})
        agreed = np.allclose(np.asarray(theirs()), ours(), rtol=1e-8, atol=1e-8)
        mine, other = interleaved([ours, theirs], rounds=5 if quick else 11)
        rows.append(
            [
                f"Hessian of {name}",
                f"{mine * 1e3:.3f} ms",
                f"jitted JAX {other * 1e3:.2f} ms: {other / mine:.1f} times{'' if agreed else ', VALUES DIFFER'}",
            ]
        )
        if not quick:
            limits.append(Limit(f"{name}: promised ratio over ratio", promised / (other / mine), 1.0))
        if name == "x'Ax":
            notes.append(bound(values["A"], mine))
    if jax() is None:
        notes.append("JAX is not installed here; install the bench extra for the comparison.")
    more = wide(quick)
    return rows + more[0], limits + more[1], notes + more[2]


def bound(matrix: np.ndarray, mine: float) -> str:
    """What the memory allows: A + A' reads a matrix and writes one, as a copy does."""
    target = np.empty_like(matrix)
    copied, summed = interleaved([lambda: np.copyto(target, matrix), lambda: np.add(matrix, matrix.T, out=target)])
    return (
        f"The Hessian of x'Ax is A + A'. A copy of that matrix into memory at hand takes {copied * 1e3:.3f} ms, "
        f"NumPy's sum {summed * 1e3:.3f} ms, for it reads A a second time down its columns; the form takes "
        f"{mine * 1e3:.3f} ms: where llvmlite is installed, tiles are read in pairs and turned in registers from the "
        "third evaluation on."
    )


if __name__ == "__main__":
    main("closed_forms", measure)
