"""Element-wise functions of NumPy: values to the bit, derivatives of two orders against mpmath."""

import warnings

import mpmath as mp
import numpy as np
import pytest

import wengert as wg
from wengert.core.errors import NoRuleError
from wengert.numpy_api.ufuncs import REFUSED
from wengert.ops.gamma import digamma, polygamma
from wengert.ops.series import bessel_i

# The second derivative of a linear function depends on nothing, which is worth a warning elsewhere.
pytestmark = pytest.mark.filterwarnings("ignore::wengert.NoDependenceWarning")

POINTS = {
    "wide": (-1.7, -0.31, 0.42, 2.3),
    "positive": (0.13, 0.9, 1.6, 4.2),
    "unit": (-0.83, -0.2, 0.34, 0.97),
    "above": (1.1, 1.7, 3.0, 6.5),
}

UNARY = [
    ("exp", mp.exp, "wide"),
    ("exp2", lambda x: 2**x, "wide"),
    ("expm1", mp.expm1, "wide"),
    ("log", mp.log, "positive"),
    ("log2", lambda x: mp.log(x) / mp.log(2), "positive"),
    ("log10", mp.log10, "positive"),
    ("log1p", mp.log1p, "unit"),
    ("sqrt", mp.sqrt, "positive"),
    ("cbrt", mp.cbrt, "positive"),
    ("square", lambda x: x**2, "wide"),
    ("reciprocal", lambda x: 1 / x, "wide"),
    ("sin", mp.sin, "wide"),
    ("cos", mp.cos, "wide"),
    ("tan", mp.tan, "unit"),
    ("arcsin", mp.asin, "unit"),
    ("arccos", mp.acos, "unit"),
    ("arctan", mp.atan, "wide"),
    ("sinh", mp.sinh, "wide"),
    ("cosh", mp.cosh, "wide"),
    ("tanh", mp.tanh, "wide"),
    ("arcsinh", mp.asinh, "wide"),
    ("arccosh", mp.acosh, "above"),
    ("arctanh", mp.atanh, "unit"),
    ("deg2rad", mp.radians, "wide"),
    ("rad2deg", mp.degrees, "wide"),
    ("degrees", mp.degrees, "wide"),
    ("radians", mp.radians, "wide"),
    ("negative", lambda x: -x, "wide"),
    ("positive", lambda x: +x, "wide"),
    ("absolute", abs, "wide"),
    ("fabs", abs, "wide"),
    ("conjugate", lambda x: +x, "wide"),
    ("sinc", lambda x: mp.sinc(mp.pi * x), "wide"),
    ("i0", lambda x: mp.besseli(0, x), "wide"),
]
BINARY = [
    ("add", lambda a, b: a + b),
    ("subtract", lambda a, b: a - b),
    ("multiply", lambda a, b: a * b),
    ("divide", lambda a, b: a / b),
    ("power", lambda a, b: a**b),
    ("float_power", lambda a, b: a**b),
    ("remainder", lambda a, b: a - b * mp.floor(a / b)),
    ("fmod", lambda a, b: a - b * mp.floor(a / b)),
    ("arctan2", lambda a, b: mp.atan2(a, b)),
    ("hypot", lambda a, b: mp.sqrt(a**2 + b**2)),
    ("logaddexp", lambda a, b: mp.log(mp.exp(a) + mp.exp(b))),
    ("logaddexp2", lambda a, b: mp.log(2**a + 2**b) / mp.log(2)),
    ("maximum", lambda a, b: max(a, b)),
    ("minimum", lambda a, b: min(a, b)),
    ("fmax", lambda a, b: max(a, b)),
    ("fmin", lambda a, b: min(a, b)),
    ("copysign", lambda a, b: abs(a) * mp.sign(b)),
    ("nextafter", lambda a, b: +a),
]


