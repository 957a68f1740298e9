"""Every word of NumPy that stands in a formula, by three roads: the text, variables as objects, and a traced function.

May import wengert's public API. Invariant: values are those of NumPy itself, derivatives those of differences of NumPy
itself, and the three roads print one form.
"""

import re

import numpy as np
import pytest

import wengert as wg
from wengert.symbolic.dims import sized

SHAPES = {"x": ("n",), "a": ("n",), "A": ("n", "n"), "X": ("m", "n"), "Y": ("m", "n"), "c": (), "P": ("n", "n"),
          "T": ("m", "n", "k"), "z": (3,)}  # fmt: skip
FACTS = {"P": {"positive_definite": True}}
SIZES = {"n": 4, "m": 5, "k": 2}
RNG = np.random.default_rng(11)
VALUES = {
    name: RNG.uniform(0.2, 0.9, tuple(d if isinstance(d, int) else SIZES[d] for d in shape))
    for name, shape in SHAPES.items()
}
VALUES["A"] = VALUES["A"] + np.diag([2.0, 3.0, 2.5, 3.5])
VALUES["P"] = VALUES["P"] + VALUES["P"].T + np.diag([3.0, 4.5, 6.5, 9.0])
VALUES["c"] = 0.7
VALUES["X"] = 0.15 + RNG.permutation(20).reshape(5, 4) / 25  # no two alike: where sorted, all steps are far apart
VALUES["A"] = VALUES["A"] + RNG.permutation(16).reshape(4, 4) / 50
VALUES["z"] = np.array([0.5, 0.2, 0.8])

ELEMENTWISE = [f"np.{name}(x)" for name in (
    "exp exp2 expm1 log log2 log10 log1p sin cos tan sinh cosh tanh arcsin arccos arctan arcsinh arctanh asin atan "
    "sqrt cbrt square reciprocal sign abs absolute fabs floor ceil trunc rint negative positive sinc deg2rad radians "
    "rad2deg degrees i0 round"
).split()] + ["np.arccosh(1 + x)"]  # fmt: skip
PAIRS = [f"np.{name}(x, a)" for name in (
    "add subtract multiply divide true_divide power float_power maximum minimum fmax fmin hypot arctan2 atan2 "
    "logaddexp logaddexp2 mod remainder fmod copysign heaviside outer inner dot vdot kron convolve correlate append "
    "vecdot"
).split()]  # fmt: skip
REDUCTIONS = [
    f"np.{name}(X{options})" if "ptp" not in name or "keep" not in options else f"np.{name}(X)"
    for name in "sum mean var std max min amax amin prod ptp".split()
    for options in ("", ", axis=0", ", axis=1, keepdims=True")
] + ["np.var(x, ddof=1)", "np.std(X, axis=0, ddof=1)", "np.average(x)", "np.average(x, weights=a)",
     "X.mean(axis=(0, 1))", "x.prod()", "X.std(axis=1)", "np.median(z)", "np.quantile(z, 0.3)",
     "np.percentile(z, 30)"]  # fmt: skip
