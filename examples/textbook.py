"""The examples every textbook on automatic differentiation works by hand, worked by wengert.

Run `python examples/textbook.py`. Each program is given twice: as ordinary NumPy and as its list of
elementary steps. wengert differentiates the steps one by one (the local derivatives) and the
function as a whole; the two sweeps below only multiply and add, as one does on paper, so their
agreement is a check. Imports wengert's public API and NumPy.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

import wengert as wg


def sigmoid(t):
    return 1.0 / (1.0 + np.exp(-t))


@dataclass(frozen=True)
class Step:
    """One line of the list: `name = text`, computed by `rule` from the quantities `inputs`."""

    name: str
    text: str
    inputs: tuple[str, ...]
    rule: Callable[..., Any]


@dataclass(frozen=True)
class Program:
    """A function of named numbers, and the same function as elementary steps."""

    title: str
    function: Callable[..., Any]
    at: dict[str, float]
    steps: tuple[Step, ...]

    @property
    def result(self) -> str:
        return self.steps[-1].name


PROGRAMS = {
    "product": Program(
        "e = (a + b) (b + 1)",
        lambda a, b: (a + b) * (b + 1),
        {"a": 2.0, "b": 1.0},
        (
            Step("c", "a + b", ("a", "b"), lambda a, b: a + b),
            Step("d", "b + 1", ("b",), lambda b: b + 1),
            Step("e", "c d", ("c", "d"), lambda c, d: c * d),
        ),
    ),
    "circuit": Program(
        "f = (x + y) z",
        lambda x, y, z: (x + y) * z,
        {"x": -2.0, "y": 5.0, "z": -4.0},
        (
            Step("q", "x + y", ("x", "y"), lambda x, y: x + y),
            Step("f", "q z", ("q", "z"), lambda q, z: q * z),
        ),
    ),
    "neuron": Program(
        "f = sigmoid(w0 x0 + w1 x1 + w2)",
        lambda w0, w1, w2, x0, x1: sigmoid(w0 * x0 + w1 * x1 + w2),
        {"w0": 2.0, "w1": -3.0, "w2": -3.0, "x0": -1.0, "x1": -2.0},
        (
            Step("p", "w0 x0", ("w0", "x0"), lambda w0, x0: w0 * x0),
            Step("q", "w1 x1", ("w1", "x1"), lambda w1, x1: w1 * x1),
            Step("s", "p + q", ("p", "q"), lambda p, q: p + q),
            Step("t", "s + w2", ("s", "w2"), lambda s, w2: s + w2),
            Step("n", "-t", ("t",), lambda t: -t),
            Step("e", "exp(n)", ("n",), lambda n: np.exp(n)),
            Step("d", "1 + e", ("e",), lambda e: 1.0 + e),
            Step("f", "1 / d", ("d",), lambda d: 1.0 / d),
        ),
    ),
    "quotient": Program(
        "f = (x + sigma(y)) / (sigma(x) + (x + y)^2)",
        lambda x, y: (x + sigmoid(y)) / (sigmoid(x) + (x + y) ** 2),
        {"x": 3.0, "y": -4.0},
        (
            Step("u", "sigma(y)", ("y",), sigmoid),
            Step("n", "x + u", ("x", "u"), lambda x, u: x + u),
            Step("v", "sigma(x)", ("x",), sigmoid),
            Step("s", "x + y", ("x", "y"), lambda x, y: x + y),
            Step("q", "s^2", ("s",), lambda s: s**2),
            Step("d", "v + q", ("v", "q"), lambda v, q: v + q),
            Step("f", "n / d", ("n", "d"), lambda n, d: n / d),
        ),
    ),
    "bowl": Program(
        "f = x1^2 + 2 x2^2",
        lambda x1, x2: x1**2 + 2 * x2**2,
        {"x1": 3.0, "x2": -1.0},
        (
            Step("p", "x1^2", ("x1",), lambda x1: x1**2),
            Step("q", "x2^2", ("x2",), lambda x2: x2**2),
            Step("r", "2 q", ("q",), lambda q: 2 * q),
            Step("f", "p + r", ("p", "r"), lambda p, r: p + r),
        ),
    ),
}


@dataclass
class Walk:
    """All that is written on paper: values, local derivatives, tangents, cotangents, sweeps."""

    values: dict[str, float]
    local: dict[str, tuple[float, ...]]
    tangents: dict[str, dict[str, float]] = field(default_factory=dict)
    cotangents: dict[str, float] = field(default_factory=dict)
    additions: list[tuple[str, str, float, float]] = field(default_factory=list)
    """(into, from, upstream, local) in the order of the reverse sweep."""
    forward_sweeps: int = 0
    reverse_sweeps: int = 0


def evaluate(program: Program) -> Walk:
    """Values of all quantities, and the derivative of every step by each of its inputs."""
    walk = Walk(dict(program.at), {})
    for step in program.steps:
        arguments = [walk.values[name] for name in step.inputs]
        walk.values[step.name] = float(step.rule(*arguments))
        partials = wg.grad(step.rule, argnums=tuple(range(len(arguments))))(*arguments)
        walk.local[step.name] = tuple(float(partial) for partial in partials)
    return walk


def sweep_forward(program: Program, walk: Walk, seed: str) -> float:
    """One sweep along the list: d(every quantity) / d(seed)."""
    tangents = {name: float(name == seed) for name in program.at}
    for step in program.steps:
        pairs = zip(walk.local[step.name], step.inputs, strict=True)
        tangents[step.name] = sum(partial * tangents[name] for partial, name in pairs)
    walk.tangents[seed] = tangents
    walk.forward_sweeps += 1
    return tangents[program.result]


def sweep_reverse(program: Program, walk: Walk) -> dict[str, float]:
    """One sweep back: d(result) / d(every quantity). Where paths meet, contributions are added."""
    cotangents = dict.fromkeys(walk.values, 0.0)
    cotangents[program.result] = 1.0
    for step in reversed(program.steps):
        upstream = cotangents[step.name]
        for partial, name in zip(walk.local[step.name], step.inputs, strict=True):
            cotangents[name] += upstream * partial
            walk.additions.append((name, step.name, upstream, partial))
    walk.cotangents = cotangents
    walk.reverse_sweeps += 1
    return {name: cotangents[name] for name in program.at}


def work(program: Program) -> Walk:
    """The whole example: values, one forward sweep for each input, one reverse sweep."""
    walk = evaluate(program)
    for name in program.at:
        sweep_forward(program, walk, name)
    sweep_reverse(program, walk)
    return walk


def whole_gradient(program: Program) -> dict[str, float]:
    """wengert's gradient of the ordinary function, by name of the input."""
    everything = tuple(range(len(program.at)))
    gradient = wg.grad(program.function, argnums=everything)(*program.at.values())
    return {name: float(part) for name, part in zip(program.at, gradient, strict=True)}


