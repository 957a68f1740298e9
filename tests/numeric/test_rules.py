"""Each rule against closed forms: value, order in h, error estimate, precision, step."""

import math

import mpmath
import numpy as np
import pytest

from wengert.numeric import METHODS, derivative, step_curve

# NumPy function, the same in mpmath, points.
FUNCTIONS = {
    "sin": (np.sin, mpmath.sin, (1e-5, 0.3, 1.0, 3.1, 10.0)),
    "exp": (np.exp, mpmath.exp, (1e-9, 0.3, 2.0, 10.0)),
    "log": (np.log, mpmath.log, (1e-9, 1e-3, 0.3, 2.0, 1234.5)),
    "reciprocal": (lambda x: 1 / x, lambda x: 1 / x, (1e-9, 1e-3, 0.3, 2.0, 1234.5)),
    "sqrt": (np.sqrt, mpmath.sqrt, (1e-9, 1e-3, 0.3, 2.0, 1234.5)),
    "tan near its pole": (np.tan, mpmath.tan, (1.5, 3.1, 10.0)),
    "power": (lambda x: x**7, lambda x: x**7, (0.3, 1.0, 10.0)),
    "narrow peak": (
        lambda x: 1 / (1 + 25 * x * x),
        lambda x: 1 / (1 + 25 * x * x),
        (1e-5, 0.3, 3.1, 1234.5),
    ),
    "saturation": (lambda x: x / (x + 1e-4), lambda x: x / (x + mpmath.mpf(1e-4)), (1e-9, 1e-5)),
    "fast": (lambda x: np.sin(50 * x), lambda x: mpmath.sin(50 * x), (0.05, 1.0, 2.0, 3.1)),
    "period of a power of two": (
        lambda x: np.sin(16 * np.pi * x),
        lambda x: mpmath.sin(mpmath.mpf(16 * np.pi) * x),
        (0.05, 1.0, 1.5, 2.0),
    ),
    "nested": (
        lambda x: np.exp(np.sin(3 * x)) * np.cos(x),
        lambda x: mpmath.exp(mpmath.sin(3 * x)) * mpmath.cos(x),
        (0.05, 1.0, 3.1, 10.0),
    ),
    "cancelling": (
        lambda x: (1e6 + x) - 1e6 + x * x,
        lambda x: x + x * x,
        (0.05, 1.0, 2.0, 10.0),
    ),
    "cosh - 1": (lambda x: np.cosh(x) - 1, lambda x: mpmath.cosh(x) - 1, (1e-3, 0.3, 2.0)),
    "x log x": (lambda x: x * np.log(x), lambda x: x * mpmath.log(x), (1e-9, 0.05, 2.0)),
}
CASES = [(name, x) for name, (_, _, points) in FUNCTIONS.items() for x in points]
# Relative to max(|f'|, |f|): what a rule at its default step must reach where f is tame.
REACHED = {
    "forward": 1e-6,
    "backward": 1e-6,
    "central": 1e-8,
    "richardson": 1e-11,
    "complex": 1e-14,
}


def exact(name: str, x: float) -> float:
    with mpmath.workdps(60):
        return float(mpmath.diff(FUNCTIONS[name][1], mpmath.mpf(x), h=mpmath.mpf(10) ** -25))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("name", "x"), CASES)
def test_error_estimate_covers_the_true_error(method, name, x):
    found = derivative(FUNCTIONS[name][0], x, method=method)
    # An estimate, not a bound: noise of a few values may exceed three deviations a little.
    assert abs(found.value - exact(name, x)) <= 3.0 * found.error + 4e-16 * abs(found.value)


@pytest.mark.parametrize("method", METHODS)
def test_error_estimate_covers_in_nearly_all_cases_without_any_allowance(method):
    covered = [
        abs(found.value - exact(name, x)) <= found.error + 2.3e-16 * abs(found.value)
        for name, x in CASES
        for found in [derivative(FUNCTIONS[name][0], x, method=method)]
    ]
    assert np.mean(covered) >= 0.95


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("name", "x"),
    [("sin", 1.0), ("exp", 0.3), ("log", 2.0), ("power", 1.0), ("x log x", 2.0), ("log", 1e-9)],
)
def test_values_and_estimates_are_as_sharp_as_the_rule_allows(method, name, x):
    found = derivative(FUNCTIONS[name][0], x, method=method)
    size = max(abs(exact(name, x)), 1.0)
    assert abs(found.value - exact(name, x)) <= REACHED[method] * size
    assert found.error <= 20 * REACHED[method] * size


ORDERS = {"forward": 1, "backward": 1, "central": 2, "richardson": 4, "complex": 2}


@pytest.mark.parametrize("method", METHODS)
def test_order_is_the_slope_of_the_log_log_line(method):
    x, truth = 0.7, math.exp(0.7) * (math.sin(0.7) + math.cos(0.7))
    steps = 2.0 ** -np.arange(2, 8)
    curve = step_curve(lambda x: np.exp(x) * np.sin(x), x, method, steps, exact=truth)
    slope = np.polyfit(np.log(curve.steps), np.log(curve.errors), 1)[0]
    assert slope == pytest.approx(ORDERS[method], abs=0.1)


