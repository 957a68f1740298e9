"""The orthogonal factor of a matrix, polar(X) = U V' for X = U S V', and its derivatives of any order.

It is the gradient of the nuclear norm (Watson 1992). Imports NumPy, terms. Invariant: the derivatives hold wherever
X has full rank, also where singular values coincide; elsewhere they are NaN.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from wengert.core.errors import NoRuleError
from wengert.symbolic.terms import Abstract, Term, intern

CLOSE = 1e-13
"""Singular values below this share of the largest are taken as zero."""


def polar(x: Any) -> Any:
    """U V' of the thin singular value decomposition."""
    u, _, v = np.linalg.svd(x, full_matrices=False)
    return u @ v


def near(x0: Any, order: int) -> Callable[[Any], Any]:
    """A program with the value and the first ``order`` derivatives of polar(X) at X = ``x0``, made of products only.

    W = (X'X)^(-1/2) solves W X'X W = I. Newton's steps with the derivative taken at x0 solve with
    dW -> dW A W + W A dW, which in the basis of x0's right singular vectors divides by s_i + s_j: never by a
    difference of singular values. Each step makes one more derivative exact.
    """
    if x0.shape[0] < x0.shape[1]:
        turned = near(x0.T, order)
        return lambda x: turned(x.T).T
    _, s, v = np.linalg.svd(x0, full_matrices=False)
    if not s.size or not s[-1] > CLOSE * s[0]:
        return lambda x: x * (np.nan * np.sum(x))  # every entry: there is no derivative here
    start = (v.T / s) @ v
    # in the basis of V: A W = S, so dW A W + W A dW has the entries dW_ij (s_i + s_j)
    divisor = s[:, None] + s[None, :]

    def program(x: Any) -> Any:
        gram = x.T @ x
        w = start
        for _ in range(order):
            wrong = w @ gram @ w - np.eye(len(s))
            w = w - v.T @ ((v @ wrong @ v.T) / divisor) @ v
        return x @ w

    return program


@dataclass(frozen=True, slots=True)
class Polar:
    """What ``named.Named`` is for operations of the core, for the polar factor."""

    name: str = "polar"
    is_constant: bool = False
    where: Any = None
    inputs: tuple[str, ...] = ("x",)
    kinds: str = ""

    @property
    def options(self) -> dict[str, Any]:
        """It has no parameters."""
        return {}

    def words(self, count: int) -> list[str]:
        """The name of its argument."""
        return list(self.inputs[:count])

    def dtypes(self, count: int) -> list[np.dtype[Any]]:
        """Its argument is an array of floats."""
        return [np.dtype(float)] * count

    def is_flat(self, slots: tuple[int, ...]) -> bool:
        """No derivative of it is zero."""
        return False

    def value(self, values: Sequence[Any], slots: tuple[int, ...], sizes: Mapping[str, int]) -> Any:
        """The factor, or its derivative of the order that ``slots`` is long, at a matrix."""
        from wengert.symbolic.named import differentiator

        (x,) = values
        if not slots:
            return polar(x)
        found = differentiator()
        if found is None:
            raise NoRuleError("nothing is installed that differentiates polar")
        return found(near(np.asarray(x, dtype=float), len(slots)), slots, values)


def polar_derivative(arg: Term) -> Term:
    """The named tensor ∂polar/∂X, of the shape of X twice; its own derivatives follow by the rule for names."""
    program = Polar()
    return intern(
        Abstract,
        ("polar", repr(program), (arg.ident,), (0,)),
        (*arg.shape, *arg.shape),
        name="polar",
        args=(arg,),
        slots=(0,),
        program=program,
    )
