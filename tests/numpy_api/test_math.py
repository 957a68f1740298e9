"""The functions of math under a trace: values and errors as without one, derivatives against
mpmath."""

import math
from math import erf, sin

import mpmath as mp
import numpy as np
import pytest

import wengert as wg

UNARY = [
    ("sin", mp.sin, 0.7),
    ("cos", mp.cos, 0.7),
    ("tan", mp.tan, 0.7),
    ("asin", mp.asin, 0.7),
    ("acos", mp.acos, 0.7),
    ("atan", mp.atan, 0.7),
    ("sinh", mp.sinh, 0.7),
    ("cosh", mp.cosh, 0.7),
    ("tanh", mp.tanh, 0.7),
    ("asinh", mp.asinh, 0.7),
    ("acosh", mp.acosh, 1.7),
    ("atanh", mp.atanh, 0.7),
    ("exp", mp.exp, 0.7),
    ("exp2", lambda x: 2**x, 0.7),
    ("expm1", mp.expm1, 0.7),
    ("log", mp.log, 0.7),
    ("log2", lambda x: mp.log(x) / mp.log(2), 0.7),
    ("log10", mp.log10, 0.7),
    ("log1p", mp.log1p, 0.7),
    ("sqrt", mp.sqrt, 0.7),
    ("cbrt", mp.cbrt, 0.7),
    ("degrees", mp.degrees, 0.7),
    ("radians", mp.radians, 0.7),
    ("fabs", abs, -0.7),
    ("erf", mp.erf, 0.7),
    ("erfc", mp.erfc, 0.7),
    ("gamma", mp.gamma, 2.7),
    ("gamma", mp.gamma, -1.3),
    ("lgamma", mp.loggamma, 2.7),
    ("lgamma", lambda x: mp.log(abs(mp.gamma(x))), -2.6),
]
pytestmark = pytest.mark.filterwarnings("ignore::wengert.NoDependenceWarning")


@pytest.mark.parametrize(("name", "exact", "x"), UNARY, ids=[f"{row[0]} {row[2]}" for row in UNARY])
def test_unary(name, exact, x):
    function = getattr(math, name)
    with mp.workdps(40):
        first, second, third = (float(mp.diff(exact, mp.mpf(x), n)) for n in (1, 2, 3))
    for start in (x, np.float64(x)):
        value, slope = wg.value_and_grad(lambda t: function(t))(start)
        assert value == function(x) and type(value) is float
        assert math.isclose(slope, first, rel_tol=1e-13)
        value, slope = wg.jvp(lambda t: function(t), (start,), (2.0,))
        assert value == function(x) and math.isclose(slope, 2 * first, rel_tol=1e-13)
    twice = wg.grad(wg.grad(lambda t: function(t)))
    assert math.isclose(twice(x), second, rel_tol=1e-12, abs_tol=1e-15)
    assert math.isclose(wg.jvp(twice, (x,), (1.0,))[1], third, rel_tol=1e-11, abs_tol=1e-14)
    assert math.isclose(wg.grad(function)(x), first, rel_tol=1e-13)


BINARY = [
    ("pow", lambda a, b: a**b),
    ("atan2", mp.atan2),
    ("fmod", lambda a, b: a - b * mp.floor(a / b)),
    ("remainder", lambda a, b: a - b * mp.nint(a / b)),
    ("copysign", lambda a, b: abs(a) * mp.sign(b)),
    ("hypot", lambda a, b: mp.sqrt(a * a + b * b)),
    ("log", lambda a, b: mp.log(a) / mp.log(b)),
    ("dist", lambda a, b: mp.sqrt((a - b) ** 2 + (a - 3) ** 2)),
    ("nextafter", lambda a, b: +a),
]


