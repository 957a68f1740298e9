"""Cases for closed forms: a formula, the variable, the order, the shapes, and the derivative as a textbook has it.

Identities of The Matrix Cookbook (Petersen & Pedersen 2012), of statistics and of machine learning, restated in NumPy
syntax. May import nothing. Invariant: every expected form was written by hand, and is itself checked against
differences of the formula.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Case:
    """One derivative: what, by what, how often, which shapes, and the answer in NumPy ('': only the value counts)."""

    text: str
    wrt: str
    expected: str
    order: int = 1
    shapes: Any = None
    facts: str = ""


V = {"x": "n", "a": "n", "b": "n", "A": ("n", "n"), "B": ("n", "n"), "c": (), "t": ()}
M = {"X": ("n", "n"), "A": ("n", "n"), "B": ("n", "n"), "a": "n", "b": "n", "t": ()}
R = {"X": ("m", "n"), "A": ("k", "m"), "B": ("n", "l"), "C": ("m", "n"), "a": "m", "b": "n"}
S1: dict[str, Any] = {}


def group(shapes: Any, rows: list[tuple[Any, ...]]) -> list[Case]:
    """Cases that share their shapes."""
    return [Case(r[0], r[1], r[2], *(r[3:4] or (1,)), shapes=shapes) for r in rows]


VECTOR = group(
    V,
    [
        ("a @ x", "x", "a"),
        ("x @ a", "x", "a"),
        ("x @ x", "x", "2*x"),
        ("x @ x", "x", "2*eye(n)", 2),
        ("sum(x)", "x", "ones(n)"),
        ("c*(a @ x)", "x", "c*a"),
        ("A @ x", "x", "A"),
        ("x @ A", "x", "A.T"),
        ("x @ A @ x", "x", "(A + A.T) @ x"),
        ("x @ A @ x", "x", "A + A.T", 2),
        ("x @ A @ x", "A", "outer(x, x)"),
        ("a @ A @ x", "x", "A.T @ a"),
        ("a @ A @ b", "A", "outer(a, b)"),
        ("a @ A.T @ b", "A", "outer(b, a)"),
        ("(a @ x)*(b @ x)", "x", "(b @ x)*a + (a @ x)*b"),
        ("(a @ x)*(b @ x)", "x", "outer(a, b) + outer(b, a)", 2),
        ("(a @ x)**2", "x", "2*(a @ x)*a"),
        ("(a @ x)**2", "x", "2*outer(a, a)", 2),
        ("(a @ x)**3", "x", "3*(a @ x)**2*a"),
        ("exp(a @ x)", "x", "exp(a @ x)*a"),
        ("exp(a @ x)", "x", "exp(a @ x)*outer(a, a)", 2),
        ("log(a @ x)", "x", "a/(a @ x)"),
        ("log(x @ x)", "x", "2*x/norm(x)**2"),
        ("norm(x)", "x", "x/norm(x)"),
        ("norm(x)", "x", "eye(n)/norm(x) - outer(x, x)/norm(x)**3", 2),
        ("norm(x)**2", "x", "2*x"),
        ("norm(x)**3", "x", "3*norm(x)*x"),
        ("norm(x - a)", "x", "(x - a)/norm(x - a)"),
        ("norm(x - a)**2", "x", "2*(x - a)"),
        ("norm(A @ x - b)**2", "x", "2*(A.T @ (A @ x - b))"),
        ("norm(A @ x - b)**2", "x", "2*(A.T @ A)", 2),
        ("norm(A @ x - b)", "x", "A.T @ (A @ x - b)/norm(A @ x - b)"),
        ("norm(A @ x - b)**2", "A", "2*outer(A @ x - b, x)"),
        ("norm(A @ x - b)**2", "b", "2*(b - A @ x)"),
        ("(A @ x - b) @ B @ (A @ x - b)", "x", "A.T @ ((B + B.T) @ (A @ x - b))"),
        ("x/norm(x)", "x", "eye(n)/norm(x) - outer(x, x)/norm(x)**3"),
        ("(x @ A @ x)/(x @ x)", "x", "((A + A.T) @ x - 2*(x @ A @ x)/norm(x)**2*x)/norm(x)**2"),
        ("1/(a @ x)", "x", "-a/(a @ x)**2"),
        ("(a @ x)/(b @ x)", "x", "(a - (a @ x)/(b @ x)*b)/(b @ x)"),
        ("(a @ x)/norm(x)", "x", "(a - (a @ x)/norm(x)**2*x)/norm(x)"),
        ("x*x", "x", "2*diag(x)"),
        ("a*x", "x", "diag(a)"),
        ("exp(x)", "x", "diag(exp(x))"),
        ("sin(x)", "x", "diag(cos(x))"),
        ("sum(exp(x))", "x", "exp(x)"),
        ("sum(exp(x))", "x", "diag(exp(x))", 2),
        ("sum(x**3)", "x", "3*x**2"),
        ("sum(x**3)", "x", "6*diag(x)", 2),
        ("sum(abs(x))", "x", "sign(x)"),
        ("norm(x, 1)", "x", "sign(x)"),
        ("sum(sqrt(x))", "x", "1/(2*sqrt(x))"),
        ("sum(a*log(x))", "x", "a/x"),
        ("sum(x*log(x))", "x", "log(x) + 1"),
        ("-sum(x*log(x))", "x", "-diag(1/x)", 2),
        ("sum(x*log(x/a))", "x", "log(x/a) + 1"),
        ("x @ (A @ exp(x))", "x", "A @ exp(x) + exp(x)*(A.T @ x)"),
        ("outer(x, x) @ a", "x", "(x @ a)*eye(n) + outer(x, a)"),
        ("x*(x @ x)", "x", "norm(x)**2*eye(n) + 2*outer(x, x)"),
        ("exp(-(x @ A @ x)/2)", "x", "-exp(-(x @ A @ x)/2)/2*((A + A.T) @ x)"),
        ("mean(x)", "x", "ones(n)/n"),
        ("var(x)", "x", "2*(x - mean(x))/n"),
        ("x - mean(x)", "x", "eye(n) - outer(ones(n), ones(n))/n"),
        ("max(x)", "x", ""),
        ("x[1:] @ x[:-1]", "x", ""),
        ("sum((x[1:] - x[:-1])**2)", "x", ""),
        ("concatenate((x, a))", "x", ""),
        ("t*(x @ x)", "t", "norm(x)**2"),
        ("exp(t)*x", "t", "exp(t)*x"),
        ("norm(x - t*a)**2", "t", "-2*((x - t*a) @ a)"),
        ("sin(t*x)", "t", "x*cos(t*x)"),
    ],
)

MATRIX = group(
    M,
    [
        ("trace(X)", "X", "eye(n)"),
        ("trace(A @ X)", "X", "A.T"),
        ("trace(X @ A)", "X", "A.T"),
        ("trace(X.T @ A)", "X", "A"),
        ("trace(A @ X @ B)", "X", "A.T @ B.T"),
        ("trace(A @ X.T @ B)", "X", "B @ A"),
        ("trace(X @ X)", "X", "2*X.T"),
        ("trace(X.T @ X)", "X", "2*X"),
        ("trace(X @ X.T)", "X", "2*X"),
        ("trace(X.T @ A @ X)", "X", "(A + A.T) @ X"),
        ("trace(X @ A @ X.T)", "X", "X @ (A + A.T)"),
        ("trace(A @ X @ B @ X)", "X", "A.T @ X.T @ B.T + B.T @ X.T @ A.T"),
        ("trace(A @ X @ B @ X.T)", "X", "A @ X @ B + A.T @ X @ B.T"),
        ("trace(X @ X @ X)", "X", "3*(X.T @ X.T)"),
        ("trace(A @ inv(X))", "X", "-(inv(X).T @ A.T @ inv(X).T)"),
        ("trace(inv(X))", "X", "-(inv(X).T @ inv(X).T)"),
        ("a @ inv(X) @ b", "X", "-outer(inv(X).T @ a, inv(X) @ b)"),
        ("a @ X @ b", "X", "outer(a, b)"),
        ("a @ X.T @ b", "X", "outer(b, a)"),
        ("a @ X.T @ X @ b", "X", "X @ (outer(a, b) + outer(b, a))"),
        ("(X @ a) @ A @ (X @ b)", "X", ""),
        ("det(X)", "X", "det(X)*inv(X).T"),
        ("log(det(X))", "X", "inv(X).T"),
        ("logdet(X)", "X", "inv(X).T"),
        ("det(A @ X @ B)", "X", ""),
        ("log(det(X.T @ X))", "X", "2*(X @ inv(X.T @ X))"),
        ("det(X)**2", "X", "2*det(X)**2*inv(X).T"),
        ("log(det(A + t*B))", "t", "trace(inv(A + t*B) @ B)"),
        ("inv(X)", "X", ""),
        ("inv(A + t*B)", "t", "-(inv(A + t*B) @ B @ inv(A + t*B))"),
        ("norm(X)**2", "X", "2*X"),
        ("norm(X)", "X", "X/norm(X)"),
        ("norm(X - A)**2", "X", "2*(X - A)"),
        ("norm(A @ X - B)**2", "X", "2*(A.T @ (A @ X - B))"),
        ("norm(X @ A - B)**2", "X", "2*((X @ A - B) @ A.T)"),
        ("sum(X)", "X", "ones((n, n))"),
        ("sum(A*X)", "X", "A"),
        ("sum(X*X)", "X", "2*X"),
        ("sum(exp(X))", "X", "exp(X)"),
        ("trace(A @ (X*X))", "X", "2*A.T*X"),
        ("X @ a", "X", ""),
        ("A @ X", "X", ""),
        ("X @ X", "X", ""),
        ("X.T @ X", "X", ""),
        ("A*X", "X", ""),
        ("trace(X.T @ A @ X)", "X", "", 2),
        ("trace(X @ X)", "X", "", 2),
        ("logdet(X)", "X", "", 2),
        ("norm(A @ X - B)**2", "X", "", 2),
        ("exp(trace(A @ X))", "X", "exp(trace(A @ X))*A.T"),
        ("log(trace(A @ X))", "X", "A.T/trace(A @ X)"),
        ("trace(A @ X)*trace(B @ X)", "X", "trace(B @ X)*A.T + trace(A @ X)*B.T"),
        ("trace(X.T @ X) + trace(A)", "X", "2*X"),
        ("a @ X @ X @ b", "X", "outer(a, X @ b) + outer(X.T @ a, b)"),
        ("norm(X.T @ X - A)**2", "X", ""),
        ("sum(diag(X))", "X", "eye(n)"),
        ("a @ solve(X, b)", "b", "inv(X).T @ a"),
        ("exp(t)*trace(X)", "t", "exp(t)*trace(X)"),
    ],
)

RECTANGULAR = group(
    R,
    [
        ("trace(A @ X @ B @ B.T @ X.T @ A.T)", "X", "2*(A.T @ A @ X @ B @ B.T)"),
        ("norm(A @ X @ B)**2", "X", "2*(A.T @ A @ X @ B @ B.T)"),
        ("trace(X.T @ C)", "X", "C"),
        ("a @ X @ b", "X", "outer(a, b)"),
        ("norm(X - outer(a, b))**2", "X", "2*(X - outer(a, b))"),
        ("norm(X - outer(a, b))**2", "a", "-2*((X - outer(a, b)) @ b)"),
        ("norm(X - outer(a, b))**2", "b", "-2*((X - outer(a, b)).T @ a)"),
        ("sum(X, axis=0)", "X", ""),
        ("sum(X, axis=1) @ a", "X", "outer(a, ones(n))"),
        ("sum(sum(X, axis=1)**2)", "X", "2*outer(sum(X, axis=1), ones(n))"),
        ("sum(tanh(X))", "X", "1 - tanh(X)**2"),
        ("norm(X - mean(X, axis=0))**2", "X", "2*(X - mean(X, axis=0))"),
        ("sum(log(sum(exp(X), axis=1)))", "X", "softmax(X, axis=1)"),
        ("logdet(X.T @ X)", "X", "2*(X @ inv(X.T @ X))"),
        ("X.T @ a", "X", ""),
        ("A @ X @ B", "X", ""),
    ],
)

SCALAR = group(
    S1,
    [
        ("4*x**3 + x**2 + 3", "x", "12*x**2 + 2*x"),
        ("x**5", "x", "5*x**4"),
        ("x**5", "x", "20*x**3", 2),
        ("x**5", "x", "60*x**2", 3),
        ("1/x", "x", "-1/x**2"),
        ("sqrt(x)", "x", "1/(2*sqrt(x))"),
        ("exp(-x**2)", "x", "-2*x*exp(-x**2)"),
        ("sin(x)*cos(x)", "x", "cos(x)**2 - sin(x)**2"),
        ("x*log(x)", "x", "log(x) + 1"),
        ("x*exp(x)", "x", "(x + 1)*exp(x)"),
        ("x*exp(x)", "x", "(x + 2)*exp(x)", 2),
        ("log(1 + x**2)", "x", "2*x/(1 + x**2)"),
        ("x/(1 + x**2)", "x", "(1 - x**2)/(1 + x**2)**2"),
        ("(x + 1)/(x - 1)", "x", "-2/(x - 1)**2"),
        ("tanh(x)", "x", "1 - tanh(x)**2"),
        ("1/(1 + exp(-x))", "x", "sigmoid(x)*(1 - sigmoid(x))"),
        ("log(1 + exp(x))", "x", "sigmoid(x)"),
        ("x**y", "x", "y*x**(y - 1)"),
        ("x**y", "y", "x**y*log(x)"),
        ("x**x", "x", "x**x*(log(x) + 1)"),
        ("arctan(x)", "x", "1/(1 + x**2)"),
        ("arcsin(x)", "x", "1/sqrt(1 - x**2)"),
        ("erf(x)", "x", "2*exp(-x**2)/sqrt(pi)"),
        ("abs(x)", "x", "sign(x)"),
        ("(x + 1)**2*(x - 3)", "x", "(x + 1)*(3*x - 5)"),
        ("sin(x**2)", "x", "2*x*cos(x**2)"),
        ("sin(x*y)", "x", "y*cos(x*y)"),
        ("exp(sin(x))", "x", "cos(x)*exp(sin(x))"),
        ("sqrt(1 + x**2)", "x", "x/sqrt(1 + x**2)"),
        ("log(x)/x", "x", "(1 - log(x))/x**2"),
        ("(x**2 + y**2)**(1/2)", "x", "x/sqrt(x**2 + y**2)"),
        ("a*exp(-b*x)", "x", "-a*b*exp(-b*x)"),
        ("(a*x + b)/(c*x + d)", "x", "(a*d - b*c)/(c*x + d)**2"),
        ("x**3*exp(2*x)", "x", "x**2*(2*x + 3)*exp(2*x)"),
        ("tan(x)", "x", "tan(x)**2 + 1"),
    ],
)

SYMMETRIC = [
    Case("x @ A @ x", "x", "2*(A @ x)", 1, {"x": "n", "A": ("n", "n")}, "A: symmetric"),
    Case("x @ A @ x", "x", "2*A", 2, {"x": "n", "A": ("n", "n")}, "A: symmetric"),
    Case(
        "(x @ A @ x)/(x @ x)",
        "x",
        "2*(A @ x - (x @ A @ x)/norm(x)**2*x)/norm(x)**2",
        1,
        {"x": "n", "A": ("n", "n")},
        "A: symmetric",
    ),
    Case(
        "(x - mu) @ inv(S) @ (x - mu)",
        "x",
        "2*(inv(S) @ (x - mu))",
        1,
        {"x": "n", "mu": "n", "S": ("n", "n")},
        "S: positive definite",
    ),
    Case("trace(X.T @ A @ X)", "X", "2*(A @ X)", 1, {"X": ("n", "k"), "A": ("n", "n")}, "A: symmetric"),
    Case(
        "(A @ x - b) @ W @ (A @ x - b)",
        "x",
        "2*(A.T @ (W @ (A @ x - b)))",
        1,
        {"A": ("m", "n"), "x": "n", "b": "m", "W": ("m", "m")},
        "W: symmetric",
    ),
]

IDENTITIES: list[Case] = [*VECTOR, *MATRIX, *RECTANGULAR, *SCALAR, *SYMMETRIC]
