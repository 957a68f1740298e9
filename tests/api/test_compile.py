"""Compiled functions, as people write programs: the answers are those of the function itself."""

from __future__ import annotations

import functools
import warnings
from collections import namedtuple
from dataclasses import dataclass

import numpy as np
import pytest

import wengert as wg

on_numpy = functools.partial(wg.compile, backend="numpy")


@pytest.fixture(autouse=True)
def _no_notes():
    """A note is an error unless a test expects it."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", wg.CompileWarning)
        yield


def test_the_second_call_does_not_run_the_function(capsys):
    def f(x):
        print("runs")
        return np.sum(np.sin(x) * x)

    g = on_numpy(f)
    for x in ([0.3, 1.2], [2.0, -1.0], [0.1, 0.2], [0.3, 1.2]):
        assert g(np.array(x)) == np.sum(np.sin(x) * np.array(x))
    assert capsys.readouterr().out == "runs\n"
    assert len(g.paths) == 1


@pytest.mark.parametrize(
    "transform",
    [
        lambda f: f,
        wg.grad,
        wg.value_and_grad,
        wg.hessian,
        wg.jacfwd,
        wg.jacrev,
        lambda f: wg.grad(lambda x: np.sum(wg.grad(f)(x) ** 2)),
        lambda f: lambda x: wg.jvp(f, (x,), (np.ones_like(x),)),
        lambda f: lambda x: wg.hvp(f, (x,), (np.ones_like(x),)),
        lambda f: wg.vmap(wg.grad(lambda r: f(np.stack([r, r * 2.0, r + 1.0])))),
        lambda f: wg.checkpoint(f),
    ],
)
def test_transforms(transform):
    def f(x):
        y = np.zeros(3)
        for i in range(3):
            y[i] = np.exp(-x[i]) * x[(i + 1) % 3]
        return np.sum(y**2) if x[0] > 0 else np.sum(np.abs(x) * x)

    plain, g = transform(f), on_numpy(transform(f))
    for x in ([0.5, 1.0, -0.3], [0.7, -2.0, 0.1], [-0.7, 2.0, 0.1], [-0.1, 3.0, 0.2], [1.0, 2.0, 3.0]):
        x = np.array(x)
        want, got = plain(x), g(x)
        wants, gots = (want, got) if isinstance(want, tuple) else ((want,), (got,))
        for a, b in zip(wants, gots, strict=True):
            assert type(a) is type(b)
            np.testing.assert_allclose(b, a, rtol=1e-12, atol=1e-14)


def test_decorators_and_methods():
    class Model:
        def __init__(self, w):
            self.w = w

        @wg.compile(backend="numpy")
        def loss(self, x):
            return np.sum((x @ self.w) ** 2)

        @on_numpy
        def scaled(self, x, by=2.0):
            """Scales."""
            return x * by

    a, b = Model(np.array([1.0, 2.0])), Model(np.array([3.0, 4.0]))
    x = np.arange(6.0).reshape(3, 2)
    for model in (a, b, a, b):
        assert model.loss(x) == np.sum((x @ model.w) ** 2)
        np.testing.assert_array_equal(model.scaled(x), 2 * x)
        np.testing.assert_array_equal(model.scaled(x, by=3.0), 3 * x)
        np.testing.assert_array_equal(model.scaled(by=4.0, x=x), 4 * x)
    a.w = np.array([5.0, 6.0])
    assert a.loss(x) == np.sum((x @ a.w) ** 2)
    a.w[0] = 7.0
    assert a.loss(x) == np.sum((x @ a.w) ** 2)
    assert Model.scaled.__doc__ == "Scales."
    assert Model.scaled.__name__ == "scaled"


Point = namedtuple("Point", "x y")


@dataclass
class Pair:
    left: object
    right: object
    name: str = "pair"


def test_containers_in_and_out():
    def f(params, points, pair, *rest, scale=1.0, **options):
        total = params["w"] @ points[0].x + params["b"][1] * points[1].y
        return {
            "total": total * scale,
            "pair": Pair(pair.right, total, pair.name),
            "points": [Point(p.y, p.x) for p in points],
            "rest": tuple(r * 2 for r in rest),
            "none": None,
            "count": len(rest),
            "name": options.get("name", "none"),
        }

    g = on_numpy(f)
    rng = np.random.default_rng(0)

    def arguments(n, name):
        points = [Point(rng.normal(size=2), rng.normal()) for _ in range(2)]
        return (
            ({"w": rng.normal(size=2), "b": [1, 2.5]}, points, Pair(1.5, 2.5, name), *rng.normal(size=n).tolist()),
            {"scale": rng.normal(), "name": name},
        )

    for n, name in ((2, "a"), (2, "a"), (3, "a"), (2, "b"), (3, "a"), (2, "a")):
        args, kwargs = arguments(n, name)
        want, got = f(*args, **kwargs), g(*args, **kwargs)
        assert list(want) == list(got)
        assert got["pair"].name == name
        assert got["pair"].left == want["pair"].left
        assert type(got["points"][1]) is Point
        np.testing.assert_array_equal(got["points"][0].y, want["points"][0].y)
        assert got["rest"] == want["rest"]
        assert got["total"] == want["total"]
        assert (got["none"], got["count"], got["name"]) == (None, n, name)


def test_types_of_results_are_those_of_the_function():
    def f(x, y):
        a = np.array(x * y)
        fixed = 3, True, "s", np.zeros(2), np.arange(3)
        return x, y, x * 2, x + y, a, np.argmax(np.stack([x, y])), x > y, np.sum(a), np.float64(2) * x, *fixed

    g = on_numpy(f)
    for point in ((1.0, 2.0), (3.0, 5.0), (np.float64(1.5), 2.5), (np.float64(2.5), 3.5)):
        want, got = f(*point), g(*point)
        if len(g.paths) and type(point[0]) is float:
            assert [type(v) for v in got[:2]] == [type(v) for v in want[:2]]
        for a, b in zip(want, got, strict=True):
            np.testing.assert_array_equal(a, b)
            assert np.asarray(a).dtype == np.asarray(b).dtype
            assert isinstance(b, np.ndarray) == isinstance(a, np.ndarray)


def test_results_are_fresh():
    constant = np.arange(3.0)

    def f(x):
        y = x * 2
        return x, y, y, y[1:], constant, np.ones(2)

    g = on_numpy(f)
    for _ in range(3):
        x = np.arange(3.0)
        found = g(x)
        for k, part in enumerate(found):
            part[...] = -7.0
            assert all((other != -7.0).all() for other in found[k + 1 :])
        np.testing.assert_array_equal(x, np.arange(3.0))
    np.testing.assert_array_equal(constant, np.arange(3.0))


def test_shapes_and_dtypes_have_paths_of_their_own():
    g = on_numpy(lambda x: x.sum(axis=0) / x.shape[0])
    for dtype in (np.float64, np.float32, np.complex128, np.float16, ">f8"):
        for shape in ((3,), (3, 2), (0, 2), (1, 2), (5, 4, 3)):
            for _ in range(3):
                x = np.random.default_rng(1).normal(size=shape).astype(dtype)
                with np.errstate(all="ignore"):
                    want = x.sum(axis=0) / x.shape[0]
                    got = g(x)
                np.testing.assert_array_equal(got, want)
                assert np.asarray(got).dtype == np.asarray(want).dtype


def test_layouts_of_all_kinds():
    g = on_numpy(wg.grad(lambda x, w: np.sum(np.tanh(x @ w) * x[::2].sum())))
    plain = wg.grad(lambda x, w: np.sum(np.tanh(x @ w) * x[::2].sum()))
    base = np.random.default_rng(0).normal(size=(64, 64))
    shifted = np.frombuffer(b"x" + base.tobytes(), dtype=np.uint8)[1:].view(np.float64).reshape(64, 64)
    locked = base.copy()
    locked.flags.writeable = False
    big = np.zeros((128, 128))
    big[::2, ::2] = base
    broadcast = np.broadcast_to(base[0], (64, 64))
    w = np.random.default_rng(1).normal(size=64)
    for x in (base, np.asfortranarray(base), base.T, shifted, locked, big[::2, ::2], base[::-1], broadcast, base):
        for v in (w, w[::-1], np.repeat(w, 2)[::2]):
            np.testing.assert_allclose(g(x, v), plain(x, v), rtol=1e-10, atol=1e-12)


def test_guards_choose_the_path():
    def collatz(x):
        steps = 0
        while x > 1.0:
            x = x / 2 if int(x) % 2 == 0 else 3 * x + 1
            steps += 1
        return x * steps

    g = on_numpy(collatz)
    for _ in range(2):
        for n in (1.0, 2.0, 4.0, 8.0, 5.0, 3.0):
            assert g(n) == collatz(n)
    assert 4 <= len(g.paths) <= 6


def test_too_many_paths_fall_back_with_one_note():
    def f(x):
        return x * round(x)

    g = on_numpy(f)
    with pytest.warns(wg.CompileWarning, match="paths|anew") as caught:
        for k in range(40):
            assert g(k + 0.25) == (k + 0.25) * k
    assert len(caught) == 1
    assert "uncompiled" in g.explain()
    g.clear()
    assert len(g.paths) == 0
    assert g(1.25) == 1.25


def test_shapes_that_depend_on_data():
    def f(x):
        return np.sum(x[x > 0] ** 2) + len(np.flatnonzero(x > 1))

    g = on_numpy(f)
    rng = np.random.default_rng(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", wg.CompileWarning)
        for _ in range(40):
            x = rng.normal(size=6)
            np.testing.assert_allclose(g(x), f(x), rtol=1e-14)


def test_fixed_arguments_are_compared():
    def f(x, power, mode, index, op):
        return op(x**power)[index] if mode == "a" else -x[index]

    g = on_numpy(f)
    x = np.array([1.0, 2.0, 3.0])
    for power in (2, 3, True, 2.0):
        for mode in ("a", "b"):
            for index in (np.array([0, 1]), np.array([1, 2]), 2, slice(0, 2), [0, 2], (1,), np.int64(1), None):
                for _ in range(2):
                    np.testing.assert_array_equal(g(x, power, mode, index, np.sin), f(x, power, mode, index, np.sin))


def test_an_integer_array_that_changes_in_place():
    g = on_numpy(lambda x, i: x[i] * 2)
    x, i = np.arange(4.0), np.array([0, 1])
    np.testing.assert_array_equal(g(x, i), [0, 2])
    i[1] = 3
    np.testing.assert_array_equal(g(x, i), [0, 6])
    i[1] = 1
    np.testing.assert_array_equal(g(x, i), [0, 2])


def test_python_numbers_stay_weak():
    g = on_numpy(lambda x, a: x * a)
    x = np.ones(2, np.float32)
    for _ in range(3):
        assert g(x, 2.0).dtype == np.float32
        assert g(x, np.float64(2.0)).dtype == np.float64
        assert g(2.0, 3.0) == 6.0
        assert type(g(2.0, 3.0)) is float


def test_masks_keep_gradients_clean_on_replay():
    f = lambda x: np.sum(np.where(x > 0, np.sqrt(x), 0.0))
    g = on_numpy(wg.grad(f))
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        for x in ([1.0, 4.0], [1.0, -1.0], [0.0, 4.0], [9.0, 4.0], [-1.0, -2.0]):
            x = np.array(x)
            want = np.where(x > 0, 0.5 / np.sqrt(np.where(x > 0, x, 1.0)), 0.0)
            np.testing.assert_allclose(g(x), want, rtol=1e-15)


def test_any_callable():
    class Scale:
        def __init__(self, by):
            self.by = by

        def __call__(self, x):
            return x * self.by

    scale = Scale(3.0)
    g = on_numpy(scale)
    assert [g(2.0), g(3.0)] == [6.0, 9.0]
    scale.by = 4.0
    assert g(2.0) == 8.0
    assert on_numpy(np.sin)(1.0) == np.sin(1.0)
    h = on_numpy(functools.partial(np.multiply, 2.0))
    assert [h(2.0), h(3.0)] == [4.0, 6.0]


def test_arguments_of_other_kinds_run_uncompiled():
    circle = [2.0]
    circle.append(circle)
    g = on_numpy(lambda held, x: held[0] * x)
    masked = np.ma.masked_array([1.0, 2.0], [False, True])
    for _ in range(3):
        assert g(circle, 3.0) == 6.0
        assert g([masked], 2.0).mask.tolist() == [False, True]
        assert g(np.array([1.5, "text"], dtype=object), 2.0) == 3.0
    assert len(g.paths) == 0


def test_no_arguments():
    g = on_numpy(lambda: np.arange(3.0) * 2)
    for _ in range(3):
        np.testing.assert_array_equal(g(), [0.0, 2.0, 4.0])


def test_explain_and_source():
    def f(x):
        return np.sum(x * x) if x[0] > 0 else x[1]

    g = on_numpy(f)
    assert "not called" in g.explain()
    with pytest.raises(ValueError, match="call it first"):
        g.source()
    x = np.array([1.0, 2.0])
    g(x)
    text = g.explain()
    for word in ("1 path", "guard", "float64[2]", "multiply", "NumPy", f"{__file__}:"):
        assert word in text or word == "NumPy"
    g(x)
    assert "runs: NumPy" in g.explain(x)
    assert "not called with such" in g.explain(1.0)
    assert g.source("python").startswith("def plan(")
    with pytest.raises(ValueError, match="native"):
        g.source("llvm")
    with pytest.raises(ValueError, match="not known"):
        g.source("fortran")


def test_integer_arrays_that_change_become_inputs():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(20, 3))

    def loss(w, rows, labels, mask):
        scores = x_of(w)[rows] @ np.ones(3)
        picked = w[labels].sum() + np.where(mask, scores, 0.0).sum()
        return picked + np.sum(scores * scores) * (labels == 2).sum()

    def x_of(w):
        return x * w

    g, plain = on_numpy(wg.value_and_grad(loss)), wg.value_and_grad(loss)
    for k in range(30):
        args = rng.normal(size=3), rng.integers(20, size=5), rng.integers(3, size=4), rng.random(5) > 0.5
        if k == 7:
            args[1][2] = -1
        for a, b in zip(g(*args), plain(*args), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-12)
    assert len(g.paths) <= 3
    with pytest.raises(IndexError):
        g(args[0], np.array([0, 1, 2, 3, 20]), *args[2:])
    np.testing.assert_allclose(g(*args)[0], plain(*args)[0])


def test_integer_arrays_that_the_program_must_know():
    def f(x, index):
        total = 0.0
        for i in index:
            total = total + x[i] * TABLE[i]
        return total * np.bincount(index)[0]

    g = on_numpy(f)
    rng = np.random.default_rng(0)
    x = rng.normal(size=3)
    for _ in range(3):
        for index in ([0, 1], [0, 2], [2, 0]):
            assert g(x, np.array(index)) == pytest.approx(f(x, np.array(index)), rel=1e-14)
    assert len(g.paths) <= 4


TABLE = np.array([1.0, 2.0, 4.0])
