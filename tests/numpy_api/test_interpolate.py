"""``np.interp`` at zeros of both signs, infinities and NaN by every road: recorded, batched, differentiated, compiled.

Imports wengert and NumPy. Invariant: values are held against np.interp itself, slopes against the formula of a line."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wengert

KNOTS = [-np.inf, -1e308, -2.0, -1.0, -0.0, 5e-324, 0.5, 1.0, 3.0, 1e308, np.inf]
HEIGHTS = [0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, 1e308, -1e308, 5e-324, 2.0]
PLACES = [*KNOTS, *HEIGHTS, 0.25, 0.75, -1.5, 2.5]


def assert_same(got: Any, want: Any) -> None:
    np.testing.assert_array_equal(got, want)
    numbers = ~np.isnan(want)
    np.testing.assert_array_equal(np.signbit(got)[numbers], np.signbit(want)[numbers])


def cases(seed: int, count: int, size: int) -> Any:
    rng = np.random.default_rng(seed)
    for k in range(count):
        at = np.sort(rng.choice(KNOTS, size, replace=k % 3 == 0))
        heights = rng.choice(HEIGHTS, size) if k % 2 else rng.standard_normal(size)
        yield rng.choice(np.concatenate([at, PLACES]), 9), at, heights


ROADS: dict[str, Callable[..., Any]] = {
    "recorded": lambda x, at, h: wengert.trace(lambda x: np.interp(x, at, h))(x).evaluate([x])[0],
    "recorded elsewhere": lambda x, at, h: wengert.trace(lambda x, h: np.interp(x, at, h))(
        x * 0.0, np.arange(h.size) * 1.0
    ).evaluate([x, h])[0],
    "few points": lambda x, at, h: np.array(
        [wengert.trace(lambda v, h: np.interp(v, at, h))(0.5, h * 0.0).evaluate([v, h])[0] for v in x]
    ),
    "batched": lambda x, at, h: wengert.vmap(lambda x, h: np.interp(x, at, h))(np.stack([x, x]), np.stack([h, h]))[1],
    "reverse": lambda x, at, h: wengert.vjp(lambda x, at, h: np.interp(x, at, h), x, at, h)[0],
    "forward": lambda x, at, h: wengert.jvp(lambda x: np.interp(x, at, h), (x,), (x * 0.0,))[0],
}


@pytest.mark.parametrize("size", [1, 2, 5, 11])
@pytest.mark.parametrize("road", ROADS.values(), ids=ROADS)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_special_values_are_numpys(road: Callable[..., Any], size: int) -> None:
    for x, at, heights in cases(size, 12, size):
        assert_same(road(x, at, heights), np.interp(x, at, heights))


@pytest.mark.parametrize("backend", ["numpy", "native"])
@pytest.mark.parametrize("size", [1, 2, 6, 11])
def test_one_path_is_right_for_all_values(backend: str, size: int) -> None:
    if backend == "native":
        pytest.importorskip("llvmlite")
    compiled = wengert.compile(lambda x, at, heights: np.interp(x, at, heights), backend=backend)
    with np.errstate(all="ignore"):
        for x, at, heights in cases(3, 40, size):
            assert_same(compiled(x, at, heights), np.interp(x, at, heights))
    assert len(compiled.paths) == 1


LINES: dict[str, tuple[Any, Any, float, float, Any]] = {
    "infinite on the right": ([0, 1], [0, np.inf], 0.25, np.inf, [0.75, 0.25]),
    "infinite on the left": ([0, 1], [np.inf, 0], 0.25, -np.inf, [0.75, 0.25]),
    "equal and infinite": ([0, 1], [np.inf, np.inf], 0.25, 0.0, [1.0, 0.0]),
    "a knot between infinities": ([0, 1, 2], [-np.inf, 0, np.inf], 1.0, np.inf, [0, 1, 0]),
    "a slope that overflows": ([0, 1, 2], [1e308, -1e308, 0], 0.25, -np.inf, [0.75, 0.25, 0]),
    "an endless line": ([0, np.inf], [1, 2], 5.0, 0.0, [1.0, 0.0]),
    "a last knot at infinity": ([0, 1, np.inf], [1, 2, 3], np.inf, 0.0, [0, 0, 1.0]),
    "a height of minus zero": ([0, 1, 2], [1, -0.0, -3], 1.0, -1.0, [0, 1, 0]),
}


@pytest.mark.parametrize("line", LINES.values(), ids=LINES)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_slopes_beside_special_values(line: Any) -> None:
    at, heights, x, slope, weights = line
    at, heights = np.array(at, float), np.array(heights, float)
    both = wengert.grad(lambda x, h: np.interp(x, at, h), (0, 1))
    roads = [both, wengert.compile(both, backend="numpy")]
    if pytest.importorskip("llvmlite"):
        roads.append(wengert.compile(both, backend="native"))
    for road in roads:
        got = road(x, heights)
        assert got[0] == slope
        np.testing.assert_array_equal(got[1], weights)
    assert wengert.jvp(lambda x: np.interp(x, at, heights), (x,), (1.0,))[1] == slope
    np.testing.assert_array_equal(wengert.jacfwd(lambda h: np.interp(x, at, h))(heights), weights)


def test_points_wander_through_knots_in_a_compiled_loop() -> None:
    at, rng = np.linspace(-1.0, 1.0, 9), np.random.default_rng(8)

    def last(x: Any, heights: Any) -> Any:
        return wengert.scan(lambda c, row: (0.5 * c + np.interp(c + row, at, heights), c), 0.0 * x[0], x)[0]

    compiled = wengert.compile(wengert.grad(last, 1), backend="numpy")
    for _ in range(4):
        x, heights = rng.uniform(-1.0, 1.0, 30), 0.1 * rng.standard_normal(9)
        wanted = [
            (_plain(x, heights + 1e-6 * e, at) - _plain(x, heights - 1e-6 * e, at)) / 2e-6 for e in np.eye(9)
        ]  # fmt: skip
        np.testing.assert_allclose(compiled(x, heights), wanted, atol=2e-8)
    assert len(compiled.paths) == 1


def _plain(x: Any, heights: Any, at: Any) -> Any:
    carry = 0.0
    for row in x:
        carry = 0.5 * carry + np.interp(carry + row, at, heights)
    return carry


def test_many_rows_are_one_batch() -> None:
    at, rng = np.linspace(-1.0, 1.0, 9), np.random.default_rng(9)
    x, heights = rng.uniform(-1.2, 1.2, (50, 20)), rng.standard_normal((50, 9))
    graph = wengert.trace(wengert.vmap(lambda x, h: np.interp(x, at, h)))(x, heights)
    want = [np.interp(row, at, h) for row, h in zip(x, heights, strict=True)]
    np.testing.assert_allclose(graph.evaluate([x, heights])[0], want, rtol=1e-14)


@pytest.mark.parametrize("bad", [([0.0, 1.0], [1.0]), ([[0.0, 1.0]], [[1.0, 2.0]]), ([], [])])
def test_bad_points_are_refused_as_numpy_does(bad: Any) -> None:
    with pytest.raises(ValueError) as plain:  # noqa: PT011 NumPy's own words are compared
        np.interp(0.5, *bad)
    with pytest.raises(ValueError, match=str(plain.value)):
        wengert.grad(lambda x: np.interp(x, *bad))(0.5)
