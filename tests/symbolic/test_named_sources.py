"""The derivatives of every operation that is kept by name, as text that needs NumPy alone, of first and second order.

May import wengert. Invariant: the list of operations is the core's own; a value is compared with extrapolated
differences of the operation itself, and the text runs in a namespace of NumPy (and SciPy's special functions).
"""

import itertools
import warnings

import numpy as np
import pytest
from scipy import special

import wengert as wg
from wengert.core.op import CONSTANT, CONTROL, OPS
from wengert.symbolic.expression import call
from wengert.symbolic.terms import Abstract, ordered

wg.trace(np.sort)(np.ones(2))  # what asks for the rules of NumPy loads all operations
WITHOUT = {
    "eigh_along": "stands in recordings of forward mode at equal eigenvalues only",
    "svd_along": "the same for singular values",
    "sinc": "derivatives of sin(πx)/(πx) are forms; the family of all of them is no function of NumPy",
    "tie_mean": "stands in recordings of the sweep of sort at equal elements only",
    "eig": "the results at its samples are complex",
    "eigvals": "the same",
}
"""Operations that no formula is made of, and why."""
ONE_TRIANGLE = {"cholesky", "eigh", "eigvalsh"}


def samples_of(op):
    """Real values to call an operation with, and its parameters."""
    if op.samples is not None:
        return list(op.samples(np.random.default_rng(5)))
    rng = np.random.default_rng(5)
    sides = op.domain or ((0.3, 0.9),) * len(op.inputs)
    return [(tuple(rng.uniform(*(s or (0.3, 0.9)), 3) if not isinstance(s, str) else None for s in sides), ())]


def outputs_of(name, values, params, slot):
    """The results of an operation of one variable, as expressions; none where a formula does not take the call."""
    args = [wg.var(f"x{k}", np.shape(v)) if k == slot else v for k, v in enumerate(values)]
    try:
        found = call(OPS[name].record, (*args, *params), {}, name)
    except wg.WengertError:
        return []
    return list(found) if isinstance(found, tuple) else [found]


def found_cases():
    for name, op in sorted(OPS.items()):
        if op.kind in (CONSTANT, CONTROL) or name in WITHOUT or any(i.startswith("*") for i in op.inputs):
            continue
        for number, (values, params) in enumerate(samples_of(op)[:3]):
            real = [np.asarray(v).dtype.kind == "f" for v in values]
            if any(v is None or np.iscomplexobj(v) for v in values) or not any(real):
                continue
            for slot in itertools.compress(range(len(values)), real):
                for k, one in enumerate(outputs_of(name, values, params, slot)):
                    try:
                        kept = any(isinstance(t, Abstract) for t in ordered(one.term))
                    except wg.WengertError:
                        continue
                    if kept and np.size(values[slot]) <= 18:
                        yield pytest.param(name, values, params, slot, k, id=f"{name}-{number}-by{slot}-out{k}")


CASES = list(found_cases())


def differenced(function, at, along, order):
    """The derivative along directions by Richardson's extrapolation of central differences, nested."""
    if not order:
        return np.asarray(function(at), dtype=float)
    h = (2e-3, 5e-3)[len(along) - 1]
    rows = []
    for step in (h, h / 2, h / 4):
        moved = [differenced(function, at + s * step * along[order - 1], along, order - 1) for s in (1, -1)]
        rows.append((moved[0] - moved[1]) / (2 * step))
    once = [(4 * rows[1] - rows[0]) / 3, (4 * rows[2] - rows[1]) / 3]
    return (16 * once[1] - once[0]) / 15


def test_the_list_holds_what_formulas_keep_by_name():
    names = {case.values[0] for case in CASES}
    assert {"cholesky", "eigh", "eigvalsh", "svd", "qr", "pinv", "lstsq", "polar", "sort", "partition", "cumprod",
            "convolve", "cross", "bessel_i", "polygamma", "adjugate", "unwrap", "masked_sum", "fma", "fraction",
            "logaddexp2_reduce", "svdvals", "nextafter", "power_log", "det", "inv", "solve"} <= names  # fmt: skip


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize(("name", "values", "params", "slot", "k"), CASES)
def test_the_text_stands_alone(name, values, params, slot, k, order):
    one = outputs_of(name, values, params, slot)[k]
    variable = f"x{slot}"
    form = wg.D(one, variable, order, check=False)
    at = np.asarray(values[slot], dtype=float)

    def function(x):
        args = [x if j == slot else v for j, v in enumerate(values)]
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = OPS[name].evaluate(*args, *params)
        return found if not OPS[name].outputs else found[k]

    rng = np.random.default_rng(7)
    along = [rng.normal(size=at.shape) for _ in range(order)]
    if name in ONE_TRIANGLE:
        along = [d + np.swapaxes(d, -1, -2) for d in along]
    wanted = differenced(function, at, along, order)

    source = form.numpy_source()
    assert "wengert" not in source
    space = {}
    exec(source, space)
    names = {"np": np, "special": special, variable: values[slot]}
    for found in (space["derivative"](values[slot]), eval(form.numpy_expression(), names)):
        for d in reversed(along):
            found = np.tensordot(found, d, axes=d.ndim)
        scale = max(1.0, float(np.abs(wanted).max(initial=0.0)))
        np.testing.assert_allclose(found, wanted, rtol=0, atol=(2e-8, 2e-5)[order - 1] * scale)


