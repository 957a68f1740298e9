"""Large steps of a recording that are put off: the same graphs, answers, errors and warnings as steps computed at once.

Imports wengert and its parts. Invariant: each test says how many steps were put off, and compares with NumPy itself or
with a recording that puts off nothing."""

from __future__ import annotations

import contextvars
import threading
import time
import warnings

import numpy as np
import pytest

import wengert as wg
from tests.api.late_steps import watched
from wengert.api.compiling import effects, record
from wengert.core import deferred
from wengert.ops import late_memory, put_off


@pytest.fixture
def seen(monkeypatch):
    """Everything that may be put off is."""
    monkeypatch.setattr(put_off, "LARGE", 1)
    monkeypatch.setattr(record, "MUCH", 1)
    with watched(monkeypatch) as found:
        yield found


def numpy_only(fun):
    return wg.compile(fun, backend="numpy")


X = np.linspace(-1.0, 2.0, 7)
OTHER = np.arange(7.0)


def chain(x):
    return np.sum(np.tanh(np.sin(x) * np.exp(-(x**2)) + np.log1p(x**2)))


def test_nothing_is_computed_before_the_result_is_asked_for(seen, monkeypatch):
    run, moments = record._run, []

    def noted(*args, **kwargs):
        found = run(*args, **kwargs)
        moments.append((seen.steps, seen.computed))
        return found

    monkeypatch.setattr(record, "_run", noted)
    value, _ = numpy_only(wg.value_and_grad(chain))(X)
    ((steps, computed),) = moments
    assert steps > 20
    assert computed == 0
    assert 20 < seen.computed <= steps
    np.testing.assert_allclose(value, chain(X), rtol=1e-15)


def test_a_question_computes_what_it_needs_and_is_a_guard(seen):
    def f(x):
        y = np.exp(x)
        total = np.sum(y * y)
        return y if total > 20.0 else -y

    g = numpy_only(f)
    for x in (X, X - 3.0, X):
        np.testing.assert_array_equal(g(x), f(x))
    assert len(g.paths) == 2


def test_values_asked_in_every_way_are_numpys(seen):
    asked = []

    def f(x):
        y = x * 2.0 + 1.0
        m = np.max(y)
        asked.extend([bool(m > 4.0), int(np.sum(y > 1.0)), [bool(v) for v in y > 2.0]])
        k = int(np.argmax(y))
        return y[k] + y[y > 1.0].sum() + m

    want = f(X)
    expected, asked[:] = list(asked), []
    with pytest.warns(wg.CompileWarning):
        np.testing.assert_allclose(numpy_only(f)(X), want, rtol=1e-15)
    assert asked[:3] == expected
    assert seen.steps > 2


def test_reads_and_writes_follow_the_program(seen):
    def f(x):
        y = np.zeros(7)
        y[:] = x * 3.0
        early = y[1:4] * 1.0
        view = y[2:]
        part = y[1:3]
        y[2] = np.sum(x)
        y[3:] += early[0]
        if np.sum(y) > -1e9:
            y[0] = 5.0
        y[1] = 7.0
        return y * 1.0, early, view + 0.0, part + 0.0

    def g(x):
        y = np.exp(x)
        before = y[0:3]
        y *= 2.0
        kept = y[0:3] + 0.0
        y[1] = 4.0
        return before, kept, y, y.reshape(7, 1).T @ np.ones((7, 2))

    for fun in (f, g):
        for ours, theirs in zip(numpy_only(fun)(X), fun(X), strict=True):
            np.testing.assert_array_equal(ours, theirs)
    assert seen.steps > 10


