"""The programs that are measured: ordinary NumPy functions that know no differentiation tool.

May import the standard library and NumPy only. Invariant: `substituted` runs this very source again
with another module under the name `np` (HIPS autograd needs its own), so both tools always get the
same statements.
"""

from __future__ import annotations

import importlib.util
import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

GMM_FILE = Path("shared", "data", "adbench", "gmm", "gmm_1k_d10_K25.txt")


def substituted(numpy_module: ModuleType) -> ModuleType:
    """A second copy of this module in which the name `np` is `numpy_module`."""
    name = f"{__name__}_with_{numpy_module.__name__.replace('.', '_')}"
    spec = importlib.util.spec_from_file_location(name, __file__)
    assert spec is not None
    assert spec.loader is not None
    copy = importlib.util.module_from_spec(spec)
    sys.modules[name] = copy
    spec.loader.exec_module(copy)
    copy.np = numpy_module  # type: ignore[attr-defined]
    return copy


def rosenbrock(x: Any) -> Any:
    return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)


def logistic(w: Any, table: Any, sign: Any) -> Any:
    """Mean negative log likelihood of labels +-1 plus a small quadratic penalty."""
    margins = sign * np.dot(table, w)
    return np.mean(np.logaddexp(0.0, -margins)) + 0.01 * np.sum(w * w)


def network_tanh(layers: Any, images: Any, one_hot: Any) -> Any:
    """Cross entropy of a fully connected network, tanh between the layers."""
    hidden = images
    for weight, bias in layers[:-1]:
        hidden = np.tanh(np.dot(hidden, weight) + bias)
    weight, bias = layers[-1]
    return cross_entropy(np.dot(hidden, weight) + bias, one_hot)


def network_relu(layers: Any, images: Any, one_hot: Any) -> Any:
    """The same network with `maximum(z, 0)` between the layers."""
    hidden = images
    for weight, bias in layers[:-1]:
        hidden = np.maximum(np.dot(hidden, weight) + bias, 0.0)
    weight, bias = layers[-1]
    return cross_entropy(np.dot(hidden, weight) + bias, one_hot)


def cross_entropy(scores: Any, one_hot: Any) -> Any:
    return np.mean(log_sum_exp(scores) - np.sum(scores * one_hot, axis=1))


def log_sum_exp(scores: Any) -> Any:
    """log(sum(exp(scores))) along the last axis, shifted by the largest entry."""
    top = np.max(scores, axis=-1, keepdims=True)
    return np.log(np.sum(np.exp(scores - top), axis=-1)) + top[..., 0]


def ode(theta: Any) -> Any:
    """1000 Euler steps of x' = a x - b x^2 + sin x with a scalar state: 8 operations a step."""
    x, a, b = theta[0], theta[1], theta[2]
    step = 0.001
    for _ in range(1000):
        x = x + step * (a * x - b * x * x + np.sin(x))
    return x


def mixture(alphas: Any, means: Any, factors: Any, points: Any, gamma: float, m: int) -> Any:
    """Log likelihood of a Gaussian mixture with a Wishart prior (Srajer et al. 2018, section 3).

    A row of `factors` holds the log-diagonal of the inverse Cholesky factor, then its strictly
    lower triangle column by column.
    """
    count, dimension = points.shape
    components = len(alphas)
    log_diagonal = factors[:, :dimension]
    diagonal = np.exp(log_diagonal)
    sum_log = np.sum(log_diagonal, axis=1)
    padded = np.concatenate((factors[:, dimension:], np.zeros((components, 1))), axis=1)
    lower = padded[:, triangle_places(dimension)]
    centred = points[:, None, :] - means[None, :, :]
    scaled = diagonal * centred + np.einsum("kij,nkj->nki", lower, centred)
    inner = alphas + sum_log - 0.5 * np.sum(scaled**2, axis=2)
    likelihood = np.sum(log_sum_exp(inner)) - count * log_sum_exp(alphas)
    freedom = dimension + m + 1
    squares = np.sum(diagonal**2, axis=1) + np.sum(factors[:, dimension:] ** 2, axis=1)
    prior = np.sum(0.5 * gamma**2 * squares - m * sum_log)
    normaliser = freedom * dimension * math.log(gamma / math.sqrt(2.0))
    log_gamma = dimension * (dimension - 1) / 4 * math.log(math.pi) + sum(
        math.lgamma(0.5 * (freedom - j)) for j in range(dimension)
    )
    constant = -count * dimension * 0.5 * math.log(2.0 * math.pi)
    return constant + likelihood + prior - components * (normaliser - log_gamma)


