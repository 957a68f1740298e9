"""The measuring tools: programs against published figures, the table, the rewriting of results."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import gradients, measure, programs, run

ROOT = Path(__file__).resolve().parent.parent.parent


def test_the_mixture_has_the_published_value():
    arguments, origin = programs.mixture_arguments(ROOT)
    if not origin.startswith("ADBench"):
        pytest.skip("the ADBench input is not here")
    assert programs.mixture(*arguments) == pytest.approx(-25649.6526212, rel=1e-12)


def test_the_mixture_has_the_published_gradient():
    import wengert

    arguments, origin = programs.mixture_arguments(ROOT)
    if not origin.startswith("ADBench"):
        pytest.skip("the ADBench input is not here")
    parts = wengert.grad(programs.mixture, argnums=(0, 1, 2))(*arguments)
    gradient = np.concatenate([part.ravel() for part in parts])
    assert gradient.size == 1650
    assert np.linalg.norm(gradient) == pytest.approx(2662.39860131, rel=1e-11)
    np.testing.assert_allclose(gradient[:3], [48.34668342, -35.2755006, 32.10390116], rtol=1e-8)
    np.testing.assert_allclose(gradient[-3:], [3.763403249, 37.87785914, -6.026474121], rtol=1e-8)


def test_synthetic_mixture_data_has_the_same_shapes(tmp_path):
    arguments, origin = programs.mixture_arguments(tmp_path)
    assert origin.startswith("synthetic")
    assert [a.shape for a in arguments[:4]] == [(25,), (25, 10), (25, 55), (1000, 10)]
    assert np.isfinite(programs.mixture(*arguments))


def test_packed_triangle_is_column_by_column():
    assert programs.triangle_places(3) == [[3, 3, 3], [0, 3, 3], [1, 2, 3]]


def test_a_substituted_copy_leaves_the_original_alone():
    import math

    copy = programs.substituted(math)
    assert copy.np is math
    assert programs.np is np
    assert programs.rosenbrock.__globals__["np"] is np
    del sys.modules[copy.__name__]


def test_disagreement_sees_values_shapes_and_nan():
    tree = [(np.array([1.0, 2.0]), 3.0)]
    assert gradients.disagreement(tree, tree) == 0.0
    assert gradients.disagreement([np.array([1.0, 2.2])], [np.array([1.0, 2.0])]) == pytest.approx(
        0.1
    )
    assert gradients.disagreement([np.ones(2)], [np.ones(3)]) == np.inf
    assert gradients.disagreement([np.array([np.nan])], [np.ones(1)]) == np.inf


def test_peak_counts_arrays_held_at_once():
    def three_arrays():
        first = np.ones(100_000)
        second = first + 1.0
        return first, second, first * second

    assert measure.peak_bytes(three_arrays) == pytest.approx(3 * 800_000, rel=0.02)


def test_a_missed_limit_is_printed_as_missed():
    table = measure.Table("t", ["a", "b"], [["1", "2"]], [measure.Limit("speed", 0.7, 0.4)])
    assert "| 1 | 2 |" in table.markdown()
    assert "speed: 0.7, limit 0.4: **MISSED**" in table.markdown()
    assert measure.Limit("speed", 0.4, 0.4).holds
    assert not measure.Limit("speed", float("nan"), 0.4).holds


def test_sections_are_found_again():
    text = f"{run.HEAD}\n## `memory`: Peak\n\nold\n\n## `writes`: Filling\n\nkept\n"
    found = run.sections(text)
    assert list(found) == ["memory", "writes"]
    assert found["writes"] == "## `writes`: Filling\n\nkept\n"


def test_an_unknown_measurement_is_refused(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["run.py", "speed"])
    with pytest.raises(SystemExit) as stopped:
        run.main()
    assert stopped.value.code == 2
    assert re.search(r"unknown measurement 'speed'; there are gradients", capsys.readouterr().err)