def test_memory_that_a_step_put_off_reads_is_not_written_to(seen):
    def f(x):
        y = np.zeros(7)
        y[:] = x + 1.0
        part = y[1:4]  # put off
        picked = y[np.array([0, 5])]  # put off
        if np.any(y[4:] > 1e9):
            return y
        y[2] = 100.0
        y[0] = -100.0
        return part + 0.0, picked + 0.0, y

    for ours, theirs in zip(numpy_only(f)(X), f(X), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert seen.steps > 3


def test_constants_are_read_as_they_were(seen):
    def f(x):
        scale = OTHER.copy()
        y = x * scale
        scale[:] = -1.0
        return y + np.sum(scale)

    np.testing.assert_array_equal(numpy_only(f)(X), f(X))
    assert seen.steps >= 2


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
def test_constants_are_copied_again_only_where_their_bits_change(dtype):
    late = deferred.Late(0, None, hopes=False)
    constant = np.array([[np.nan, 0.0, 1.0], [2.0, 3.0, -np.nan]], dtype).T[:2]
    first = late.private(constant)
    assert late.private(constant) is first
    constant[1, 0] = -0.0
    second = late.private(constant)
    assert second is not first
    assert np.signbit(second[1, 0])
    assert not np.signbit(first[1, 0])
    assert late.private(constant) is second


def test_a_gradient_that_ends_non_finite_is_swept_again(seen):
    f = lambda x: np.sum(np.where(x > 0, np.sqrt(x), 0.0))
    x = np.array([1.0, -1.0, 4.0])
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(numpy_only(wg.grad(f))(x), [0.5, 0.0, 0.25], rtol=1e-15)
    assert seen.steps


def test_what_may_be_noticed_outside_runs_once(seen, capsys):
    def f(x):
        print("once")
        return np.sum(np.where(x > 0, np.sqrt(x), 0.0))

    with np.errstate(all="ignore"):
        found = numpy_only(wg.grad(f))(np.array([1.0, -1.0, 4.0]))
    np.testing.assert_allclose(found, [0.5, 0.0, 0.25], rtol=1e-15)
    assert capsys.readouterr().out == "once\n"
    assert seen.steps


def test_a_thread_waits_for_what_another_one_computes(seen, monkeypatch):
    fill = deferred._fill

    def slow(step):
        time.sleep(0.05)
        fill(step)

    def f(x):
        y = np.exp(x)
        found = [0.0, 0.0]

        def look(k):
            found[k] = 2.0 + k if y[k] > 0 else -5.0

        threads = [threading.Thread(target=contextvars.copy_context().run, args=(look, k)) for k in (0, 1)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return found[0] * found[1] * y.sum()

    monkeypatch.setattr(deferred, "_fill", slow)
    assert numpy_only(f)(X) == pytest.approx(6.0 * np.exp(X).sum(), rel=1e-13)
    assert seen.computed


def test_errors_are_those_of_the_line(seen):
    def f(x):
        y = np.exp(x)
        return y + np.ones(3)

    with pytest.raises(ValueError, match="broadcast"):
        numpy_only(f)(X)
    assert seen.steps == 1


def test_warnings_are_numpys(seen):
    f = lambda x: np.sum(np.log(x))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert numpy_only(f)(np.array([1.0, 0.0])) == -np.inf
    assert [str(w.message) for w in caught] == ["divide by zero encountered in log"]
    with pytest.raises(RuntimeWarning, match="divide by zero"):  # the filters of the tests
        numpy_only(f)(np.array([1.0, 0.0]))
    quiet = numpy_only(lambda x: _quietly(x))
    np.testing.assert_array_equal(quiet(np.array([1.0, 0.0])), [0.0, -np.inf])
    assert seen.steps


def _quietly(x):
    with np.errstate(divide="ignore"):
        return np.log(x)


def test_long_programs_put_off_only_so_much_memory(seen, monkeypatch):
    def f(x):
        for k in range(100):
            x = np.sin(x) + 0.5
            if k % 10 == 0:
                y = x.copy()
                y[2:4] = x[:2]
                x = y
        return x

    monkeypatch.setattr(late_memory, "MOST", 20 * X.nbytes)
    compiled = numpy_only(f)
    np.testing.assert_array_equal(compiled(X), f(X))
    assert 15 <= seen.steps <= 25
    np.testing.assert_array_equal(compiled(X + 1), f(X + 1))


def test_a_step_for_whose_result_there_is_no_room_is_computed_at_once(seen, monkeypatch):
    make, left = put_off.reserved, iter(range(5))

    def narrow(*args):
        if next(left, None) is None:
            raise MemoryError
        return make(*args)

    def f(x):
        for _ in range(9):
            x = np.sin(x) + 0.5
        return x

    monkeypatch.setattr(put_off, "reserved", narrow)
    np.testing.assert_array_equal(numpy_only(f)(X), f(X))
    assert seen.steps == 5


def test_a_handle_that_is_kept_holds_its_value(seen):
    kept = []

    def f(x):
        y = x * 2.0
        kept.append(y)
        kept.append(np.sum(y))
        return np.sum(y) + 1.0

    with pytest.warns(wg.CompileWarning):
        numpy_only(f)(X)
    np.testing.assert_array_equal(kept[-2], 2.0 * X)


def test_float32_masks_and_transposed_arrays_keep_their_types(seen):
    def f(a, b):
        c = a.T * b.T  # laid out as the transposes are
        mask = c > 0
        d = np.where(mask, c, 2.0)
        return c, mask, d.reshape(-1), (a @ b.T).astype(float), np.sum(d, axis=0), c.mean()

    a = np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4)
    b = np.linspace(2, -3, 12, dtype=np.float32).reshape(3, 4)
    for ours, theirs in zip(numpy_only(f)(a, b), f(a, b), strict=True):
        assert ours.dtype == theirs.dtype
        assert type(ours) is type(theirs)
        np.testing.assert_array_equal(ours, theirs)
    assert seen.steps > 6


def test_native_code_gives_the_first_answer_and_warns_as_numpy_does(seen, monkeypatch):
    pytest.importorskip("llvmlite")
    from wengert.api.compiling import calls

    monkeypatch.setattr(calls, "_MUCH", 1)
    g = wg.compile(wg.value_and_grad(chain))
    value, slope = g(X)
    assert seen.computed == 0
    assert seen.steps > 20
    np.testing.assert_allclose(value, chain(X), rtol=1e-14)
    step = 1e-20
    by_complex = [np.imag(chain(X + 1j * step * (np.arange(7) == k))) / step for k in range(7)]
    np.testing.assert_allclose(slope, by_complex, rtol=1e-12)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert wg.compile(lambda x: np.sum(np.log(x)))(np.array([1.0, 0.0])) == -np.inf
    assert [str(w.message) for w in caught] == ["divide by zero encountered in log"]


def _place(where):
    """The code, and the lines and columns of the instruction: its inline caches have the same (on Python 3.12 a frame
    stands at one of them once a property is read by a specialised instruction)."""
    code, offset = where
    return code, list(code.co_positions())[offset // 2]


def _graph(fun, x, monkeypatch, *, later):
    """The steps and guards of the path that a call records."""
    with monkeypatch.context() as patch:
        if not later:
            patch.setattr(effects, "begin", lambda frame, step, hopes: None)
        g = numpy_only(fun)
        g(x)
    (path,) = g.paths
    graph = path.recording.graph
    numbers = {n: k for k, n in enumerate((*graph.inputs, *graph.nodes))}

    def of(a):
        return numbers[a] if a in numbers else ("constant", np.asarray(a.value).tobytes(), np.shape(a.value))

    steps = [(n.op.name, [of(a) for a in n.args], repr(n.params), n.type, _place(n.where)) for n in graph.nodes]
    return steps, [(x.kind, numbers[x.node], x.outcome) for x in graph.guards], [of(o) for o in graph.outputs]


PROGRAMS = [
    chain,
    lambda x: np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2),
    lambda x: np.log(np.sum(np.exp(x - np.max(x)))) + np.max(x),
    lambda x: np.sum(np.where(x > 0.0, x * x, -x)),
    lambda x: np.linalg.norm(np.outer(x, x) + np.eye(7)) + np.prod(x[1:3]),
    lambda x: np.sum(np.cumsum(x)[::2] * np.sort(x)[:4]),
    lambda x: np.sum(x.reshape(7, 1) @ x.reshape(1, 7) * np.arange(49.0).reshape(7, 7).T),
]


TRANSFORMS = [lambda f: f, wg.value_and_grad, lambda f: wg.grad(lambda x: np.sum(wg.grad(f)(x) ** 2))]


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("transform", TRANSFORMS)
def test_both_recordings_are_one_graph(seen, monkeypatch, program, transform):
    fun = transform(program)
    whole = _graph(fun, X, monkeypatch, later=False)
    assert not seen.steps
    assert _graph(fun, X, monkeypatch, later=True) == whole
    assert seen.steps
