"""What a recording took from values: a graph or compiled function gives NumPy's answer at other values, or asks again.

May import wengert's public API. Invariant: the reference is the function itself on plain arrays.
"""

import numpy as np
import pytest

import wengert as wg

KNOTS = np.array([0.0, 0.75, 1.5])


def draw(seed):
    return np.random.default_rng(seed).normal(size=6)


def draw_missing(seed):
    found = draw(seed)
    found[[seed % 6, (seed + 3) % 6 if seed % 2 else seed % 6]] = np.nan
    return found


def draw_sometimes_missing(seed):
    return draw_missing(seed) if seed % 2 == 0 else draw(seed)


def written(write):
    """A function of an array from one that changes an array."""

    def function(w):
        changed = w.copy()
        write(changed)
        return changed

    return function


BY_VALUE = {
    "interp": lambda w: np.interp(w, KNOTS, KNOTS**2),
    "interp at traced knots": lambda w: np.interp(0.3, np.cumsum(np.abs(w)), w),
    "interp with a period": lambda w: np.interp(w, KNOTS, KNOTS**2, period=1.7),
    "piecewise by numbers": lambda w: np.piecewise(w, [w > 0], [1.0, 2.0]) * w,
    "piecewise by functions": lambda w: np.piecewise(w, [w > 0], [lambda t: t**2, lambda t: -t]),
    "choose": lambda w: np.choose((w > 0).astype(int), [w, w**2]),
    "compress": lambda w: np.sum(np.compress(w > 0, w)),
    "extract": lambda w: np.sum(np.extract(w > 0, w)),
    "weighted histogram": lambda w: np.histogram(w, bins=[-1.0, 0, 1.0], weights=w)[0],
    "sum where": lambda w: np.sum(w, where=w > 0),
    "mean where": lambda w: np.mean(w, where=w > 0),
    "var where": lambda w: np.var(w, where=w > 0),
    "std where": lambda w: np.std(w, where=w > -0.5),
    "reduce where": lambda w: np.hypot.reduce(w, where=w > 0),
    "place": written(lambda a: np.place(a, a > 0, [1.0, 2.0])),
    "putmask": written(lambda a: np.putmask(a, a > 0, a**2)),
    "copyto": written(lambda a: np.copyto(a, a**2, where=a > 0)),
    "put": written(lambda a: np.put(a, np.argsort(a)[:2], 7.0)),
    "weighted quantile": lambda w: np.quantile(w, 0.3, weights=np.abs(w), method="inverted_cdf"),
    "quantile at a traced place": lambda w: np.quantile(KNOTS, 1 / (1 + np.exp(-5 * w[0]))),
    "lexsort": lambda w: w[np.lexsort((w,))],
    "ix": lambda w: w[np.ix_(w > 0)].sum(),
    "insert": lambda w: np.insert(w, np.argmax(w), 9.0),
    "delete": lambda w: np.delete(w, np.argmax(w)),
    "repeat": lambda w: np.repeat(w, (w > 0).astype(int)).sum(),
    "histogram of shares": lambda w: np.histogram(w, bins=4, density=True)[0],
    "histogram of pairs": lambda w: np.histogram2d(w, w[::-1], bins=2, weights=w)[0],
    "counted pairs": lambda w: np.histogram2d(KNOTS, w[:3], bins=2)[0] * w[0],
    "sorter": lambda w: np.searchsorted(w, KNOTS, sorter=np.argsort(w)) * w[0],
    "length of a selection": lambda w: np.sum(w[w > 0]) / len(w[w > 0]),
    "size of a selection": lambda w: np.sum(w[w > 0]) / w[w > 0].size,
    "gradient of a selection": lambda w: np.sum(np.gradient(np.append(w[w > 0], [1.0, 2.0]))),
    "quantile of a selection": lambda w: np.quantile(np.append(w[w > 0], 0.5), 0.3),
    "list of places": lambda w: w[[np.argmax(w), 0]],
    "written at a list of places": written(lambda a: a.__setitem__([np.argmax(a), 0], 5.0)),
    "roots": lambda w: np.abs(np.roots(np.where(w > 0, w, 0.0))).sum(),
}
MISSING = {
    name: getattr(np, name)
    for name in (
        "nansum", "nanprod", "nancumsum", "nanmax", "nanmin", "nanmean", "nanvar", "nanstd", "nanmedian",
    )
}  # fmt: skip
MISSING["nanquantile"] = lambda w: np.nanquantile(w, 0.3)
MISSING["fmax"] = lambda w: np.fmax.reduce(w)
SPOILT = {
    name: getattr(np, name)
    for name in ("median", "max", "argmin", "sort", "ptp", "var", "cumsum", "cumprod", "argsort", "unwrap", "mean")
} | {
    "quantile": lambda w: np.quantile(w, 0.3),
    "percentiles by row": lambda w: np.percentile(w.reshape(2, 3), [20.0, 70.0], axis=1, keepdims=True),
    "midpoints": lambda w: np.quantile(w.reshape(3, 2), [[0.2], [0.9]], axis=0, method="midpoint"),
    "k-th": lambda w: np.partition(w, 2)[2],
    "interp": lambda w: np.interp(w, KNOTS, KNOTS**2),
    "searchsorted": lambda w: np.searchsorted(KNOTS, w) * 1.0,
    "clip": lambda w: np.clip(w, -0.5, 0.5),
    "running maximum": lambda w: np.maximum.accumulate(w),
    "norm": lambda w: np.linalg.norm(w, ord=np.inf),
    "nan_to_num": np.nan_to_num,
}
CASES = [
    *(pytest.param(f, draw, id=n) for n, f in BY_VALUE.items()),
    *(pytest.param(f, draw_missing, id=n) for n, f in MISSING.items()),
    *(pytest.param(f, draw_sometimes_missing, id=f"{n} of what may be missing") for n, f in SPOILT.items()),
]