def close(got, expected, tolerance=1e-12):
    got, expected = np.asarray(got, float), np.asarray(expected, float)
    assert got.shape == expected.shape
    scale = np.maximum(np.abs(expected), 1e-3)
    assert np.all(np.abs(got - expected) <= tolerance * scale), (got, expected)


@pytest.mark.parametrize(("name", "exact", "where"), UNARY, ids=[row[0] for row in UNARY])
def test_unary(name, exact, where):
    function = getattr(np, name)
    x = np.array(POINTS[where])
    values = []

    def program(t):
        y = function(t)
        values.append(np.array(wg.stop_gradient(y)))
        return np.sum(y)

    with mp.workdps(40):
        first = [float(mp.diff(exact, mp.mpf(v))) for v in x]
        second = [float(mp.diff(exact, mp.mpf(v), 2)) for v in x]
    gradient = wg.grad(program)
    close(gradient(x), first)
    assert np.array_equal(values[0], function(x))
    ones = np.ones_like(x)
    close(wg.jvp(function, (x,), (ones,))[1], first)
    close(wg.grad(lambda t: np.sum(gradient(t)))(x), second)
    close(wg.jvp(gradient, (x,), (ones,))[1], second)
    for v, slope in zip(x.tolist(), first, strict=True):  # Python floats
        close(wg.grad(function)(v), slope)
    single = wg.grad(program)(x.astype(np.float32))
    assert single.dtype == np.float32
    close(single, first, 2e-5)


@pytest.mark.parametrize(("name", "exact"), BINARY, ids=[row[0] for row in BINARY])
def test_binary(name, exact):
    function = getattr(np, name)
    a, b = np.array([0.7, 1.9, 2.7]), np.array([1.3, 0.8, 2.1])
    with mp.workdps(40):
        pairs = [(mp.mpf(u), mp.mpf(v)) for u, v in zip(a, b, strict=True)]
        first = [
            [float(mp.diff(exact, pair, order)) for pair in pairs] for order in ((1, 0), (0, 1))
        ]
        mixed = [float(mp.diff(exact, pair, (1, 1))) for pair in pairs]
        twice = [
            [float(mp.diff(exact, pair, order)) for pair in pairs] for order in ((2, 0), (0, 2))
        ]
    loss = lambda u, v: np.sum(function(u, v))
    close(wg.grad(loss, (0, 1))(a, b), first)
    close(wg.grad(lambda u, v: np.sum(wg.grad(loss)(u, v)), 1)(a, b), mixed, 1e-11)
    close(wg.grad(lambda u, v: np.sum(wg.grad(loss, 1)(u, v)))(a, b), mixed, 1e-11)
    for k in range(2):
        close(wg.grad(lambda u, v, k=k: np.sum(wg.grad(loss, k)(u, v)), k)(a, b), twice[k], 1e-11)
    ones = np.ones(3)
    close(
        wg.jvp(function, (a, b), (ones, 2 * ones))[1], np.array(first[0]) + 2 * np.array(first[1])
    )
    assert np.array_equal(wg.jvp(function, (a, b), (ones, ones))[0], function(a, b))
    # Broadcasting: the gradient of a row that meets a column is summed.
    row = wg.grad(lambda u: np.sum(function(u, b[:, None])))(a)
    with mp.workdps(40):
        close(
            row, [sum(float(mp.diff(exact, (mp.mpf(u), mp.mpf(v)), (1, 0))) for v in b) for u in a]
        )
    value = wg.value_and_grad(function)(0.7, 1.3)
    assert value[0] == function(0.7, 1.3)
    close(value[1], first[0][0])


CONSTANT = [
    "sign",
    "floor",
    "ceil",
    "trunc",
    "rint",
    "isnan",
    "isinf",
    "isfinite",
    "signbit",
    "spacing",
    "logical_not",
]
COMPARISONS = [
    "less",
    "less_equal",
    "greater",
    "greater_equal",
    "equal",
    "not_equal",
    "logical_and",
    "logical_or",
    "logical_xor",
    "floor_divide",
]


