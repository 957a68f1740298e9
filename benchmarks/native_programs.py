"""The smaller programs of the benchmarks of compiled code: ordinary NumPy functions that know no differentiation tool.

May import the standard library, NumPy and `programs`. Invariant: an objective computes nothing that a user would not
have written; what depends on the data comes as an argument.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

STEP = 0.01


def scalar(x: Any, y: Any) -> Any:
    """A function of two numbers."""
    return math.sin(x) * math.exp(-y) + x * y / (1.0 + x * x)


def scalar_by_hand(x: float, y: float) -> tuple[float, tuple[float, float]]:
    """Value and gradient of `scalar` in plain Python."""
    sine, decay, below = math.sin(x), math.exp(-y), 1.0 + x * x
    value = sine * decay + x * y / below
    return value, (math.cos(x) * decay + y * (1.0 - x * x) / (below * below), -sine * decay + x / below)


def chain(x: Any) -> Any:
    """A sum over a chain of element-wise functions."""
    return np.sum(np.tanh(np.sin(x) * np.exp(-(x**2)) + np.log1p(x**2)))


def chain_by_hand(x: Any) -> tuple[Any, Any]:
    """Value and gradient of `chain` in NumPy."""
    square = x * x
    sine, bell = np.sin(x), np.exp(-square)
    bent = np.tanh(sine * bell + np.log1p(square))
    slope = (1.0 - bent * bent) * (bell * (np.cos(x) - 2.0 * x * sine) + 2.0 * x / (1.0 + square))
    return np.sum(bent), slope


def rosenbrock_by_hand(x: Any) -> tuple[Any, Any]:
    """Value and gradient of `programs.rosenbrock` in NumPy."""
    ahead, rest = x[1:] - x[:-1] ** 2, 1.0 - x[:-1]
    gradient = np.zeros_like(x)
    gradient[:-1] = -400.0 * x[:-1] * ahead - 2.0 * rest
    gradient[1:] += 200.0 * ahead
    return np.sum(100.0 * ahead**2 + rest**2), gradient


def logistic_by_hand(w: Any, table: Any, sign: Any) -> tuple[Any, Any]:
    """Value and gradient of `programs.logistic` in NumPy."""
    margins = sign * (table @ w)
    share = -sign / (1.0 + np.exp(margins))
    value = np.mean(np.logaddexp(0.0, -margins)) + 0.01 * (w @ w)
    return value, share @ table / len(sign) + 0.02 * w


def logistic_product_by_hand(w: Any, v: Any, table: Any, sign: Any) -> Any:
    """Hessian of `programs.logistic` times v in NumPy."""
    p = 1.0 / (1.0 + np.exp(-sign * (table @ w)))
    return (p * (1.0 - p) * (table @ v)) @ table / len(sign) + 0.02 * v


def logistic_hessian_by_hand(w: Any, table: Any, sign: Any) -> Any:
    """Hessian of `programs.logistic` by one symmetric product of BLAS, a general one where SciPy is missing."""
    p = 1.0 / (1.0 + np.exp(-sign * (table @ w)))
    scaled = table * np.sqrt(p * (1.0 - p) / len(sign))[:, None]
    try:
        from scipy.linalg.blas import dsyrk
    except ImportError:
        hessian = scaled.T @ scaled
    else:
        upper = dsyrk(1.0, scaled.T)
        hessian = np.triu(upper) + np.triu(upper, 1).T
    hessian[np.diag_indices(len(w))] += 0.02
    return hessian


def lotka_volterra(parameters: Any, start: Any, steps: int) -> Any:
    """Prey and predators after `steps` steps of Runge and Kutta's method, in a Python loop over numbers."""
    a, b, c, d = parameters
    x, y = start

    def rates(x: Any, y: Any) -> tuple[Any, Any]:
        return a * x - b * x * y, d * x * y - c * y

    for _ in range(steps):
        x1, y1 = rates(x, y)
        x2, y2 = rates(x + 0.5 * STEP * x1, y + 0.5 * STEP * y1)
        x3, y3 = rates(x + 0.5 * STEP * x2, y + 0.5 * STEP * y2)
        x4, y4 = rates(x + STEP * x3, y + STEP * y3)
        x = x + STEP * (x1 + 2.0 * x2 + 2.0 * x3 + x4) / 6.0
        y = y + STEP * (y1 + 2.0 * y2 + 2.0 * y3 + y4) / 6.0
    return x + y * y


def network_by_hand(layers: Any, images: Any, one_hot: Any) -> tuple[Any, Any]:
    """Value and gradient of `programs.network_tanh` in NumPy: three products forward and five backward."""
    values = [images]
    for weight, bias in layers[:-1]:
        values.append(np.tanh(values[-1] @ weight + bias))
    scores = values[-1] @ layers[-1][0] + layers[-1][1]
    scores -= np.max(scores, axis=1, keepdims=True)
    shares = np.exp(scores)
    sums = np.sum(shares, axis=1, keepdims=True)
    value = np.mean(np.log(sums[:, 0]) - np.sum(scores * one_hot, axis=1))
    error = (shares / sums - one_hot) / np.float32(len(images))
    gradient: list[Any] = []
    for number in range(len(layers) - 1, -1, -1):
        gradient.insert(0, (values[number].T @ error, np.sum(error, axis=0)))
        if number:
            error = (error @ layers[number][0].T) * (1.0 - values[number] ** 2)
    return value, gradient


def products_alone(layers: Any, images: Any) -> Any:
    """A call that does the eight matrix products of `network_by_hand` into ready memory and nothing else."""
    weights = [weight for weight, _ in layers]
    hidden = [images, *(np.zeros((len(images), weight.shape[1]), images.dtype) for weight in weights)]
    errors = [np.zeros_like(value) for value in hidden]
    slopes = [np.zeros_like(weight) for weight in weights]

    def call() -> Any:
        for i, weight in enumerate(weights):
            np.matmul(hidden[i], weight, out=hidden[i + 1])
        for i in range(len(weights) - 1, -1, -1):
            np.matmul(hidden[i].T, errors[i + 1], out=slopes[i])
            if i:
                np.matmul(errors[i + 1], weights[i].T, out=errors[i])

    return call
