"""Fits a model of real data with exact derivatives of ordinary NumPy. `make demo` runs this file.

The data is the breast cancer table that ships with scikit-learn: 569 tumours, 30 measurements
each, malignant or benign. The likelihood below is written as anyone would write it, with a loop,
in-place sums and writes through masks; nothing in it knows that it is differentiated.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import wengert as wg
from wengert import numeric

PENALTY = 0.01
SEED = 20
TOLERANCE = 1e-6


def negative_log_likelihood(weights, table, benign, penalty=PENALTY):
    """Mean logistic loss of `weights` (one for each column, then the offset) plus a penalty."""
    rows, columns = table.shape
    scores = np.zeros(rows)
    for j in range(columns):
        scores += weights[j] * table[:, j]
    scores += weights[columns]
    losses = np.empty(rows)
    losses[benign] = np.logaddexp(0.0, -scores[benign])
    losses[~benign] = np.logaddexp(0.0, scores[~benign])
    return losses.mean() + 0.5 * penalty * np.sum(weights[:-1] ** 2)


def gradient_on_paper(weights, table, benign, penalty=PENALTY):
    """The closed form, as the judge of all the others: A^T (sigmoid(A w) - y) / n + penalty."""
    padded = np.column_stack((table, np.ones(len(table))))
    surprise = 1.0 / (1.0 + np.exp(-(padded @ weights))) - benign
    return padded.T @ surprise / len(table) + penalty * np.append(weights[:-1], 0.0)


class Counted:
    """A function that counts its calls."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.calls = 0

    def __call__(self, *arguments: Any) -> Any:
        self.calls += 1
        return self.function(*arguments)


def load() -> tuple[Any, ...]:
    """Training and test rows, standardised by the training rows, split by a fixed seed."""
    try:
        from sklearn.datasets import load_breast_cancer
    except ImportError:
        sys.exit("The demo reads its data from scikit-learn: pip install scikit-learn")
    table, target = load_breast_cancer(return_X_y=True)
    order = np.random.default_rng(SEED).permutation(len(table))
    cut = round(0.7 * len(table))
    train, test = order[:cut], order[cut:]
    mean, spread = table[train].mean(axis=0), table[train].std(axis=0)
    table = (table - mean) / spread
    benign = target == 1
    return table[train], benign[train], table[test], benign[test]


def timed(call: Callable[[], Any], repeats: int = 5) -> tuple[Any, float]:
    """The result, and the best of a few durations in milliseconds."""
    durations = []
    for _ in range(repeats):
        started = time.perf_counter()
        result = call()
        durations.append(time.perf_counter() - started)
    return result, 1e3 * min(durations)


def compare_gradients(
    loss: Callable[[Any], Any], exact: Callable[[Any], Any], weights: Any
) -> None:
    """The table of six ways to the same gradient."""
    truth = exact(weights)
    scale = np.max(np.abs(truth))
    _, own = timed(lambda: loss(weights), 20)
    print(f"\nGradient of {weights.size} weights; the loss itself takes {own:.3f} ms\n")
    print("  method                  evaluations   time ms   relative error   its own estimate")

    def line(name: str, cost: str, duration: float, gradient: Any, estimate: str = "-") -> None:
        error = np.max(np.abs(gradient - truth)) / scale
        print(f"  {name:<22} {cost:>12} {duration:>9.2f} {error:>16.1e} {estimate:>18}")

    for method in ("forward", "backward", "central", "richardson"):
        counted = Counted(loss)
        found = numeric.gradient(counted, weights, method=method)
        calls = counted.calls
        found, duration = timed(
            lambda method=method: numeric.gradient(loss, weights, method=method)
        )
        estimate = f"{np.max(found.error) / scale:.1e}"
        line(f"{method} differences", str(calls), duration, found.value, estimate)
    for name, transform in (("forward mode", wg.jacfwd(loss)), ("reverse mode", wg.grad(loss))):
        gradient, duration = timed(lambda transform=transform: transform(weights))
        line(name, "exact", duration, gradient)


def central(loss: Callable[[Any], Any], weights: Any) -> Any:
    """Central differences with the usual step: two evaluations for each weight."""
    gradient = np.empty_like(weights)
    for j in range(weights.size):
        step = np.zeros_like(weights)
        step[j] = np.cbrt(np.finfo(float).eps) * max(1.0, abs(weights[j]))
        gradient[j] = (loss(weights + step) - loss(weights - step)) / (2.0 * step[j])
    return gradient