@pytest.mark.parametrize(("name", "exact"), BINARY, ids=[row[0] for row in BINARY])
def test_binary(name, exact):
    function = getattr(math, name)
    if name == "dist":
        function = lambda a, b: math.dist([a, a], (b, 3))
    a, b = 2.9, 0.8
    with mp.workdps(40):
        point = mp.mpf(a), mp.mpf(b)
        first = [float(mp.diff(exact, point, order)) for order in ((1, 0), (0, 1))]
        mixed = float(mp.diff(exact, point, (1, 1)))
    value, slopes = wg.value_and_grad(function, (0, 1))(a, b)
    assert value == function(a, b)
    assert np.allclose(slopes, first, rtol=1e-12, atol=1e-15)
    assert np.allclose(wg.grad(lambda u: function(u, b))(a), first[0], rtol=1e-12)
    assert np.allclose(wg.grad(lambda v: function(a, v))(b), first[1], rtol=1e-12, atol=1e-15)
    assert np.allclose(wg.grad(wg.grad(function, 0), 1)(a, b), mixed, rtol=1e-11, atol=1e-14)


def test_functions_of_many_numbers():
    x = [0.3, -1.2, 2.5, 0.7]
    point = np.array(x)
    cases = [
        (lambda t: math.hypot(*t), math.hypot(*x), point / math.hypot(*x)),
        (lambda t: math.hypot(t[0]), 0.3, np.array([1.0, 0, 0, 0])),
        (
            lambda t: math.dist(t, [1, 2, 3, 4]),
            math.dist(x, [1, 2, 3, 4]),
            (point - [1, 2, 3, 4]) / math.dist(x, [1, 2, 3, 4]),
        ),
        (lambda t: math.fsum(t), math.fsum(x), np.ones(4)),
        (lambda t: math.fsum(v * v for v in t), math.fsum(v * v for v in x), 2 * point),
        (lambda t: math.prod(t), math.prod(x), math.prod(x) / point),
        (
            lambda t: math.prod([2, t[1], t[1]], start=3),
            math.prod([2, -1.2, -1.2], start=3),
            np.array([0, -14.4, 0, 0]),
        ),
    ]
    for f, value, gradient in cases:
        got = wg.value_and_grad(f)(point)
        assert got[0] == value
        assert np.allclose(got[1], gradient, rtol=1e-14)
        assert np.allclose(wg.jvp(f, (point,), (point,))[1], gradient @ point, rtol=1e-14)
    lengths = wg.grad(lambda t: math.hypot(*t))
    hessian = np.array([wg.grad(lambda t, k=k: lengths(t)[k])(point) for k in range(4)])
    r = math.hypot(*x)
    assert np.allclose(hessian, np.eye(4) / r - np.outer(x, x) / r**3, rtol=1e-13)
    assert np.array_equal(lengths(np.zeros(4)), np.zeros(4))
    many = [1e16, 1.0, -1e16, 1.0]
    assert wg.value_and_grad(lambda t: math.fsum([1e16, t, -1e16, t]))(1.0) == (
        math.fsum(many),
        2.0,
    )


def test_single_precision_arguments_are_computed_in_double_as_math_does():
    x = np.array([0.3, -1.2, 2.5], np.float32)
    for f in (
        lambda t: math.dist(t, [1.0, 2.0, 3.0]),
        lambda t: math.hypot(*t),
        lambda t: math.hypot(t[0], t[1]),
        lambda t: math.fsum(t),
        lambda t: math.sin(t[2]),
        lambda t: math.atan2(t[1], t[2]),
    ):
        value, gradient = wg.value_and_grad(f)(x)
        assert value == f(x) and type(value) is float and gradient.dtype == np.float32
        assert np.allclose(gradient, wg.grad(f)(x.astype(float)), rtol=1e-6)


def test_sumprod_rounds_once_and_differentiates():
    from wengert.ops.sums import sumprod

    a, b = np.array([1e8 + 1, 1.0, -1e8]), np.array([1e8 - 1, 1.0, 1e8])
    assert sumprod(a, b) == 0.0  # the plain sum of products rounds on the way
    grads = wg.grad(lambda u, v: sumprod(u, v), (0, 1))(a, b)
    assert np.array_equal(grads[0], b) and np.array_equal(grads[1], a)