@pytest.mark.parametrize("name", CONSTANT)
def test_constant_ufuncs_give_plain_values(name):
    x = np.array([-1.4, 0.6, 2.5])
    seen = []

    def program(t):
        seen.append(getattr(np, name)(t))
        return np.sum(t * seen[0])

    gradient = wg.grad(program)(x)
    expected = getattr(np, name)(x)
    assert seen[0].dtype == expected.dtype
    assert np.array_equal(np.asarray(seen[0]), expected) and np.array_equal(
        gradient, expected * np.ones(3)
    )


@pytest.mark.parametrize("name", COMPARISONS)
def test_constant_ufuncs_of_two_arguments(name):
    x = np.array([-1.4, 0.6, 2.5])
    expected = getattr(np, name)(x, 0.6)
    assert np.array_equal(
        wg.grad(lambda t: np.sum(t * getattr(np, name)(t, 0.6)))(x), expected * np.ones(3)
    )


def test_every_ufunc_is_served_or_refused_with_a_reason():
    from wengert.numpy_api.table import UFUNCS

    known = {f for f in vars(np).values() if isinstance(f, np.ufunc)}
    assert len(known) >= 90
    assert not {f.__name__ for f in known if f not in UFUNCS} - {"vecdot", "matvec", "vecmat"}
    for ufunc, reason in REFUSED.items():
        with pytest.raises(NoRuleError, match=reason) as caught:
            wg.grad(lambda t, f=ufunc: f(*[t] * f.nin))(2.0)
        assert caught.value.file == __file__


def test_ufuncs_with_two_outputs():
    x = np.array([-2.75, 0.6, 5.25])
    parts = lambda f: lambda t: np.sum(np.array([1.0, 2.0, 3.0]) * f(t))
    assert np.array_equal(wg.grad(parts(lambda t: np.modf(t)[0]))(x), [1.0, 2.0, 3.0])
    assert np.array_equal(
        wg.grad(parts(lambda t: t * np.modf(t)[1]))(x), np.array([1.0, 2.0, 3.0]) * np.trunc(x)
    )
    whole, _ = np.divmod(x, 0.8)
    assert np.array_equal(wg.grad(parts(lambda t: np.divmod(t, 0.8)[1]))(x), [1.0, 2.0, 3.0])
    assert np.allclose(wg.grad(lambda b: np.sum(np.divmod(x, b)[1]))(0.8), -whole.sum(), rtol=1e-14)
    assert np.array_equal(
        wg.grad(parts(lambda t: divmod(t, 0.8)[0] * t))(x), np.array([1.0, 2.0, 3.0]) * whole
    )
    mantissa, power = np.frexp(x)
    assert np.array_equal(
        wg.grad(parts(lambda t: np.frexp(t)[0]))(x), np.array([1.0, 2.0, 3.0]) * mantissa / x
    )
    assert np.array_equal(
        wg.grad(parts(lambda t: np.ldexp(t, power)))(x), np.array([1.0, 2.0, 3.0]) * 2.0**power
    )
    seen = wg.value_and_grad(lambda t: (np.frexp(t)[0] + np.modf(t)[0]).sum())(x)[0]
    assert seen == (mantissa + np.modf(x)[0]).sum()


def test_divisor_of_a_remainder_whose_quotient_rounds_up():
    assert 1.0 / 0.1 == 10.0 and 1.0 // 0.1 == 9.0  # 0.1 is a little more than a tenth
    for function in (np.remainder, np.fmod):
        assert wg.grad(function, 1)(1.0, 0.1) == -9.0