@pytest.mark.parametrize("name", [n for n in WITHOUT if not n.startswith("eig") or n == "eigh_along"])
def test_what_has_no_text_is_named(name):
    values, params = samples_of(OPS[name])[1 if name == "sinc" else 0]
    slot = 1 if name == "sinc" else 0
    one = outputs_of(name, values, params, slot)[0]
    form = wg.D(one, f"x{slot}", check=False)
    for text in (form.numpy_source, form.numpy_expression):
        with pytest.raises(wg.NoRuleError, match=f"no NumPy source: .*{name}"):
            text()


FACTORS = {
    "svd u": lambda X: np.linalg.svd(X, full_matrices=False)[0],
    "svd v": lambda X: np.linalg.svd(X, full_matrices=False)[2],
    "values": lambda X: np.linalg.svd(X, compute_uv=False),
    "qr q": lambda X: np.linalg.qr(X)[0],
    "qr r": lambda X: np.linalg.qr(X)[1],
    "pinv": np.linalg.pinv,
    "largest": lambda X: np.linalg.norm(X, 2),
    "smallest": lambda X: np.linalg.norm(X, -2),
    "nuclear": lambda X: np.linalg.norm(X, "nuc"),
}


@pytest.mark.parametrize("shape", [(4, 3), (2, 4), (3, 3), (1, 3)], ids=str)
@pytest.mark.parametrize("name", FACTORS)
def test_one_text_serves_tall_wide_and_square_matrices(name, shape):
    function = FACTORS[name]
    form = wg.closed_form(lambda X: function(X), "X", 2, shapes={"X": ("m", "n")}, check=False)
    rng = np.random.default_rng(11)
    at = rng.normal(size=shape) + 2 * np.eye(*shape) * np.arange(1, shape[1] + 1)
    along = [rng.normal(size=shape) for _ in range(2)]
    wanted = differenced(function, at, along, 2)
    for found in (form.numpy()(at), eval(form.numpy_expression(), {"np": np, "X": at})):
        for d in reversed(along):
            found = np.tensordot(found, d, axes=2)
        np.testing.assert_allclose(found, wanted, rtol=0, atol=2e-5 * max(1.0, float(np.abs(wanted).max())))


def test_a_third_derivative_has_a_text():
    form = wg.D("sum(cholesky(P)**2 * C)", "P", 3, P=wg.var("P", ("n", "n"), positive_definite=True), C=("n", "n"))
    p, c = np.array([[2.0, 0.4], [0.4, 1.5]]), np.array([[1.0, 0.0], [0.5, -2.0]])
    space = {}
    exec(form.numpy_source(), space)
    np.testing.assert_allclose(space["derivative"](p, c), form.evaluate(P=p, C=c), rtol=1e-12)


def test_where_the_way_depends_on_values_the_text_says_so():
    form = wg.D("eigvalsh(A)", "A", 2, A=wg.var("A", ("n", "n"), symmetric=True))
    with pytest.raises(ValueError, match="eigvalsh is written for points in general position only"):
        form.numpy()(np.eye(3))
    with np.errstate(all="ignore"):
        found = eval(form.numpy_expression(), {"np": np, "A": np.eye(3)})
    assert np.all(np.isnan(found))


def test_running_products_hold_zeros():
    form = wg.D("cumprod(x)", "x", 2, x="n")
    found = form.numpy()(np.array([0.0, 3.0, 0.0]))
    np.testing.assert_array_equal(found[2], [[0.0, 0.0, 3.0], [0.0, 0.0, 0.0], [3.0, 0.0, 0.0]])
