"""Bad input: every mistake gets an error of ours, also the builtin that is expected, and a fix.

Imports the public API. Each row is a call, the builtin classes the error may be, and
what its message must contain: what was got, and what to do.
"""

from __future__ import annotations

import re

import numpy as np
import pytest

import wengert as wg

X = np.array([0.7, -0.4, 1.3])
M = np.array([[1.0, 2.0], [3.0, 4.0]])


def energy(x, scale=1.0):
    return np.sum(x**2) * scale


def curve(x):
    return x**2


def gives_nothing(x):
    x**2  # the return was forgotten


ROWS = [
    # what is differentiated
    ("not callable", lambda: wg.grad(3.0), TypeError, r"float|3\.0"),
    ("called too early", lambda: wg.grad(energy(X)), TypeError, r"float64|callable|function"),
    ("array for a function", lambda: wg.value_and_grad(X), TypeError, r"ndarray|array"),
    ("jvp of no function", lambda: wg.jvp(None, (X,), (X,)), TypeError, r"None"),
    # argnums, argnames
    ("argnums too large", lambda: wg.grad(energy, 5)(X), IndexError, r"5"),
    ("argnums too negative", lambda: wg.grad(energy, -4)(X), IndexError, r"-4"),
    ("one of argnums", lambda: wg.grad(energy, (0, 7))(X, 2.0), IndexError, r"7"),
    ("argnums is a string", lambda: wg.grad(energy, "x")(X), TypeError, r"argnames|int"),
    ("argnums is a float", lambda: wg.grad(energy, 0.5)(X), TypeError, r"0\.5|float|int"),
    ("argnums beyond arguments given", lambda: wg.grad(energy, 1)(X), IndexError, r"1"),
    (
        "unknown argname",
        lambda: wg.grad(energy, argnames="scal")(X, scale=2.0),
        (TypeError, ValueError, IndexError),
        r"scal.*scale|scale.*scal\b",
    ),
    ("argnames is a number", lambda: wg.grad(energy, argnames=0)(X), TypeError, r"a name or a tuple of names, got 0"),
    ("argnames of numbers", lambda: wg.grad(energy, argnames=(0, "x"))(X), TypeError, r"names, got \(0, 'x'\)"),
    ("argnames is empty", lambda: wg.grad(energy, argnames=())(X), ValueError, r"argnums is empty"),
    ("vjp at no point", lambda: wg.vjp(energy), ValueError, r"energy was given no arguments"),
    # arguments
    ("integer array", lambda: wg.grad(energy)(np.arange(3)), TypeError, r"astype\(float\)"),
    ("boolean array", lambda: wg.grad(energy)(np.array([True, False])), TypeError, r"bool"),
    ("string", lambda: wg.grad(energy)("0.7"), TypeError, r"str"),
    ("None", lambda: wg.grad(energy)(None), TypeError, r"None"),
    ("array of strings", lambda: wg.grad(energy)(np.array(["a", "b"])), TypeError, r"<U1|str"),
    ("dates", lambda: wg.grad(energy)(np.array(["2026-01-01"], "M8[D]")), TypeError, r"datetime"),
    ("a set", lambda: wg.grad(energy)({1.0, 2.0}), TypeError, r"set"),
    ("own class", lambda: wg.grad(energy)(object()), TypeError, r"object|register"),
    (
        "a function as argument",
        lambda: wg.grad(lambda f: f(1.0))(np.sin),
        TypeError,
        r"sin|ufunc|callable",
    ),
    (
        "no number in a list",
        lambda: wg.grad(lambda p: 1.0)(["a", None]),
        TypeError,
        r"number|float|leaf",
    ),
    ("no argument", lambda: wg.grad(energy)(), (TypeError, IndexError), r"argument"),
    # outputs
    ("returns None", lambda: wg.grad(gives_nothing)(X), TypeError, r"None[\s\S]*return"),
    (
        "returns a list",
        lambda: wg.grad(lambda x: [x[0], x[1]])(X),
        (TypeError, ValueError),
        r"list[\s\S]*jacobian",
    ),
    (
        "returns a vector",
        lambda: wg.grad(curve)(X),
        (TypeError, ValueError),
        r"\(3,\)[\s\S]*jacobian",
    ),
    (
        "returns a matrix",
        lambda: wg.grad(curve)(M),
        (TypeError, ValueError),
        r"\(2, 2\)[\s\S]*jacobian",
    ),
    ("returns a string", lambda: wg.grad(lambda x: "0.7")(X), TypeError, r"str"),
    ("returns an object", lambda: wg.grad(lambda x: object())(X), TypeError, r"object"),
    (
        "returns a dict",
        lambda: wg.grad(lambda x: {"a": x[0]})(X),
        (TypeError, ValueError),
        r"dict[\s\S]*(jacobian|has_aux)",
    ),
    (
        "returns complex",
        lambda: wg.grad(lambda x: np.sum(x) * 1j)(X),
        TypeError,
        r"complex[\s\S]*(holomorphic|real)",
    ),
    (
        "aux without a pair",
        lambda: wg.grad(energy, has_aux=True)(X),
        (TypeError, ValueError),
        r"aux",
    ),
    ("holomorphic of real", lambda: wg.grad(energy, holomorphic=True)(X), TypeError, r"complex"),
    ("jacobian of None", lambda: wg.jacobian(gives_nothing)(X), TypeError, r"None"),
    ("hessian of a vector", lambda: wg.hessian(gives_nothing)(X), TypeError, r"None"),
    # tangents and cotangents
    (
        "tangent shape",
        lambda: wg.jvp(curve, (X,), (np.ones(2),)),
        ValueError,
        r"\(2,\)[\s\S]*\(3,\)|\(3,\)[\s\S]*\(2,\)",
    ),
    (
        "tangent count",
        lambda: wg.jvp(curve, (X,), (X, X)),
        (TypeError, ValueError),
        r"1[\s\S]*2|2[\s\S]*1",
    ),
    ("tangents not a tuple", lambda: wg.jvp(curve, X, X), (TypeError, ValueError), r"tuple"),
    ("tangent of text", lambda: wg.jvp(curve, (X,), ("abc",)), TypeError, r"str"),
    (
        "tangent container",
        lambda: wg.jvp(lambda p: p["a"] ** 2, ({"a": 1.0},), ([1.0],)),
        (TypeError, ValueError),
        r"dict|list",
    ),
    (
        "tangent key",
        lambda: wg.jvp(lambda p: p["a"] ** 2, ({"a": 1.0},), ({"b": 1.0},)),
        (TypeError, ValueError),
        r"b",
    ),
    ("complex tangent", lambda: wg.jvp(curve, (X,), (X * 1j,)), TypeError, r"complex"),
    (
        "cotangent shape",
        lambda: wg.vjp(curve, X)[1](np.ones(4)),
        ValueError,
        r"\(4,\)[\s\S]*\(3,\)|\(3,\)[\s\S]*\(4,\)",
    ),
    (
        "cotangent container",
        lambda: wg.vjp(lambda x: (x, x), X)[1](X),
        (TypeError, ValueError),
        r"tuple|\(\*, \*\)",
    ),
    ("hvp tangent shape", lambda: wg.hvp(energy, (X,), (np.ones(5),)), ValueError, r"\(5,\)"),
    # options
    (
        "jacobian mode",
        lambda: wg.jacobian(curve, mode="sideways")(X),
        ValueError,
        r"sideways[\s\S]*fwd",
    ),
    ("hessian mode", lambda: wg.hessian(energy, mode="sideways")(X), ValueError, r"sideways"),
    ("nonsmooth", lambda: wg.grad(energy, nonsmooth="maybe")(X), ValueError, r"maybe[\s\S]*warn"),
    ("chunk size", lambda: wg.jacobian(curve, chunk_size=0)(X), ValueError, r"0"),
    (
        "derivative of a vector",
        lambda: wg.derivative(np.sin)(X),
        (TypeError, ValueError),
        r"\(3,\)[\s\S]*(jacobian|elementwise_grad|grad)",
    ),
    (
        "vmap lengths",
        lambda: wg.vmap(lambda a, b: a * b)(np.ones(3), np.ones(4)),
        ValueError,
        r"3[\s\S]*4|4[\s\S]*3",
    ),
    (
        "vmap of a number",
        lambda: wg.vmap(np.sin)(0.5),
        (TypeError, ValueError),
        r"axis|dimension|0-d|scalar|shape",
    ),
    ("vmap axis", lambda: wg.vmap(np.sin, in_axes=3)(X), (ValueError, IndexError), r"3"),
    ("vmap without axes", lambda: wg.vmap(np.sin, in_axes=None)(X), ValueError, r"in_axes|None"),
]


