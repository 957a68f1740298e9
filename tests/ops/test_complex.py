"""Complex numbers: holomorphic functions against mpmath, real functions of complex ones against
differences along both axes."""

import cmath
import itertools

import mpmath as mp
import numpy as np
import pytest

import wengert as wg

HOLOMORPHIC = [
    ("exp", mp.exp),
    ("exp2", lambda z: 2**z),
    ("expm1", mp.expm1),
    ("log", mp.log),
    ("log2", lambda z: mp.log(z) / mp.log(2)),
    ("log10", mp.log10),
    ("log1p", mp.log1p),
    ("sqrt", mp.sqrt),
    ("square", lambda z: z * z),
    ("reciprocal", lambda z: 1 / z),
    ("sin", mp.sin),
    ("cos", mp.cos),
    ("tan", mp.tan),
    ("arcsin", mp.asin),
    ("arccos", mp.acos),
    ("arctan", mp.atan),
    ("sinh", mp.sinh),
    ("cosh", mp.cosh),
    ("tanh", mp.tanh),
    ("arcsinh", mp.asinh),
    ("arccosh", mp.acosh),
    ("arctanh", mp.atanh),
    ("negative", lambda z: -z),
    ("sinc", lambda z: mp.sinc(mp.pi * z)),
]
POINTS = np.array([0.3 + 0.8j, -0.6 + 0.4j, 1.3 - 0.5j])
pytestmark = pytest.mark.filterwarnings("ignore::wengert.NoDependenceWarning")


@pytest.mark.parametrize(("name", "exact"), HOLOMORPHIC, ids=[row[0] for row in HOLOMORPHIC])
def test_holomorphic(name, exact):
    function = getattr(np, name)
    with mp.workdps(40):
        first = np.array([complex(mp.diff(exact, mp.mpc(z))) for z in POINTS])
        second = np.array([complex(mp.diff(exact, mp.mpc(z), 2)) for z in POINTS])
    derivative = wg.grad(lambda z: np.sum(function(z)), holomorphic=True)
    assert np.allclose(derivative(POINTS), first, rtol=1e-12, atol=1e-14)
    assert np.allclose(
        wg.jvp(function, (POINTS,), (np.full(3, 2.0 - 1.0j),))[1], first * (2.0 - 1.0j), rtol=1e-12
    )
    twice = wg.grad(lambda z: np.sum(derivative(z)), holomorphic=True)
    assert np.allclose(twice(POINTS), second, rtol=1e-11, atol=1e-13)
    # As part of a real program: d Re(c f(z)) = Re(c f' dz), so the gradient is conj(c f').
    gradient = wg.grad(lambda z: np.sum((1.0 - 2.0j) * function(z)).real)(POINTS)
    assert np.allclose(gradient, np.conj((1.0 - 2.0j) * first), rtol=1e-12, atol=1e-14)
    # And of a real variable: z = w + t u.
    slope = wg.grad(lambda t: np.sum(function(POINTS + t * 1j)).imag)(0.0)
    assert np.allclose(slope, np.sum(first * 1j).imag, rtol=1e-12)


def gradient_by_differences(f, z, h=1e-3):
    # Two Richardson steps of central differences along the real and the imaginary axis: error
    # O(h^6).
    def slope(step):
        tables = [(f(z + step * k) - f(z - step * k)) / (2 * k) for k in (4 * h, 2 * h, h)]
        tables = [(4 * b - a) / 3 for a, b in itertools.pairwise(tables)]
        return (16 * tables[1] - tables[0]) / 15

    out = np.empty(z.shape, complex)
    for k in range(z.size):
        unit = np.zeros(z.shape)
        unit[k] = 1.0
        out[k] = slope(unit) + 1j * slope(1j * unit)
    return out


REAL_VALUED = {
    "abs": lambda z: np.sum(np.abs(z) * W),
    "abs squared": lambda z: np.sum(np.abs(z) ** 2 * W),
    "angle": lambda z: np.sum(np.angle(z) * W),
    "angle in degrees": lambda z: np.sum(np.angle(z, deg=True) * W),
    "real and imag": lambda z: np.sum(np.real(z) * np.imag(z) ** 2 * W),
    "attributes": lambda z: np.sum(z.real * z.imag * W),
    "conjugate": lambda z: np.sum((np.conj(z) * z * z).imag * W),
    "sign": lambda z: np.sum((np.sign(z) * (1.0 + 2.0j)).real * W),
    "power": lambda z: np.sum(np.abs(z**2.5 + 2.0**z + z ** z.conj()) * W),
    "division": lambda z: np.sum(((1.0 + 2.0j) / z + z / (z + 2.0)).real * W),
    "polar": lambda z: np.sum((np.abs(z) * np.exp(2j * np.angle(z))).imag * W),
    "maximum": lambda z: np.sum(np.maximum(z, 0.5 + 0j).imag * W),
    "nan_to_num": lambda z: np.sum(np.nan_to_num(z * z).imag * W),
}
W = np.array([0.7, -1.3, 2.1])


@pytest.mark.parametrize("name", REAL_VALUED)
def test_real_function_of_complex_numbers(name):
    f = REAL_VALUED[name]
    gradient = wg.grad(f)(POINTS)
    assert gradient.dtype == complex
    assert np.allclose(gradient, gradient_by_differences(f, POINTS), rtol=1e-9, atol=1e-9)
    for tangent in (np.array([0.3, -1.0, 0.2]) + 0j, np.array([0.2j, 1.0 - 1.0j, 0.4])):
        value, moved = wg.jvp(f, (POINTS,), (tangent,))
        assert np.isrealobj(moved) and value == f(POINTS)
        assert np.allclose(moved, np.sum(np.conj(gradient) * tangent).real, rtol=1e-12)


