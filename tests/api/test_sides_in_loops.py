"""Second derivatives at kinks inside loops, choices and checkpoints: exact, compiled and not."""

import numpy as np
import pytest

import wengert as wg

ZERO, ONES, EYE = np.zeros(2), np.ones(2), np.eye(2)
SWAP, CHAIN = EYE[::-1], np.diag(np.ones(5), 1) + np.diag(np.ones(5), -1)


def product(x):
    return np.maximum(x[0], x[1]) * np.minimum(x[0], x[1])


def repeated(x):
    total = 0.0
    for k in range(len(x) - 1):
        total = total + np.maximum(x[k], x[k + 1]) * np.minimum(x[k], x[k + 1])
    return total


def carried(x):
    for _ in range(12):
        x = np.maximum(x, 0.0) + np.minimum(x, 0.0)
    return np.sum(np.abs(x) ** 2)


def scanned(x):
    return wg.scan(lambda c, r: (c + np.maximum(r, 0.0) ** 2 + np.minimum(r, 0.0) ** 2, None), 0.0, x)[0]


def counted(x):
    return wg.fori_loop(0, 5, lambda k, c: c + np.sum(np.abs(x) * np.abs(x)), 0.0)


def chosen(x):
    return wg.cond(x[0] > -1.0, product, np.sum, x)


def while_small(x):
    return wg.while_loop(lambda c: c[0] < 3, lambda c: (c[0] + 1, c[1] + product(x)), (0, 0.0))[1]


CASES = {
    "Python loop": (repeated, np.array([1.0, 1.0, 2.0, 2.0, 1.0, 3.0]), CHAIN),
    "carried": (carried, ZERO, 2 * EYE),
    "scan": (scanned, ZERO, 2 * EYE),
    "fori_loop": (counted, ZERO, 10 * EYE),
    "cond": (chosen, ONES, SWAP),
    "while_loop": (while_small, ONES, 3 * SWAP),
    "checkpoint": (wg.checkpoint(product), ONES, SWAP),
}

ROADS = {
    "hessian": lambda f: wg.hessian(f),
    "jacrev": lambda f: wg.jacrev(wg.grad(f)),
    "twice forward": lambda f: wg.jacfwd(wg.jacfwd(f)),
    "reverse over reverse": lambda f: lambda x: np.array([wg.hvp(f, (x,), (e,))[1] for e in np.eye(len(x))]),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("road", ROADS)
def test_kinks_inside_loops_and_choices(case, road):
    f, x, exact = CASES[case]
    np.testing.assert_allclose(ROADS[road](f)(x), exact, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("road", ["hessian", "reverse over reverse"])
def test_kinks_inside_compiled_loops_and_choices(case, road):
    f, x, exact = CASES[case]
    apart = x + 0.1 * np.arange(1, len(x) + 1)
    for points in ([x, apart, x], [apart, apart, x]):
        compiled = wg.compile(ROADS[road](f))
        found = [compiled(p) for p in points]
        np.testing.assert_allclose(found[-1], exact, rtol=1e-13, atol=1e-13)
        np.testing.assert_allclose(found[1], ROADS[road](f)(apart), rtol=1e-12, atol=1e-12)


def test_loops_without_kinks_stay_loops():
    f = lambda x: wg.scan(lambda c, r: (np.sin(c) * r, None), 1.0, x)[0]
    assert any(node.op.name == "scan" for node in wg.trace(wg.hessian(f))(np.ones(3)))