def show(program: Program) -> None:
    walk = work(program)
    at = ", ".join(f"{name} = {value:g}" for name, value in program.at.items())
    print(f"\n{program.title}   at {at}\n")
    print("  step             value       local derivatives")
    for step in program.steps:
        pairs = zip(step.inputs, walk.local[step.name], strict=True)
        locals_text = "  ".join(f"d{step.name}/d{name} = {value:.6g}" for name, value in pairs)
        print(f"  {step.name} = {step.text:<10} {walk.values[step.name]:>10.6g}   {locals_text}")
    print("\n  forward sweeps: tangents of every quantity, one sweep for each input")
    for seed, tangents in walk.tangents.items():
        line = "  ".join(f"{step.name}' = {tangents[step.name]:.6g}" for step in program.steps)
        print(f"  {seed}' = 1:  {line}")
    print("\n  reverse sweep: upstream times local is added to the input")
    for into, source, upstream, partial in walk.additions:
        print(f"  {into:>2}~ += {source}~ * d{source}/d{into} = {upstream:.6g} * {partial:.6g}")
    gradient = whole_gradient(program)
    line = ", ".join(f"df/d{name} = {value:.6f}" for name, value in gradient.items())
    print(f"\n  value {walk.values[program.result]:.6f};  {line}")
    print(f"  forward sweeps: {walk.forward_sweeps}, reverse sweeps: {walk.reverse_sweeps}")


# --- one operation replaced -----------------------------------------------------------------------


def recorded_addition() -> tuple[Callable[..., Any], list[tuple[float, tuple[float, float]]]]:
    """x + y as an operation of its own, which writes down (upstream, downstream) when it is pulled.

    Its rule knows its local gradients (1, 1) and nothing of the program around it.
    """
    seen: list[tuple[float, tuple[float, float]]] = []

    def addition(x, y):
        return x + y

    def forwards(x, y):
        return x + y, None

    def backwards(_, upstream):
        downstream = (upstream * 1.0, upstream * 1.0)
        seen.append((float(upstream), (float(downstream[0]), float(downstream[1]))))
        return downstream

    operation = wg.custom_vjp(addition)
    operation.defvjp(forwards, backwards)
    return operation, seen


def replaced(operation: Callable[..., Any], text: str) -> Program:
    """The circuit (x + y) z with another operation in the place of the product."""
    circuit = PROGRAMS["circuit"]
    last = Step("f", text, ("q", "z"), operation)
    return replace(
        circuit,
        title=f"f = {text} with q = x + y",
        function=lambda x, y, z: operation(x + y, z),
        steps=(*circuit.steps[:-1], last),
    )


REPLACEMENTS = {
    "q z": lambda q, z: q * z,
    "q / z": lambda q, z: q / z,
    "q exp(z)": lambda q, z: q * np.exp(z),
}


# --- sweeps as wengert runs them ------------------------------------------------------------------


