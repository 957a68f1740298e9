"""Smooth gates: the logistic function and softplus, written so that neither overflows nor loses
digits far out; and the shift of exponentials that are summed.

Imports the makers. Invariant: derivatives of every order stay within this file's functions, hence
accurate in both tails.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.ops.kinds import constant, elementwise


def _logistic(x: Any) -> Any:
    # 1 / (1 + e^-x) for Re x >= 0, e^x / (1 + e^x) for Re x < 0: the exponential never overflows.
    right = np.greater_equal(np.real(x), 0)
    small = np.exp(np.where(right, np.negative(x), x))[()]
    return np.where(right, 1.0, small)[()] / (1.0 + small)


sigmoid: Any = elementwise(
    "sigmoid",
    _logistic,
    [lambda x, y: y * sigmoid(-x)],
    latex="\\sigma({x})",
    doc="""The logistic function `y = 1 / (1 + e^-x)`.

    >>> float(sigmoid(0.0))
    0.5
    """,
)
logistic = elementwise(
    "logistic",
    _logistic,
    [lambda y: y * (1.0 - y)],
    latex="\\sigma({x})",
    doc="""`sigmoid` with a derivative that knows the output only, in compiled programs: one subtraction
    and one multiplication. Where `y` is within a rounding of 1 the derivative is as exact as that
    rounding, no more.
    """,
)
softplus = elementwise(
    "softplus",
    lambda x: np.logaddexp(x, 0.0),
    [lambda x: sigmoid(x)],
    latex="\\ln(1 + e^{{{x}}})",
    doc="""`y = ln(1 + e^x)`, the smooth rectifier.

    >>> float(softplus(1000.0))
    1000.0
    """,
)
shift = constant(
    "shift",
    lambda x, gate: x,
    params={"gate": ""},
    doc="""What exponentials are shifted by inside a `gate` (softmax, log-sum-exp): the derivative of
    the whole does not depend on it, so it is kept from being differentiated.
    """,
)
