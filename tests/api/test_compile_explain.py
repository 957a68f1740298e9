"""What ``explain`` tells of gates, rewriting rules, groups of native loops and the arrays that they keep.

Oracle: the steps of the uncompiled derivative, counted; the memory that the loops were given; the text of the loops."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import wengert as wg

X = np.linspace(-2.0, 2.0, 1001)


def spelled(x: Any) -> Any:
    return np.sum(1 / (1 + np.exp(-x)))


def shares(x: Any) -> Any:
    e = np.exp(x - np.max(x))
    p = e / np.sum(e)
    return np.sum(p**2)


def explained(fun: Any, *args: Any, backend: str = "numpy") -> str:
    compiled = wg.compile(fun, backend=backend)
    for _ in range(2):
        compiled(*args)
    return str(compiled.explain())


def test_the_reverse_of_a_gate_stands_beside_its_count_spelled_out() -> None:
    text = explained(wg.grad(spelled), X)
    line = next(line for line in text.splitlines() if "gate:" in line)
    now, before = map(int, re.findall(r"reverse is (\d+) operations? .* spelled out (\d+)$", line)[0])
    where = spelled.__code__.co_firstlineno + 1
    assert "sigmoid at" in line and f"{__file__}:{where} in spelled" in line
    # One subtraction and one multiplication, the factor from above is one; no exponential besides the sigmoid's own.
    steps = re.findall(r"steps: (.*)", text)[0]
    assert steps == "sigmoid 1, subtract 1, multiply 1" and now == 2
    # Spelled out, the uncompiled reverse has -y, / u, * e and the sign, besides the product with what comes from above.
    graph = wg.trace(wg.grad(spelled))(X)
    forward = wg.trace(spelled)(X)
    computed = [n.op.name for n in graph.nodes if n.op.name != "get"]
    assert len(computed) - (len(forward.nodes) - 1) == before + 1


def test_rules_that_were_used_are_named() -> None:
    text = explained(wg.grad(shares), X)
    assert re.search(r"rewritten by: .*\d", text)
    assert "rewritten by" not in explained(np.sin, X)


def test_groups_of_loops_and_what_they_keep() -> None:
    pytest.importorskip("llvmlite")
    compiled = wg.compile(wg.grad(shares), backend="native")
    for _ in range(2):
        compiled(X)
    text = compiled.explain()
    groups = re.findall(r"group: (.*)", text)
    loops = compiled.source("loops").splitlines()
    heads = [line for line in loops if not line.startswith(" ")]
    assert len([g for g in groups if not g.startswith("no loop")]) == sum(h.startswith("for ") for h in heads)
    values = sum(int(re.findall(r": (\d+) values?", g)[0]) for g in groups)
    assert values == sum(not line.strip().startswith("for ") for line in loops)
    kept = [int(n) * 8 for g in groups for n in re.findall(r"(\d+) float64 in memory", g)]
    workspace = float(re.findall(r"workspace ([\d.]+) KiB", text)[0]) * 1024
    assert kept and sum(kept) <= workspace + 64 < sum(kept) + 64 * (len(kept) + 2)
    assert all("i < 1001" in g for g in groups if not g.startswith("no loop"))


def test_groups_of_scans() -> None:
    pytest.importorskip("llvmlite")

    def walk(x: Any) -> Any:
        for _ in range(400):
            x = np.tanh(0.9 * x + 0.1)
        return np.sum(x)

    assert "group: scan of 400 steps" in explained(walk, X[:7], backend="native")
