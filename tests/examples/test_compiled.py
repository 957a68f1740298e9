"""The compiled example: its fit against the truth and its gradient against differences."""

import re
import warnings

import numpy as np
import pytest

import wengert as wg
from examples import compiled


@pytest.fixture(scope="module")
def printed():
    import contextlib
    import io

    text = io.StringIO()
    with contextlib.redirect_stdout(text), warnings.catch_warnings():
        warnings.simplefilter("ignore", wg.WengertWarning)  # without llvmlite it says how to get native code
        compiled.main()
    return text.getvalue()


def test_compiled_and_uncompiled_agree(printed):
    assert float(re.search(r"gradients differ by (\S+)", printed)[1]) < 1e-11


def test_the_fit_finds_the_rates(printed):
    found = {name: float(rate) for name, rate in re.findall(r"^  ([abcd]) = ([\d.]+)", printed, re.MULTILINE)}
    for (_, rate), true in zip(sorted(found.items()), compiled.TRUE, strict=True):
        assert rate == pytest.approx(true, rel=0.02)  # the noise of the counts


def test_the_fit_is_a_minimum():
    observed = compiled.counts()
    found, least, _ = compiled.minimize(lambda x: wg.value_and_grad(compiled.loss)(x, observed), np.log(compiled.TRUE))
    for direction in np.eye(4):
        ahead, behind = (compiled.loss(found + s * 1e-4 * direction, observed) for s in (1, -1))
        assert ahead > least and behind > least
        assert (ahead - behind) / 2e-4 == pytest.approx(0.0, abs=1e-6)


def test_the_simulation_keeps_its_first_integral():
    a, b, c, d = compiled.TRUE
    x, y = np.array([compiled.START, *compiled.simulate(compiled.TRUE)]).T
    conserved = d * x - c * np.log(x) + b * y - a * np.log(y)
    np.testing.assert_allclose(conserved, conserved[0], rtol=2e-4)
