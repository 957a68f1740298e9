"""Formulas whose Hessians are evaluated beside JAX: vectors, slices, norms, regressions, networks, matrices.

May import NumPy. Invariant: every formula is written in NumPy's words that both sides know, and its values lie where
the Hessian exists.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Shape = str | int | tuple[Any, ...]


@dataclass(frozen=True)
class Problem:
    """A formula, its variable, the shapes, the sizes at which it is measured, and which arrays are not plain normal."""

    name: str
    text: str
    wrt: str
    shapes: Mapping[str, Shape]
    sizes: tuple[Mapping[str, int], ...]
    kinds: Mapping[str, str] = field(default_factory=dict)

    def values(self, sizes: Mapping[str, int]) -> dict[str, Any]:
        """Arrays of those sizes."""
        rng = np.random.default_rng(0)
        found = {}
        for name, shape in self.shapes.items():
            dims = shape if isinstance(shape, tuple) else (shape,)
            value = rng.normal(size=tuple(d if isinstance(d, int) else sizes[d] for d in dims))
            found[name] = KINDS[self.kinds.get(name, "normal")](value)
        return found


def _definite(a: Any) -> Any:
    return a @ a.T / len(a) + np.eye(len(a))


KINDS: dict[str, Callable[[Any], Any]] = {
    "normal": lambda a: a,
    "small": lambda a: 0.1 * a,
    "positive": lambda a: np.abs(a) + 0.1,
    "near one": lambda a: 1.0 + 0.1 * a,
    "signs": np.sign,
    "definite": _definite,
}


def vectors(*rows: tuple[str, str] | tuple[str, str, dict[str, str]]) -> list[Problem]:
    """Problems by a vector x of 10, 100 and 1000 entries."""
    known = {"x": "n", "a": "n", "A": ("n", "n")}
    sizes = ({"n": 10}, {"n": 100}, {"n": 1000})
    return [
        Problem(
            name, text, "x", {k: known[k] for k in known if k in re.findall(r"[A-Za-z]+", text)}, sizes, dict(*kinds)
        )
        for name, text, *kinds in rows
    ]


def regressions(*rows: tuple[str, str]) -> list[Problem]:
    """Problems by the weights w of a linear model."""
    sizes = ({"m": 20, "n": 10}, {"m": 600, "n": 300})
    shapes: dict[str, Shape] = {"X": ("m", "n"), "w": "n", "y": "m"}
    return [Problem(name, text, "w", shapes, sizes, {"w": "small", "y": "signs"}) for name, text in rows]


POSITIVE = {"x": "positive"}
PROBLEMS = [
    *vectors(
        ("sum x^3", "np.sum(x**3)"),
        ("entropy", "np.sum(x*np.log(x))", POSITIVE),
        ("sum abs(x)^3", "np.sum(np.abs(x)**3)"),
        ("squared hinge", "np.sum(np.maximum(0, x)**2)"),
        ("Huber", "np.sum(np.where(np.abs(x) < 1, x**2/2, np.abs(x) - 0.5))"),
        ("norm(x)", "np.linalg.norm(x)"),
        ("norm(x)^3", "np.linalg.norm(x)**3"),
        ("4-norm", "np.sum(x**4)**0.25", POSITIVE),
        ("max(x)^2", "np.max(x)**2"),
        ("log-sum-exp", "np.log(np.sum(np.exp(x)))"),
        ("a'softmax(x)", "a @ (np.exp(x)/np.sum(np.exp(x)))"),
        ("exp(-x'x/2)", "np.exp(-(x @ x)/2)", {"x": "small"}),
        ("geometric mean", "np.exp(np.mean(np.log(x)))", POSITIVE),
        ("variance", "np.var(x)"),
        ("cosine", "(a @ x)/(np.linalg.norm(a)*np.linalg.norm(x))"),
        ("layer norm", "a @ ((x - np.mean(x))/np.sqrt(np.var(x) + 0.1))"),
        ("Rayleigh quotient", "(x @ A @ x)/(x @ x)"),
        ("(x'Ax)^3", "(x @ A @ x)**3", {"A": "small", "x": "small"}),
        ("Rosenbrock", "np.sum(100*(x[1:] - x[:-1]**2)**2 + (1 - x[:-1])**2)"),
        ("squared differences", "np.sum((x[1:] - x[:-1])**2)"),
        ("second differences", "np.sum((x[2:] - 2*x[1:-1] + x[:-2])**2)"),
        ("smooth total variation", "np.sum(np.sqrt(1 + (x[1:] - x[:-1])**2))"),
        ("coupled sines", "np.sum(np.sin(x[:-1])*np.cos(x[1:]))"),
        ("blocks of a quadratic form", "x[:-1] @ A[1:, 1:] @ x[1:]"),
        ("x'x reversed", "x @ x[::-1]"),
        ("stacked", "np.sum(np.stack((x, x**2, a))**2)"),
    ),
    *regressions(
        ("least squares", "np.sum((X @ w - y)**2)"),
        ("logistic, ridge", "np.sum(np.log(1 + np.exp(-y*(X @ w)))) + 0.5*w @ w"),
        ("Cauchy loss", "np.sum(np.log(1 + (X @ w - y)**2))"),
        ("pseudo-Huber", "np.sum(np.sqrt(1 + (X @ w - y)**2))"),
        ("Poisson", "np.sum(np.exp(X @ w) - y*(X @ w))"),
        ("y'tanh(Xw)", "y @ np.tanh(X @ w)"),
        ("log-sum-exp of Xw", "np.log(np.sum(np.exp(X @ w)))"),
        ("kernels at a point", "np.sum(np.exp(-np.sum((X - w)**2, axis=1)/10))"),
        ("geometric median", "np.sum(np.sqrt(np.sum((X - w)**2, axis=1)))"),
    ),
    Problem("x'tanh(Ax)", "x @ np.tanh(A @ x)", "x", {"x": "n", "A": ("n", "n")}, ({"n": 10}, {"n": 200})),
    Problem(
        "x'inv(A)x",
        "x @ np.linalg.solve(A, x)",
        "x",
        {"x": "n", "A": ("n", "n")},
        ({"n": 10}, {"n": 200}),
        {"A": "definite"},
    ),
    Problem(
        "log det(A + xx')",
        "np.linalg.slogdet(A + np.outer(x, x))[1]",
        "x",
        {"x": "n", "A": ("n", "n")},
        ({"n": 10}, {"n": 60}),
        {"A": "definite"},
    ),
    Problem(
        "norm(A - xx')^2", "np.sum((np.outer(x, x) - A)**2)", "x", {"x": "n", "A": ("n", "n")}, ({"n": 10}, {"n": 100})
    ),
    Problem(
        "two layers by x",
        "np.sum((V @ np.tanh(W @ x) - c)**2)",
        "x",
        {"V": ("l", "m"), "W": ("m", "n"), "x": "n", "c": "l"},
        ({"n": 10, "m": 10, "l": 10}, {"n": 100, "m": 100, "l": 100}),
        {"W": "small"},
    ),
    Problem(
        "two layers by W",
        "np.sum((V @ np.tanh(W @ X) - Y)**2)",
        "W",
        {"V": ("l", "h"), "W": ("h", "n"), "X": ("n", "m"), "Y": ("l", "m")},
        ({"n": 10, "h": 4, "l": 2, "m": 20},),
    ),
    Problem(
        "softmax of XW squared",
        "np.sum((np.exp(X @ W)/np.sum(np.exp(X @ W), axis=1, keepdims=True) - Y)**2)",
        "W",
        {"X": ("m", "n"), "W": ("n", "k"), "Y": ("m", "k")},
        ({"m": 20, "n": 10, "k": 3}, {"m": 60, "n": 30, "k": 3}),
        {"W": "small"},
    ),
    Problem("columns of X", "np.sum(X[:, :2]**3)", "X", {"X": ("n", "k")}, ({"n": 10, "k": 4}, {"n": 100, "k": 4})),
    Problem(
        "rows of X", "np.sum((X[1:] - X[:-1])**2)", "X", {"X": ("n", "k")}, ({"n": 10, "k": 4}, {"n": 100, "k": 4})
    ),
    Problem("orthogonality", "np.sum((U.T @ U - np.eye(3))**2)", "U", {"U": ("n", 3)}, ({"n": 10}, {"n": 100})),
    Problem(
        "weighted factorisation",
        "np.sum(T*(U @ V.T)**2)",
        "U",
        {"T": ("m", "n"), "U": ("m", "k"), "V": ("n", "k")},
        ({"m": 10, "n": 10, "k": 3}, {"m": 60, "n": 60, "k": 3}),
    ),
    Problem(
        "pairs of kernels",
        "np.sum(np.exp(-np.sum((X[:, None, :] - X[None, :, :])**2, axis=2)))",
        "X",
        {"X": ("n", 2)},
        ({"n": 10}, {"n": 40}),
    ),
    Problem("log det X", "np.log(np.linalg.det(X))", "X", {"X": ("n", "n")}, ({"n": 10}, {"n": 20}), {"X": "definite"}),
    Problem(
        "tr inv(X)", "np.trace(np.linalg.inv(X))", "X", {"X": ("n", "n")}, ({"n": 10}, {"n": 20}), {"X": "definite"}
    ),
    Problem("tr X^4", "np.trace(np.linalg.matrix_power(X, 4))", "X", {"X": ("n", "n")}, ({"n": 10}, {"n": 20})),
    Problem(
        "tr X'AXB",
        "np.trace(X.T @ A @ X @ B)",
        "X",
        {"X": ("n", "k"), "A": ("n", "n"), "B": ("k", "k")},
        ({"n": 10, "k": 4}, {"n": 60, "k": 4}),
    ),
    Problem("a'sort(x)^2", "a @ np.sort(x)**2", "x", {"x": "n", "a": "n"}, ({"n": 10}, {"n": 100})),
    Problem("running product", "np.sum(np.cumprod(x))", "x", {"x": "n"}, ({"n": 10}, {"n": 100}), {"x": "near one"}),
    Problem("running sum", "np.sum(np.cumsum(x)**2)", "x", {"x": "n"}, ({"n": 10}, {"n": 300})),
]
