"""The ``statistics`` module on traced data: the same quantities by their formulas.

Imports core, ops and ``exact``; loaded when ``statistics`` is. Invariant: the value is that of the original, whose
sums are exact fractions; only the derivative comes from the formula.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.core.errors import NoRuleError, error_at
from wengert.numpy_api.exact import exactly, values_of
from wengert.ops.join import holds_handle

_TWINS: list[tuple[Any, Any]] = []


def provide() -> list[tuple[Any, Any]]:
    """The originals and their stand-ins."""
    return _TWINS


def _serve(original: Callable[..., Any]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def register(formula: Callable[..., Any]) -> Callable[..., Any]:
        def call(data: Any, *args: Any, **kwargs: Any) -> Any:
            values = list(data)  # an iterator can be read once
            rest = [a if not hasattr(a, "__next__") else list(a) for a in args]
            if not any(holds_handle(a) for a in (values, *rest, *kwargs.values())):
                return original(values, *rest, **kwargs)
            return _exactly(formula(values, *rest, **kwargs), original, values, *rest, **kwargs)

        _TWINS.append((original, call))
        return formula

    return register


def _exactly(result: Any, original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """The result of a formula with the bits of the original."""
    if isinstance(result, tuple):
        plain = original(*values_of(args), **values_of(kwargs))
        return type(result)(*(exactly(part, lambda y=y: y) for part, y in zip(result, plain, strict=True)))
    return exactly(result, original, *args, **kwargs)


def _some(values: list[Any], name: str, least: int = 1) -> int:
    if len(values) < least:
        points = "one data point" if least == 1 else "two data points"
        raise statistics.StatisticsError(f"{name} requires at least {points}")
    return len(values)


@_serve(statistics.mean)
def mean(data: list[Any]) -> Any:
    """sum x / n."""
    return sum(data) / _some(data, "mean")


@_serve(statistics.fmean)
def fmean(data: list[Any], weights: Any = None) -> Any:
    """sum w x / sum w."""
    if weights is None:
        return sum(data) / _some(data, "fmean")
    weights = list(weights)
    if len(weights) != len(data):
        raise statistics.StatisticsError("data and weights must be the same length")
    total = sum(weights)
    if not total:
        raise statistics.StatisticsError("sum of weights must be non-zero")
    return sum(w * x for w, x in zip(weights, data, strict=True)) / total


@_serve(statistics.geometric_mean)
def geometric_mean(data: list[Any]) -> Any:
    """exp of the mean of log x."""
    _some(data, "geometric_mean")
    if any(x <= 0 for x in data):
        raise statistics.StatisticsError(
            "geometric mean requires a non-empty dataset containing positive numbers"
        )
    return np.exp(sum(map(np.log, data)) / len(data))


@_serve(statistics.harmonic_mean)
def harmonic_mean(data: list[Any], weights: Any = None) -> Any:
    """sum w / sum (w / x)."""
    count = _some(data, "harmonic_mean")
    if any(x < 0 for x in data):
        raise statistics.StatisticsError("harmonic mean does not support negative values")
    parts = [1] * count if weights is None else list(weights)
    if len(parts) != count:
        raise statistics.StatisticsError("Number of weights does not match data size")
    if any(x == 0 for x in data):
        return 0 * sum(data)
    return sum(parts) / sum(w / x for w, x in zip(parts, data, strict=True))


@_serve(statistics.pvariance)
def pvariance(data: list[Any], mu: Any = None) -> Any:
    """sum (x - mu)^2 / n."""
    return _squares(data, mu, "pvariance") / _some(data, "pvariance")


@_serve(statistics.variance)
def variance(data: list[Any], xbar: Any = None) -> Any:
    """sum (x - mean)^2 / (n - 1)."""
    return _squares(data, xbar, "variance") / (_some(data, "variance", 2) - 1)


def _squares(data: list[Any], center: Any, name: str) -> Any:
    if center is None:
        center = sum(data) / _some(data, name)
    return sum((x - center) ** 2 for x in data)


@_serve(statistics.pstdev)
def pstdev(data: list[Any], mu: Any = None) -> Any:
    """The root of ``pvariance``."""
    return np.sqrt(pvariance(data, mu))


@_serve(statistics.stdev)
def stdev(data: list[Any], xbar: Any = None) -> Any:
    """The root of ``variance``."""
    return np.sqrt(variance(data, xbar))


def _centered(x: list[Any], y: list[Any], name: str) -> tuple[Any, Any, Any]:
    if len(x) != len(y):
        raise statistics.StatisticsError(
            f"{name} requires that both inputs have same number of data points"
        )
    count = _some(x, name, 2)
    x_mean, y_mean = sum(x) / count, sum(y) / count
    xx = sum((a - x_mean) ** 2 for a in x)
    yy = sum((b - y_mean) ** 2 for b in y)
    xy = sum((a - x_mean) * (b - y_mean) for a, b in zip(x, y, strict=True))
    return xx, yy, xy


@_serve(statistics.covariance)
def covariance(x: list[Any], y: Any) -> Any:
    """sum (x - mean x) (y - mean y) / (n - 1)."""
    return _centered(x, list(y), "covariance")[2] / (len(x) - 1)


@_serve(statistics.correlation)
def correlation(x: list[Any], y: Any, **options: Any) -> Any:
    """The covariance over the product of the deviations."""
    if options.get("method", "linear") != "linear":
        raise error_at(
            NoRuleError,
            "statistics.correlation by ranks does not change with small changes of the data, so "
            "it has no derivative",
            fix="use method='linear', or wengert.stop_gradient on the data",
        )
    xx, yy, xy = _centered(x, list(y), "correlation")
    if xx == 0 or yy == 0:
        raise statistics.StatisticsError("at least one of the inputs is constant")
    return xy / np.sqrt(xx * yy)


@_serve(statistics.linear_regression)
def linear_regression(x: list[Any], y: Any, **options: Any) -> Any:
    """Slope and intercept of the least squares line."""
    y = list(y)
    if options.get("proportional"):
        if len(x) != len(y):
            raise statistics.StatisticsError(
                "linear regression requires that both inputs have same number of data points"
            )
        slope = sum(a * b for a, b in zip(x, y, strict=True)) / sum(a * a for a in x)
        return statistics.LinearRegression(slope=slope, intercept=0.0)
    xx, _, xy = _centered(x, y, "linear regression")
    if xx == 0:
        raise statistics.StatisticsError("x is constant")
    slope = xy / xx
    return statistics.LinearRegression(
        slope=slope, intercept=sum(y) / len(y) - slope * (sum(x) / len(x))
    )
