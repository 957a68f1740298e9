"""Words of NumPy that look at values, take parts, interpolate or pass through complex numbers, by three roads.

May import wengert's public API. Invariant: text, objects and traced code have the value and the first and second
derivatives that extrapolated differences of NumPy itself give; the program in source has them too.
"""

import re

import numpy as np
import pytest

import wengert as wg

RNG = np.random.default_rng(3)
SHAPES = {"X": ("m", "n"), "Y": ("m", "n"), "b": "m", "x": "n", "a": "n", "t": "p", "c": (), "z": "n", "u": 4,
          "A": ("n", "n"), "T": (2, 3, 3)}  # fmt: skip
VALUES = {
    "X": RNG.permutation(20).reshape(5, 4) / 7.0 + RNG.uniform(0.0, 0.03, (5, 4)), "Y": RNG.normal(size=(5, 4)),
    "b": RNG.normal(size=5), "x": np.array([0.83, 0.26, 1.11, 0.47]), "a": RNG.normal(size=4),
    "t": np.array([0.25, 0.71, 0.33, 5.0]), "c": 0.52, "z": np.array([-1.2, 0.1, 0.6, 1.9]),
    "u": np.array([0.31, 1.24, 0.66, 0.93]), "A": RNG.permutation(16).reshape(4, 4) / 5.0 + 0.5 * np.eye(4),
    "T": RNG.normal(size=(2, 3, 3)) + 2 * np.eye(3),
}  # fmt: skip
WORDS = """
np.linalg.lstsq(X, b)[0] | np.linalg.lstsq(X, b, rcond=None)[0] | np.linalg.lstsq(X, Y)[0]
np.interp(t, z, a) | np.interp(c, z, a) | np.interp(t, z, a, left=0.5) | np.interp(t, z, a, 0.5, -1.0)
np.interp(u, [0.0, 0.7, 2.0], u[:3]) | np.piecewise(x, [x < 0.5, x >= 0.9], [lambda v: v**2, 3.0])
np.piecewise(x, [x < 0.5], [lambda v: v**2, lambda w: np.sin(w)]) | np.piecewise(c, [c > 0], [lambda v: v**2, 0])
np.maximum.accumulate(x) | np.minimum.accumulate(X, axis=1) | np.fmax.accumulate(X) | np.subtract.accumulate(X, axis=1)
np.hypot.reduce(x) | np.add.accumulate(X, axis=1) | np.multiply.accumulate(x) | np.logaddexp2.reduce(x)
np.median(x) | np.median(X, axis=0) | np.median(X) | np.median(u) | np.percentile(X, 30, axis=1, keepdims=True)
np.quantile(x, 0.3) | np.quantile(x, [0.2, 0.7]) | np.nanmedian(x) | np.quantile(X, 0.9, keepdims=True)
np.clip(X, 0.2, None) | np.clip(x, None, c) | x.clip(min=0.4) | np.select([x > 0.5, x > 0.3], [x**2, a], default=0.25)
np.sum(x, where=x > 0.5) | np.mean(X, axis=0, where=X > 0.5) | np.sum(x, initial=2.0) | np.max(X, initial=0.5)
np.nanmax(x) | np.nanmin(X, axis=1) | np.nanprod(x) | np.nanstd(x) | np.nanvar(X, axis=0) | np.nancumsum(x)
np.trapezoid(a, x) | x[np.argsort(x)] | x[[0, 2]] | X[[0, 2], :] | X[[0, 2], [1, 3]] | np.diff(x, append=c)
np.diff(x, prepend=0.5) | np.modf(x)[0] | np.divmod(x, a)[1] | np.split(u, 2)[1] | np.unwrap(4 * x) | np.angle(x) * x
np.cumulative_sum(x, include_initial=True) | np.ediff1d(x, to_end=1.0) | np.any(x > 0.5) * x
np.count_nonzero(x > 0.5) * x | np.linalg.norm(np.fft.fft(x))
np.take_along_axis(X, np.argsort(X, axis=1), axis=1) | np.digitize(x, [0.3, 0.6]) * x
np.searchsorted([0.3, 0.6], x) * x
np.linalg.inv(T) | np.linalg.det(T) | np.linalg.slogdet(T)[1] | np.linalg.solve(T, T**2) | np.sort(X, axis=0) ** 2
np.fft.fft(x).real | np.abs(np.fft.fft(x)) ** 2 | np.real(np.fft.ifft(np.fft.fft(x) * np.fft.fft(a)))
np.fft.fft2(X).imag
np.fft.irfft(np.fft.rfft(u)) | np.fft.irfft(np.fft.rfft(u) * np.fft.rfft(u**2)) | np.sum(np.abs(np.fft.rfft(u)))
np.angle(np.fft.fft(u)[1]) | np.fft.fftshift(u) | np.abs(np.fft.fft(X, axis=0))
np.real(np.exp(1j * x)) | np.imag(x * np.exp(2j * x)) | np.einsum('ij,jk,k', X, A, x) | np.einsum('i,i,i->i', x, a, x)
""".replace("\n", " | ")  # fmt: skip
CASES = [w.strip() for w in WORDS.split(" | ") if w.strip()]


