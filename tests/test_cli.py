"""The command line: results against closed forms, one-line errors, exit codes."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from wengert.cli import main

MODEL = """
import numpy as np

def loss(w, X, y, penalty=0.5):
    residual = X @ w - y
    return np.sum(residual**2) + penalty * np.sum(w**2)


def fitted(w, X):
    return X @ w


def two(w, b):
    return {"sum": np.sum(w) * b, "scaled": w * b}


def positional(a, b, /, c, *, d=2.0):
    return a * b**2 * c * d


def everything(w, **others):
    return np.sum(w) * others["scale"]


def broken(w):
    raise ValueError("the valve is shut\\nand bolted")


def cut(w):
    return np.sum(w) * float(w[0])


def hypotenuse(x, y):
    return np.sqrt(x * x + y * y)


class Model:
    @staticmethod
    def loss(w):
        return np.sum(w**3)


constant = 3.0
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "model.py").write_text(MODEL)
    random = np.random.default_rng(4)
    X, y, w = random.standard_normal((6, 3)), random.standard_normal(6), random.standard_normal(3)
    np.savez(tmp_path / "data.npz", X=X, y=y, w=w)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def arrays(path="data.npz"):
    with np.load(path) as archive:
        return {name: archive[name] for name in archive.files}


def run(*words):
    return main(list(words))


def test_grad_saves_value_and_gradient(folder):
    assert run("grad", "model.py:loss", "--args", "data.npz", "--wrt", "w", "--out", "g.npz") == 0
    data, got = arrays(), arrays("g.npz")
    X, y, w = data["X"], data["y"], data["w"]
    assert sorted(got) == ["grad.w", "value"]
    np.testing.assert_allclose(got["grad.w"], 2 * X.T @ (X @ w - y) + w, rtol=1e-12)
    np.testing.assert_allclose(got["value"], np.sum((X @ w - y) ** 2) + 0.5 * w @ w, rtol=1e-15)


def test_first_parameter_is_the_default_and_set_overrides(folder):
    words = ["grad", "model.py:loss", "--args", "data.npz", "--out", "g.npz"]
    assert run(*words, "--set", "penalty=2.0") == 0
    data, got = arrays(), arrays("g.npz")
    X, y, w = data["X"], data["y"], data["w"]
    np.testing.assert_allclose(got["grad.w"], 2 * X.T @ (X @ w - y) + 4 * w, rtol=1e-12)


def test_grad_by_several_arguments(folder):
    words = ["--args", "data.npz", "--wrt", "w,X", "--wrt", "penalty", "--out", "g.npz"]
    assert run("grad", "model.py:loss", *words) == 0
    data, got = arrays(), arrays("g.npz")
    X, y, w = data["X"], data["y"], data["w"]
    np.testing.assert_allclose(got["grad.X"], 2 * np.outer(X @ w - y, w), rtol=1e-12)
    np.testing.assert_allclose(got["grad.penalty"], w @ w, rtol=1e-12)


def test_grad_prints_what_it_found_and_checks_it(folder, capsys):
    code = run(
        "grad", "model.py:hypotenuse", "--set", "x=3", "--set", "y=4", "--wrt", "x,y", "--check"
    )
    printed = capsys.readouterr().out
    assert code == 0
    assert "value = 5.0" in printed
    assert "grad.x = 0.6" in printed
    assert "grad.y = 0.8" in printed
    assert "check passed" in printed


def test_long_arrays_are_cut_unless_full(folder, capsys):
    np.savez("long.npz", w=np.linspace(0.0, 1.0, 500))
    assert run("grad", "model.py:Model.loss", "--args", "long.npz") == 0
    short = capsys.readouterr().out
    assert "grad.w   float64 500" in short
    assert "..." in short
    assert run("grad", "model.py:Model.loss", "--args", "long.npz", "--full") == 0
    assert "..." not in capsys.readouterr().out


@pytest.mark.parametrize("mode", ["auto", "fwd", "rev"])
def test_jacobian(folder, mode):
    words = ["--args", "data.npz", "--wrt", "w", "--mode", mode, "--out", "j.npz", "--check"]
    assert run("jacobian", "model.py:fitted", *words) == 0
    np.testing.assert_allclose(arrays("j.npz")["jacobian.w"], arrays()["X"], rtol=1e-14)


