"""Text that is left out: sums with nothing, pieces side by side, copies of what lies there already; against NumPy."""

import numpy as np
import pytest

import wengert
from wengert.backends.llvm.emit.emit import emit
from wengert.backends.llvm.heat import EACH, IN_ALL, PER_CYCLE, Spare, spare
from wengert.backends.llvm.lower.lower import lower

pytest.importorskip("llvmlite")

from tests.backends.llvm.emitted import agree
from wengert.backends.llvm import engine as engines

SPECIAL = np.array([0.0, -0.0, 1.0, -1.5, np.inf, -np.inf, np.nan, 5e-324, 1e308])


def text_of(f, *args, bits=512):
    return emit(lower(wengert.trace(f)(*args)), width_bits=bits, fma=True).text


def body_of(text):
    """The instructions of the kernel, without the functions that it calls."""
    return [line for line in text[: text.rindex("\n}")].splitlines() if " = " in line or "store" in line]


@pytest.mark.parametrize(
    "f",
    [
        lambda x: x + (-0.0),
        lambda x: (-0.0) + x,
        lambda x: x - 0.0,
        lambda x: x * 1.0,
        lambda x: x / 1.0,
        lambda x: x + 0.0,
        lambda x: 0.0 - x,
        lambda x: x * 0.0,
        lambda x: x - (-0.0),
        lambda x: 1.0 / x,
    ],
)
def test_what_changes_nothing_is_left_out_and_all_else_is_not(f):
    with np.errstate(all="ignore"):
        found = agree(lower(wengert.trace(f)(SPECIAL)), [SPECIAL])[0]
        expected = f(SPECIAL)
    assert np.array_equal(np.isnan(found), np.isnan(expected))
    fine = ~np.isnan(expected)
    assert found[fine].tobytes() == expected[fine].tobytes()


def matrix(x):
    """A matrix put together from numbers, as people write rotations."""
    c, s = np.cos(x[0]), np.sin(x[0])
    return np.array([[c, -s, 0.0, x[1]], [s, c, -0.0, x[2]], [0.0, 0.0, 1.0, x[1] * x[2]], [0.0, -0.0, 0.0, 1.0]])


def test_numbers_put_side_by_side_are_where_they_are():
    x = np.array([0.3, -1.2, 2.5])
    program = lower(wengert.trace(lambda x: (matrix(x), matrix(x) @ matrix(2.0 * x)))(x))
    found = agree(program, [x])
    assert found[0].tobytes() == matrix(x).tobytes()
    np.testing.assert_allclose(found[1], matrix(x) @ matrix(2.0 * x), rtol=1e-14)
    text = emit(lower(wengert.trace(matrix)(x)), width_bits=512, fma=True).text
    kernel = text[: text.index("\n}")]
    assert "select" not in kernel and " phi " not in kernel  # nobody asks which number is where


@pytest.mark.parametrize("begin", [0, 1, 7])
def test_a_scan_reads_a_slice_of_an_array_where_it_lies(begin):
    xs = np.random.default_rng(1).standard_normal((40, 5))

    def f(h, xs):
        def step(h, x):
            new = np.tanh(h + x)
            return new, new

        return wengert.scan(step, h, xs[begin : begin + 30])

    h = np.zeros(5)
    final, rows = agree(lower(wengert.trace(f)(h, xs)), [h, xs], tolerance=1e-13)[:2]
    expected = []
    for x in xs[begin : begin + 30]:
        h = np.tanh(h + x)
        expected.append(h)
    np.testing.assert_allclose(final, h, rtol=1e-13)
    np.testing.assert_allclose(rows, expected, rtol=1e-13)
    kept = text_of(f, np.zeros(5), xs)
    turned = text_of(lambda h, xs: f(h, xs[::-1]), np.zeros(5), xs)
    assert len(body_of(kept)) < len(body_of(turned))  # which must be copied


def test_a_piece_of_the_rows_of_a_scan_is_copied_as_one():
    def f(h, xs):
        def step(h, x):
            new = np.sin(h) + x
            return new, new * 2.0

        final, rows = wengert.scan(step, h, xs)
        return rows[2:9], rows[3], rows[1:5, 2], rows, final

    h, xs = np.linspace(0, 1, 12).reshape(3, 4), np.random.default_rng(2).standard_normal((11, 3, 4))
    found = agree(lower(wengert.trace(f)(h, xs)), [h, xs], tolerance=1e-13)
    rows = []
    for x in xs:
        h = np.sin(h) + x
        rows.append(2.0 * h)
    rows = np.array(rows)
    for a, b in zip(found, [rows[2:9], rows[3], rows[1:5, 2], rows, h], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-13)


