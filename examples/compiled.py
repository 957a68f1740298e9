"""Fit the parameters of an ordinary differential equation with a compiled gradient.

Run `python examples/compiled.py`. The populations of prey and predators are simulated in a Python loop, compared with
noisy counts, and the four rates are fitted by a quasi-Newton method. The loss is an ordinary NumPy function; the one
line that makes it fast is `wg.compile(wg.value_and_grad(loss))`. Imports wengert's public API and NumPy.
"""

from __future__ import annotations

import time

import numpy as np

import wengert as wg

TRUE = np.array([1.1, 0.4, 0.4, 0.1])
START = (10.0, 5.0)
STEP = 0.05
STEPS = 240
EVERY = 8


def rates(x, y, parameters):
    """Prey grow and are eaten; predators grow by eating and die."""
    a, b, c, d = parameters
    return a * x - b * x * y, d * x * y - c * y


def simulate(parameters):
    """Both populations at every eighth step of Runge and Kutta's method, (STEPS / EVERY, 2)."""
    x, y = START
    seen = np.zeros((STEPS // EVERY, 2))
    for i in range(STEPS):
        x1, y1 = rates(x, y, parameters)
        x2, y2 = rates(x + STEP / 2 * x1, y + STEP / 2 * y1, parameters)
        x3, y3 = rates(x + STEP / 2 * x2, y + STEP / 2 * y2, parameters)
        x4, y4 = rates(x + STEP * x3, y + STEP * y3, parameters)
        x = x + STEP / 6 * (x1 + 2 * x2 + 2 * x3 + x4)
        y = y + STEP / 6 * (y1 + 2 * y2 + 2 * y3 + y4)
        if (i + 1) % EVERY == 0:
            seen[i // EVERY, 0] = x
            seen[i // EVERY, 1] = y
    return seen


def counts(seed=0):
    """What was counted: the true populations with noise of 2 %."""
    exact = simulate(TRUE)
    return exact * (1.0 + 0.02 * np.random.default_rng(seed).standard_normal(exact.shape))


def loss(logarithms, observed):
    """Mean squared relative error; the rates are given by their logarithms, so that they stay positive."""
    return np.mean((simulate(np.exp(logarithms)) / observed - 1.0) ** 2)


def minimize(value_and_gradient, x, tolerance=1e-9, most=200):
    """Broyden, Fletcher, Goldfarb and Shanno's method with steps halved until the value falls enough."""
    inverse = np.eye(x.size)
    value, gradient = value_and_gradient(x)
    calls = 1
    for _ in range(most):
        if np.linalg.norm(gradient) <= tolerance:
            break
        direction = -inverse @ gradient
        slope = gradient @ direction
        length = min(1.0, 0.3 / np.linalg.norm(direction))  # a rate changes by a third at most
        while True:
            new_value, new_gradient = value_and_gradient(x + length * direction)
            calls += 1
            if new_value <= value + 1e-4 * length * slope or length < 1e-10:
                break
            length /= 2
        move, change = length * direction, new_gradient - gradient
        if change @ move > 0:
            left = np.eye(x.size) - np.outer(move, change) / (change @ move)
            inverse = left @ inverse @ left.T + np.outer(move, move) / (change @ move)
        x, value, gradient = x + move, new_value, new_gradient
    return x, value, calls


def timed(call):
    """The result of a call and how many milliseconds it took."""
    started = time.perf_counter()
    result = call()
    return result, 1e3 * (time.perf_counter() - started)


def main():
    observed = counts()
    start = np.log(np.array([0.9, 0.5, 0.5, 0.12]))
    plain = wg.value_and_grad(loss)
    compiled = wg.compile(plain)

    (value, gradient), uncompiled = timed(lambda: plain(start, observed))
    (again, same), first = timed(lambda: compiled(start, observed))
    _, later = timed(lambda: compiled(start, observed))
    _, later = timed(lambda: compiled(start, observed))
    difference = np.max(np.abs(same - gradient)) / np.max(np.abs(gradient))
    print(f"loss at the start {value:.6f}, compiled {again:.6f}; gradients differ by {difference:.0e}")
    print(f"one gradient: {uncompiled:.1f} ms uncompiled; {first:.0f} ms the first compiled call, then {later:.3f} ms")

    (found, least, calls), spent = timed(lambda: minimize(lambda x: compiled(x, observed), start))
    print(f"fitted in {calls} gradients and {spent:.1f} ms to a loss of {least:.6f}")
    for name, rate, true in zip(("a", "b", "c", "d"), np.exp(found), TRUE, strict=True):
        print(f"  {name} = {rate:.4f}   (true {true})")
    print()
    print(compiled.explain())


if __name__ == "__main__":
    main()
