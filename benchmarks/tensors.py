"""Tensors against PyTorch's eager tensors, MyGrad and autograd: scalar chains, small vectors, a
small network, and a training step of 784-256-128-10 at batch 128, compiled too.

May import wengert's public API; the peers are measured where they are installed. Invariant: every
tool runs the same program on the same numbers in float64, and their gradients are compared first.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

import wengert
from benchmarks import measure

Call = Callable[[], Any]


class Tool:
    """How one tool makes a leaf, takes a step backwards, and what it calls the functions used."""

    name = "wengert"

    def leaf(self, value: Any) -> Any:
        return wengert.tensor(value, requires_grad=True)

    def constant(self, value: Any) -> Any:
        return wengert.tensor(value, requires_grad=False)

    def tanh(self, x: Any) -> Any:
        return x.tanh()

    def total(self, x: Any) -> Any:
        return x.sum()

    def backward(self, program: Callable[..., Any], leaves: list[Any]) -> Call:
        def call() -> None:
            for leaf in leaves:
                leaf.grad = None
            program(self, *leaves).backward()

        return call

    def gradients(self, program: Callable[..., Any], leaves: list[Any]) -> list[Any]:
        self.backward(program, leaves)()
        return [np.asarray(leaf.grad) for leaf in leaves]


class Torch(Tool):
    name = "PyTorch eager"

    def __init__(self) -> None:
        self.torch = importlib.import_module("torch")
        self.torch.set_num_threads(1)

    def leaf(self, value: Any) -> Any:
        return self.torch.tensor(value, dtype=self.torch.float64, requires_grad=True)

    def constant(self, value: Any) -> Any:
        return self.torch.tensor(value, dtype=self.torch.float64)


class MyGrad(Tool):
    name = "MyGrad"

    def __init__(self) -> None:
        self.module = importlib.import_module("mygrad")

    def leaf(self, value: Any) -> Any:
        return self.module.tensor(value)

    def constant(self, value: Any) -> Any:
        return np.asarray(value)

    def tanh(self, x: Any) -> Any:
        return self.module.tanh(x)

    def backward(self, program: Callable[..., Any], leaves: list[Any]) -> Call:
        def call() -> None:
            for leaf in leaves:
                leaf.null_grad()
            program(self, *leaves).backward()

        return call


class Autograd(Tool):
    name = "autograd"

    def __init__(self) -> None:
        self.numpy = importlib.import_module("autograd.numpy")
        self.grad = importlib.import_module("autograd").grad

    def leaf(self, value: Any) -> Any:
        return value

    constant = leaf

    def tanh(self, x: Any) -> Any:
        return self.numpy.tanh(x)

    def total(self, x: Any) -> Any:
        return self.numpy.sum(x)

    def backward(self, program: Callable[..., Any], leaves: list[Any]) -> Call:
        slope = self.grad(lambda *args: program(self, *args), tuple(range(len(leaves))))
        return lambda: slope(*leaves)

    def gradients(self, program: Callable[..., Any], leaves: list[Any]) -> list[Any]:
        return list(self.backward(program, leaves)())


def scalar_chain(tool: Tool, x: Any) -> Any:
    y = x
    for _ in range(50):
        y = y * x + 0.5 * y - 0.1
    return y


def vector_chain(tool: Tool, x: Any) -> Any:
    y = x
    for _ in range(20):
        y = tool.tanh(y * x + 0.5 * y)
    return tool.total(y)


def network(images: Any) -> Callable[..., Any]:
    def program(tool: Tool, a: Any, b: Any, c: Any, d: Any) -> Any:
        out = tool.tanh(tool.constant(images) @ a + b) @ c + d
        return tool.total(out * out)

    return program


def training(images: Any) -> Callable[..., Any]:
    held: dict[str, Any] = {}

    def program(tool: Tool, *leaves: Any) -> Any:
        if tool.name not in held:
            held[tool.name] = tool.constant(images)
        h = held[tool.name]
        for k in range(0, len(leaves), 2):
            h = h @ leaves[k] + leaves[k + 1]
            if k + 2 < len(leaves):
                h = tool.tanh(h)
        return tool.total(h * h)

    return program


def layers(random: Any, sizes: tuple[int, ...]) -> list[Any]:
    found: list[Any] = []
    for a, b in pairwise(sizes):
        found += [random.standard_normal((a, b)) / a**0.5, np.zeros(b)]
    return found


def tools(table: measure.Table) -> list[Tool]:
    found: list[Tool] = [Tool()]
    for kind in (Torch, MyGrad, Autograd):
        try:
            found.append(kind())
        except ImportError:
            table.notes.append(f"{kind.name} is not installed: not measured.")
    return found


def measure_tensors(quick: bool) -> measure.Table:
    random = np.random.default_rng(0)
    table = measure.Table("Recording and backward, eager", ["program"])
    measured = tools(table)
    table.notes.append(", ".join(f"{p} {measure.version(p)}" for p in ("torch", "mygrad", "autograd")))
    table.columns += [f"{tool.name} µs" for tool in measured]
    small, batch = random.standard_normal((8, 16)), random.standard_normal((128, 784))
    cases: list[tuple[str, Callable[..., Any], list[Any], float]] = [
        ("scalar chain, 200 operations", scalar_chain, [np.float64(0.3)], 1.0),
        *((f"vector chain, 80 operations on {n}", vector_chain, [random.random(n)], 1.0) for n in (1, 10, 100, 1000)),
        ("16-16-4 network, batch 8", network(small), layers(random, (16, 16, 4)), 1.0),
        ("784-256-128-10, batch 128", training(batch), layers(random, (784, 256, 128, 10)), 1.15),
    ]
    for title, program, values, bound in cases:
        calls = []
        for tool in measured:
            leaves = [tool.leaf(v) for v in values]
            gradients = tool.gradients(program, leaves)
            if tool is measured[0]:
                expected = gradients
            for g, e in zip(gradients, expected, strict=True):
                np.testing.assert_allclose(np.asarray(g), e, rtol=1e-8, atol=1e-10)
            calls.append(tool.backward(program, leaves))
        times = measure.interleaved(calls, 3 if quick else 11)
        table.rows.append([title, *map(measure.microseconds, times)])
        for tool, seconds in zip(measured[1:], times[1:], strict=True):
            if bound == 1.0 or tool.name == Torch.name:
                table.limits.append(measure.Limit(f"{title}: over {tool.name}", times[0] / seconds, bound))
    steps = [measure_step(*case, measured, quick) for case in STEPS]
    for title, compiled, times in steps:
        row = [measure.microseconds(times[tool.name]) if tool.name in times else "" for tool in measured]
        table.rows.append([title, *row])
        table.rows.append([f"{title}, compiled", measure.microseconds(compiled), *row[1:]])
        if Torch.name in times:
            table.limits.append(
                measure.Limit(f"{title}: over {Torch.name}", times[Tool.name] / times[Torch.name], 1.15)
            )
        for name, seconds in times.items():
            table.limits.append(measure.Limit(f"{title}, compiled: over {name}", compiled / seconds, 1.0))
    return table


STEPS: list[tuple[str, str]] = [("tanh", ""), ("relu", ""), ("relu", "SGD"), ("relu", "Adam")]
"""Activation and optimiser of the training steps; without one the parameters are moved in place, by hand."""


def step_of(network: Any, tool: Any, optimizer: Any, rate: float, held: list[Any]) -> Callable[..., Any]:
    """A training step, of the parameters given or by an optimiser of those held: the same text for both tools."""

    def step(parameters: list[Any], *data: Any) -> Any:
        loss = network(parameters, *data)
        for p in parameters:
            p.grad = None
        loss.backward()
        with tool.no_grad():
            for p in parameters:
                p -= rate * p.grad
        return loss

    def optimized(*data: Any) -> Any:
        loss = network(held, *data)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    return step if optimizer is None else optimized


def measure_step(
    activation: str, optimizer: str, measured: list[Tool], quick: bool
) -> tuple[str, float, dict[str, float]]:
    """A training step of 784-256-128-10 at batch 128 in float32: its name, the seconds compiled, those uncompiled."""
    from wengert import nn, optim

    random = np.random.default_rng(0)
    images, labels = random.standard_normal((128, 784)).astype(np.float32), random.integers(0, 10, 128)
    start = [np.asarray(v, np.float32) for v in layers(random, (784, 256, 128, 10))]
    rate = {"": 0.05, "SGD": 0.02, "Adam": 1e-3}[optimizer]
    options = {"SGD": {"momentum": 0.9}}.get(optimizer, {})

    def scores(parameters: list[Any], x: Any) -> Any:
        for k in range(0, len(parameters), 2):
            x = x @ parameters[k] + parameters[k + 1]
            if k + 2 < len(parameters):
                x = getattr(x, activation)()
        return x

    runs: dict[str, Callable[[], Any]] = {}
    for name in ("compiled", Tool.name):
        leaves, x = [wengert.tensor(v, requires_grad=True) for v in start], wengert.tensor(images)
        moves = getattr(optim, optimizer)(leaves, rate, **options) if optimizer else None
        ours = step_of(lambda p, x: nn.cross_entropy(scores(p, x), labels), wengert, moves, rate, leaves)
        given = [x] if moves else [leaves, x]
        runs[name] = functools.partial(wengert.compile(ours) if name == "compiled" else ours, *given)
    if any(tool.name == Torch.name for tool in measured):
        torch = importlib.import_module("torch")
        loss = torch.nn.functional.cross_entropy
        leaves = [torch.tensor(v, requires_grad=True) for v in start]
        moves = getattr(torch.optim, optimizer)(leaves, rate, **options) if optimizer else None
        theirs = step_of(lambda p, x, y: loss(scores(p, x), y), torch, moves, rate, leaves)
        given = [torch.tensor(images), torch.tensor(labels)]
        runs[Torch.name] = functools.partial(theirs, *given) if moves else functools.partial(theirs, leaves, *given)
    for _ in range(8):
        losses = [float(run().item()) for run in runs.values()]
        np.testing.assert_allclose(losses, losses[0], rtol=1e-4)
    seconds = dict(zip(runs, measure.interleaved(list(runs.values()), 3 if quick else 11), strict=True))
    name = ", ".join(filter(None, (activation, optimizer, "float32")))
    return f"step of 784-256-128-10, {name}", seconds.pop("compiled"), seconds


if __name__ == "__main__":
    measure.main("tensors", measure_tensors)
