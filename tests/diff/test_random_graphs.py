"""Random programs of writes and views through the whole graph walk.

Imports the public API, the random programs and the oracle. Invariant: values come from the untraced
program, derivatives from its differences.
"""

from __future__ import annotations

import numpy as np
import pytest

import wengert as wg
from tests.programs import oracle
from tests.programs.test_random_programs import point, random_program
from wengert.rewrite.clean import simplify


@pytest.mark.parametrize("seed", range(100))
def test_a_random_program(seed: int) -> None:
    program, x = random_program(seed), point(seed)
    graph = wg.trace(program)(x)
    np.testing.assert_array_equal(graph(x), program(x.copy()))
    np.testing.assert_allclose(simplify(graph)(x), program(x.copy()), rtol=1e-12, atol=1e-12)
    _, derivative = wg.linearize(program, x)
    columns = [
        oracle.directional(lambda v: np.ravel(program(v.copy())).astype(float), x, e)[0]
        for e in np.eye(x.size)
    ]
    wanted = np.array(columns).T
    scale = max(1.0, float(np.abs(wanted).max()))
    np.testing.assert_allclose(derivative.matrix(), wanted, rtol=0, atol=1e-7 * scale)
    np.testing.assert_allclose(derivative.T.matrix().T, wanted, rtol=0, atol=1e-7 * scale)
