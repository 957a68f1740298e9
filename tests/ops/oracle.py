"""Independent answers for the tests of operations: a Richardson table over values, pairings,
derivatives of derivatives."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import wengert


def flat(value: Any) -> Any:
    """All numbers of a value, or of a tuple of values, as real ones."""
    parts = value if isinstance(value, tuple) else (value,)
    out = []
    for part in parts:
        part = np.asarray(part).ravel()
        out += [part.real, part.imag] if part.dtype.kind == "c" else [part]
    return np.concatenate([np.asarray(p, dtype=float) for p in out]) if out else np.zeros(0)


def slope(fun: Callable[[float], Any], step: float = 4e-3) -> Any:
    """The derivative at 0 of a smooth function of a number: central differences, extrapolated four
    times."""
    table = [[(flat(fun(h)) - flat(fun(-h))) / (2 * h)] for h in (step / 2**k for k in range(5))]
    for column in range(1, 5):
        for row in range(4, column - 1, -1):
            better, worse = table[row][column - 1], table[row - 1][column - 1]
            table[row].append(better + (better - worse) / (4.0**column - 1))
    return table[4][4]


def pairing(a: Any, b: Any) -> float:
    """Re<a, b> of values or tuples of values; None counts as zero."""
    pairs = zip(a, b, strict=True) if isinstance(a, tuple) else [(a, b)]
    return float(
        sum(np.sum(np.real(np.conj(p) * q)) for p, q in pairs if p is not None and q is not None)
    )


def like(rng: Any, value: Any) -> Any:
    """Random numbers of the shape and dtype of a value."""
    value = np.asarray(value)
    out = rng.normal(size=value.shape)
    if value.dtype.kind == "c":
        out = out + 1j * rng.normal(size=value.shape)
    return out.astype(value.dtype)[()] if value.shape else value.dtype.type(out)


def moving(operands: Any) -> tuple[int, ...]:
    """Which operands are numbers that may move."""
    return tuple(k for k, x in enumerate(operands) if np.asarray(x).dtype.kind in "fc")


def widened(x: Any) -> Any:
    """The same numbers in double precision."""
    return np.asarray(x).astype(np.result_type(x, float))


def check(
    fun: Callable[..., Any],
    operands: Any,
    rng: Any,
    *,
    symmetric: bool = False,
    second: bool = True,
) -> None:
    """Value, JVP, transpose and second derivatives of ``fun(*operands)`` against values alone.

    In single precision the reference is computed in double, and the tolerance is that of single.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", wengert.NoDependenceWarning)
        _check(fun, tuple(operands), rng, symmetric, second)


def _check(
    fun: Callable[..., Any], operands: tuple[Any, ...], rng: Any, symmetric: bool, second: bool
) -> None:
    single = any(np.asarray(x).dtype in (np.float32, np.complex64) for x in operands)
    close = {"rtol": 2e-3, "atol": 2e-3} if single else {"rtol": 2e-7, "atol": 2e-8}
    tangents = tuple(_tangent(rng, x, symmetric) for x in operands)
    wide = tuple(map(widened, operands))

    def along(h: float) -> Any:
        return fun(*(x + h * t for x, t in zip(wide, tangents, strict=True)))

    value = fun(*operands)
    out, derivative = wengert.jvp(fun, operands, tangents)
    for got, want in zip(_parts(out), _parts(value), strict=True):
        np.testing.assert_array_equal(got, want)
        assert np.asarray(got).dtype == np.asarray(want).dtype
    for got, want in zip(_parts(derivative), _parts(value), strict=True):
        assert np.asarray(got).dtype == np.asarray(want).dtype
    np.testing.assert_allclose(flat(derivative), slope(along), **close)

    cotangent = tuple(like(rng, part) for part in _parts(value))
    cotangent = cotangent if isinstance(value, tuple) else cotangent[0]
    _, pullback = wengert.vjp(fun, *operands)
    found = pullback(cotangent)
    for ct, x in zip(found, operands, strict=True):
        if ct is not None:
            assert ct.shape == np.shape(x)
            assert ct.dtype == np.asarray(x).dtype
    left, right = (
        pairing(cotangent, tuple(derivative) if isinstance(value, tuple) else derivative),
        pairing(found, tangents),
    )
    np.testing.assert_allclose(left, right, rtol=close["rtol"], atol=10 * close["atol"])
    if second and not single:
        _check_second(fun, operands, tangents, cotangent, along, close, rng)


def _check_second(
    fun: Callable[..., Any],
    operands: Any,
    tangents: Any,
    cotangent: Any,
    along: Any,
    close: Any,
    rng: Any,
) -> None:
    def cotangents(*xs: Any) -> Any:
        found = wengert.vjp(fun, *xs)[1](cotangent)
        return tuple(found)

    def moved(h: float) -> Any:
        return cotangents(*(x + h * t for x, t in zip(operands, tangents, strict=True)))

    wanted = slope(moved)
    forward = wengert.jvp(cotangents, operands, tangents)[1]
    close = {"rtol": 1e-6, "atol": 1e-6}
    np.testing.assert_allclose(flat(forward), wanted, err_msg="forward over reverse", **close)
    weights = tuple(like(rng, x) for x in operands)
    # The Hessian of Re<cotangent, fun> is symmetric: <weights, H tangents> = <H weights, tangents>.
    _, back = wengert.vjp(cotangents, *operands)
    np.testing.assert_allclose(
        pairing(back(weights), tangents),
        pairing(weights, forward),
        rtol=1e-6,
        atol=1e-5,
        err_msg="reverse over reverse",
    )

    def twice(*xs: Any) -> Any:
        return wengert.jvp(fun, xs, tangents)[1]

    bent = wengert.jvp(twice, operands, tangents)[1]
    np.testing.assert_allclose(
        pairing(cotangent, bent),
        pairing(tangents, forward),
        rtol=1e-6,
        atol=1e-5,
        err_msg="forward over forward",
    )


def _parts(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, tuple) else (value,)


def _tangent(rng: Any, x: Any, symmetric: bool) -> Any:
    t = like(rng, x)
    return 0.5 * (t + np.conj(np.swapaxes(t, -1, -2))) if symmetric else t


def samples(record: Any, seed: int = 0) -> Iterator[tuple[Any, Any]]:
    """The samples an operation states for itself."""
    yield from record.op.samples(np.random.default_rng(seed))


def recorded(record: Any, params: Any) -> Callable[..., Any]:
    """An operation as a function of its operands alone."""
    if record.op.inputs == ("*operands",):
        return lambda *xs: record(list(xs), *params)
    return lambda *xs: record(*xs, *params)


def check_batch(record: Any, operands: Any, params: Any) -> None:
    """The batch rule against a loop over rows, for every choice of batched operands."""
    fun = recorded(record, params)
    single = any(np.asarray(x).dtype in (np.float32, np.complex64) for x in operands)
    close = {"rtol": 1e-4, "atol": 1e-4} if single else {"rtol": 1e-10, "atol": 1e-10}
    for choice in itertools.product((True, False), repeat=len(operands)):
        if not any(choice):
            continue
        values = [
            np.stack([x, 1.5 * x, 0.5 * x]) if batched else x
            for x, batched in zip(operands, choice, strict=True)
        ]
        got = _parts(record.op.batch(values, choice, params))
        rows = [
            _parts(
                fun(*(v[i] if batched else v for v, batched in zip(values, choice, strict=True)))
            )
            for i in range(3)
        ]
        for k, part in enumerate(got):
            np.testing.assert_allclose(part, np.stack([row[k] for row in rows]), **close)
