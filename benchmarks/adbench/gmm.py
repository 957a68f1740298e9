"""Gaussian mixture: the log likelihood of n points under K normal laws with a Wishart prior (Srajer et al. 2018, 3.1).

May import NumPy, the standard library and `files`. Invariant: a row of `factors` holds the log-diagonal of the inverse
Cholesky factor, then its strictly lower triangle column by column, as in the files.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from benchmarks.adbench import files

SIZES = {"1k_d10_K25": (10, 25, 1000), "1k_d20_K50": (20, 50, 1000), "10k_d10_K25": (10, 25, 10000)}
"""(dimension, components, points) of the files, by name."""


def log_sum_exp(scores: Any) -> Any:
    """log(sum(exp(scores))) along the last axis, shifted by the largest entry."""
    top = np.max(scores, axis=-1, keepdims=True)
    return np.log(np.sum(np.exp(scores - top), axis=-1)) + top[..., 0]


def unpacked(factors: Any, dimension: int) -> Any:
    """The lower triangular matrices (K, d, d) of packed rows, with exp of the log-diagonal."""
    matrices = np.zeros((len(factors), dimension, dimension))
    for i in range(dimension):
        matrices[:, i, i] = np.exp(factors[:, i])
    start = dimension
    for column in range(dimension - 1):
        length = dimension - 1 - column
        matrices[:, column + 1 :, column] = factors[:, start : start + length]
        start += length
    return matrices


def log_wishart_prior(factors: Any, dimension: int, gamma: float, m: int) -> Any:
    """Logarithm of the prior density of the K precision matrices."""
    components = len(factors)
    freedom = dimension + m + 1
    log_diagonal = factors[:, :dimension]
    squares = np.sum(np.exp(log_diagonal) ** 2) + np.sum(factors[:, dimension:] ** 2)
    log_gamma = dimension * (dimension - 1) / 4 * math.log(math.pi)
    for j in range(dimension):
        log_gamma += math.lgamma(0.5 * (freedom - j))
    normaliser = freedom * dimension * math.log(gamma / math.sqrt(2.0)) - log_gamma
    return 0.5 * gamma**2 * squares - m * np.sum(log_diagonal) - components * normaliser


def objective(alphas: Any, means: Any, factors: Any, points: Any, gamma: float, m: int) -> Any:
    """Log likelihood with prior: alphas (K,), means (K, d), factors (K, d + d (d-1)/2), points (n, d)."""
    count, dimension = points.shape
    matrices = unpacked(factors, dimension)
    centred = points[:, None, :] - means
    scaled = np.einsum("kij,nkj->nki", matrices, centred)
    inner = alphas + np.sum(factors[:, :dimension], axis=1) - 0.5 * np.sum(scaled**2, axis=2)
    likelihood = np.sum(log_sum_exp(inner)) - count * log_sum_exp(alphas)
    constant = -count * dimension * 0.5 * math.log(2.0 * math.pi)
    return constant + likelihood + log_wishart_prior(factors, dimension, gamma, m)


def objective_in_loops(alphas: Any, means: Any, factors: Any, points: Any, gamma: float, m: int) -> Any:
    """The same, one component at a time, its column of `inner` written in place."""
    count, dimension = points.shape
    matrices = unpacked(factors, dimension)
    inner = np.empty((count, len(alphas)))
    for k in range(len(alphas)):
        scaled = (points - means[k]) @ matrices[k].T
        inner[:, k] = alphas[k] + np.sum(factors[k, :dimension]) - 0.5 * np.sum(scaled * scaled, axis=1)
    likelihood = np.sum(log_sum_exp(inner)) - count * log_sum_exp(alphas)
    constant = -count * dimension * 0.5 * math.log(2.0 * math.pi)
    return constant + likelihood + log_wishart_prior(factors, dimension, gamma, m)


def random_inputs(dimension: int, components: int, count: int, seed: int = 5) -> tuple[Any, ...]:
    """Arguments of `objective` drawn at random."""
    random = np.random.default_rng(seed)
    width = dimension * (dimension + 1) // 2
    return (
        random.standard_normal(components),
        random.random((components, dimension)),
        random.standard_normal((components, width)),
        random.standard_normal((count, dimension)),
        1.0,
        0,
    )


def inputs(name: str) -> tuple[tuple[Any, ...], bool]:
    """Arguments of `objective` from the named file, or random ones of its sizes; and whether the file was there."""
    dimension, components, count = SIZES[name]
    path = files.found("gmm", f"gmm_{name}.txt")
    if path is None:
        return random_inputs(dimension, components, count), False
    width = dimension * (dimension + 1) // 2
    shapes = (3,), (components,), (components, dimension), (components, width), (count, dimension)
    sizes, alphas, means, factors, points, prior = files.cut(files.numbers(path), *shapes)
    assert tuple(sizes) == (dimension, components, count)
    return (alphas, means, factors, points, float(prior[0]), int(prior[1])), True
