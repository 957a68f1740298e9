"""Which names a trace serves, wherever they are held, and that plain arguments give what they give
outside.

Imports the public API. Invariant: inside a trace a call without traced values has the value it has
outside.
"""

from __future__ import annotations

import doctest
import functools
import subprocess
import sys
import threading
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import wengert as wg

from .plain_calls import CALLS, A, X, scipy_calls


def inside(fun: Callable[[], Any]) -> Any:
    """What a function returns while a trace runs."""
    seen = []

    def run(t):
        seen.append(fun())
        return t

    wg.grad(run)(1.0)
    return seen[0]


def plain(value: Any) -> Any:
    """A result without the handles that untraced buffers are."""
    if type(value).__name__ in {"TracedArray", "TracedScalar"}:
        assert value.node is None, "a traced value came from plain arguments"
        return np.array(np.asarray(value))
    if isinstance(value, (list, tuple)):
        return [plain(part) for part in value]
    return value


def same(left: Any, right: Any) -> None:
    left, right = plain(left), plain(right)
    if isinstance(left, list):
        assert len(left) == len(right)
        for a, b in zip(left, right, strict=True):
            same(a, b)
    elif hasattr(left, "toarray"):
        np.testing.assert_array_equal(left.toarray(), right.toarray())
    else:
        np.testing.assert_array_equal(left, right)


def buffers(_: Any = None) -> tuple[Any, Any]:
    """The arrays as a traced program makes them."""
    return np.array(A), np.array(X)


def check_calls(
    calls: dict[str, Callable[[Any, Any], Any]], refused: set[str] = frozenset()
) -> None:
    wrong = []
    for name, call in calls.items():
        wanted = call(A.copy(), X.copy())
        for kind, make in (("plain", lambda: (A.copy(), X.copy())), ("buffers", buffers)):
            try:
                same(inside(lambda call=call, make=make: call(*make())), wanted)
            except Exception as problem:  # noqa: BLE001
                if name in refused and "traced value" in "".join(getattr(problem, "__notes__", [])):
                    continue
                wrong.append(f"{name} of {kind}: {type(problem).__name__}: {str(problem)[:200]}")
    assert not wrong, "\n".join(wrong)


def test_numpy_with_plain_arguments_and_with_buffers():
    check_calls(CALLS)


@pytest.mark.filterwarnings("ignore")
def test_scipy_with_plain_arguments_and_with_buffers():
    pytest.importorskip("scipy")
    # Its compiled part takes exact arrays only, and says so.
    check_calls(scipy_calls(), refused={"grid"})


# ---------------------------------------------------------------- where names are held


def square_in_a_doctest():
    """Names of an exec'd doctest are served.

    >>> import math
    >>> import numpy as np
    >>> import wengert as wg
    >>> def f(t):
    ...     y = np.zeros(2)
    ...     y[0] = math.sin(t)
    ...     return y.sum()
    >>> round(wg.grad(f)(0.0), 12)
    np.float64(1.0)
    """


def test_doctests_get_their_names_served():
    finder = doctest.DocTestFinder()
    (found,) = finder.find(square_in_a_doctest, "square", globs={})
    runner = doctest.DocTestRunner(verbose=False)
    runner.run(found, out=lambda text: None)
    assert runner.summarize(verbose=False) == (0, 6) or runner.failures == 0


PROGRAM = """
import math
import numpy as np
from numpy import zeros as make

def f(t):
    y = make(2)
    y[0] = np.sin(t) * math.exp(t)
    return y.sum()
"""


def exact(t: float) -> float:
    return float(np.exp(t) * (np.sin(t) + np.cos(t)))


def test_code_made_at_run_time_is_served():
    space: dict[str, Any] = {}
    exec(PROGRAM, space)
    assert wg.grad(space["f"])(0.3) == pytest.approx(exact(0.3), rel=1e-14)
    assert space["np"] is np


def test_code_made_inside_the_trace_is_served():
    kept = []

    def fun(t):
        space: dict[str, Any] = {}
        exec(PROGRAM, space)
        kept.append(space)
        return space["f"](t)

    assert wg.grad(fun)(0.3) == pytest.approx(exact(0.3), rel=1e-14)
    assert kept[0]["np"] is np
    assert kept[0]["make"] is np.zeros


