"""`wengert derive` as it is typed."""

import numpy as np
import pytest

from wengert.cli import main

LEAST_SQUARES = [
    "norm2(X*w - y)^2",
    "--syntax",
    "hand",
    "--wrt",
    "w",
    "--shape",
    "X:m,n",
    "w:n",
    "y:m",
    "--layout",
    "numerator",
]


@pytest.mark.parametrize(
    ("to", "printed"),
    [
        ("text", "2(Xw − y)ᵀX\nshape (1, n)\n"),
        ("latex", "2 \\left(X w - y\\right)^\\top X\n"),
        ("numpy", "(2 * (X.T @ (X @ w - y)))[None, :]\n"),
    ],
)
def test_a_formula(to, printed, capsys):
    assert main(["derive", *LEAST_SQUARES, "--to", to]) == 0
    assert capsys.readouterr().out == printed


def test_a_function_with_shapes_from_annotations_arrays_or_words(tmp_path, capsys):
    model = tmp_path / "model.py"
    model.write_text(
        'import numpy as np\n\ndef loss(w: "n", X: "m n", y: "m"):\n    return np.mean((X @ w - y) ** 2)\n'
    )
    assert main(["derive", f"{model}:loss", "--wrt", "w"]) == 0
    assert capsys.readouterr().out.startswith("2 Xᵀ(Xw − y) / m\n")
    bare = tmp_path / "bare.py"
    bare.write_text("import numpy as np\n\ndef loss(w, X, y):\n    return np.sum((X @ w - y) ** 2)\n")
    np.savez(tmp_path / "data.npz", w=np.ones(3), X=np.ones((4, 3)), y=np.ones(4))
    assert main(["derive", f"{bare}:loss", "--wrt", "w", "--args", str(tmp_path / "data.npz")]) == 0
    assert capsys.readouterr().out.startswith("2 Xᵀ(Xw − y)\n")
    assert main(["derive", f"{bare}:loss", "--wrt", "w", "--shape", "w:n", "X:m,n", "y:m", "--order", "2"]) == 0
    assert capsys.readouterr().out.startswith("2XᵀX\n")
    assert main(["derive", f"{bare}:loss", "--wrt", "w"]) == 2
    assert "--shape w:m,n" in capsys.readouterr().err


def test_bad_input_is_exit_code_two(capsys):
    assert main(["derive", "X @ q", "--wrt", "X", "--shape", "X:m,n"]) == 2
    assert "unknown name q" in capsys.readouterr().err
    assert main(["derive", "x", "--wrt", "x", "--shape", "x-n"]) == 2
