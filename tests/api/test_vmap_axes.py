"""``in_axes`` and ``out_axes`` of vmap as containers: against a loop over the rows."""

from __future__ import annotations

import numpy as np
import pytest

import wengert as wg

RANDOM = np.random.default_rng(0)
PARAMETERS = {
    "w": RANDOM.standard_normal((5, 3)),
    "b": RANDOM.standard_normal(3),
    "t": [RANDOM.standard_normal((3, 5)), 2.0],
}
AXES = {"w": 0, "b": None, "t": [1, None]}


def model(p, scale):
    return {"out": p["w"] * p["b"] * scale + p["t"][0], "sum": (p["w"].sum() * p["t"][1], p["t"][0])}


def rows():
    return [
        model({"w": PARAMETERS["w"][k], "b": PARAMETERS["b"], "t": [PARAMETERS["t"][0][:, k], 2.0]}, 3.0)
        for k in range(5)
    ]


@pytest.mark.parametrize("verify", [False, True])
def test_containers_of_axes(verify) -> None:
    batched = wg.vmap(model, in_axes=(AXES, None), out_axes={"out": 1, "sum": (0, -1)}, verify=verify)
    found = batched(PARAMETERS, 3.0)
    expected = rows()
    assert np.allclose(found["out"], np.stack([r["out"] for r in expected], axis=1))
    assert np.allclose(found["sum"][0], [r["sum"][0] for r in expected])
    assert np.allclose(found["sum"][1], np.stack([r["sum"][1] for r in expected], axis=-1))


def test_a_tuple_of_output_axes_and_their_gradient() -> None:
    x = RANDOM.standard_normal((4, 3))

    def loss(x):
        a, b = wg.vmap(lambda v: (v * v.sum(), v**2), out_axes=(1, 0))(x)
        return np.sum(a.T * b)

    wg.check_grads(loss, (x,), order=2)
    a, b = wg.vmap(lambda v: (v * v.sum(), v**2), out_axes=(1, 0))(x)
    assert np.allclose(a, (x * x.sum(1, keepdims=True)).T)
    assert np.allclose(b, x**2)


def test_axes_that_do_not_fit_are_named() -> None:
    with pytest.raises(ValueError, match=r"the axes \{'w': 0\} have not the form of argument 0"):
        wg.vmap(model, in_axes=({"w": 0}, None))(PARAMETERS, 3.0)
    with pytest.raises(ValueError, match=r"the axes \(0, 1\) have not the form of the output"):
        wg.vmap(np.sin, out_axes=(0, 1))(np.ones(3))
    with pytest.raises(TypeError, match=r"'rows' is no axis of argument 0\['b'\]"):
        wg.vmap(model, in_axes=({**AXES, "b": "rows"}, None))(PARAMETERS, 3.0)


@pytest.mark.parametrize("verify", [False, True])
def test_output_axes_that_the_output_has_not_are_named(verify) -> None:
    x = np.arange(6.0).reshape(3, 2)
    for axis in (-2, -1, 0, 1):
        expected = np.stack([2.0 * row for row in x], axis=axis)
        assert np.array_equal(wg.vmap(lambda v: 2.0 * v, out_axes=axis, verify=verify)(x), expected)
    for axis in (-3, 2, 5):
        with pytest.raises(ValueError, match=rf"out_axes={axis}, but with its rows .* has 2 axes"):
            wg.vmap(lambda v: 2.0 * v, out_axes=axis, verify=verify)(x)
    with pytest.raises(ValueError, match="out_axes=1, but with its rows .* has 1 axes"):
        wg.vmap(np.sum, out_axes=1)(x)
    with pytest.raises(ValueError, match="differs from row to row"):
        wg.vmap(lambda v: 2.0 * v, out_axes=None)(x)
    assert wg.vmap(lambda v: 2.0, out_axes=None)(x) == 2.0
