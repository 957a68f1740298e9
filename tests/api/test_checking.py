"""check_grads passes what is right, and names the entry, the mode and the kink of what is not."""

import math
import warnings
from dataclasses import dataclass

import numpy as np
import pytest

import wengert
from wengert import CheckError, WengertWarning, check_grads

X = np.array([1.0, 2.0, 3.0])


@dataclass
class Layer:
    w: object
    name: str = "layer"


RIGHT = {
    "one number": (lambda t: math.sin(t) * t, (0.7,)),
    "no dependence on one": (lambda a, b: a * 2.0, (0.7, 1.5)),
    "several arguments": (lambda A, x, c: np.tanh(A @ x) * c, (np.eye(3) + 0.1, X, 0.5)),
    "zero-dimensional": (lambda x: np.exp(x) * x, (np.array(0.3),)),
    "integers are held fixed": (lambda x, n: x**n, (X, 3)),
    "an index array is held fixed": (lambda x, i: x[i] * x[0], (X, np.array([2, 0, 2]))),
    "containers": (
        lambda p, s: {"y": p["layer"].w * p["b"][0], "n": p["n"], "z": (p["b"][1] ** 2,)},
        ({"layer": Layer(X), "b": [2.0, np.ones((2, 1))], "n": 4}, "text"),
    ),
    "complex to real": (lambda z: np.abs(z) ** 2 + np.angle(z), (np.array([1 + 2j, -0.5 + 1j]),)),
    "holomorphic": (lambda z: np.exp(z) / z, (1.5 - 0.5j,)),
    "neither": (lambda z, x: z * np.conj(z) * x + 1j * z.real, (np.array([1 + 1j, 2 - 3j]), X[:2])),
    "real to complex": (lambda x: np.fft.fft(x), (X,)),
    "many entries": (lambda x: np.cumsum(np.sin(x) * x), (np.linspace(0.1, 2.0, 150),)),
    "writes into its argument": (lambda x: _doubled(x), (X,)),
    "abs away from its kink": (lambda x: np.abs(x), (X - 2.5,)),
    "abs where it cancels": (lambda x: np.abs(x) ** 3, (np.array([0.0, 1.0]),)),
    "loops and branches": (lambda t: _newton(t), (5.0,)),
    "large and small together": (lambda x: x**2 * np.array([1e8, 1.0, 1e-8]), (X,)),
}


def _doubled(x):
    x[1] = x[0] ** 2
    return x * 2.0


def _newton(t):
    root = t
    while abs(root * root - t) > 1e-12 * t:
        root = 0.5 * (root + t / root)
    return root


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("name", RIGHT)
def test_right_functions_pass(name, order):
    fun, args = RIGHT[name]
    check_grads(fun, args, order=order)


def test_arguments_stay_as_they_were():
    x = X.copy()
    check_grads(_doubled, (x,), order=2)
    assert (x == X).all()


@pytest.mark.parametrize("dtype", [np.float32, np.complex64])
def test_single_precision_has_its_own_tolerance(dtype):
    x = X.astype(dtype)
    check_grads(lambda v: np.sin(v) * v, (x,), order=2)
    with pytest.raises(CheckError):
        check_grads(_scaled(1.02), (x,))
    check_grads(_scaled(1.0001), (x,))


def _scaled(factor, at=slice(None)):
    """The cube, with a reverse rule that is wrong by a factor in some entries."""

    @wengert.custom_vjp
    def cube(x):
        return x**3

    def backwards(x, ct):
        wrong = np.ones(3)
        wrong[at] = factor
        return (3 * x**2 * ct * wrong.astype(np.asarray(ct).real.dtype),)

    cube.defvjp(lambda x: (x**3, x), backwards)
    return cube


def test_a_wrong_reverse_rule_is_found_and_the_entry_named():
    with pytest.raises(CheckError) as caught:
        check_grads(_scaled(1.00001, 1), (X,), modes=("rev",))
    (entry,) = caught.value.entries
    assert (entry.output, entry.input, entry.mode, entry.order) == (
        "output[1]",
        "argument 0[1]",
        "rev",
        1,
    )
    assert entry.wanted == pytest.approx(12.0, rel=1e-12)
    assert entry.got == pytest.approx(12.00012, rel=1e-12)
    assert "d output[1] / d argument 0[1]: got 12.00012, wanted 12" in str(caught.value)
    assert "reverse mode is wrong in 1 of 9 entries" in str(caught.value)
    assert caught.value.reference == "complex step"
    assert caught.value.file == __file__


def test_an_error_below_the_tolerance_passes_and_rtol_moves_it():
    check_grads(_scaled(1.0 + 1e-9, 1), (X,))
    with pytest.raises(CheckError):
        check_grads(_scaled(1.0 + 1e-9, 1), (X,), rtol=1e-10)
    check_grads(_scaled(1.001, 1), (X,), rtol=1e-2)


def _forward_wrong():
    @wengert.custom_jvp
    def fun(p):
        return p["a"] * np.sum(p["b"] ** 2)

    @fun.defjvp
    def rule(primals, tangents):
        (p,), (t,) = primals, tangents
        return fun(p), t["a"] * np.sum(p["b"] ** 2) + p["a"] * np.sum(t["b"] * p["b"])

    return fun


@pytest.mark.parametrize("mode", ["fwd", "rev"])
def test_a_wrong_forward_rule_is_found_in_each_mode_by_path(mode):
    with pytest.raises(CheckError) as caught:
        check_grads(_forward_wrong(), ({"a": 2.0, "b": X},), modes=(mode,))
    named = {entry.input for entry in caught.value.entries}
    assert named == {"argument 0['b'][0]", "argument 0['b'][1]", "argument 0['b'][2]"}
    worst = caught.value.entries[0]
    assert (worst.input, worst.mode) == ("argument 0['b'][2]", mode)
    assert worst.got == pytest.approx(6.0) and worst.wanted == pytest.approx(12.0)


