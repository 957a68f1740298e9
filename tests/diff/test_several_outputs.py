"""Jacobians of Jacobians of operations with several outputs, in every mixture of modes.

Imports the public API. Invariant: every mixture is held against Richardson's differences of the function itself.
"""

from __future__ import annotations

import numpy as np
import pytest

import wengert as wg
from wengert import numeric

X = np.array([0.71, 1.43, 1.31])
SQUARE = np.array([[0.0, 1.0, 2.0], [3.0, 0.0, 1.0], [2.0, 3.0, 0.0]])


def general(z):
    return SQUARE + np.outer(z, np.cos(z)) + np.diag(z)


def symmetric(z):
    return 0.3 * np.outer(z, z) + np.diag([1.0, 2.0, 4.0])


PROGRAMS = {
    "eigenvalues": lambda z: np.linalg.eigh(symmetric(z))[0],
    "eigenvectors": lambda z: np.linalg.eigh(symmetric(z))[1][:, 0] ** 2,
    "singular values": lambda z: np.linalg.svd(general(z))[1],
    "triangles": lambda z: np.linalg.qr(general(z))[1][0],
    "least squares": lambda z: np.linalg.lstsq(general(z), z, rcond=None)[0],
    "scan": lambda z: wg.scan(lambda c, v: (c * v, c + v * v), z[0], z)[1],
}
MIXTURES = {
    "reverse of reverse": lambda f: wg.jacrev(wg.jacrev(f)),
    "forward of reverse": lambda f: wg.jacfwd(wg.jacrev(f)),
    "reverse of forward": lambda f: wg.jacrev(wg.jacfwd(f)),
    "as it chooses": lambda f: wg.jacobian(wg.jacobian(f)),
}


def differences(fun):
    """The second derivatives of every output, by differences of first ones."""

    def first(z):
        return numeric.jacobian(fun, z, method="richardson").value

    step = 1e-3
    columns = []
    for unit in np.eye(3):
        near, far = ((first(X + h * unit) - first(X - h * unit)) / (2 * h) for h in (step / 2, step))
        columns.append((4 * near - far) / 3)
    return np.stack(columns, axis=-1)


@pytest.fixture(scope="module")
def references():
    return {}


@pytest.mark.parametrize("mixture", MIXTURES)
@pytest.mark.parametrize("name", PROGRAMS)
def test_a_jacobian_of_a_jacobian(name, mixture, references):
    fun = PROGRAMS[name]
    if name not in references:
        references[name] = differences(fun)
    wanted = references[name]
    found = MIXTURES[mixture](fun)(X)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-6 * (1 + np.abs(wanted).max()))


@pytest.mark.parametrize("name", ["eigenvectors", "least squares"])
def test_rows_and_compiled_functions_nest_them_too(name, references):
    nested = MIXTURES["reverse of reverse"](PROGRAMS[name])
    wanted = references.get(name)
    wanted = differences(PROGRAMS[name]) if wanted is None else wanted
    bound = 1e-6 * (1 + np.abs(wanted).max())
    np.testing.assert_allclose(wg.vmap(nested)(np.stack([0.9 * X, X]))[1], wanted, rtol=0, atol=bound)
    np.testing.assert_allclose(wg.compile(nested, backend="numpy")(X), wanted, rtol=0, atol=bound)


def test_three_sweeps():
    fun = PROGRAMS["triangles"]
    forward = wg.jacfwd(wg.jacfwd(wg.jacfwd(fun)))(X)
    swept = wg.jacrev(wg.jacrev(wg.jacrev(fun)))(X)
    np.testing.assert_allclose(swept, forward, rtol=0, atol=1e-9 * (1 + np.abs(forward).max()))