def fit(name: str, value_and_gradient: Any, product: Any, start: Any, status: Any) -> Any:
    """Newton's method with a trust region; one line of progress for each step."""
    try:
        from scipy.optimize import minimize
    except ImportError:
        sys.exit("The fit uses SciPy: pip install scipy")
    print(f"\n{name}", flush=True)
    step = 0

    def progress(intermediate_result: Any) -> None:
        nonlocal step
        step += 1
        print(f"  step {step:>2}: loss {intermediate_result.fun:.10f}   {status()}", flush=True)

    return minimize(
        value_and_gradient,
        start,
        jac=True,
        hessp=product,
        method="trust-ncg",
        callback=progress,
        options={"gtol": TOLERANCE},
    )


def fit_exactly(loss: Callable[[Any], Any], start: Any) -> tuple[Any, int, int, float]:
    """The fit with wengert: gradients in reverse mode, Hessian products forward over reverse."""
    gradients = Counted(wg.value_and_grad(loss))
    products = Counted(lambda weights, v: wg.hvp(loss, (weights,), (v,))[1])
    started = time.perf_counter()
    result = fit(
        "Fit with exact derivatives (trust-ncg, value_and_grad, hvp)",
        gradients,
        products,
        start,
        lambda: f"{gradients.calls} gradients, {products.calls} Hessian products",
    )
    return result, gradients.calls, products.calls, time.perf_counter() - started


def fit_by_differences(loss: Callable[[Any], Any], start: Any) -> tuple[Any, int, float]:
    """The same fit with central differences for both derivatives."""
    counted = Counted(loss)
    small = np.cbrt(np.finfo(float).eps)

    def value_and_gradient(weights: Any) -> tuple[float, Any]:
        return counted(weights), central(counted, weights)

    def product(weights: Any, v: Any) -> Any:
        length = np.linalg.norm(v)
        if length == 0.0:
            return np.zeros_like(v)
        step = small / length
        ahead, behind = (central(counted, weights + s * step * v) for s in (1.0, -1.0))
        return (ahead - behind) / (2.0 * step)

    started = time.perf_counter()
    result = fit(
        "The same fit with central differences",
        value_and_gradient,
        product,
        start,
        lambda: f"{counted.calls} evaluations",
    )
    return result, counted.calls, time.perf_counter() - started


def accuracy(weights: Any, table: Any, benign: Any) -> float:
    return float(np.mean((table @ weights[:-1] + weights[-1] > 0.0) == benign))


def main() -> None:
    table, benign, test_table, test_benign = load()
    rows, columns = table.shape
    print(f"Breast cancer table: {rows} rows to fit, {len(test_table)} to test, {columns} columns")

    def loss(weights: Any) -> Any:
        return negative_log_likelihood(weights, table, benign)

    def exact(weights: Any) -> Any:
        return gradient_on_paper(weights, table, benign)

    point = 0.3 * np.random.default_rng(SEED).standard_normal(columns + 1)
    compare_gradients(loss, exact, point)

    start = np.zeros(columns + 1)
    result, gradients, products, seconds = fit_exactly(loss, start)
    other, evaluations, other_seconds = fit_by_differences(loss, start)
    ours = gradients + products
    print("\n                      calls of the function   seconds   loss            |gradient|")
    for name, calls, duration, found in (
        ("exact derivatives", f"{gradients} + {products} products", seconds, result),
        ("central differences", f"{evaluations}", other_seconds, other),
    ):
        size = np.linalg.norm(exact(found.x))
        print(f"  {name:<20} {calls:>20} {duration:>9.2f}   {found.fun:.10f} {size:>12.1e}")
    print(
        f"\nExact derivatives ran the function {ours} times (each time with a gradient or a Hessian"
        f"\nproduct), central differences {evaluations} times: {evaluations - ours} calls saved."
    )
    majority = max(np.mean(test_benign), 1.0 - np.mean(test_benign))
    print(
        f"\nAccuracy: {accuracy(result.x, table, benign):.1%} on the rows it was fitted to, "
        f"{accuracy(result.x, test_table, test_benign):.1%} on the {len(test_table)} it never saw "
        f"(the larger class alone: {majority:.1%})."
    )


if __name__ == "__main__":
    main()