def test_relatives_that_are_no_ufuncs():
    x = np.array([-1.3, 0.2, 0.9, 2.4])
    weights = np.array([1.0, -2.0, 3.0, 0.5])
    of = lambda f: wg.grad(lambda t: np.sum(weights * f(t)))(x)
    inside = (x > -1) & (x < 1)
    assert np.array_equal(of(lambda t: np.clip(t, -1, 1)), weights * inside)
    assert np.array_equal(of(lambda t: t.clip(-1, 1)), weights * inside)
    assert np.array_equal(of(lambda t: np.clip(t, None, 1)), weights * (x < 1))
    assert np.array_equal(of(lambda t: np.clip(t, a_min=0, a_max=None)), weights * (x > 0))
    assert np.array_equal(of(lambda t: np.clip(t, min=0)), weights * (x > 0))
    assert wg.grad(lambda low: np.sum(weights * np.clip(x, low, 1)))(-1.0) == 1.0
    assert wg.grad(lambda high: np.sum(weights * np.clip(x, -1, high)))(1.0) == 0.5
    assert np.array_equal(of(lambda t: t * np.round(t)), weights * np.round(x))
    assert np.array_equal(of(lambda t: t * t.round(1)), weights * np.round(x, 1))
    assert np.array_equal(of(lambda t: t * np.around(t, 1)), weights * np.round(x, 1))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # np.fix, from NumPy 2.5 on
        assert np.array_equal(of(lambda t: t * np.fix(t)), weights * np.trunc(x))
    assert np.array_equal(of(lambda t: t * np.heaviside(t, 0.5)), weights * (x > 0))
    assert wg.grad(lambda h: np.sum(np.heaviside(np.array([-1.0, 0.0, 2.0, 0.0]), h)))(0.3) == 2.0
    assert wg.grad(lambda t: t * round(t) * round(t, 1))(2.34) == 2 * 2.3
    with_gaps = np.array([np.nan, 1.0, np.inf, -np.inf])
    expected = np.nan_to_num(with_gaps, nan=7.0, posinf=8.0)
    value, gradient = wg.value_and_grad(
        lambda t: np.sum(weights * np.nan_to_num(t, nan=7.0, posinf=8.0))
    )(with_gaps)
    assert value == np.sum(weights * expected) and np.array_equal(gradient, [0.0, -2.0, 0.0, 0.0])


def test_unwrap_keeps_values_and_has_slope_one():
    phases = np.array([0.1, 2.9, -2.8, -0.3, 3.0, -3.0])
    value, gradient = wg.value_and_grad(lambda p: np.sum(np.unwrap(p) * np.arange(6)))(phases)
    assert value == np.sum(np.unwrap(phases) * np.arange(6)) and np.array_equal(
        gradient, np.arange(6.0)
    )
    with pytest.raises(NoRuleError, match="period"):
        wg.grad(lambda q: np.sum(np.unwrap(phases, period=q)))(6.0)