@pytest.mark.parametrize(
    ("call", "builtin", "text"), [r[1:] for r in ROWS], ids=[r[0] for r in ROWS]
)
def test_bad_input_is_refused_clearly(call, builtin, text):
    with pytest.raises(wg.WengertError) as caught:
        call()
    assert isinstance(caught.value, builtin)
    assert re.search(text, str(caught.value)), str(caught.value)
    assert caught.value.fix, "the error must say what to do"


def test_python_int_arguments_are_numbers():
    value, slope = wg.value_and_grad(lambda t: t**3)(2)
    assert slope == 12.0
    assert isinstance(slope, float)
    assert value == 8


def test_empty_arrays_have_empty_gradients():
    got = wg.grad(lambda x: np.sum(x**2) + np.sum(np.sin(x)))(np.zeros((0, 3)))
    assert got.shape == (0, 3)
    assert wg.jacobian(curve)(np.zeros(0)).shape == (0, 0)


def test_empty_maximum_is_refused_as_numpy_does():
    with pytest.raises(ValueError, match="zero-size array"):
        wg.grad(np.max)(np.zeros(0))


def test_zero_dimensional_arrays_keep_their_shape():
    got = wg.grad(lambda t: t**2)(np.array(0.75))
    assert np.shape(got) == ()
    assert got == 1.5
    assert wg.jacobian(curve)(np.array(0.75)).shape == ()