@pytest.mark.parametrize(("function", "values"), CASES)
def test_a_compiled_function_never_gives_the_answer_of_other_values(function, values):
    compiled = wg.compile(function, backend="numpy")
    for seed in range(1, 6):
        np.testing.assert_allclose(compiled(values(seed)), function(values(seed)), rtol=1e-12)


@pytest.mark.parametrize(("function", "values"), CASES)
def test_a_graph_runs_at_other_values_rightly_or_not_at_all(function, values):
    graph = wg.trace(function)(values(1))
    np.testing.assert_allclose(graph(values(1)), function(values(1)), rtol=1e-12)
    for seed in range(2, 6):
        try:
            found = graph(values(seed))
        except wg.WengertError:
            continue
        np.testing.assert_allclose(found, function(values(seed)), rtol=1e-12)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("axis", [None, 0, 1])
@pytest.mark.parametrize("name", [n for n in MISSING if n not in ("nanquantile", "fmax")] + ["median", "max", "std"])
def test_rows_without_numbers_keep_their_type(name, axis, dtype):
    def function(w):
        return getattr(np, name)(w, axis=axis)

    rows = np.random.default_rng(3).normal(size=(3, 4)).astype(dtype)
    compiled = wg.compile(function, backend="numpy")
    for missing in ([], [(0, 1)], [0, (2, 3)], [(slice(None), 2)], [...], []):
        w = rows.copy()
        for place in missing:
            w[place] = np.nan
        expected = function(w)
        for found in (compiled(w), compiled(w), wg.trace(function)(w)(w)):
            assert found.dtype == expected.dtype
            np.testing.assert_allclose(found, expected, rtol=2e-6)


@pytest.mark.parametrize("name", ["nansum", "nanmean", "nanvar"])
def test_what_is_missing_is_asked_by_steps_of_the_graph(name):
    graph = wg.trace(getattr(np, name))(draw_missing(1))
    assert not graph.guards
    for seed in range(2, 6):
        np.testing.assert_allclose(graph(draw_missing(seed)), getattr(np, name)(draw_missing(seed)), rtol=1e-12)