SHAPED = """
np.reshape(X, (-1,)) | X.reshape(-1) | X.reshape(X.shape[0] * X.shape[1]) | X.ravel() | X.flatten() | np.ravel(T)
np.reshape(T, (T.shape[0], -1)) | np.hstack((x, a)) | np.vstack((x, a)) | np.hstack([X, Y]) | np.vstack([X, Y])
np.dstack([X, Y]) | np.column_stack([x, a]) | np.concatenate([X, Y], axis=1) | np.stack([X, Y], axis=-1)
np.block([[A, P], [P, A]]) | np.block([x, a]) | np.expand_dims(x, 0) | np.expand_dims(x, axis=1)
np.squeeze(np.expand_dims(x, 0)) | np.squeeze(X[:, :1], axis=1) | np.swapaxes(X, 0, 1) | np.moveaxis(T, 0, -1)
np.rollaxis(T, 2) | np.transpose(T, (2, 0, 1)) | T.transpose(2, 0, 1) | np.permute_dims(T, (1, 0, 2))
np.matrix_transpose(X) | np.repeat(x, 2) | np.repeat(X, 3, axis=0) | x.repeat(2) | np.tile(x, 2) | np.tile(X, (2, 1))
np.roll(x, 1) | np.roll(X, -1, axis=1) | np.flip(x) | np.flip(X, axis=0) | np.fliplr(X) | np.flipud(X) | np.rot90(X)
np.diff(x) | np.diff(X, axis=1) | np.diff(x, n=2) | np.ediff1d(x) | np.gradient(x) | np.trapezoid(x) | np.pad(x, 1)
np.take(x, 0) | np.take(x, [0, 2]) | x.take([1]) | np.atleast_2d(x) | np.atleast_1d(c) | np.atleast_3d(X)
np.tril(A) | np.triu(A, 1) | np.tril(X, -1) | np.triu(X) | np.diag(x) | np.diag(A) | np.diag(A, 1) | np.diag(x, -1)
np.diagonal(A, 1) | np.diagflat(x) | A.diagonal() | np.trace(A, offset=1) | A.trace() | np.broadcast_to(x, X.shape) * X
np.ones_like(x) * c * x | np.zeros_like(x) + x | np.full_like(x, 2.0) * x | np.copy(x) | np.real(x)
""".replace("\n", " | ")  # fmt: skip
OTHERS = """
np.cumsum(x) | np.cumsum(X, axis=1) | x.cumsum() | np.cumulative_sum(x) | np.add.accumulate(x) | np.cumprod(x)
np.cumprod(X, axis=0) | np.sort(x) | np.sort(X, axis=0) | np.partition(z, 1) | np.tensordot(X, Y, axes=([0], [0]))
np.tensordot(X, A, axes=1) | np.tensordot(T, X, axes=([0, 1], [0, 1])) | np.einsum('ij,ij->i', X, Y)
np.einsum('...j,j->...', X, x) | np.einsum('ij,j', X, x) | np.linalg.cholesky(P) | np.linalg.eigvalsh(P)
np.linalg.eigh(P)[0] | np.linalg.eigh(P)[1] | np.linalg.eigh(P).eigenvalues | np.linalg.svd(X, compute_uv=False)
np.linalg.svdvals(X) | np.linalg.svd(X, full_matrices=False)[1] | np.linalg.qr(X)[1] | np.linalg.pinv(X)
np.linalg.multi_dot([A, P, x]) | np.linalg.matrix_power(A, 3) | np.linalg.matrix_norm(A) | np.linalg.vector_norm(x)
np.linalg.norm(X, axis=1) | np.linalg.norm(A, 2) | np.linalg.norm(A, 'nuc') | np.linalg.cond(A) | np.linalg.inv(A)
np.linalg.det(A) | np.linalg.slogdet(A)[1] | np.linalg.solve(A, X.T) | np.linalg.tensorsolve(A, x) | np.kron(A, P)
np.inner(X, Y) | np.matvec(X, x) | np.cross(z, z**2) | np.polyval([1.0, 2.0, 3.0], x) | np.polyval(z, x)
np.vander(x, 3) | np.clip(x, 0.2, 0.5) | np.clip(x, a, 2 * a) | x.clip(0.3, 0.6) | np.where(x > 0.5, x, a**2)
np.where(x < a, x * a, 0) | np.where((x > 0.3) & (a > 0.5), x, a * x) | np.where((x > 0.3) | (a > 0.5), x, a * x)
np.where(~(x > 0.5), x**2, x) | np.where(x != a, x**2, x) | np.select([x > 0.7, x > 0.4], [x, x**2], a)
np.cov(X) | np.cov(x, a) | np.corrcoef(x, a) | x % a | x // a + x | np.add.reduce(x) | np.multiply.outer(x, a)
np.subtract.outer(x, a) | np.maximum.reduce(x) | np.logaddexp.reduce(x) | np.multiply.reduce(X, axis=1)
np.nan_to_num(x) | np.nansum(x) | np.argmax(x) * x | np.prod(x) * np.sum(x) | x @ np.outer(x, a) | x.dot(a)
""".replace("\n", " | ")  # fmt: skip
WORDS = [*ELEMENTWISE, *PAIRS, *REDUCTIONS, *(w.strip() for w in f"{SHAPED}|{OTHERS}".split("|") if w.strip(" "))]
WORDS = list(dict.fromkeys(WORDS))


def joined_choices(words):
    """The cases, with those that have an ``|`` of their own put together again."""
    found = []
    for word in words:
        if found and found[-1].count("(") != found[-1].count(")"):
            found[-1] += " | " + word
        else:
            found.append(word)
    return found


def used(text):
    plain = re.sub(r"\.[A-Za-z]\w*|axis|'[^']*'", " ", text)
    return [name for name in SHAPES if re.search(rf"\b{name}\b", plain)]


def differences(function, at):
    """Richardson's extrapolation of central differences, entry by entry."""
    at = np.asarray(at, dtype=float)
    columns = []
    for k in range(at.size):
        step = np.zeros(at.size)
        step[k] = 1.0
        step = step.reshape(at.shape)
        rows = [
            (np.asarray(function(at + h * step)) - np.asarray(function(at - h * step))) / (2 * h)
            for h in (2e-3, 1e-3, 5e-4)
        ]
        once = [(4 * rows[1] - rows[0]) / 3, (4 * rows[2] - rows[1]) / 3]
        columns.append((16 * once[1] - once[0]) / 15)
    return np.moveaxis(np.array(columns), 0, -1).reshape((*np.shape(columns[0]), *at.shape))


def symmetric_part(found, name):
    """Factorisations read one triangle; their derivatives are those along symmetric directions."""
    return found + np.swapaxes(found, -1, -2) if name == "P" else found


@pytest.mark.parametrize("text", joined_choices(WORDS))
def test_a_word_means_the_same_by_every_road(text):
    names = used(text)
    wrt = names[0]
    objects = {n: wg.var(n, SHAPES[n], **FACTS.get(n, {})) for n in names}
    code = compile(f"def traced({', '.join(names)}):\n    return {text}\n", "<case>", "exec")
    space = {"np": np}
    exec(code, space)
    traced = space["traced"]
    values = {n: VALUES[n] for n in names}

    parsed = wg.parse(text, **objects)
    built = eval(text, {"np": np, **objects})
    want = traced(**values)
    for expression in (parsed, built):
        np.testing.assert_allclose(expression.evaluate(**values), want, rtol=1e-13, atol=1e-13)
        assert tuple(sized(d, SIZES) for d in expression.shape) == np.shape(want)

    forms = [wg.D(text, wrt, shapes=objects), wg.D(built, wrt), wg.closed_form(traced, wrt, shapes=objects)]
    assert len({str(form) for form in forms}) == 1
    assert len({form.shape for form in forms}) == 1
    slope = differences(lambda v: traced(**{**values, wrt: v}), values[wrt])
    got = forms[0].evaluate(**{n: values[n] for n in names})
    assert np.shape(got) == np.shape(slope)
    got, slope = symmetric_part(got, wrt), symmetric_part(slope, wrt)
    np.testing.assert_allclose(got, slope, rtol=0, atol=1e-7 * max(1.0, float(np.abs(slope).max(initial=0.0))))
