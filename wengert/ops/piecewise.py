"""Functions made of smooth pieces: absolute value, maximum and its relatives, clip, copysign,
fractions, and relu.

Imports core, ``kinks`` and the makers. Invariant: where two pieces meet the partial is the
least-norm element of the generalised gradient, unless ``kinks.choice`` says otherwise; a tie of
``maximum`` is shared so that the shares add up to 1.
"""

from __future__ import annotations

import operator as python
from typing import Any

import numpy as np

from wengert.core.handle import is_handle
from wengert.core.types import dtype_of
from wengert.ops import lengths
from wengert.ops.contract import conj
from wengert.ops.kinds import constant, elementwise
from wengert.ops.kinks import choice, some
from wengert.ops.sides import Side, made, side_at, unasked


def raw(x: Any) -> Any:
    """The value behind a handle, for questions about it that carry no derivative."""
    return x.value if is_handle(x) else x


def is_complex(x: Any) -> bool:
    """Whether a raw value or handle is complex."""
    return dtype_of(raw(x)).kind == "c"


def _is_zero(x: Any) -> Any:
    return np.equal(x, 0)


def _phase(x: Any) -> Any:
    size = absolute(x)
    zero = np.equal(x, 0)
    if some(zero):
        return np.where(zero, 0.0, conj(x) / np.where(zero, 1.0, size))
    return conj(x) / size


def _slope(x: Any) -> Any:
    # d|x| = sign(x) dx; for complex x it is Re(conj(x) dx) / |x|, so the partial is conj(x) / |x|.
    # At 0: the choice, 0 by default.
    if is_complex(x):
        return lengths.at_zero(_phase(x), x, _is_zero, (x,), _phase)
    at_zero = choice.get().abs
    slope = np.sign(x)
    side = None if unasked(x) else side_at(_is_zero, x)
    if side is not None:
        zero = np.equal(x, 0)
        return slope + zero * side.sign(x, zero)
    return slope if at_zero == 0.0 else slope + at_zero * np.equal(x, 0)


def _at_zero(values: Any, params: Any, y: Any) -> Any:
    return values[0] == 0


absolute = elementwise(
    "absolute",
    python.abs,
    [_slope],
    expression="abs(x)",
    kink=_at_zero,
    domain=((0.2, 2.0),),
    text="|{x}|",
    latex="\\left|{x}\\right|",
    scalar="llvm.fabs",
    doc="`y = |x|`; the slope at 0 is 0.",
)
fabs = elementwise(
    "fabs",
    np.fabs,
    [_slope],
    kink=_at_zero,
    domain=((0.2, 2.0),),
    text="|{x}|",
    latex="\\left|{x}\\right|",
    scalar="llvm.fabs",
    doc="`y = |x|` for real `x`, always floating point.",
)


# ---------------------------------------------------------------- maximum and relatives


def _shares(beaten: Any, *, largest: bool, numbers: bool = False) -> list[Any]:
    """The partials of a choice between two; ``beaten(a, b)`` says that ``a`` is not taken, a tie
    included.

    The operands are compared with each other, never with the result: a Python number beside float32
    is rounded on its way there.
    """

    # With a NaN neither beats the other: both count as taken, except where NaN is passed over
    # (``numbers``).
    def taken(a: Any, b: Any) -> Any:
        if numbers:
            return np.logical_and(np.logical_not(beaten(a, b)), np.equal(a, a))
        return np.logical_not(beaten(a, b))

    return [
        lambda a, b: _share(a, b, taken(a, b), largest=largest, first=True),
        lambda a, b: _share(a, b, taken(b, a), largest=largest, first=False),
    ]


def _share(a: Any, b: Any, taken: Any, *, largest: bool, first: bool) -> Any:
    tie = np.equal(a, b)
    if not some(tie):
        return taken * 1.0
    side = side_at(np.equal, a, b)
    if side is not None:
        ahead = side.ahead(a, b, tie, largest=largest)
        return np.where(tie, ahead if first else np.logical_not(ahead), taken) * 1.0
    share = choice.get().max
    return np.where(tie, share if first else 1.0 - share, taken)


def _tie(values: Any, params: Any, y: Any) -> Any:
    return np.equal(values[0], values[1])