def test_parts_of_a_number():
    assert wg.grad(lambda t: math.modf(t)[0] * 3 + math.modf(t)[1] * t)(2.75) == 5.0
    assert wg.value_and_grad(lambda t: math.modf(t)[0])(-3.0) == (0.0, 1.0)
    mantissa, power = math.frexp(11.3)
    assert wg.value_and_grad(lambda t: math.frexp(t)[0])(11.3) == (mantissa, 2.0**-power)
    assert wg.value_and_grad(lambda t: math.ldexp(t, 5))(11.3) == (math.ldexp(11.3, 5), 32.0)
    kinds = []

    def program(t):
        kinds.extend(
            type(f(t))
            for f in (math.floor, math.ceil, math.trunc, math.isnan, math.isinf, math.isfinite)
        )
        kinds.append(type(math.isclose(t, 2.6, rel_tol=1e-3)))
        kinds.append(type(math.frexp(t)[1]))
        return (
            t * math.floor(t)
            + t * math.ceil(t) * 10
            + t * math.trunc(t) * 100
            + t * math.isclose(t, 2.6)
            + t * math.ulp(t)
        )

    assert wg.grad(program)(2.6) == 2 + 30 + 200 + 1 + math.ulp(2.6)
    assert kinds == [int, int, int, bool, bool, bool, bool, int]


def test_errors_are_those_of_math():
    for f, x, error in [
        (lambda t: math.sqrt(t), -1.0, "math domain error"),
        (lambda t: math.log(t), 0.0, "math domain error"),
        (lambda t: math.exp(t), 1000.0, "math range error"),
        (lambda t: math.acos(t), 2.0, "math domain error"),
        (lambda t: math.gamma(t), -2.0, "math domain error"),
        (lambda t: math.pow(t, 0.5), -2.0, "math domain error"),
        (lambda t: math.fmod(t, 0.0), 2.0, "math domain error"),
        (lambda t: math.floor(t), math.inf, "infinity"),
    ]:
        with pytest.raises((ValueError, OverflowError)) as plain:
            f(x)
        for transform in (lambda g, v: wg.grad(g)(v), lambda g, v: wg.jvp(g, (v,), (1.0,))):
            with pytest.raises(type(plain.value), match=error) as traced:
                transform(f, x)
            assert str(traced.value) == str(plain.value)
    with pytest.raises(ZeroDivisionError):
        wg.grad(lambda t: math.log(t, 1.0))(2.0)
    with pytest.raises(TypeError):
        wg.grad(lambda t: math.sin(t, t))(2.0)
    with pytest.raises(TypeError):
        wg.grad(lambda t: math.sin(t))(np.ones(3))


def test_numbers_without_derivative_take_the_original():
    def program(t):
        seen.append(
            (
                math.sin(1),
                math.hypot(3, 4),
                math.fsum([0.1] * 10),
                math.prod([2, 3]),
                math.floor(2.5),
                math.log(8, 2),
            )
        )
        seen.append((math.gcd(12, 18), math.comb(5, 2), math.factorial(5), math.isqrt(17), math.pi))
        return t * math.isclose(1.0, 1.0)

    seen = []
    assert wg.grad(program)(2.0) == 1.0
    assert seen[0] == (math.sin(1), 5.0, 1.0, 6, 2, math.log(8, 2)) and type(seen[0][3]) is int
    assert seen[1] == (6, 10, 120, 4, math.pi)
    with pytest.raises(TypeError):
        wg.grad(lambda t: math.factorial(t))(5.0)


def test_names_imported_one_by_one_and_arrays_of_one_element():
    slope = math.cos(0.4) * erf(0.4) + sin(0.4) * 2 / math.sqrt(math.pi) * math.exp(-0.16)
    assert math.isclose(wg.grad(lambda t: sin(t) * erf(t))(0.4), slope, rel_tol=1e-14)
    x = np.array([0.4, 1.1])
    assert np.allclose(
        wg.grad(lambda t: math.sin(t[0]) * math.exp(t[1]))(x),
        [np.cos(0.4) * np.e**1.1, np.sin(0.4) * np.e**1.1],
    )
    assert wg.grad(lambda t: math.sin(t))(np.array(0.4)) == np.cos(0.4)


def test_every_differentiable_function_of_math_and_cmath_has_a_twin():
    import cmath

    from wengert.numpy_api.table import TWINS

    integers = {"comb", "factorial", "gcd", "isqrt", "lcm", "perm"}
    for module in (math, cmath):
        functions = {n for n, f in vars(module).items() if callable(f) and not n.startswith("_")}
        assert {n for n in functions if getattr(module, n) not in TWINS} <= integers
