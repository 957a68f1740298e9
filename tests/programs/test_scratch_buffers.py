"""Scratch arrays that a program fills anew between steps whose derivatives need what they held.

May import wengert's public API and NumPy. Invariant: expected derivatives are complex steps of the plain program; where
an array is too large to be copied, the derivative is right or ChangedError is raised.
"""

from functools import partial

import numpy as np
import pytest

import wengert as wg

SIZES = (2_500, 16_000)  # 20 and 128 kB
LARGE = 20_000  # 160 kB
HELD = {n: np.linspace(0.0, 1.0, n) for n in (*SIZES, LARGE)}
GLOBAL = {n: np.ones(n) for n in (*SIZES, LARGE)}
PROGRAMS = []


def program(fun):
    PROGRAMS.append(fun)
    return fun


def rounds(x, refill, scratch):
    """The sum of squares of ``x`` times what the scratch array holds in each of three rounds."""
    y = 0 * x
    for k in range(3):
        refill(scratch, k)
        y = y + x * scratch
    return np.sum(y * y)


def assigned(tmp, k):
    tmp[:] = k + 1.0


def few(tmp, k):
    tmp[7:9] = 3.0 * k


def one(tmp, k):
    tmp[11] = k


def filled(tmp, k):
    tmp.fill(k + 1.0)


def multiplied(tmp, k):
    tmp *= 1.5


def added_to(tmp, k):
    tmp[20:24] += k


def copied_to(tmp, k):
    np.copyto(tmp[50:60], k)


def put(tmp, k):
    np.put(tmp, [51, 52], k)


def at(tmp, k):
    np.add.at(tmp, [3, 3, 5], 1.0)


def out(tmp, k):
    np.multiply(tmp[:50], k + 1.0, out=tmp[50:100])


def flat(tmp, k):
    tmp.flat[17] = k


def masked(tmp, k):
    tmp[(tmp > 0.5) & (tmp < 0.502)] = k


def sorted_in_place(tmp, k):
    tmp[k] = 2.0
    tmp.sort()


def random_out(tmp, k):
    np.random.default_rng(k).random(out=tmp)


def shuffled(tmp, k):
    np.random.default_rng(k).shuffle(tmp)


def written_and_restored(tmp, k):
    tmp[:3] = 0.0
    tmp[k] = 1.0


REFILLS = [
    assigned, few, one, filled, multiplied, added_to, copied_to, put, at, out, flat, masked, sorted_in_place,
    random_out, shuffled, written_and_restored,
]  # fmt: skip


@program
def made_by_empty(x, refill):
    tmp = np.empty(x.size)
    tmp[:] = HELD[x.size]
    return rounds(x, refill, tmp)


@program
def copy_of_an_array(x, refill):
    return rounds(x, refill, HELD[x.size].copy())


@program
def result_of_arithmetic(x, refill):
    return rounds(x, refill, HELD[x.size] * 2.0)


@program
def drawn_at_random(x, refill):
    return rounds(x, refill, np.random.default_rng(0).normal(size=x.size))


@program
def in_an_object(x, refill):
    class Workspace:
        pass

    work = Workspace()
    work.buffer = HELD[x.size].astype(float)
    return rounds(x, refill, work.buffer)


@program
def through_a_view(x, refill):
    tmp = HELD[x.size] + 1.0
    y = 0 * x
    for k in range(3):
        refill(tmp[:], k)
        y = y + tmp.reshape(-1, 10).reshape(-1) * x
    return np.sum(y * y)


@program
def a_global(x, refill):
    GLOBAL[x.size][:] = 1.0
    return rounds(x, refill, GLOBAL[x.size])


@program
def exponents(x, refill):
    tmp = HELD[x.size] + 1.0
    y = 0 * x
    for k in range(2):
        refill(tmp, k)
        y = y + x**tmp
    return np.sum(y * y)


def slope(f, x, d):
    """Exact directional derivative by the complex step."""
    h = 1e-30
    return f(x + 1j * h * d).imag / h


def point(n):
    rng = np.random.default_rng(n)
    return rng.uniform(0.5, 1.5, n), rng.normal(size=n)


@pytest.mark.parametrize("refill", REFILLS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("fun", PROGRAMS, ids=lambda f: f.__name__)
def test_reused_scratch_arrays(fun, refill):
    for n in SIZES:
        x, d = point(n)
        expected = slope(partial(fun, refill=refill), x, d)
        f = lambda z: fun(z, refill)
        assert wg.grad(f)(x) @ d == pytest.approx(expected, rel=1e-11)
        assert wg.jvp(f, (x,), (d,))[1] == pytest.approx(expected, rel=1e-11)
        assert wg.linearize(f, x)[1](d) == pytest.approx(expected, rel=1e-11)


@pytest.mark.parametrize("refill", REFILLS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("fun", [f for f in PROGRAMS if f is not a_global], ids=lambda f: f.__name__)
def test_large_ones_are_right_or_refused(fun, refill):
    x, d = point(LARGE)
    expected = slope(partial(fun, refill=refill), x, d)
    refused = None
    try:
        found = wg.grad(partial(fun, refill=refill))(x) @ d
    except wg.ChangedError as problem:
        refused = str(problem)
    if refused is None:
        assert found == pytest.approx(expected, rel=1e-11)
    else:
        assert __file__ in refused
        assert "use a copy" in refused


def test_second_derivatives_of_a_reused_array():
    n = 4_000
    x, d = point(n)

    def f(z):
        tmp, y = HELD[16_000][:n].copy(), 0 * z
        for k in range(3):
            tmp[11] = k
            y = y + np.sin(z) * tmp
        return np.sum(y * y)

    h = 1e-30
    weights = sum(np.where(np.arange(n) == 11, k, HELD[16_000][:n]) for k in range(3))
    z = x + 1j * h * d
    expected = (2 * weights**2 * np.sin(z) * np.cos(z)).imag / h
    np.testing.assert_allclose(wg.hvp(f, (x,), (d,))[1], expected, rtol=1e-11)


def test_one_copy_serves_all_steps_while_the_content_stays():
    import tracemalloc

    matrix = np.random.default_rng(0).normal(size=(120, 120)) / 120  # 115 kB

    def f(u):
        for _ in range(200):
            u = u + 0.1 * (matrix.T @ u)
        return np.sum(u)

    u = np.ones(120)
    wg.grad(f)(u)
    tracemalloc.start()
    wg.grad(f)(u)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * matrix.nbytes  # 200 copies would be 23 MB