maximum = elementwise(
    "maximum",
    np.maximum,
    _shares(np.less_equal, largest=True),
    inputs="a b",
    kink=_tie,
    zeroes=True,
    latex="\\max({a}, {b})",
    doc="The larger of two; NaN if one is. A tie gives each half of the derivative.",
)
minimum = elementwise(
    "minimum",
    np.minimum,
    _shares(np.greater_equal, largest=False),
    inputs="a b",
    kink=_tie,
    zeroes=True,
    latex="\\min({a}, {b})",
    doc="The smaller of two; NaN if one is. A tie gives each half of the derivative.",
)
fmax = elementwise(
    "fmax",
    np.fmax,
    _shares(np.less_equal, largest=True, numbers=True),
    inputs="a b",
    kink=_tie,
    zeroes=True,
    latex="\\max({a}, {b})",
    doc="The larger of two, NaN passed over. A tie gives each half of the derivative.",
)
fmin = elementwise(
    "fmin",
    np.fmin,
    _shares(np.greater_equal, largest=False, numbers=True),
    inputs="a b",
    kink=_tie,
    zeroes=True,
    latex="\\min({a}, {b})",
    doc="The smaller of two, NaN passed over. A tie gives each half of the derivative.",
)


# ---------------------------------------------------------------- clip


def _inside(x: Any, low: Any, high: Any) -> Any:
    # At a bound the derivative in x is 0 (least norm of [0, 1]); the bound itself then gets all of
    # it.
    side = _bounds(x, low, high)
    if side is not None:
        return _pieces(side, x, low, high)[0]
    return np.logical_not(np.logical_or(np.less_equal(x, low), np.greater_equal(x, high))) * 1.0


def _at_low(x: Any, low: Any, high: Any) -> Any:
    side = _bounds(x, low, high)
    if side is not None:
        return _pieces(side, x, low, high)[1]
    above = np.logical_or(np.greater_equal(x, high), np.greater(low, high))
    return np.logical_and(np.less_equal(x, low), np.logical_not(above)) * 1.0


def _at_high(x: Any, low: Any, high: Any) -> Any:
    side = _bounds(x, low, high)
    if side is not None:
        return _pieces(side, x, low, high)[2]
    return np.logical_or(np.greater_equal(x, high), np.greater(low, high)) * 1.0


def _bounds(x: Any, low: Any, high: Any) -> Side | None:
    return None if unasked(x) and unasked(low) and unasked(high) else side_at(_on_bound, x, low, high)


def _on_bound(x: Any, low: Any, high: Any) -> Any:
    return np.logical_or(np.equal(x, low), np.equal(x, high))


def _pieces(side: Side, x: Any, low: Any, high: Any) -> tuple[Any, Any, Any]:
    """Which of the three the step min(high, max(x, low)) takes."""
    inner = maximum(x, low)
    moved = [side.tangent(v, k) for k, v in enumerate((x, low, high))]
    tie = np.equal(x, low)
    size = np.abs(moved[0]) + np.abs(moved[1])
    above = side.above(moved[0] - moved[1], size, tie, later=made(x) > made(low))
    over = np.where(tie, above, np.greater(x, low))
    tangent = np.where(over, moved[0], moved[1])
    tie = np.equal(inner, high)
    size = np.abs(moved[2]) + np.abs(tangent)
    below = side.above(moved[2] - tangent, size, tie, later=made(high) > made(x))
    kept = np.where(tie, below, np.less(inner, high)) * 1.0
    return kept * over, kept * np.logical_not(over), 1.0 - kept


clip = elementwise(
    "clip",
    lambda x, low, high: np.minimum(high, np.maximum(x, low)),
    [_inside, _at_low, _at_high],
    inputs="x low high",
    kink=lambda v, p, y: np.logical_or(v[0] == v[1], v[0] == v[2]),
    zeroes=True,
    domain=((-1.0, 1.0), (-0.6, -0.4), (0.4, 0.6)),
    doc="`x` kept between `low` and `high`; at a bound the derivative in `x` is 0.",
)


# ---------------------------------------------------------------- signs, steps, fractions

copysign = elementwise(
    "copysign",
    np.copysign,
    [lambda a, b: _slope(a) * np.copysign(1.0, b), 0],
    inputs="a b",
    kink=lambda v, p, y: np.logical_or(v[0] == 0, v[1] == 0),
    domain=((0.2, 2.0), (0.2, 2.0)),
    scalar="llvm.copysign",
    doc="`y = |a|` with the sign of `b`.",
)
step = constant(
    "heaviside",
    np.heaviside,
    inputs="a b",
    kink=lambda v, p, y: v[0] == 0,
    domain=((0.2, 2.0), None),
    doc="0 left of 0, 1 right of it, `b` at 0.",
)