def test_jacobian_of_a_dict_of_outputs(folder):
    np.savez("two.npz", w=np.array([1.0, 2.0]), b=np.array(3.0))
    assert (
        run("jacobian", "model.py:two", "--args", "two.npz", "--wrt", "w,b", "--out", "j.npz") == 0
    )
    got = arrays("j.npz")
    assert sorted(got) == [f"jacobian.{o}.{i}" for o in ("scaled", "sum") for i in ("b", "w")]
    np.testing.assert_allclose(got["jacobian.scaled.w"], 3.0 * np.eye(2))
    np.testing.assert_allclose(got["jacobian.sum.b"], 3.0)


def test_hessian(folder):
    words = ["--args", "data.npz", "--wrt", "w", "--out", "h.npz", "--check"]
    assert run("hessian", "model.py:loss", *words) == 0
    X = arrays()["X"]
    np.testing.assert_allclose(arrays("h.npz")["hessian.w.w"], 2 * X.T @ X + np.eye(3), rtol=1e-12)


def test_jvp_along_a_given_direction(folder):
    v = np.array([1.0, -2.0, 0.5])
    np.savez("t.npz", w=v)
    words = ["--args", "data.npz", "--tangent", "t.npz", "--out", "o.npz"]
    assert run("jvp", "model.py:fitted", *words) == 0
    data, got = arrays(), arrays("o.npz")
    np.testing.assert_allclose(got["tangent"], data["X"] @ v, rtol=1e-13)
    np.testing.assert_array_equal(got["value"], data["X"] @ data["w"])


def test_vjp_with_given_weights(folder):
    c = np.arange(6.0)
    np.savez("c.npz", anything=c)
    words = ["--args", "data.npz", "--cotangent", "c.npz", "--out", "o.npz"]
    assert run("vjp", "model.py:fitted", *words) == 0
    np.testing.assert_allclose(arrays("o.npz")["cotangent.w"], arrays()["X"].T @ c, rtol=1e-13)


def test_random_directions_name_their_seed_and_repeat(folder, capsys):
    words = ["jvp", "model.py:fitted", "--args", "data.npz", "--seed", "7", "--out"]
    assert run(*words, "a.npz") == run(*words, "b.npz") == 0
    assert "tangent: random, --seed 7" in capsys.readouterr().err
    np.testing.assert_array_equal(arrays("a.npz")["tangent"], arrays("b.npz")["tangent"])
    drawn = np.random.default_rng(7).standard_normal(3)
    np.testing.assert_allclose(arrays("a.npz")["tangent"], arrays()["X"] @ drawn, rtol=1e-12)


def test_vjp_of_a_dict_draws_weights_for_every_output(folder):
    np.savez("two.npz", w=np.array([1.0, 2.0]), b=np.array(3.0))
    assert run("vjp", "model.py:two", "--args", "two.npz", "--wrt", "b", "--out", "o.npz") == 0
    random = np.random.default_rng(0)
    first, second = random.standard_normal(()), random.standard_normal(2)
    expected = 3.0 * first + second @ [1.0, 2.0]
    np.testing.assert_allclose(arrays("o.npz")["cotangent.b"], expected, rtol=1e-13)


def test_trace_prints_the_list(folder, capsys):
    assert (
        run("trace", "model.py:hypotenuse", "--set", "x=3.0", "--set", "y=4.0", "--wrt", "x,y") == 0
    )
    printed = capsys.readouterr().out
    assert "sqrt" in printed
    assert "25" in printed
    assert run("trace", "model.py:Model.loss", "--set", "w=2.0", "--out", "list.txt") == 0
    assert Path("list.txt").read_text().strip()


def test_check_reports_and_passes(folder, capsys):
    assert run("check", "model.py:loss", "--args", "data.npz", "--order", "2") == 0
    assert "check passed" in capsys.readouterr().out