def used(text):
    plain = re.sub(r"lambda \w: [^,\]]*|\.[A-Za-z]\w*|axis|left|where|'[^']*'", " ", text)
    return [n for n in SHAPES if re.search(rf"\b{n}\b", plain)]


def slope(function, at, steps):
    """Richardson's extrapolation of central differences, entry by entry, nested for a second one."""
    if not steps:
        return np.asarray(function(at), dtype=float)
    at = np.asarray(at, dtype=float)
    columns = []
    for k in range(at.size):
        unit = np.eye(at.size)[k].reshape(at.shape)
        rows = [
            (slope(function, at + h * unit, steps[1:]) - slope(function, at - h * unit, steps[1:])) / (2 * h)
            for h in (steps[0], steps[0] / 2)
        ]
        columns.append((4 * rows[1] - rows[0]) / 3)
    return np.moveaxis(np.array(columns), 0, -1).reshape((*np.shape(columns[0]), *at.shape))


@pytest.mark.parametrize("text", CASES)
def test_three_roads_to_one_derivative(text):
    names = used(text)
    objects = {n: wg.var(n, SHAPES[n]) for n in names}
    values = {n: VALUES[n] for n in names}
    space = {"np": np}
    exec(f"def traced({', '.join(names)}):\n    return {text}\n", space)
    traced = space["traced"]
    built = eval(text, {"np": np, **objects})
    for expression in (wg.parse(text, **objects), built):
        np.testing.assert_allclose(expression.evaluate(**values), traced(**values), rtol=1e-13, atol=1e-13)
    for wrt, order in [(names[0], 1), (names[0], 2), *((n, 1) for n in names[1:])]:

        def of(v, wrt=wrt):
            return traced(**{**values, wrt: v})

        wanted = slope(of, values[wrt], ((1e-3,), (6e-3, 4e-3))[order - 1])
        scale = max(1.0, float(np.abs(wanted).max(initial=0.0)))
        tolerance = (1e-8, 2e-5)[order - 1] * scale
        roads = [
            wg.D(text, wrt, order, shapes=objects, check=wrt == names[0] and order == 1),
            wg.D(built, wrt, order, check=False),
            wg.closed_form(traced, wrt, order, shapes=objects, check=False),
        ]
        for form in roads:
            np.testing.assert_allclose(form.evaluate(**values), wanted, rtol=0, atol=tolerance)
        for form in roads[:2]:
            np.testing.assert_allclose(form.numpy()(**values), wanted, rtol=0, atol=tolerance)


SCALARS = ("np.sum(np.maximum.accumulate(x)**2)", "np.sum(np.minimum.accumulate(x)**3)", "np.quantile(x, 0.35)**2",
           "np.median(x)**3", "np.interp(np.sum(x) / 4, z, x)")  # fmt: skip


def test_random_values_of_running_extremes_and_quantiles_are_those_of_reverse_mode():
    rng = np.random.default_rng(8)
    for text in SCALARS:
        names = used(text)
        form = wg.D(text, "x", shapes={n: SHAPES[n] for n in names})
        space = {"np": np}
        exec(f"def traced({', '.join(names)}):\n    return {text}\n", space)
        for size in (1, 2, 3, 6, 7):
            if size == 1 and "interp" in text:
                continue
            values = {n: np.sort(rng.normal(size=size)) if n == "z" else rng.normal(size=size) for n in names}
            wanted = wg.grad(lambda x, v=values, f=space["traced"]: f(**{**v, "x": x}))(values["x"])
            np.testing.assert_allclose(form.evaluate(**values), wanted, rtol=1e-11, atol=1e-13)
            np.testing.assert_allclose(form.numpy()(**values), wanted, rtol=1e-11, atol=1e-13)


