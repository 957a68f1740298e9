"""Tangents have the type of what they belong to, also where a factor is a Python number and a batch runs along."""

import numpy as np
import pytest

import wengert

FUNCTIONS = {
    "factor": lambda x: 2.0 * x,
    "base": lambda x: 2.0**x,
    "exponent": lambda x: x**2.5,
    "square": lambda x: x**2,
    "degrees": np.deg2rad,
    "hypot": lambda x: np.hypot(x, 2.0),
    "angle": lambda x: np.arctan2(x, 2.0),
    "logaddexp": lambda x: np.logaddexp(x, 1.0),
    "maximum": lambda x: np.maximum(x, 0.1),
    "quotient": lambda x: 2.0 / x,
    "mean": lambda x: np.mean(x) * 3.0,
    "variance": lambda x: np.var(x) * 0.1,
    "sums": lambda x: np.cumsum(x * 0.2),
    "remainder": lambda x: np.fmod(x, 0.3),
    "chosen": lambda x: np.where(x > 0, x * 0.3, 1.0),
}


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_derivative_has_the_type_of_its_value(name, dtype):
    f = FUNCTIONS[name]
    x = np.array([0.3, 0.45], dtype)
    assert np.asarray(f(x)).dtype == dtype

    def loss(x):
        return np.sum(f(x) ** 2)

    found = {
        "jvp": wengert.jvp(f, (x,), (x,))[1],
        "jacfwd": wengert.jacfwd(f)(x),
        "jacrev": wengert.jacrev(f)(x),
        "gradient": wengert.grad(loss)(x),
        "hessian": wengert.hessian(loss, mode="fwd-rev")(x),
        "rows": wengert.vmap(wengert.grad(loss))(np.stack([x, x])),
        "pushed rows": wengert.vmap(lambda v: wengert.jvp(f, (x,), (v,))[1])(np.stack([x, x])),
        "forward twice": wengert.jacfwd(wengert.jacfwd(f))(x),
    }
    assert {k: np.asarray(v).dtype for k, v in found.items()} == dict.fromkeys(found, np.dtype(dtype))
