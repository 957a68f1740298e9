"""Polynomials by coefficients, highest power first: polyval, polyfit, arithmetic, poly, roots,
vander.

Imports core, ops, ``table``. Invariant: Horner's rule and the order of operations are NumPy's.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.core.errors import NoRuleError, error_at
from wengert.numpy_api.exact import array, decided, exactly, rank, values_of
from wengert.numpy_api.table import implements
from wengert.ops import polynomial


def _coefficients(p: Any) -> Any:
    return np.atleast_1d(array(p))


@implements(np.polyval)
def polyval(p: Any, x: Any) -> Any:
    coefficients, at = array(p), array(x)
    out: Any = np.zeros_like(values_of(at))
    for k in range(coefficients.shape[0]):
        out = out * at + coefficients[k]
    return exactly(out, np.polyval, p, x)


def _aligned(a1: Any, a2: Any) -> tuple[Any, Any]:
    a, b = _coefficients(a1), _coefficients(a2)
    short = a.shape[0] - b.shape[0]
    if short > 0:
        b = np.concatenate((np.zeros(short, b.dtype), b))
    elif short:
        a = np.concatenate((np.zeros(-short, a.dtype), a))
    return a, b


@implements(np.polyadd)
def polyadd(a1: Any, a2: Any) -> Any:
    a, b = _aligned(a1, a2)
    return a + b


@implements(np.polysub)
def polysub(a1: Any, a2: Any) -> Any:
    a, b = _aligned(a1, a2)
    return a - b


def _trimmed(p: Any) -> Any:
    """Without leading zeros, as poly1d has it."""
    p = _coefficients(p)
    places = np.flatnonzero(decided(p != 0))
    return p[int(places[0]) :] if len(places) else p[-1:]


@implements(np.polymul)
def polymul(a1: Any, a2: Any) -> Any:
    return np.convolve(_trimmed(a1), _trimmed(a2))


@implements(np.polydiv)
def polydiv(u: Any, v: Any) -> Any:
    u, v = _coefficients(u) + 0.0, _coefficients(v) + 0.0
    m, n = u.shape[0] - 1, v.shape[0] - 1
    scale = 1.0 / v[0]
    quotient = []
    rest = u.copy()
    for k in range(m - n + 1):
        d = scale * rest[k]
        quotient.append(d)
        rest[k : k + n + 1] -= d * v
    kept = values_of(rest)
    start = 0
    while start < len(kept) - 1 and np.allclose(kept[start], 0, rtol=1e-14):
        start += 1
    plain = np.polydiv(values_of(u), values_of(v))
    q = np.stack([array(d) for d in quotient]) if quotient else np.zeros(1)
    return exactly(q, lambda: plain[0]), exactly(rest[start:], lambda: plain[1])


@implements(np.polyder)
def polyder(p: Any, m: int = 1) -> Any:
    if m < 0:
        raise ValueError("Order of derivative must be positive (see polyint)")
    p = _coefficients(p)
    for _ in range(int(m)):
        n = p.shape[0] - 1
        p = p[:-1] * np.arange(n, 0, -1)
    return p


@implements(np.polyint)
def polyint(p: Any, m: int = 1, k: Any = None) -> Any:
    m = int(m)
    if m < 0:
        raise ValueError("Order of integral must be positive (see polyder)")
    constants = np.zeros(m) if k is None else np.atleast_1d(array(k))
    if constants.shape[0] == 1 and m > 1:
        constants = np.repeat(constants, m)
    if constants.shape[0] < m:
        raise ValueError("k must be a scalar or a rank-1 array of length 1 or >m.")
    p = _coefficients(p)
    for j in range(m):
        p = np.concatenate((p / np.arange(p.shape[0], 0, -1), constants[j : j + 1]))
    return p


@implements(np.poly)
def poly(seq_of_zeros: Any) -> Any:
    zeros = _coefficients(seq_of_zeros)
    if rank(zeros) == 2:
        zeros = np.linalg.eigvals(zeros)
    one = np.ones((), dtype=values_of(zeros).dtype)
    out: Any = one.reshape(1)
    for k in range(zeros.shape[0]):
        out = np.convolve(out, np.stack([one, array(-zeros[k])]))
    if values_of(out).dtype.kind == "c":
        seen = values_of(zeros)
        if np.all(np.sort(seen) == np.sort(seen.conjugate())):
            out = out.real.copy()
    return out


@implements(np.roots)
def roots(p: Any) -> Any:
    p = _coefficients(p)
    if rank(p) != 1:
        raise ValueError("Input must be a rank-1 array.")
    return polynomial.roots(p)


@implements(np.vander)
def vander(x: Any, N: Any = None, increasing: bool = False) -> Any:
    x = array(x)
    if rank(x) != 1:
        raise ValueError("x must be a one-dimensional array or sequence.")
    x = x.astype(np.promote_types(x.dtype, int))  # NumPy's own choice: float64 for float32
    count = x.shape[0] if N is None else int(N)
    columns = [np.ones(x.shape[0], dtype=x.dtype)]
    for _ in range(count - 1):
        columns.append(x if len(columns) == 1 else columns[-1] * x)
    columns = columns[:count]
    if not columns:
        return np.zeros((x.shape[0], 0))
    return np.stack(columns if increasing else columns[::-1], axis=1)


@implements(np.polyfit)
def polyfit(
    x: Any, y: Any, deg: Any, rcond: Any = None, full: bool = False, w: Any = None, cov: Any = False
) -> Any:
    if full or cov:
        raise error_at(
            NoRuleError,
            "np.polyfit with full= or cov= has no derivative rule",
            fix="fit with np.linalg.lstsq(np.vander(x, deg + 1), y) and form what you need from it",
        )
    x, y = array(x) + 0.0, array(y) + 0.0
    left = np.vander(x, int(deg) + 1)
    right = y
    if w is not None:
        w = array(w) + 0.0
        left = left * w[:, None]
        right = right * (w if rank(right) == 1 else w[:, None])
    scale = np.sqrt((left * left).sum(axis=0))
    found = np.linalg.lstsq(
        left / scale,
        right,
        rcond=len(values_of(x)) * np.finfo(values_of(x).dtype).eps if rcond is None else rcond,
    )[0]
    return exactly((found.T / scale).T, np.polyfit, x, y, deg, rcond=rcond, w=w)