def test_the_main_module_is_served(tmp_path: Path):
    script = tmp_path / "script.py"
    script.write_text(PROGRAM + "\nimport wengert\nprint(repr(float(wengert.grad(f)(0.3))))\n")
    done = subprocess.run(
        [sys.executable, str(script)],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
        env={"PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert float(done.stdout) == pytest.approx(exact(0.3), rel=1e-14)


def test_a_test_module_is_served(tmp_path: Path):
    (tmp_path / "test_mine.py").write_text(
        PROGRAM
        + "\nimport wengert\n\ndef test_it():\n    assert abs(wengert.grad(f)(0.0) - 1.0) < 1e-14\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={"PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert done.returncode == 0, done.stdout


decorated_before = np.vectorize(lambda v: v**2 if v > 0.5 else np.sin(v))


class Layered:
    kernel = np.vectorize(lambda v: v**3)
    make = staticmethod(np.zeros)


def test_functions_vectorized_outside_the_trace():
    got = wg.grad(lambda x: decorated_before(x).sum() + Layered.kernel(x).sum())(X)
    wanted = np.where(X > 0.5, 2 * X, np.cos(X)) + 3 * X**2
    np.testing.assert_allclose(got, wanted, rtol=1e-14)
    assert type(decorated_before) is np.vectorize
    local = np.vectorize(lambda v: v * v)
    np.testing.assert_allclose(wg.grad(lambda x: local(x).sum())(X), 2 * X)
    assert type(local) is np.vectorize


def test_names_in_defaults_partials_tables_and_other_modules(monkeypatch):
    module = types.ModuleType("made_for_this_test")
    exec(PROGRAM, module.__dict__)
    monkeypatch.setitem(sys.modules, "made_for_this_test", module)
    table = {"make": np.zeros, "add": functools.partial(np.full, 2)}

    def fun(t, make=np.zeros):
        y = make(2)
        y[1] = t
        z = table["make"](1)
        z[0] = t * t
        return y.sum() + z[0] + table["add"](t).sum() + module.f(t)

    assert wg.grad(fun)(0.3) == pytest.approx(1 + 0.6 + 2 + exact(0.3), rel=1e-14)


# ---------------------------------------------------------------- traces in traces, generators,
# threads


def filled(t):
    y = np.zeros(2)
    y[0] = np.sin(t)
    return y.sum()


def test_nested_traces_serve_until_the_outermost_ends():
    def outer(t):
        inner = wg.grad(filled)(t)
        y = np.zeros(1)
        y[0] = inner * t
        return y[0]

    assert wg.grad(outer)(0.3) == pytest.approx(np.cos(0.3) - 0.3 * np.sin(0.3), rel=1e-13)
    assert wg.grad(wg.grad(wg.grad(filled)))(0.3) == pytest.approx(-np.cos(0.3), rel=1e-12)


def test_an_error_inside_leaves_nothing_behind():
    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            wg.grad(lambda t: filled(t) + 1 / 0)(0.3)
    assert type(np.zeros(1)) is np.ndarray


def test_a_generator_runs_in_and_out_of_a_trace():
    def steps(t):
        while True:
            y = np.zeros(1)
            yield y, t

    running = []

    def fun(t):
        running.append(steps(t))
        y, s = next(running[0])
        y[0] = s * s
        return y[0]

    assert wg.grad(fun)(0.3) == pytest.approx(0.6)
    assert type(next(running[0])[0]) is np.ndarray


def test_a_thread_started_inside_has_plain_arrays():
    def fun(t):
        kinds = []
        worker = threading.Thread(target=lambda: kinds.append(type(np.zeros(1)) is np.ndarray))
        worker.start()
        worker.join()
        assert kinds == [True]
        return filled(t)

    assert wg.grad(fun)(0.3) == pytest.approx(np.cos(0.3))


def test_threads_trace_side_by_side():
    wrong = []

    def work(seed):
        for k in range(50):
            t = 0.1 * seed + 0.01 * k
            if abs(wg.grad(filled)(t) - np.cos(t)) > 1e-12:
                wrong.append(t)

    workers = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not wrong