@pytest.mark.parametrize(
    ("method", "power"),
    [("forward", 1 / 2), ("backward", 1 / 2), ("central", 1 / 3), ("richardson", 1 / 5)],
)
def test_rounding_takes_over_below_the_optimal_step(method, power):
    """With truncation c h^p the least error is near h = eps^(1/(p+1)); below, it grows like 1/h."""
    x, truth = 0.7, math.exp(0.7) * (math.sin(0.7) + math.cos(0.7))
    steps = 10.0 ** -np.arange(0.5, 13.1, 0.1)
    curve = step_curve(lambda x: np.exp(x) * np.sin(x), x, method, steps, exact=truth)
    # Rounding scatters: read the curve through the largest error within one decade.
    window = 10
    envelope = np.array([curve.errors[max(0, k - window) : k + 1].max() for k in range(len(steps))])
    best = curve.steps[np.argmin(envelope)]
    expected = np.finfo(float).eps ** power
    assert expected / 30 < best < expected * 30
    below = curve.steps < best / 30
    slope = np.polyfit(np.log(curve.steps[below]), np.log(envelope[below]), 1)[0]
    assert slope == pytest.approx(-1.0, abs=0.25)
    assert envelope[-1] > 1e3 * envelope.min()


def test_complex_step_has_no_rounding_branch():
    curve = step_curve(np.exp, 1.0, "complex", [1e-10, 1e-50, 1e-100, 1e-200], exact=math.e)
    assert (curve.errors <= 1e-15).all()


def test_step_curve_uses_its_own_reference_when_none_is_given():
    curve = step_curve(math.sin, 1.0, "central", [1e-2])
    assert curve.exact == pytest.approx(math.cos(1.0), rel=1e-12)
    assert curve.errors[0] == pytest.approx(math.cos(1.0) * 1e-4 / 6, rel=1e-2)


@pytest.mark.parametrize("method", METHODS)
def test_a_given_step_is_used_and_its_truncation_is_in_the_error(method):
    found = derivative(np.exp, 0.5, method=method, step=2.0**-6)
    assert abs(found.value - math.exp(0.5)) <= found.error
    assert found.step <= 2.0**-6
    if method != "richardson":
        assert found.step == 2.0**-6
        assert found.error > 1e-6  # c h^p at this h, not the error of the default step


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("dtype", "reached"), [(np.float32, 3e-3), (np.float16, 0.3)])
def test_narrow_types_get_wider_steps(method, dtype, reached):
    x = dtype(0.75)
    found = derivative(lambda x: x * x * x, x, method=method)
    assert abs(float(found.value) - 3 * 0.75**2) <= min(reached, 3 * float(found.error))
    assert found.value.dtype == dtype
    assert found.step > derivative(lambda x: x * x * x, 0.75, method=method).step or (
        method == "richardson"
    )


def test_the_function_gets_the_kind_of_number_it_was_given():
    kinds = []
    for x in (0.5, np.float32(0.5), np.array(0.5)):
        derivative(lambda t: kinds.append(type(t)) or t * 2.0, x, method="central")
        assert len(set(kinds)) == 1
        assert isinstance(x, kinds.pop())
        kinds.clear()


@pytest.mark.parametrize("method", ["forward", "backward", "central", "richardson"])
@pytest.mark.parametrize("x", [0.1, 1.0 / 3.0, -7.3, 1e5 / 3, -1e-3])
def test_steps_are_travelled_exactly(method, x):
    """For f(x) = x the quotient is h/h: exact if and only if x + h and x - h are representable."""
    assert derivative(lambda t: t, x, method=method).value == 1.0


def test_evaluations_are_counted():
    calls = []
    found = derivative(lambda t: calls.append(t) or t**3, 0.5)
    assert found.evaluations == len(calls)


@pytest.mark.parametrize("method", ["central", "richardson"])
@pytest.mark.parametrize(
    ("fun", "x", "half"),
    [(abs, 0.0, 1.0), (lambda x: max(x, 2.0), 2.0, 0.5), (lambda x: abs(x - 1) + x, 1.0, 1.0)],
)
def test_at_a_kink_the_error_covers_both_slopes(fun, x, half, method):
    assert derivative(fun, x, method=method).error == pytest.approx(half, rel=1e-2)


def test_one_sided_rules_give_the_two_slopes_of_a_kink():
    assert derivative(abs, 0.0, method="forward").value == pytest.approx(1.0)
    assert derivative(abs, 0.0, method="backward").value == pytest.approx(-1.0)


def test_at_a_jump_the_error_is_as_large_as_the_value():
    found = derivative(lambda x: 1.0 if x >= 1.0 else 0.0, 1.0)
    assert found.error >= abs(found.value) > 1.0


def test_a_kink_nearby_does_no_harm():
    found = derivative(lambda x: abs(x - 1e-3), 0.0)
    assert abs(found.value + 1.0) <= found.error < 1e-9


@pytest.mark.parametrize("fun", [np.cbrt, lambda x: math.sqrt(max(x, 0.0))])
def test_where_the_slope_is_infinite_the_error_exceeds_the_value(fun):
    found = derivative(fun, 0.0)
    assert found.error > abs(found.value) > 1.0