def test_a_wrong_derivative_is_code_1(folder, capsys):
    source = (
        "import numpy as np\nimport wengert as wg\n\n"
        "@wg.custom_vjp\ndef five(w):\n    return np.sum(5.0 * w)\n\n"
        "five.defvjp(lambda w: (np.sum(5.0 * w), w), lambda w, c: (4.0 * c * np.ones_like(w),))\n\n"
        "def loss(w):\n    return five(w)\n"
    )
    Path("wrong.py").write_text(source)
    assert run("check", "wrong.py:loss", "--args", "data.npz", "--modes", "rev") == 1
    assert "check FAILED" in capsys.readouterr().out
    assert run("grad", "wrong.py:loss", "--args", "data.npz", "--check") == 1


def test_positional_only_and_keyword_only_parameters(folder):
    words = [f"--set={name}={value}" for name, value in {"a": 2.0, "b": 3.0, "c": 0.5}.items()]
    assert run("grad", "model.py:positional", *words, "--wrt", "b,d", "--out", "g.npz") == 0
    got = arrays("g.npz")
    assert got["grad.b"] == pytest.approx(2.0 * 2.0 * 3.0 * 0.5 * 2.0)
    assert got["grad.d"] == pytest.approx(2.0 * 9.0 * 0.5)


def test_a_function_with_open_keywords_takes_every_array(folder):
    np.savez("open.npz", w=np.ones(3), scale=np.array(4.0))
    assert run("grad", "model.py:everything", "--args", "open.npz", "--out", "g.npz") == 0
    np.testing.assert_array_equal(arrays("g.npz")["grad.w"], 4.0 * np.ones(3))


def test_unused_arrays_are_named(folder, capsys):
    assert run("grad", "model.py:Model.loss", "--args", "data.npz") == 0
    assert "not a parameter of loss, ignored: X, y" in capsys.readouterr().err


BAD_INPUT = {
    "no function named": (["grad", "model.py"], "write FILE.py:FUNCTION"),
    "no file": (["grad", "nowhere.py:loss"], "there is no file nowhere.py"),
    "no such function": (
        ["grad", "model.py:lost"],
        "model.py has no lost; its functions are: loss",
    ),
    "not a function": (["grad", "model.py:constant"], "constant in model.py is a float"),
    "missing argument": (
        ["grad", "model.py:loss", "--set", "w=1.0"],
        "no value for the parameter X, y: neither in --args (which holds nothing)",
    ),
    "no data file": (["grad", "model.py:loss", "--args", "no.npz"], "there is no file no.npz"),
    "not an archive": (
        ["grad", "model.py:loss", "--args", "model.py"],
        "model.py is not a readable .npz file",
    ),
    "unknown wrt": (
        ["grad", "model.py:loss", "--args", "data.npz", "--wrt", "v"],
        "--wrt v: the function has no such parameter: w, X, y, penalty",
    ),
    "wrt twice": (
        ["grad", "model.py:loss", "--args", "data.npz", "--wrt", "w,w"],
        "--wrt names the same parameter twice",
    ),
    "unknown setting": (
        ["grad", "model.py:loss", "--args", "data.npz", "--set", "v=1"],
        "--set v: the function has no such parameter",
    ),
    "no literal": (
        ["grad", "model.py:loss", "--args", "data.npz", "--set", "penalty=high"],
        "'high' is not a literal",
    ),
    "no pair": (
        ["grad", "model.py:loss", "--args", "data.npz", "--set", "penalty"],
        "write --set NAME=VALUE",
    ),
    "a boolean": (
        ["grad", "model.py:loss", "--args", "data.npz", "--set", "w=True"],
        "--wrt w: a bool has no derivative",
    ),
    "a text": (
        ["grad", "model.py:loss", "--args", "data.npz", "--set", "w='big'"],
        "--wrt w: a str has no derivative",
    ),
    "out": (
        ["grad", "model.py:loss", "--args", "data.npz", "--out", "results.csv"],
        "--out results.csv: the name must end with .npz",
    ),
    "out in no folder": (
        ["grad", "model.py:loss", "--args", "data.npz", "--out", "none/g.npz"],
        "--out none/g.npz: No such file or directory",
    ),
    "modes": (
        ["check", "model.py:loss", "--args", "data.npz", "--modes", "sideways"],
        "--modes sideways: write fwd, rev, or fwd,rev",
    ),
}