@pytest.mark.parametrize("order", range(1, 5))
def test_sinc_at_and_near_zero(order):
    x = np.array([0.0, 1e-9, -1e-4, 0.03, -0.2, 0.5, 1.0, 4.6])
    f = np.sinc
    for _ in range(order):
        f = (lambda g: wg.grad(lambda t: np.sum(g(t))))(f)
    with mp.workdps(60):
        series = lambda v: mp.nsum(
            lambda k: (
                (-1) ** k
                * mp.pi ** (2 * k)
                * v ** (2 * k - order)
                / ((2 * k + 1) * mp.factorial(2 * k - order))
            ),
            [(order + 1) // 2, mp.inf],
        )
        expected = [
            float(
                series(mp.mpf(v))
                if v
                else (0 if order % 2 else (-1) ** (order // 2) * mp.pi**order / (order + 1))
            )
            for v in x
        ]
    assert np.allclose(f(x), expected, rtol=1e-12, atol=1e-13 * np.pi**order)


@pytest.mark.parametrize("n", range(5))
def test_polygamma_against_mpmath(n):
    x = [1e-3, 0.2, 1.0, 2.5, 14.0, 300.0, -0.4, -1.5, -7.25, -60.6]
    with mp.workdps(40):
        expected = [float(mp.psi(n, mp.mpf(v))) for v in x]
        slopes = [float(mp.psi(n + 1, mp.mpf(v))) for v in x]
    close([polygamma(n, v) for v in x], expected, 1e-13)
    close(wg.grad(lambda t: np.sum(polygamma(n, t)))(np.array(x)), slopes, 1e-13)
    assert n or digamma(2.5) == polygamma(0, 2.5)


@pytest.mark.parametrize("n", range(4))
def test_bessel_against_mpmath(n):
    x = [0.0, 1e-4, 0.7, 6.0, 39.0, 41.0, 120.0, 600.0, -2.0, -55.0]
    with mp.workdps(40):
        close([bessel_i(n, v) for v in x], [float(mp.re(mp.besseli(n, mp.mpf(v)))) for v in x], 1e-13)
        expected = [
            float(mp.re(mp.besseli(n - 1, mp.mpf(v)) + mp.besseli(n + 1, mp.mpf(v))) / 2) for v in x
        ]
    close(wg.grad(lambda t: np.sum(bessel_i(n, t)))(np.array(x)), expected, 1e-13)


def test_gates_in_both_tails():
    x = np.array([-800.0, -40.0, -1.2, 0.0, 0.8, 40.0, 800.0])
    with mp.workdps(420):
        logistic = [1 / (1 + mp.exp(-mp.mpf(v))) for v in x]
        slope = [float(s * (1 - s)) for s in logistic]
        bend = [float(s * (1 - s) * (1 - 2 * s)) for s in logistic]
    loss = lambda t: np.sum(wg.sigmoid(t))
    assert np.allclose(wg.sigmoid(x), np.array(logistic, float), rtol=4e-16, atol=0)
    assert np.allclose(wg.grad(loss)(x), slope, rtol=1e-15, atol=1e-320)
    assert np.allclose(
        wg.grad(lambda t: np.sum(wg.grad(loss)(t)))(x), bend, rtol=1e-14, atol=1e-320
    )
    assert np.allclose(
        wg.grad(lambda t: np.sum(wg.softplus(t)))(x), np.array(logistic, float), rtol=4e-16, atol=0
    )
    assert np.array_equal(wg.relu(x), np.maximum(x, 0)) and np.array_equal(
        wg.grad(lambda t: wg.relu(t).sum())(x), x > 0
    )


def test_extreme_arguments_do_not_overflow_on_the_way():
    big, tiny = np.array([3e200, 4e-200]), np.array([4e200, 3e-200])
    assert np.allclose(wg.grad(lambda a: np.sum(np.hypot(a, tiny)))(big), [0.6, 0.8], rtol=1e-15)
    assert np.allclose(
        wg.grad(lambda a: np.sum(np.arctan2(a, tiny)))(big),
        tiny / np.hypot(big, tiny) / np.hypot(big, tiny),
    )
    infinite = np.array([np.inf, -np.inf, np.inf, -np.inf, 1.0])
    other = np.array([np.inf, -np.inf, 0.0, 0.0, -np.inf])
    for a, b, share in zip(infinite, other, [0.5, 0.5, 1.0, 0.0, 1.0], strict=True):
        assert wg.grad(np.logaddexp)(a, b) == share
    assert np.array_equal(
        wg.jvp(np.logaddexp, (infinite, other), (np.ones(5), None))[1], [0.5, 0.5, 1.0, 0.0, 1.0]
    )


def test_an_option_of_a_ufunc_keeps_its_meaning():
    x = np.array([0.5, -0.5, 2.0])
    keep = x > 0

    def program(t):
        out = np.ones(3)
        np.log(t, out=out, where=keep)
        return np.sum(out * np.array([1.0, 2.0, 3.0]))

    value, gradient = wg.value_and_grad(program)(x)
    assert value == np.log(0.5) + 2.0 + 3.0 * np.log(2.0) and np.array_equal(
        gradient, [2.0, 0.0, 1.5]
    )
