"""What the command writes besides results: nothing when its reader leaves early, one line per warning.

Imports the command and the standard library. Invariant: every command runs in a process of its own.
"""

import subprocess
import sys

import numpy as np
import pytest

MODEL = """
import numpy as np

def loss(w, X):
    out = np.empty(len(X))  # real: it cannot take the complex numbers of a check
    for k in range(len(X)):
        out[k] = np.log1p((X[k] @ w) ** 2)
    return out.sum()

def constant(w):
    return 3.0
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "model.py").write_text(MODEL)
    random = np.random.default_rng(0)
    np.savez(tmp_path / "data.npz", w=random.normal(size=3), X=random.normal(size=(200, 3)))
    np.savez(tmp_path / "w.npz", w=np.ones(3))
    return tmp_path


def run(folder, words, **options):
    return subprocess.run([sys.executable, "-m", "wengert.cli", *words], cwd=folder, text=True, check=False, **options)


def test_a_reader_that_leaves_early_is_no_error(folder):
    script = f"{sys.executable} -m wengert.cli trace model.py:loss --args data.npz | head -1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", script], cwd=folder, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    first, code = done.stdout.splitlines()
    assert first.startswith("loss: 1 input")
    assert code == "0"


def test_a_check_of_a_function_that_drops_imaginary_parts_says_nothing_about_them(folder):
    done = run(folder, ["grad", "model.py:loss", "--args", "data.npz", "--check"], capture_output=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "check passed" in done.stdout


def test_a_derivative_that_is_zero_for_want_of_a_path_names_the_users_function(folder):
    done = run(folder, ["grad", "model.py:constant", "--args", "w.npz"], capture_output=True)
    assert done.returncode == 0
    assert "model.py:10) does not depend on" in done.stderr
