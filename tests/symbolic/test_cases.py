"""Every case of the benchmark against differences of the formula itself, run by Python on plain NumPy."""

import numpy as np
import pytest

import wengert as wg
from benchmarks.closed_forms_cases import IDENTITIES
from benchmarks.closed_forms_models import MODELS

CASES = [*IDENTITIES, *MODELS]
SIZES = {"n": 4, "m": 6, "k": 3, "l": 2}


def softmax(z, axis=None):
    shifted = np.exp(z - np.max(z.real, axis=axis, keepdims=True))
    return shifted / shifted.sum(axis=axis, keepdims=True)


def norm(x, order=2):
    size = np.where(np.real(x) < 0, -1.0, 1.0) * x
    return np.sum(size) if order == 1 else np.sqrt(np.sum(x**2))


def erf(x):
    from scipy import special

    return special.erf(x)


NAMES = {
    **{
        n: getattr(np, n)
        for n in (
            "sum",
            "mean",
            "exp",
            "log",
            "sin",
            "cos",
            "tan",
            "tanh",
            "sinh",
            "cosh",
            "sqrt",
            "outer",
            "trace",
            "arctan",
            "arcsin",
            "diag",
            "concatenate",
            "ones",
            "eye",
            "pi",
            "sign",
            "prod",
            "cumsum",
            "diff",
            "tril",
            "hstack",
            "ravel",
            "roll",
        )
    },
    "relu": lambda z: np.where(np.real(z) > 0, z, 0.0),
    "hypot": lambda a, b: np.sqrt(a**2 + b**2),
    "inv": np.linalg.inv,
    "solve": np.linalg.solve,
    "det": np.linalg.det,
    "logdet": lambda a: np.log(np.linalg.det(a)),
    "norm": norm,
    "softmax": softmax,
    "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
    "erf": erf,
    "abs": lambda x: np.where(np.real(x) < 0, -x, x),
    "max": lambda x: x[np.argmax(x.real)],
    "maximum": lambda a, b: np.where(np.real(b) > a, b, a),
    "var": lambda x: np.mean((x - np.mean(x)) ** 2),
}


def values_of(case, seed):
    rng = np.random.default_rng(seed)
    names = case.shapes or {n: () for n in "xyabcdt" if n in case.text}
    found = {}
    for name, spec in names.items():
        dims = (spec,) if isinstance(spec, str) else spec
        value = rng.uniform(0.2, 0.9, tuple(SIZES[d] for d in dims))
        if len(dims) == 2 and dims[0] == dims[1]:
            value = 0.3 * value + 2.0 * np.eye(SIZES[dims[0]])
            value = value + value.T if case.facts.startswith(name) else value
        found[name] = value if dims else float(value)
    return found


def measured(text, wrt, values, order):
    """The derivative tensor: complex step for the first order, differences of it for the second and third."""
    value = np.asarray(values[wrt], dtype=float)

    def first(at):
        rows = []
        for k in range(at.size):
            step = np.zeros(at.size, dtype=complex)
            step[k] = 1e-30j
            moved = at + step.reshape(at.shape)
            rows.append(
                np.imag(eval(text, {**NAMES, **SIZES, **values, wrt: moved if at.shape else complex(moved)})) / 1e-30
            )
        return np.moveaxis(np.array(rows), 0, -1).reshape((*np.shape(rows[0]), *at.shape))

    def higher(at, order):
        if order == 1:
            return first(at)
        columns = []
        for k in range(at.size):
            step = np.zeros(at.size)
            step[k] = 1e-4
            step = step.reshape(at.shape)
            two = (higher(at + step, order - 1) - higher(at - step, order - 1)) / 2e-4
            four = (higher(at + 2 * step, order - 1) - higher(at - 2 * step, order - 1)) / 4e-4
            columns.append((4 * two - four) / 3)
        return np.moveaxis(np.array(columns), 0, -1).reshape((*np.shape(columns[0]), *at.shape))

    if "erf" in text:
        return np.asarray(2 / np.sqrt(np.pi) * np.exp(-(value**2)))
    return higher(value, order)


@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c.text} by {c.wrt} {c.order}")
def test_forms_have_the_value_of_the_derivative(case):
    shapes = dict(case.shapes or {})
    if case.facts:
        name, fact = case.facts.split(": ")
        shapes[name] = wg.var(name, shapes[name], **{fact.replace(" ", "_"): True})
    form = wg.D(case.text, case.wrt, case.order, shapes=shapes)
    values = values_of(case, 3)
    want = measured(case.text, case.wrt, values, case.order)
    got = form.evaluate(**{n: v for n, v in values.items() if n in form.free})
    tolerance = {1: 1e-9, 2: 1e-6, 3: 1e-3}[case.order]
    assert np.shape(got) == np.shape(want)
    assert np.max(np.abs(got - want)) <= tolerance * max(1.0, np.max(np.abs(want)))