@pytest.mark.parametrize(
    "function",
    [
        lambda w: np.sum(np.interp(np.abs(w), KNOTS, KNOTS**2) ** 2),
        lambda w: np.var(w, where=w > 0) + np.mean(w, where=w < 0),
        lambda w: np.nanvar(np.where(w > 1, np.nan, w)),
        lambda w: np.mean(np.append(w[w > 0], 1.0) ** 2) + np.std(w[w < 0.5]),
    ],
)
def test_compiled_gradients_follow_the_values(function):
    compiled = wg.compile(wg.grad(function), backend="numpy")
    for seed in range(1, 5):
        at, step = draw(seed), 1e-6
        wanted = [(function(at + step * e) - function(at - step * e)) / (2 * step) for e in np.eye(6)]
        np.testing.assert_allclose(compiled(at), wanted, atol=1e-7)


SINGLE = {
    "var": lambda w: np.var(w),
    "std by column": lambda w: np.std(w.reshape(2, 3), axis=0),
    "prod": lambda w: np.prod(w),
    "polyval": lambda w: np.polyval(w[:3], w),
    "nanmean": np.nanmean,
    "median": np.median,
    "maximum of a complex array": lambda w: np.maximum(w, (w * np.complex64(1j))),
}


@pytest.mark.parametrize("function", SINGLE.values(), ids=SINGLE)
def test_replays_and_their_tangents_keep_single_precision(function):
    def moved(w):
        return wg.jvp(function, (w,), (w * w,))

    compiled = wg.compile(moved, backend="numpy")
    for seed in (1, 2, 3):
        w = draw(seed).astype(np.float32)
        expected = function(w)
        for found in (moved(w), compiled(w), wg.trace(moved)(w)(w)):
            assert [part.dtype for part in found] == [expected.dtype] * 2
            np.testing.assert_allclose(found[0], expected, rtol=1e-5)
            np.testing.assert_allclose(found[1], moved(w)[1], rtol=1e-5)


def test_the_derivative_of_a_complex_maximum_is_recorded():
    z = np.array([1.2 + 0.3j, -0.5 + 1j, 0.3 - 2j])

    def pulled(z):
        return wg.vjp(lambda z: np.maximum(z, 0), z)[1](z)[0]

    graph = wg.trace(pulled)(z)
    for at in (z, -z, z[::-1].copy()):
        np.testing.assert_array_equal(graph(at), np.where(at > 0, at, 0))


KEYED = {
    "by truth": lambda w: w * {True: 2.0, False: 3.0}[w[0] > 0],
    "hash of truth": lambda w: w * (2.0 + hash(w[0] > 0)),
    "default of a missing floor": lambda w: w * {0.0: 2.0, 1.0: 3.0}.get(w[0] // 1, 5.0),
    "distinct signs": lambda w: w * len({np.sign(w[0]), np.sign(w[1]), 1.0}),
    "groups": lambda w: w * len(_groups(w)[True]),
}


def _groups(w):
    groups = {True: [], False: []}
    for value in w:
        groups[value > 0].append(value)
    return groups


@pytest.mark.parametrize("function", KEYED.values(), ids=KEYED)
def test_what_a_dictionary_finds_is_asked_again(function):
    compiled = wg.compile(function, backend="numpy")
    slopes = wg.compile(wg.grad(lambda w: np.sum(function(w) ** 2)), backend="numpy")
    graph = wg.trace(function)(draw(1))
    for seed in range(1, 9):
        w = draw(seed)
        np.testing.assert_array_equal(compiled(w), function(w))
        factor = function(np.asarray(w)) / w
        np.testing.assert_allclose(slopes(w), 2.0 * factor**2 * w, rtol=1e-13)
        try:
            found = graph(w)
        except wg.WengertError:
            continue
        np.testing.assert_array_equal(found, function(w))
