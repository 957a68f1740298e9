"""Random functions that are smooth although made of pieces: their Hessians at ties are those of the smooth spelling."""

import numpy as np
import pytest

import wengert as wg


def pairs(u):
    return u[:-1], u[1:]


# Pairs of spellings of one smooth function of a vector: with kinks, and without.
SPELLINGS = {
    "squares by abs": (lambda u: np.abs(u) * np.abs(u), lambda u: u * u),
    "cubes of parts": (
        lambda u: np.maximum(u, 0.0) ** 3 + np.minimum(u, 0.0) ** 3, lambda u: u**3
    ),
    "x by parts": (lambda u: wg.relu(u) - wg.relu(-u), lambda u: u),
    "abs times sign of slopes": (lambda u: np.copysign(u, 1.0) * np.fabs(u), lambda u: u * u),
    "product by order": (
        lambda u: np.maximum(*pairs(u)) * np.minimum(*pairs(u)), lambda u: u[:-1] * u[1:]
    ),
    "sum by order": (lambda u: np.fmax(*pairs(u)) + np.fmin(*pairs(u)), lambda u: u[:-1] + u[1:]),
    "squared gap": (lambda u: (np.maximum(*pairs(u)) - np.minimum(*pairs(u))) ** 2, lambda u: (u[:-1] - u[1:]) ** 2),
    "sorted powers": (lambda u: np.array([np.sum(np.sort(u) ** 3)]), lambda u: np.array([np.sum(u**3)])),
    "product of sorted": (
        lambda u: np.array([np.prod(np.sort(u)), np.sum(np.outer(np.sort(u), np.sort(u)[::-1]))]),
        lambda u: np.array([np.prod(u), np.sum(u) ** 2]),
    ),
    "partitioned": (lambda u: np.array([np.sum(np.partition(u, 1) ** 2)]), lambda u: np.array([np.sum(u**2)])),
    "clipped parts": (
        lambda u: (np.clip(u, 0.0, 1e9) + np.clip(u, -1e9, 0.0)) ** 2, lambda u: u**2
    ),
    "clipped at the neighbour": (
        lambda u: np.clip(u[0], u[1], 1e9) * np.clip(u[0], -1e9, u[1]) + 0 * u, lambda u: u[0] * u[1] + 0 * u
    ),
    "max of two": (
        lambda u: np.array([np.max(u[:2]) * np.min(u[:2]), np.ptp(u[:2]) ** 2]),
        lambda u: np.array([u[0] * u[1], (u[0] - u[1]) ** 2]),
    ),
    "length": (lambda u: np.linalg.norm(u) ** 2 * u, lambda u: np.sum(u**2) * u),
    "lengths": (lambda u: np.hypot(u, 2 * u[::-1]) ** 2, lambda u: u**2 + 4 * u[::-1] ** 2),
    "spread": (lambda u: np.std(u) ** 2 + u, lambda u: np.var(u) + u),
    "1-norm": (
        lambda u: np.linalg.norm(u[:, None], 1, axis=1) ** 2 + np.linalg.norm(u[:, None], np.inf, axis=1) ** 2,
        lambda u: 2 * u**2,
    ),
}  # fmt: skip


def composed(rng, n):
    """Two spellings of one random function, and a point where it has ties and zeros."""
    x = rng.integers(-1, 2, n).astype(float)
    first = rng.integers(-1, 2, (n, n)).astype(float)
    names = rng.choice(list(SPELLINGS), 3)
    second = rng.integers(-1, 2, (n, 64)).astype(float)

    def build(which):
        def f(x):
            u = first @ x + 0.5 * (x - x[::-1]) ** 2
            v = SPELLINGS[names[0]][which](u)
            w = second[:, : len(v)] @ v + u
            return np.sum(np.sin(SPELLINGS[names[1]][which](w))) + np.sum(SPELLINGS[names[2]][which](u) ** 2 + w[0])

        return f

    return build(0), build(1), x, names


ROADS = {
    "hessian": lambda f, x, v: wg.hessian(f)(x) @ v,
    "hvp": lambda f, x, v: wg.hvp(f, (x,), (v,))[1],
    "jvp of grad": lambda f, x, v: wg.jvp(wg.grad(f), (x,), (v,))[1],
    "grad of grad": lambda f, x, v: wg.grad(lambda t: wg.grad(f)(t) @ v)(x),
}


@pytest.mark.parametrize("seed", range(40))
def test_a_hessian_does_not_depend_on_the_spelling(seed):
    rng = np.random.default_rng(seed)
    kinked, smooth, x, names = composed(rng, int(rng.integers(2, 5)))
    np.testing.assert_allclose(kinked(x), smooth(x), rtol=1e-12)
    slope = wg.grad(smooth)(x)
    v = rng.standard_normal(len(x))
    exact = wg.hessian(smooth)(x) @ v
    scale = 1.0 + np.max(np.abs(exact))
    for name, road in ROADS.items():
        found, refused = tried(road, kinked, x, v)
        if refused is None:
            np.testing.assert_allclose(found / scale, exact / scale, atol=1e-11, err_msg=f"{name}: {names}, {slope}")
        else:  # lengths that touch zero, or pieces that touch each other
            assert {"length", "lengths", "spread"} & {*names} or "agree in value and slope" in refused, names


def tried(road, f, x, v):
    try:
        return road(f, x, v), None
    except wg.TieError as error:
        return None, str(error)