def test_float32_stays_float32():
    value, slope = wg.value_and_grad(energy)(np.array([0.5, 1.5], dtype=np.float32))
    assert value.dtype == np.float32
    assert slope.dtype == np.float32
    np.testing.assert_array_equal(slope, [1.0, 3.0])


def test_non_finite_entries_spread_only_where_they_must():
    got = wg.grad(energy)(np.array([np.nan, 1.0, np.inf]))
    np.testing.assert_array_equal(got, [np.nan, 2.0, np.inf])
    _, tangent = wg.jvp(curve, (np.array([np.nan, 1.0]),), (np.ones(2),))
    np.testing.assert_array_equal(tangent, [np.nan, 2.0])


def test_floating_point_warnings_are_those_of_the_untraced_run():
    def root(x):
        return np.sum(np.log(x))

    with pytest.warns(RuntimeWarning, match="divide by zero"):
        root(np.array([0.0, 1.0]))
    with pytest.warns(RuntimeWarning, match="divide by zero"):
        wg.value_and_grad(root)(np.array([0.0, 1.0]))


def test_masked_branches_hide_no_nan():
    got = wg.grad(lambda x: np.sum(np.where(x > 0, np.sqrt(np.abs(x)), 0.0)))(np.array([0.0, 4.0]))
    np.testing.assert_array_equal(got, [0.0, 0.25])


def test_static_leaves_come_back_as_none():
    got = wg.grad(lambda p: p["w"] ** 2 * p["n"])({"w": 3.0, "n": 2, "name": "a", "on": True})
    assert got == {"w": 12.0, "n": None, "name": None, "on": None}


def test_argnames_give_a_dictionary():
    got = wg.grad(energy, argnames=("x", "scale"))(X, scale=2.0)
    assert set(got) == {"x", "scale"}
    np.testing.assert_allclose(got["x"], 4 * X)
    np.testing.assert_allclose(got["scale"], np.sum(X**2))


def test_a_product_with_the_hessian_speaks_of_the_tangent_that_was_given():
    with pytest.raises(wg.WengertError, match=r"the tangent has shape \(2,\), the value it belongs to \(3,\)"):
        wg.hvp(lambda x: np.sum(x**3), (np.ones(3),), (np.ones(2),))