def counted_sweeps(n: int) -> tuple[int, int]:
    """How often a rule runs for the gradient of n inputs: by forward mode, and by reverse mode."""
    pushes = pulls = 0

    def total(x):
        return np.sum(x * x)

    def push(primals, tangents):
        nonlocal pushes
        pushes += 1
        return total(primals[0]), np.sum(2.0 * primals[0] * tangents[0])

    def forwards(x):
        return total(x), x

    def backwards(x, upstream):
        nonlocal pulls
        pulls += 1
        return (2.0 * x * upstream,)

    forward, reverse = wg.custom_jvp(total), wg.custom_vjp(total)
    forward.defjvp(push)
    reverse.defvjp(forwards, backwards)
    x = np.linspace(1.0, 2.0, n)
    by_forward = np.array([wg.jvp(forward, (x,), (e,))[1] for e in np.eye(n)])
    by_reverse = wg.grad(reverse)(x)
    if not np.allclose(by_forward, by_reverse, rtol=1e-14):
        raise ArithmeticError(f"the two modes differ: {by_forward} and {by_reverse}")
    return pushes, pulls


# --- matrices and tensors -------------------------------------------------------------------------


def matrix_product(seed: int = 0):
    """D = W X: the pullback of dD next to the formulas dD X^T and W^T dD."""
    random = np.random.default_rng(seed)
    W, X, dD = (random.standard_normal(shape) for shape in ((5, 10), (10, 3), (5, 3)))
    D, pullback = wg.vjp(lambda W, X: W @ X, W, X)
    dW, dX = pullback(dD)
    return D, (dW, dX), (dD @ X.T, W.T @ dD)


def squared_error(seed: int = 1):
    """(<x, w> - y)^2 by w: 2 (<x, w> - y) x."""
    random = np.random.default_rng(seed)
    x, w, y = random.standard_normal(4), random.standard_normal(4), 0.7
    gradient = wg.grad(lambda w: (np.dot(x, w) - y) ** 2)(w)
    return gradient, 2.0 * (np.dot(x, w) - y) * x


def least_squares(seed: int = 2):
    """||X w - y||^2 by w: 2 X^T (X w - y)."""
    random = np.random.default_rng(seed)
    X, w, y = (random.standard_normal(shape) for shape in ((6, 4), 4, 6))
    gradient = wg.grad(lambda w: np.linalg.norm(X @ w - y) ** 2)(w)
    return gradient, 2.0 * X.T @ (X @ w - y)


A = np.array([[0.4, -1.0], [0.3, 0.8]])


def tensor_function(X):
    """A (2, 3) array to a (3, 2) array."""
    return np.sin(X.T @ A) * X.T


def generalised_jacobian(seed: int = 3):
    """The Jacobian of a tensor by a tensor, its flattened twin, and the two products with dX."""
    random = np.random.default_rng(seed)
    X, dX = random.standard_normal((2, 3)), random.standard_normal((2, 3))
    J = wg.jacobian(tensor_function)(X)
    flat = wg.jacobian(lambda x: tensor_function(x.reshape(2, 3)).ravel())(X.ravel())
    product = np.tensordot(J, dX, axes=X.ndim)
    _, pushed = wg.jvp(tensor_function, (X,), (dX,))
    return X, J, flat, product, pushed


def show_tensors() -> None:
    D, gradients, formulas = matrix_product()
    print(f"\nD = W X, shapes (5, 10) (10, 3) -> {D.shape}: largest difference from the formulas")
    for name, got, formula in zip(("dD X^T", "W^T dD"), gradients, formulas, strict=True):
        print(f"  {name}: {np.max(np.abs(got - formula)):.1e}")
    for title, (got, formula) in (
        ("(<x, w> - y)^2 by w: 2 (<x, w> - y) x", squared_error()),
        ("||X w - y||^2 by w: 2 X^T (X w - y)", least_squares()),
    ):
        print(f"{title}\n  {got}   difference {np.max(np.abs(got - formula)):.1e}")
    X, J, flat, product, pushed = generalised_jacobian()
    i, j = (1, 2), (2, 1)
    print(f"\nY = sin(X^T A) X^T: input shape {X.shape}, Jacobian shape {J.shape} = output + input")
    print(f"  J[j + i] with j = {j}, i = {i}: dY[j] / dX[i] = {J[j + i]:.6f}")
    print(f"  it is the reshaped Jacobian {flat.shape} of the flattened function:", end=" ")
    print(bool(np.array_equal(flat.reshape(J.shape), J)))
    print(f"  tensordot(J, dX) and jvp differ by {np.max(np.abs(product - pushed)):.1e}")


def main() -> None:
    for program in PROGRAMS.values():
        show(program)
    program = PROGRAMS["product"]
    print("\nwengert's own list of the first example:\n")
    print(wg.trace(program.function)(*program.at.values()))
    print("\nOne operation of (x + y) z replaced: the rule of x + y stays as it is")
    for text, operation in REPLACEMENTS.items():
        addition, seen = recorded_addition()
        x, y, z = PROGRAMS["circuit"].at.values()
        function = lambda x, y, z: operation(addition(x, y), z)  # noqa: B023, E731
        wg.grad(function, argnums=(0, 1, 2))(x, y, z)
        upstream, downstream = seen[0]
        print(
            f"  f = {text:<9} upstream {upstream:>9.6f} * local 1 = downstream {downstream[0]:.6f}"
        )
    n = 6
    pushes, pulls = counted_sweeps(n)
    print(f"\nGradient of {n} inputs: {pushes} forward sweeps, or {pulls} reverse sweep")
    show_tensors()


if __name__ == "__main__":
    main()
