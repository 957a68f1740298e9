"""Random programs with loops: carried values, lags, invariants, histories, buffers, lists, odd first and last
iterations, loops in loops. Run one after the other for as long as one likes:

    python tests/rewrite/loop_fuzzer.py FIRST_SEED COUNT
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

import wengert as wg
from wengert.rewrite.loops.fold import fold


class Program:
    """A program made from a seed; all its operations stand on few lines, so that steps look alike by accident."""

    def __init__(self, seed: int) -> None:
        self.rng = rng = np.random.default_rng(seed)
        self.count = int(rng.integers(5, 14))
        self.x = rng.normal(size=16)
        self.m = rng.normal(size=(14, 3))
        self.scalars = int(rng.integers(1, 4))
        self.loops = [self.statements(int(rng.integers(1, 7)), depth=0) for _ in range(int(rng.integers(1, 4)))]
        self.odd = bool(rng.random() < 0.3)
        self.last = bool(rng.random() < 0.3)

    def statements(self, count: int, depth: int) -> list[Any]:
        rng = self.rng
        out: list[Any] = []
        for _ in range(count):
            pick = rng.random()
            if pick < 0.12 and depth < 2:
                out.append(("loop", int(rng.integers(2, 7)), self.statements(int(rng.integers(1, 4)), depth + 1)))
                continue
            kinds = (
                "add",
                "mul",
                "sin",
                "constant",
                "index",
                "element",
                "lag",
                "push",
                "old",
                "write",
                "read",
                "row",
                "window",
                "vector",
                "update",
                "swap",
                "even",
                "matrix",
                "cross",
            )
            out.append(
                (str(rng.choice(kinds)), int(rng.integers(4)), int(rng.integers(4)), float(rng.integers(1, 4)) / 4)
            )
        return out

    def __call__(self, x: Any, m: Any) -> Any:
        s = [x[k] for k in range(self.scalars)]
        buf, grid = np.zeros(40), np.zeros((14, 5))
        v = m[0]
        history: list[Any] = [x[0], x[1]]
        rows: list[Any] = []

        def run(statements: list[Any], i: int, depth: int) -> None:
            nonlocal v
            for name, *rest in statements:
                if name == "loop":
                    for j in range(rest[0]):
                        run(rest[1], i + j, depth + 1)
                    continue
                a, b, c = rest
                a, b = a % len(s), b % len(s)
                if name == "add":
                    s[a] = s[a] * 0.5 + s[b]
                elif name == "mul":
                    s[a] = s[a] * s[b] * c
                elif name == "sin":
                    s[a] = np.sin(s[b] + c)
                elif name == "constant":
                    s[a] = s[a] + c * i
                elif name == "index":
                    s[a] = s[a] * 0.7 + x[i % 16]
                elif name == "element":
                    s[a] = s[a] + x[(3 * i + 1) % 16] * x[2]
                elif name == "lag":
                    s[a] = s[a] * 0.3 + history[-1 - rest[1] % 2]
                elif name == "push":
                    history.append(s[a] * c)
                elif name == "old":
                    s[a] = s[a] + history[max(0, len(history) - 1 - int(4 * c))] * 0.1
                elif name == "write":
                    buf[(i + rest[1]) % 40] = s[a]
                elif name == "read":
                    s[a] = s[a] * 0.9 + buf[(i + rest[1] - 1) % 40]
                elif name == "row":
                    grid[i % 14, rest[1]] = s[a]
                    s[a] = grid[(i - 1) % 14, rest[1]] * c + s[a]
                elif name == "window":
                    s[a] = s[a] * 0.2 + np.sum(x[i % 12 : i % 12 + 4])
                elif name == "vector":
                    v = v * c + m[i % 14] * s[a]
                elif name == "update":
                    v[rest[1] % 3] = v[(rest[1] + 1) % 3] * c + s[a]
                elif name == "swap":
                    s[a], s[b] = s[b], s[a]
                elif name == "even":
                    s[a] = s[a] * c if i % 2 else np.cos(s[a])
                elif name == "matrix":
                    s[a] = np.sum(m[i % 14, 1:] * v[:2]) * 0.5
                elif name == "cross":
                    rows.append(v * s[a])
                s[a] = s[a] / (1.0 + s[a] * s[a])

        for loop in self.loops:
            for i in range(self.count):
                if self.odd and i == 0:
                    s[0] = s[0] + 1.0
                run(loop, i, 0)
                if self.last and i == self.count - 1:
                    s[0] = np.exp(-s[0] * s[0])
        out = sum(s) + np.sum(buf * np.arange(40.0)) + np.sum(grid * grid) + np.sum(v)
        for h in history[-3:]:
            out = out + h
        if rows:
            out = out + np.sum(np.stack(rows) ** 2)
        return out, (np.stack(rows) if rows else v), buf


def check(seed: int, *, gradients: bool = False) -> tuple[int, int]:
    """Raise AssertionError unless the folded program gives the bits of the plain one; returns steps before, after."""
    program = Program(seed)
    graph = wg.trace(program)(program.x, program.m)
    folded = fold(graph, smallest=1)
    for factor in (1.0, 1.001, -0.5):
        x, m = program.x * factor, program.m * factor
        wanted, got = program(x.copy(), m.copy()), folded(x, m)
        for a, b in zip(wanted, got, strict=True):
            assert np.array_equal(a, b, equal_nan=True), (seed, factor)
    if gradients:
        plain = wg.grad(lambda x, m: program(x, m)[0], (0, 1))(program.x, program.m)
        found = wg.grad(lambda x, m: folded(x, m)[0], (0, 1))(program.x, program.m)
        recorded = wg.trace(wg.grad(lambda x, m: folded(x, m)[0], (0, 1)))(program.x, program.m)
        again = recorded(program.x, program.m)
        for a, b, c in zip(plain, found, again, strict=True):
            scale = 1e-11 * (1.0 + np.abs(a).max())
            assert np.abs(a - b).max() <= scale, (seed, "gradient")
            assert np.abs(a - c).max() <= scale, (seed, "recorded gradient")
    return len(graph), len(folded)


if __name__ == "__main__":
    before = after = wrong = 0
    for number in range(int(sys.argv[1]), int(sys.argv[1]) + int(sys.argv[2])):
        try:
            sizes = check(number, gradients=len(sys.argv) > 3)
            before, after = before + sizes[0], after + sizes[1]
        except Exception as problem:  # noqa: BLE001 whatever goes wrong is reported with its seed
            wrong += 1
            print(number, type(problem).__name__, str(problem)[:300])
    print(f"{wrong} wrong; {before} steps folded to {after}")