def heaviside(x: Any, at_zero: Any) -> Any:
    """``np.heaviside``: the step is constant in ``x``; the value at 0 has its derivative there."""
    if is_handle(at_zero) and dtype_of(at_zero.value).kind in "fc":
        plain = step(x, 0.0)
        y = np.where(np.equal(x, 0), at_zero, plain)
        return y if np.ndim(y) else y[()]  # a ufunc gives numbers of numbers
    return step(x, at_zero)


def _fraction(x: Any) -> Any:
    return np.modf(x)[0]


fraction = elementwise(
    "fraction",
    _fraction,
    [1],
    kink=lambda v, p, y: np.logical_and(y == 0, v[0] != 0),
    domain=((0.1, 0.9),),
    doc="The fractional part with the sign of `x`: the first output of `modf`.",
)
nextafter = elementwise(
    "nextafter",
    np.nextafter,
    [1, 0],
    inputs="a b",
    samples=lambda rng: (((rng.normal(), rng.normal()), ()) for _ in range(2)),
    doc="The next floating point number from `a` towards `b`.",
)
ldexp = elementwise(
    "ldexp",
    np.ldexp,
    [lambda i: np.ldexp(1.0, i), None],
    inputs="x i",
    samples=lambda rng: (((rng.normal(size=3), np.array([-2, 0, 3])), ()), ((rng.normal(), 5), ())),
    doc="`y = x 2^i` for an integer `i`.",
)
exponent = constant("exponent", lambda x: np.frexp(x)[1], doc="The binary exponent: the second output of `frexp`.")


def _rise(slope: Any, run: Any) -> Any:
    dtype = np.result_type(slope, run)
    nothing = complex(-0.0, -0.0) if dtype.kind == "c" else -0.0
    y = np.full(np.broadcast_shapes(np.shape(slope), np.shape(run)), nothing, dtype)
    return np.multiply(slope, run, out=y, where=np.not_equal(run, 0))[()]


rise = elementwise(
    "rise",
    _rise,
    [lambda run: run, lambda slope: slope],
    inputs="slope run",
    doc="`y = slope run`, where a run of 0 rises by -0, which adds nothing to any height, also at infinite slopes.",
)
spacing = constant("spacing", np.spacing, doc="The distance to the next larger floating point number.")


def modf(x: Any) -> Any:
    """``np.modf``: fraction and whole part."""
    from wengert.ops.compare import trunc

    part, rest = fraction(x), trunc(x)
    dtype = dtype_of(raw(part))
    return part, rest if dtype_of(raw(rest)) == dtype else rest * dtype.type(1)


def frexp(x: Any) -> Any:
    """``np.frexp``: mantissa and exponent, ``x = m 2^e``."""
    power = exponent(x)
    return ldexp(x, -power), power


# ---------------------------------------------------------------- gates


def _relu_slope(x: Any) -> Any:
    # ``x`` may be its sign alone (``residuals.sign_of``): only comparisons with zero are made.
    at_zero = choice.get().relu
    positive = np.greater(x, 0)
    side = None if unasked(x) else side_at(_is_zero, x)
    if side is not None:
        zero = np.equal(x, 0)
        positive = np.logical_or(positive, np.logical_and(zero, np.greater(side.sign(x, zero), 0)))
    dtype = getattr(x, "dtype", None)  # in float32 the product with a cotangent stays there
    if dtype is None or dtype.itemsize >= 8:
        slope = positive * 1.0
    else:
        slope = positive if dtype.kind == "i" else positive.astype(dtype)
    return slope if at_zero == 0.0 else slope + at_zero * np.equal(x, 0)


relu = elementwise(
    "relu",
    lambda x: np.maximum(x, 0.0),
    [_relu_slope],
    kink=_at_zero,
    zeroes=True,
    latex="\\max({x}, 0)",
    doc="""The rectifier max(x, 0), with slope 0 at 0 (`np.maximum(x, 0)` has 0.5 there).

    >>> relu(np.array([-1.0, 2.0]))
    array([0., 2.])
    """,
)
