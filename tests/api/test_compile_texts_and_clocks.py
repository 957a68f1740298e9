"""Text made of values, and what changes from call to call by itself: such functions run uncompiled, with a note.

May import wengert's public API. Invariant: results are compared with those of the plain function at the same moment or
value.
"""

import datetime
import os
import subprocess
import time
import uuid
from datetime import datetime as moment
from os import environ
from time import perf_counter

import numpy as np
import pytest
from numpy import savetxt

import wengert as wg

X = np.array([1.0, -2.0, 4.0])


def by_f_string(x):
    return f"{x.sum():.3f}"


def by_percent(x):
    return "%.2f and %s" % (x[0], x[1]), x * 2  # noqa: UP031 as people write it


def by_repr(x):
    return {"note": repr(x[1]), "value": x * 1.0, "all": str(x)}


def by_array2string(x):
    return np.array2string(x), x * 2


def decided_by_text(x):
    return x if f"{x.sum():.1f}" == "3.0" else -x


@pytest.mark.parametrize("fun", [by_f_string, by_percent, by_repr, by_array2string, decided_by_text])
@pytest.mark.parametrize("backend", ["auto", "numpy"])
def test_text_is_made_of_the_values_of_each_call(fun, backend):
    compiled = wg.compile(fun, backend=backend)
    with pytest.warns(wg.CompileWarning, match=r"makes text of a value .* at .*test_compile_texts_and_clocks"):
        first = compiled(X)
    for x, got in ((X, first), (-X, compiled(-X)), (2 * X, compiled(2 * X))):
        assert str(got) == str(fun(x))


def test_prints_of_values_are_made_at_every_call(capsys):
    def fun(x):
        print("now", x)
        return x * 2

    compiled = wg.compile(fun)
    with pytest.warns(wg.CompileWarning, match="makes text of a value"):
        compiled(1.5)
    compiled(2.5)
    assert capsys.readouterr().out == "now 1.5\nnow 2.5\n"


def test_a_gradient_of_what_text_decides_is_right():
    compiled = wg.compile(wg.grad(lambda x: decided_by_text(x).sum()))
    with pytest.warns(wg.CompileWarning, match="makes text"):
        assert np.array_equal(compiled(X), np.ones(3))
    assert np.array_equal(compiled(2 * X), -np.ones(3))


CLOCKS = [
    lambda x: x * time.perf_counter_ns(),
    lambda x: x * perf_counter(),
    lambda x: x * (time.time() % 1000.0),
    lambda x: x * datetime.datetime.now(datetime.UTC).timestamp(),
    lambda x: x * moment.now(datetime.UTC).timestamp(),
    lambda x: x * (uuid.uuid4().int % 10**9),
]


@pytest.mark.parametrize("fun", CLOCKS)
def test_clocks_go_on(fun):
    compiled = wg.compile(fun)
    with pytest.warns(wg.CompileWarning, match="may give another answer at every call"):
        seen = {compiled(1.0)}
    for _ in range(3):
        time.sleep(1e-5)
        seen.add(compiled(1.0))
    assert len(seen) == 4


@pytest.mark.parametrize(
    "fun",
    [
        lambda x: x * float(os.environ.get("WENGERT_TEST_SCALE", "1")),
        lambda x: x * float(os.getenv("WENGERT_TEST_SCALE", "1")),
        lambda x: x * float(environ.get("WENGERT_TEST_SCALE", "1")),
    ],
)
def test_the_environment_is_read_at_every_call(fun, monkeypatch):
    compiled = wg.compile(fun)
    with pytest.warns(wg.CompileWarning, match="may give another answer"):
        assert compiled(2.0) == 2.0
    monkeypatch.setenv("WENGERT_TEST_SCALE", "5")
    assert compiled(2.0) == 10.0


def test_modules_that_hold_clocks_may_be_there_unused():
    def fun(x):
        return x * 2 + os.path.sep.count("/")

    compiled = wg.compile(fun, backend="numpy")
    for x in (1.0, 2.0):
        assert compiled(x) == fun(x)
    assert len(compiled.paths) == 1


def scaled(x):
    return x * float(os.environ.get("WENGERT_NO_SUCH_FACTOR", "2"))


class Model:
    def scaled(self, x):
        return x * 3.0


MODEL = Model()


def by_a_method(x):
    return MODEL.scaled(x)


def by_globals(x):
    return globals()["scaled"](x)


def test_a_global_with_the_name_of_an_attribute_is_another_thing():
    run = wg.compile(by_a_method, backend="numpy")
    np.testing.assert_array_equal(run(X), 3.0 * X)
    np.testing.assert_array_equal(run(X + 1.0), 3.0 * (X + 1.0))
    assert "path 0" in run.explain()
    other = wg.compile(by_globals, backend="numpy")
    with pytest.warns(wg.CompileWarning, match=r"os\.environ"):
        np.testing.assert_array_equal(other(X), 2.0 * X)


def by_open(x, path):
    with open(path, "a") as file:  # noqa: PTH123 what many programs do
        file.write("a")
    return 2.0 * x


def by_path(x, path):
    path.write_text(path.read_text() + "a")
    return 2.0 * x


def by_numpy(x, path):
    path.touch()
    held = np.loadtxt(path, dtype=str).tolist() if path.stat().st_size else ""
    np.savetxt(path, [held + "a"], fmt="%s")
    return 2.0 * x


def by_another_program(x, path):
    subprocess.run(["sh", "-c", f"printf a >> {path}"], check=True)
    return 2.0 * x


def by_its_own_name(x, path):
    savetxt(path, ["a" * (1 + path.stat().st_size)], fmt="%s", newline="")
    return 2.0 * x


@pytest.mark.parametrize("fun", [by_open, by_path, by_numpy, by_another_program, by_its_own_name])
def test_files_are_written_at_every_call(fun, tmp_path):
    path = tmp_path / "log"
    path.touch()
    compiled = wg.compile(lambda x: fun(x, path), backend="numpy")
    with pytest.warns(wg.CompileWarning, match="a replay does not|at every call"):
        assert compiled(1.0) == 2.0
    for k in range(2, 5):
        assert compiled(float(k)) == 2.0 * k
        assert path.read_text().strip() == "a" * k
