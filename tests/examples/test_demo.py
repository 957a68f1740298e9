"""The demonstration: its model against the closed form, its fits against each other, its report."""

import re

import numpy as np
import pytest

from examples import demo


@pytest.fixture(scope="module")
def printed():
    """What one run of the whole demonstration prints."""
    import contextlib
    import io

    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        demo.main()
    return text.getvalue()


def test_the_closed_form_is_the_derivative_of_the_model():
    table, benign, _, _ = demo.load()
    weights = 0.1 * np.random.default_rng(0).standard_normal(table.shape[1] + 1)
    step, exact = 1e-5, demo.gradient_on_paper(weights, table, benign)
    for j in (0, 7, 29, 30):
        e = step * np.eye(weights.size)[j]
        ahead, behind = (
            demo.negative_log_likelihood(w, table, benign) for w in (weights + e, weights - e)
        )
        assert (ahead - behind) / (2 * step) == pytest.approx(exact[j], rel=1e-6)


def test_the_split_is_fixed_and_complete():
    table, benign, test_table, test_benign = demo.load()
    assert (len(table), len(test_table)) == (398, 171)
    assert (len(benign), len(test_benign)) == (398, 171)
    np.testing.assert_allclose(table.mean(axis=0), 0.0, atol=1e-12)
    np.testing.assert_array_equal(demo.load()[0], table)


def test_both_modes_are_exact_and_differences_are_not(printed):
    comparison = printed.partition("Fit with")[0]
    errors = {
        name.strip(): float(error)
        for name, error in re.findall(
            r"^  ([a-z ]+(?:differences|mode)) +\S+ +[\d.]+ +(\S+)", comparison, re.MULTILINE
        )
    }
    assert len(errors) == 6
    assert errors["forward mode"] < 1e-14
    assert errors["reverse mode"] < 1e-14
    assert 1e-10 < errors["forward differences"] < 1e-5
    assert errors["central differences"] < 1e-7
    assert errors["richardson differences"] < 1e-9


def test_fits_agree_and_evaluations_are_counted(printed):
    exact, products, loss, size = re.search(
        r"exact derivatives +(\d+) \+ (\d+) products +[\d.]+ +([\d.]+) +(\S+)", printed
    ).groups()
    evaluations, other = re.search(
        r"central differences +(\d{4,}) +[\d.]+ +([\d.]+)", printed
    ).groups()
    assert float(loss) == pytest.approx(float(other), rel=1e-8)
    assert float(size) < 1e-5
    saved = int(evaluations) - int(exact) - int(products)
    assert saved > 1000
    assert f"{saved} calls saved" in printed


def test_the_fit_predicts(printed):
    fitted, unseen, majority = re.search(
        r"Accuracy: ([\d.]+)% .* ([\d.]+)% on the 171 .*alone: ([\d.]+)%", printed
    ).groups()
    assert float(fitted) > 97.0
    assert float(unseen) > 95.0
    assert float(majority) < 75.0