def test_a_wrong_second_derivative_is_found_only_by_order_two():
    @wengert.custom_jvp
    def cube(x):
        return np.sum(x**3)

    @cube.defjvp
    def rule(primals, tangents):
        (x,), (t,) = primals, tangents
        return cube(x), np.sum(3.0 * x * wengert.stop_gradient(x) * t)

    check_grads(cube, (X,))
    with pytest.raises(CheckError, match="derivative of the gradient") as caught:
        check_grads(cube, (X,), order=2)
    assert {e.order for e in caught.value.entries} == {2}
    assert caught.value.entries[0].output.startswith("gradient by argument 0")
    assert caught.value.reference == "richardson"


def test_a_cut_derivative_is_found():
    with pytest.raises(CheckError, match=r"argument 1\[0\]: got 0, wanted"):
        check_grads(lambda a, b: a * wengert.stop_gradient(b), (X, X + 1.0))


def test_a_wrong_entry_among_many_is_found_along_random_lines():
    n = 500

    @wengert.custom_vjp
    def square(x):
        return np.sum(x**2)

    def backwards(x, ct):
        wrong = np.ones(n)
        wrong[321] = 1.5
        return (2.0 * x * ct * wrong,)

    square.defvjp(lambda x: (np.sum(x**2), x), backwards)
    with pytest.raises(CheckError):
        check_grads(square, (np.linspace(1.0, 2.0, n),))


def test_complex_conjugation_is_found():
    @wengert.custom_vjp
    def square(z):
        return z * z

    square.defvjp(lambda z: (z * z, z), lambda z, ct: (2.0 * z * ct,))  # the conjugate is missing
    with pytest.raises(CheckError, match="Im argument 0"):
        check_grads(square, (1.0 + 2.0j,))


KINKS = {
    "abs": (
        lambda x: np.abs(x),
        (np.array([1.0, 0.0]),),
        "absolute",
        "-1 from the left and 1 from",
    ),
    "maximum": (lambda x: np.maximum(x, 2.0), (X,), "maximum", "0 from the left and 1 from"),
    "relu in a product": (
        lambda x: wengert.relu(x) * 4.0,
        (0.0,),
        "relu",
        "0 from the left and 4 f",
    ),
    "a branch": (
        lambda t: t * 2.0 if t > 1.0 else t * 3.0 - 1.0,
        (1.0,),
        "",
        "3 from the left and 2",
    ),
    "norm": (lambda x: np.linalg.norm(x), (np.zeros(2),), "", "-1 from the left and 1 from"),
}


@pytest.mark.parametrize("name", KINKS)
def test_a_kink_is_named(name):
    fun, args, op, sides = KINKS[name]
    with pytest.raises(CheckError, match="sits on a kink") as caught:
        check_grads(fun, args)
    assert sides in caught.value.kink
    assert op in str(caught.value)
    assert "beside the kink" in caught.value.fix


def test_the_kink_of_a_gradient_is_named_by_order_two():
    check_grads(lambda x: np.abs(x) * x, (0.0,))
    with pytest.raises(CheckError, match="sits on a kink here: d gradient by argument 0"):
        check_grads(lambda x: np.abs(x) * x, (0.0,), order=2)


def test_the_reference_is_the_complex_step_only_where_it_can_be():
    def wrong(fun):
        copy = wengert.custom_jvp(fun)
        copy.defjvp(lambda primals, tangents: (fun(*primals), 2.0 * tangents[0]))
        with pytest.raises(CheckError) as caught:
            check_grads(copy, (0.5,))
        return caught.value.reference

    assert wrong(np.exp) == "complex step"
    assert wrong(lambda t: math.exp(t)) == "richardson"
    assert wrong(lambda t: np.abs(np.exp(t)) * 1.0) == "richardson"


def test_a_noisy_function_is_not_failed_for_the_noise_of_the_reference():
    # exp with an error of 1e-7 that changes from point to point; its own derivative is right.
    @wengert.custom_jvp
    def noisy(t):
        return math.exp(t) * (1.0 + 1e-7 * math.sin(1e12 * t))

    noisy.defjvp(lambda p, t: (noisy(*p), math.exp(p[0]) * t[0]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", WengertWarning)
        check_grads(noisy, (0.3,))


def test_a_point_on_the_edge_of_the_domain_says_so():
    with pytest.raises(CheckError, match="cannot be measured"):
        check_grads(np.sqrt, (np.array([1.0, 0.0]),))


def test_a_function_with_state_is_found():
    seen = []

    def drifting(x):
        seen.append(1)
        return x * float(len(seen))

    with pytest.raises(CheckError):
        check_grads(drifting, (X,))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: check_grads(np.sin, X), "takes a tuple of arguments"),
        (lambda: check_grads(np.sin, (X,), modes=("forward",)), "modes="),
        (lambda: check_grads(np.sin, (X,), modes=()), "modes="),
        (lambda: check_grads(np.sin, (X,), order=3), "order=3"),
        (lambda: check_grads(np.sin, (X,), rtol=-1.0), "rtol=-1.0"),
        (lambda: check_grads(np.sin, (3,)), "none of the arguments"),
        (lambda: check_grads(lambda x: None, (X,)), "returned no floating point"),
        (lambda: check_grads(np.argmax, (X,)), "returned no floating point"),
    ],
)
def test_bad_calls_are_refused(call, words):
    with pytest.raises(wengert.WengertError, match=words):
        call()