@pytest.mark.parametrize("name", [n for n in REAL_VALUED if n not in {"maximum", "nan_to_num"}])
def test_second_derivatives_of_real_functions(name):
    f = REAL_VALUED[name]
    direction = np.array([0.3 - 0.2j, 1.0 + 0.4j, -0.5j])
    # d/dt of <grad f(z + t v), u> with real t, by reverse over reverse and by forward over reverse.
    u = np.array([0.9 + 0.1j, -0.3j, 0.6])
    paired = lambda z: np.sum((np.conj(wg.grad(f)(z)) * u).real)
    over = wg.grad(lambda t: paired(POINTS + t * direction))(0.0)
    forward = wg.jvp(paired, (POINTS,), (direction,))[1]
    h = 1e-3
    steps = [
        (paired(POINTS + k * direction) - paired(POINTS - k * direction)) / (2 * k)
        for k in (4 * h, 2 * h, h)
    ]
    steps = [(4 * b - a) / 3 for a, b in itertools.pairwise(steps)]
    expected = (16 * steps[1] - steps[0]) / 15
    assert np.allclose([over, forward], expected, rtol=1e-8, atol=1e-9)


def test_at_the_origin_abs_and_angle_have_zero_gradient():
    z = np.array([0j, 1.0 + 1.0j])
    assert np.allclose(wg.grad(lambda t: np.sum(np.abs(t)))(z), [0.0, (1 + 1j) / np.sqrt(2)])
    assert np.allclose(wg.grad(lambda t: np.sum(np.angle(t)))(z), [0.0, 0.5 * (-1 + 1j)])
    assert np.allclose(wg.grad(lambda t: np.sum(np.sign(t).real))(z)[0], 0.0)
    assert wg.grad(abs)(0j) == 0 and wg.grad(abs)(3 + 4j) == 0.6 + 0.8j


def test_writing_into_the_parts_of_an_array():
    def program(t):
        z = np.zeros(3, complex)
        z.real = t**2
        z.imag[1:] = t[1:] * 3.0
        z.imag[0] = t[2]
        return np.sum((z * z).real * W) + np.sum(z).imag

    x = np.array([0.5, -1.2, 0.8])
    y = np.array([x[2], 3 * x[1], 3 * x[2]])
    expected = 4 * x**3 * W
    expected[1:] += 3.0 * (1 - 2 * y[1:] * W[1:])
    expected[2] += 1 - 2 * y[0] * W[0]
    assert np.allclose(wg.grad(program)(x), expected, rtol=1e-14)
    assert np.allclose(wg.jvp(program, (x,), (W,))[1], expected @ W, rtol=1e-14)

    def seen_only_through_its_real_part(t):
        z = np.ones(3, complex) * t
        z.imag = t * 5.0
        return (np.sum(z).real * 1.0) ** 2

    assert np.allclose(wg.grad(seen_only_through_its_real_part)(x), 2 * x.sum())


@pytest.mark.parametrize(
    "name",
    [
        "sin",
        "cos",
        "tan",
        "asin",
        "acos",
        "atan",
        "sinh",
        "cosh",
        "tanh",
        "asinh",
        "acosh",
        "atanh",
        "exp",
        "sqrt",
        "log",
        "log10",
    ],
)
def test_cmath(name):
    function = getattr(cmath, name)
    exact = getattr(mp, name)
    for z in (0.3 + 0.8j, -0.6 - 0.4j):
        with mp.workdps(40):
            slope = complex(mp.diff(exact, mp.mpc(z)))
        value, got = wg.value_and_grad(lambda t: function(t) * (1 + 0j), holomorphic=True)(z)
        assert value == function(z) and np.allclose(got, slope, rtol=1e-13)
    with mp.workdps(40):
        slope = complex(mp.diff(exact, mp.mpc(0.4)))
    assert np.allclose(wg.grad(lambda t: function(t).real)(0.4), slope.real, rtol=1e-13)


def test_cmath_beyond_the_real_domain_and_polar_form():
    assert np.allclose(wg.grad(lambda t: cmath.sqrt(t).imag)(-4.0), -0.25)
    assert np.allclose(wg.grad(lambda t: cmath.log(t).real)(-4.0), -0.25)
    assert np.allclose(wg.grad(lambda t: cmath.log(t, 2).real)(4.0), 0.25 / np.log(2))
    z = 0.3 + 0.8j
    for f in (
        lambda t: cmath.phase(t),
        lambda t: cmath.polar(t)[0] ** 2 + cmath.polar(t)[1] ** 3,
        lambda t: cmath.rect(t.real, t.imag).real * cmath.rect(t.imag, t.real).imag,
    ):
        array = lambda w, f=f: f(complex(w[0]))
        assert np.allclose(
            wg.grad(f)(z), gradient_by_differences(array, np.array([z]))[0], rtol=1e-9
        )
    assert (
        wg.grad(
            lambda t: (
                t.real if cmath.isfinite(t) and not cmath.isnan(t) and cmath.isclose(t, t) else 0.0
            )
        )(z)
        == 1.0
    )


def test_real_if_close():
    z = np.array([1.0 + 1e-20j, 2.0 + 0j])
    assert np.array_equal(wg.grad(lambda t: np.sum(np.real_if_close(t) ** 2))(z), [2.0, 4.0])
    assert np.allclose(wg.grad(lambda t: np.sum(np.real_if_close(t).imag))(POINTS), 1j)