@pytest.mark.parametrize("case", BAD_INPUT)
def test_bad_input_is_one_line_and_code_2(folder, capsys, case):
    words, message = BAD_INPUT[case]
    assert run(*words) == 2
    complaint = capsys.readouterr().err
    assert message in complaint
    assert complaint.count("\n") == 1
    assert "Traceback" not in complaint


def test_integer_arrays_are_refused_with_the_fix(folder, capsys):
    np.savez("whole.npz", w=np.array([1, 2, 3]))
    assert run("grad", "model.py:Model.loss", "--args", "whole.npz") == 2
    assert "w.astype(float)" in capsys.readouterr().err


def test_a_matrix_given_to_grad_is_code_2(folder, capsys):
    assert run("grad", "model.py:fitted", "--args", "data.npz") == 2
    ignored, complaint = capsys.readouterr().err.splitlines()
    assert ignored == "note: not a parameter of fitted, ignored: y"
    assert complaint.startswith("wengert grad: ")
    assert "fitted" in complaint
    assert __file__ not in complaint


def test_a_direction_of_the_wrong_shape_is_code_2(folder, capsys):
    np.savez("t.npz", w=np.ones(4))
    words = ["jvp", "model.py:fitted", "--args", "data.npz", "--tangent", "t.npz"]
    assert run(*words) == 2
    assert "--tangent t.npz: 'w' has shape (4,), not (3,)" in capsys.readouterr().err
    np.savez("t.npz", v=np.ones(3))
    assert run(*words) == 2
    assert "no array 'w'; it holds v" in capsys.readouterr().err


def test_an_exception_of_the_function_is_code_3_with_its_line(folder, capsys):
    line = MODEL.splitlines().index('    raise ValueError("the valve is shut\\nand bolted")') + 1
    assert run("grad", "model.py:broken", "--set", "w=1.0") == 3
    complaint = capsys.readouterr().err
    wanted = f"model.py:{line} in broken: ValueError: the valve is shut; and bolted"
    assert complaint == f"wengert grad: {wanted}\n"


def test_traceback_on_request(folder, capsys):
    assert run("grad", "model.py:broken", "--set", "w=1.0", "--traceback") == 3
    complaint = capsys.readouterr().err
    assert "Traceback (most recent call last)" in complaint
    assert 'raise ValueError("the valve is shut' in complaint


def test_a_cut_derivative_is_code_3_and_names_the_line(folder, capsys):
    line = MODEL.splitlines().index("    return np.sum(w) * float(w[0])") + 1
    assert run("grad", "model.py:cut", "--args", "data.npz") == 3
    _, complaint = capsys.readouterr().err.splitlines()
    assert complaint.startswith(f"wengert grad: model.py:{line} in cut: float() of a traced value")
    assert "fix: " in complaint


def test_a_file_that_does_not_import_is_code_3(folder, capsys):
    Path("bad.py").write_text("import numpy as np\nvalue = undefined\n")
    assert run("grad", "bad.py:loss") == 3
    assert "bad.py:2 in <module>: NameError" in capsys.readouterr().err


@pytest.mark.parametrize("words", [[], ["grad"], ["differentiate", "model.py:loss"]])
def test_wrong_usage_is_code_2(words):
    with pytest.raises(SystemExit) as stopped:
        main(words)
    assert stopped.value.code == 2


@pytest.mark.parametrize("module", ["wengert", "wengert.cli"])
def test_the_installed_command_runs_in_a_process_of_its_own(folder, module):
    program = [sys.executable, "-m", module]
    words = ["grad", "model.py:hypotenuse", "--set", "x=3.0", "--set", "y=4.0", "--wrt", "y"]
    done = subprocess.run([*program, *words], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == ["value = 5.0", "grad.y = 0.8"]
    done = subprocess.run([*program, "grad", "model.py:broken", "--set", "w=1.0"],
                          capture_output=True, text=True, check=False)  # fmt: skip
    assert done.returncode == 3
    assert done.stdout == ""