def triangle_places(dimension: int) -> list[list[int]]:
    """For each entry of a matrix its place in the packed strict lower triangle; the last place
    holds zero.
    """
    zero = dimension * (dimension - 1) // 2
    places = [[zero] * dimension for _ in range(dimension)]
    place = 0
    for column in range(dimension):
        for row in range(column + 1, dimension):
            places[row][column] = place
            place += 1
    return places


@dataclass
class Workload:
    """A function of the name `function` in this module, its arguments and what is
    differentiated.
    """

    title: str
    function: str
    arguments: tuple[Any, ...]
    argnums: tuple[int, ...] = (0,)

    def bind(self, module: Any) -> Callable[..., Any]:
        function: Callable[..., Any] = getattr(module, self.function)
        return function


def mixture_arguments(root: Path) -> tuple[tuple[Any, ...], str]:
    """The ADBench input d=10, K=25, n=1000, or random numbers of its shape; and which of the
    two.
    """
    path = next((base / GMM_FILE for base in (root, root.parent) if (base / GMM_FILE).is_file()), None)
    dimension, components, count = 10, 25, 1000
    width = dimension + dimension * (dimension - 1) // 2
    sizes = [components, components * dimension, components * width, count * dimension]
    if path is None:
        random = np.random.default_rng(5)
        parts = [random.standard_normal(size) for size in sizes]
        gamma, m, origin = 1.0, 0, "synthetic numbers of the ADBench shape"
    else:
        numbers = np.array(path.read_text().split(), dtype=float)
        assert tuple(numbers[:3]) == (dimension, components, count)
        ends = np.cumsum([3, *sizes])
        parts = [numbers[a:b] for a, b in pairwise(ends)]
        gamma, m, origin = float(numbers[-2]), int(numbers[-1]), "ADBench input gmm_1k_d10_K25"
    alphas, means, factors, points = parts
    arguments = (
        alphas.copy(),
        means.reshape(components, dimension),
        factors.reshape(components, width),
        points.reshape(count, dimension),
        gamma,
        m,
    )
    return arguments, origin


def workloads(root: Path) -> tuple[list[Workload], list[str]]:
    """The seven programs (the network twice) with their data, and notes on where the data came
    from.
    """
    random = np.random.default_rng(7)

    def classification(rows: int, columns: int) -> tuple[Any, Any, Any]:
        table = random.standard_normal((rows, columns))
        sign = np.where(random.standard_normal(rows) > 0, 1.0, -1.0)
        return random.standard_normal(columns) / columns, table, sign

    sizes = (784, 256, 128, 10)
    layers = [
        (random.standard_normal((a, b)) / math.sqrt(a), 0.1 * random.standard_normal(b)) for a, b in pairwise(sizes)
    ]
    images = random.random((128, 784))
    one_hot = np.eye(10)[random.integers(0, 10, 128)]
    mixture_inputs, origin = mixture_arguments(root)
    network = (layers, images, one_hot)
    found = [
        Workload("Rosenbrock n=10", "rosenbrock", (random.standard_normal(10),)),
        Workload("Rosenbrock n=1000", "rosenbrock", (random.standard_normal(1000),)),
        Workload("logistic regression 569x30", "logistic", classification(569, 30)),
        Workload("logistic regression 10000x100", "logistic", classification(10000, 100)),
        Workload("network 784-256-128-10, batch 128, tanh", "network_tanh", network),
        Workload("network 784-256-128-10, batch 128, relu", "network_relu", network),
        Workload("ODE, 1000 steps of a Python loop", "ode", (np.array([0.5, 0.3, 0.7]),)),
        Workload("GMM d=10 K=25 n=1000", "mixture", mixture_inputs, (0, 1, 2)),
    ]
    return found, [f"GMM data: {origin}."]