REFUSED = [
    ("np.fft.fft(x)", "a result of dtype complex128 has no closed form .its real part has"),
    ("np.fft.irfft(np.fft.rfft(x))", "rfft: a size depends on those of the arguments .*with numbers for sizes"),
    ("np.logaddexp.accumulate(x)", "logaddexp.accumulate: the function runs other steps at other sizes"),
    ("np.linalg.svd(X)[0]", "the last columns of U complete a basis and may be any columns"),
    ("np.linalg.lstsq(X, b)[1]", "a size depends on those of the arguments"),
    ("x[x > 0.5]", "asks for values|a number or a size is needed"),
    ("np.quantile(x, 1.5)", "a quantile lies between 0 and 1"),
    ("np.interp(t, z, a, period=2.0)", "interp with a period"),
    ("np.interp(t, z, b)", "two vectors of one length"),
    ("np.piecewise(x, [x > 0], [lambda v: v - np.mean(v), 0])", "piecewise calls a function with mean"),
    ("np.piecewise(x, [x > 0], [1, 2, 3])", "piecewise with 1 conditions takes as many functions or one more"),
    ("np.unique(x)", "unknown function unique|asks for values"),
]


@pytest.mark.parametrize(("text", "said"), REFUSED)
def test_what_has_no_form_says_why(text, said):
    objects = {n: wg.var(n, SHAPES[n]) for n in used(text)}
    with pytest.raises(wg.WengertError, match=said):
        wg.D(text, next(iter(objects)), shapes=objects)
    with pytest.raises(wg.WengertError, match=said):
        wg.D(eval(text, {"np": np, **objects}), next(iter(objects)))


def test_complex_results_are_refused_where_they_are_met():
    if np.linalg.eigvals(np.eye(2)).dtype.kind == "c":  # from NumPy 2.5 on, for all matrices
        with pytest.raises(wg.WengertError, match="a result of dtype complex128 has no closed form"):
            wg.D("eigvals(A)", "A", A=("n", "n"), check=False)
        return
    form = wg.D("eigvals(A)", "A", A=("n", "n"), check=False)
    with pytest.raises(ValueError, match="eigvals gives complex numbers here"):
        form.evaluate(A=np.array([[0.0, -1.0], [1.0, 0.0]]))


def test_constants_stay_constants_and_rules_of_ones_own_are_not_lost():
    x = wg.var("x", "n")
    form = wg.D(np.sum(wg.stop_gradient(x) * x), x, check=False)
    np.testing.assert_array_equal(form.evaluate(x=np.array([2.0, -3.0])), [2.0, -3.0])
    own = wg.custom_jvp(lambda x: x * x)
    own.defjvp(lambda primals, tangents: (primals[0] ** 2, 7 * primals[0] * tangents[0]))
    with pytest.raises(wg.WengertError, match="has a derivative rule of its own, which no formula has"):
        own(x)
    with pytest.raises(wg.WengertError, match="no closed form"):
        wg.closed_form(lambda x: np.sum(own(x)) + np.median(x), "x", shapes={"x": "n"})


def test_arrays_of_numbers_stand_in_forms():
    x = wg.var("x", 4)
    form = wg.D(np.sum((np.array([1.0, 2.0, 5.0, 7.0]) * x) ** 2) + np.array([0.5, 2.0, 1.0, -3.0]) @ x, x)
    assert str(form) == "2 x ⊙ (1, 2, 5, 7)² + (1/2, 2, 1, −3)"
    at = RNG.normal(size=4)
    wanted = 2 * np.array([1.0, 4.0, 25.0, 49.0]) * at + [0.5, 2.0, 1.0, -3.0]
    np.testing.assert_allclose(form.numpy()(at), wanted, rtol=1e-14)
    np.testing.assert_allclose(eval(form.numpy_expression(), {"np": np, "x": at}), wanted, rtol=1e-14)
    assert r"\left(1, 2, 5, 7\right)" in form.latex() and "<mn>7</mn>" in form.mathml()