def test_an_array_across_the_lanes_is_turned_around_once():
    random = np.random.default_rng(3)
    x, w = random.standard_normal((60, 48)), random.standard_normal((48, 9))

    def f(x, w):
        y = np.tanh(x) @ w
        return np.sum(np.exp(y - y.max(1)[:, None])), np.exp(y) @ w.T

    found = agree(lower(wengert.trace(f)(x, w)), [x, w], tolerance=1e-12)
    y = np.tanh(x) @ w
    np.testing.assert_allclose(found[0], np.sum(np.exp(y - y.max(1)[:, None])), rtol=1e-12)
    np.testing.assert_allclose(found[1], np.exp(y) @ w.T, rtol=1e-12)


def test_short_code_costs_little_of_the_time():
    cycles = 1000.0
    budget = spare(cycles * PER_CYCLE)
    assert not budget.spend(1.01 * EACH * cycles)
    step = 0.9 * EACH * cycles
    spent = sum(step for _ in range(1000) if budget.spend(step))
    assert IN_ALL * cycles - step < spent <= IN_ALL * cycles
    assert not Spare(0.0, 0.0).spend(1.0)


def test_seldom_read_columns_are_gathered_and_often_read_ones_are_not():
    x = np.random.default_rng(4).standard_normal((200, 3, 20))

    def f(x, table):
        return np.sum(np.exp(x), axis=2), table.T * 2.0

    table = np.random.default_rng(5).standard_normal((8, 6))
    found = agree(lower(wengert.trace(f)(x, table)), [x, table], tolerance=1e-12)
    np.testing.assert_allclose(found[0], np.exp(x).sum(2), rtol=1e-12)
    np.testing.assert_allclose(found[1], table.T * 2.0)


def test_long_functions_are_left_as_written_and_compute_the_same(monkeypatch):
    x = np.random.default_rng(6).standard_normal((30, 7))

    def f(x):
        return np.sum(np.tanh(x @ x.T)), np.cumsum(x, axis=0)

    text = text_of(f, x)
    assert engines.long_functions(text) == set()
    whole = wengert.compile(f, backend="native")(x)
    all_passes = engines.engine().optimised(text)
    monkeypatch.setattr(engines, "LONG", 1)
    monkeypatch.setattr(engines, "LOOPY", 1)
    assert engines.long_functions(text)
    assert engines.engine().optimised(text) != all_passes
    for a, b in zip(agree(lower(wengert.trace(f)(x)), [x], tolerance=1e-12), whole, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)


@pytest.mark.parametrize("rows", [8, 25, 31, 1003])
@pytest.mark.parametrize("columns", [1, 3])
@pytest.mark.parametrize("bits", [512, 256])
def test_the_last_step_of_a_loop_may_overlap_the_one_before(rows, columns, bits):
    x = np.random.default_rng(rows).standard_normal((rows, columns))

    def f(x):
        y = np.exp(x) * x[:, :1]
        return y, np.sin(y).sum(1), y.sum(0), np.cumsum(x, axis=0)

    found = agree(lower(wengert.trace(f)(x)), [x], bits, 1e-12)
    for a, b in zip(found, f(x), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-13)


def test_one_body_serves_all_rows_where_nothing_is_accumulated():
    def f(x):
        return np.exp(np.sin(x) * np.cos(x)) / (1.0 + x * x)

    lines = [len(body_of(text_of(f, np.ones(n)))) for n in (1024, 1025, 1031)]
    assert max(lines) <= lines[0] + 2
    lines = [len(body_of(text_of(lambda x: np.sum(f(x)), np.ones(n)))) for n in (1024, 1025)]
    assert lines[1] > lines[0] + 5  # no place may be added twice


@pytest.mark.parametrize("count", [33, 40, 63, 1007])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_tails_of_sums_are_as_narrow_as_they_need(count, dtype):
    random = np.random.default_rng(count)
    x, w = random.standard_normal((count, 6)).astype(dtype), random.standard_normal((6, 6)).astype(dtype)

    def f(x, w):
        y = np.tanh(x @ w)
        return y.T @ x, np.sum(y), np.max(y * x), np.sum(y * y, axis=0), np.prod(1.0 + 0.01 * y[:, 0])

    tolerance = 1e-11 if dtype is np.float64 else 1e-4
    found = agree(lower(wengert.trace(f)(x, w)), [x, w], tolerance=tolerance)
    for a, b in zip(found, f(x.astype(float), w.astype(float)), strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance * 10)


@pytest.mark.parametrize("kind", [np.sum, np.max, np.min, np.prod])
@pytest.mark.parametrize("columns", [2, 3])
@pytest.mark.parametrize("rows", [128, 133])
def test_a_whole_piece_of_memory_is_accumulated_as_it_lies(kind, columns, rows):
    x = 1.0 + 0.01 * np.random.default_rng(columns).standard_normal((rows, columns))

    def f(x):
        y = 1.0 + 0.001 * np.cumsum(x - 1.0, axis=0)
        return kind(x), y, kind(y), kind(x[:, ::-1]), kind(x[:, :-1])

    found = agree(lower(wengert.trace(f)(x)), [x], tolerance=1e-11)
    for a, b in zip(found, f(x), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-11)
