"""Special points: the element of the generalised gradient at each, what may be chosen instead, and
what is reported."""

import asyncio
import threading
import warnings

import mpmath as mp
import numpy as np
import pytest

import wengert as wg

pytestmark = pytest.mark.filterwarnings("ignore::wengert.NoDependenceWarning")
INF = np.inf


def first_orders(f, *args):
    """All partial derivatives by reverse and by forward mode, which must agree."""
    back = wg.grad(f, tuple(range(len(args))))(*args)
    ahead = [
        wg.jvp(f, args, tuple(float(k == j) for j in range(len(args))))[1] for k in range(len(args))
    ]
    assert np.array_equal(back, ahead, equal_nan=True), (back, ahead)
    return [float(b) for b in back]


# f, point, partial derivatives. Each number is the least-norm element of the generalised gradient
# (or the limit, or infinity where
# the one-sided limit is infinite).
SPECIAL = [
    ("abs", np.abs, (0.0,), [0.0]),
    ("builtin abs", abs, (0.0,), [0.0]),
    ("fabs", np.fabs, (0.0,), [0.0]),
    ("maximum, tie", np.maximum, (2.0, 2.0), [0.5, 0.5]),
    ("minimum, tie", np.minimum, (2.0, 2.0), [0.5, 0.5]),
    ("fmax, tie", np.fmax, (2.0, 2.0), [0.5, 0.5]),
    ("fmin, tie", np.fmin, (2.0, 2.0), [0.5, 0.5]),
    ("maximum with 0", lambda x: np.maximum(x, 0.0), (0.0,), [0.5]),
    ("maximum, infinite tie", np.maximum, (INF, INF), [0.5, 0.5]),
    ("maximum of one and itself", lambda x: np.maximum(x, x), (1.5,), [1.0]),
    ("fmax passes NaN over", np.fmax, (np.nan, 2.0), [0.0, 1.0]),
    ("relu", wg.relu, (0.0,), [0.0]),
    ("clip at low", lambda x: np.clip(x, -1.0, 1.0), (-1.0,), [0.0]),
    ("clip at high", lambda x: np.clip(x, -1.0, 1.0), (1.0,), [0.0]),
    ("clip, its bounds", lambda x, a, b: np.clip(x, a, b), (1.0, 1.0, 2.0), [0.0, 1.0, 0.0]),
    ("clip, upper bound", lambda x, a, b: np.clip(x, a, b), (2.0, 1.0, 2.0), [0.0, 0.0, 1.0]),
    ("clip, one point", lambda x, a, b: np.clip(x, a, b), (2.0, 2.0, 2.0), [0.0, 0.0, 1.0]),
    ("hypot", np.hypot, (0.0, 0.0), [0.0, 0.0]),
    ("hypot on an axis", np.hypot, (0.0, -3.0), [0.0, -1.0]),
    ("arctan2 at the origin", np.arctan2, (0.0, 0.0), [0.0, 0.0]),
    ("arctan2 on an axis", np.arctan2, (0.0, 2.0), [0.5, 0.0]),
    ("sinc", np.sinc, (0.0,), [0.0]),
    ("sqrt", np.sqrt, (0.0,), [INF]),
    ("cbrt", np.cbrt, (0.0,), [INF]),
    ("log", lambda x: np.log(x), (0.0,), [INF]),
    ("log1p at 0", np.log1p, (0.0,), [1.0]),
    ("reciprocal", np.reciprocal, (0.0,), [-INF]),
    ("x**0 at 0", lambda x: x**0, (0.0,), [0.0]),
    ("x**0.0 at 0", lambda x: x**0.0, (0.0,), [0.0]),
    ("np.power(x, 0) at 0", lambda x: np.power(x, 0.0), (0.0,), [0.0]),
    ("x**1 at 0", lambda x: x**1, (0.0,), [1.0]),
    ("x**2 at 0", lambda x: x**2, (0.0,), [0.0]),
    ("x**2 at -3", lambda x: x**2, (-3.0,), [-6.0]),
    ("x**3 at -3", lambda x: x**3, (-3.0,), [27.0]),
    ("x**-1 at -2", lambda x: x**-1, (-2.0,), [-0.25]),
    ("x**2.0 at -3", lambda x: np.float_power(x, 2.0), (-3.0,), [-6.0]),
    ("x**0.5 at 0", lambda x: x**0.5, (0.0,), [INF]),
    ("x**1.5 at 0", lambda x: x**1.5, (0.0,), [0.0]),
    ("0**x", lambda x: 0.0**x, (2.0,), [0.0]),
    ("power at (0, 2)", lambda x, y: x**y, (0.0, 2.0), [0.0, 0.0]),
    ("x**x at 0", lambda x: x**x, (0.0,), [-INF]),
    ("copysign", np.copysign, (0.0, 1.0), [0.0, 0.0]),
    ("heaviside", lambda x: np.heaviside(x, 0.5) + x, (0.0,), [1.0]),
    ("sign", lambda x: np.sign(x) + x, (0.0,), [1.0]),
    ("logaddexp of -inf", np.logaddexp, (-INF, 1.0), [0.0, 1.0]),
    ("x * |x|", lambda x: x * np.abs(x), (0.0,), [0.0]),
]


@pytest.mark.parametrize(
    ("f", "point", "expected"), [row[1:] for row in SPECIAL], ids=[row[0] for row in SPECIAL]
)
@pytest.mark.filterwarnings("ignore:divide by zero")
def test_special_points(f, point, expected):
    assert first_orders(f, *point) == expected
    if len(point) == 1:  # the same in an array, beside ordinary points
        x = np.array([point[0], 0.7])
        assert wg.grad(lambda t: np.sum(f(t) * np.array([1.0, 0.0])))(x)[0] == expected[0]


def test_reductions_share_ties_evenly():
    x = np.array([0.9, 0.2, 0.9, 0.1])
    assert np.array_equal(wg.grad(np.max)(x), [0.5, 0.0, 0.5, 0.0])
    assert np.array_equal(wg.grad(lambda t: np.linalg.norm(t))(np.zeros(3)), np.zeros(3))


# Second derivatives where the function has one (or a one-sided limit).
SECOND = [
    ("sinc at 0", np.sinc, 0.0, -(np.pi**2) / 3),
    ("x**2 at 0", lambda x: x**2, 0.0, 2.0),
    ("np.power(x, 2.0) at 0", lambda x: np.power(x, 2.0), 0.0, 2.0),
    ("x**3 at 0", lambda x: x**3, 0.0, 0.0),
    ("x**1 at 0", lambda x: x**1.0, 0.0, 0.0),
    ("x**0 at 0", lambda x: x**0.0 + x, 0.0, 0.0),
    ("x**0 at 2", lambda x: x**0.0 + x**2, 2.0, 2.0),
    ("x**3 at -2", lambda x: x**3, -2.0, -12.0),
    ("|x|**3 at 0", lambda x: np.abs(x) ** 3, 0.0, 0.0),
    ("log1p at 0", np.log1p, 0.0, -1.0),
    ("softplus at 0", lambda x: wg.softplus(x), 0.0, 0.25),
    ("abs at -2", np.abs, -2.0, 0.0),
]


@pytest.mark.parametrize(
    ("f", "x", "expected"), [row[1:] for row in SECOND], ids=[row[0] for row in SECOND]
)
def test_second_derivatives_at_special_points(f, x, expected):
    got = [
        wg.grad(wg.grad(f))(x),
        wg.jvp(wg.grad(f), (x,), (1.0,))[1],
        wg.jvp(lambda t: wg.jvp(f, (t,), (1.0,))[1], (x,), (1.0,))[1],
        wg.grad(lambda t: wg.jvp(f, (t,), (1.0,))[1])(x),
    ]
    assert np.allclose(got, expected, rtol=1e-14, atol=0)


def test_mixed_second_derivatives_of_a_power():
    mixed = lambda a, b: [
        wg.grad(wg.grad(lambda x, y: x**y, 0), 1)(a, b),
        wg.grad(wg.grad(lambda x, y: x**y, 1), 0)(a, b),
    ]
    # d2/da db of a^b = a^(b-1) (1 + b log a)
    for a, b in ((2.0, 0.0), (2.0, 1.0), (0.3, -1.2), (1.7, 2.0)):
        with mp.workdps(30):
            exact = float(mp.mpf(a) ** (b - 1) * (1 + b * mp.log(a)))
        assert np.allclose(mixed(a, b), exact, rtol=1e-14)
    assert mixed(0.0, 2.0) == [0.0, 0.0] and mixed(0.0, 1.0) == [-INF, -INF]
    third = wg.grad(wg.grad(wg.grad(lambda x, y: x**y, 1), 1), 1)(2.5, 1.5)
    assert np.allclose(third, 2.5**1.5 * np.log(2.5) ** 3, rtol=1e-14)


def test_an_inactive_exponent_needs_no_logarithm():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.array_equal(wg.grad(lambda x: np.sum(x**3.0))(np.array([-2.0, 0.0])), [12.0, 0.0])
        assert np.array_equal(
            wg.grad(lambda x: np.sum(x ** np.array([2.0, 3.0])))(np.array([-2.0, 0.0])), [-4.0, 0.0]
        )
    assert np.isnan(wg.grad(lambda p: (-2.0) ** p)(2.0)), (
        "a negative base has no derivative in the exponent"
    )


# ---------------------------------------------------------------- where keeps the other branch out

BRANCHES = [
    ("sqrt", np.sqrt, lambda x: 0.5 / np.sqrt(x), lambda x: -0.25 * x**-1.5),
    ("log", np.log, lambda x: 1 / x, lambda x: -1 / x**2),
    ("1/x", lambda x: 1.0 / x, lambda x: -1 / x**2, lambda x: 2 / x**3),
    ("power", lambda x: x**0.3, lambda x: 0.3 * x**-0.7, lambda x: -0.21 * x**-1.7),
    ("x log x", lambda x: x * np.log(x), lambda x: np.log(x) + 1, lambda x: 1 / x),
    ("norm", lambda x: x / np.sqrt(x * x), lambda x: 0 * x, lambda x: 0 * x),
]


@pytest.mark.parametrize(
    ("f", "slope", "bend"), [row[1:] for row in BRANCHES], ids=[row[0] for row in BRANCHES]
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_where_keeps_the_branch_not_taken_out_of_the_derivative(f, slope, bend):
    x = np.array([0.0, 2.0, -1.0, 0.5])
    loss = lambda t: np.sum(np.where(t > 0, f(t), 0.0) * t)
    on = x > 0
    with np.errstate(all="ignore"):
        first = np.where(on, slope(x) * x + f(x), 0.0)
        second = np.where(on, bend(x) * x + 2 * slope(x), 0.0)
    gradient = wg.grad(loss)
    assert np.allclose(gradient(x), first, rtol=1e-13, atol=1e-13)
    ones = np.ones(4)
    assert np.allclose(wg.jvp(loss, (x,), (ones,))[1], first.sum(), rtol=1e-13, atol=1e-13)
    for got in (
        wg.grad(lambda t: np.sum(gradient(t)))(x),
        wg.jvp(gradient, (x,), (ones,))[1],
        wg.grad(lambda t: wg.jvp(loss, (t,), (ones,))[1])(x),
    ):
        assert np.allclose(got, second, rtol=1e-13, atol=1e-13)
    assert np.allclose(
        wg.jvp(lambda t: wg.jvp(loss, (t,), (ones,))[1], (x,), (ones,))[1],
        second.sum(),
        rtol=1e-13,
        atol=1e-13,
    )


# ---------------------------------------------------------------- choosing


def test_a_subgradient_can_be_chosen():
    with wg.subgradient(abs=1.0):
        assert wg.grad(np.abs)(0.0) == 1.0 and wg.grad(np.abs)(-2.0) == -1.0
        with wg.subgradient(relu=0.25, max=1.0):
            assert wg.grad(np.abs)(0.0) == 1.0
            assert wg.grad(wg.relu)(0.0) == 0.25
            assert wg.grad(np.maximum, (0, 1))(2.0, 2.0) == (1.0, 0.0)
            assert wg.grad(np.minimum, (0, 1))(np.float32(2.0), 2.0) == (1.0, 0.0)
    assert wg.grad(np.abs)(0.0) == 0.0 and wg.grad(wg.relu)(0.0) == 0.0

    @wg.subgradient(abs=-0.5)
    def slope(x):
        return wg.grad(lambda t: np.sum(np.abs(t)))(x)

    for _ in range(2):
        assert np.array_equal(slope(np.array([0.0, 1.0])), [-0.5, 1.0])
    assert wg.jvp(np.abs, (0.0,), (1.0,))[1] == 0.0


@pytest.mark.parametrize(
    "wrong",
    [{"abs": 1.1}, {"abs": -1.1}, {"relu": -0.1}, {"relu": 2.0}, {"max": 1.5}, {"max": np.nan}],
)
def test_what_is_no_subgradient_is_refused(wrong):
    name = next(iter(wrong))
    with (
        pytest.raises(ValueError, match=rf"subgradient\({name}=.* outside") as caught,
        wg.subgradient(**wrong),
    ):
        pass
    assert isinstance(caught.value, wg.WengertError) and caught.value.file == __file__
    assert wg.grad(np.abs)(0.0) == 0.0


def test_a_choice_belongs_to_its_thread_and_task():
    seen = []
    with wg.subgradient(abs=1.0):
        thread = threading.Thread(target=lambda: seen.append(float(wg.grad(np.abs)(0.0))))
        thread.start()
        thread.join()

    async def chosen(value):
        with wg.subgradient(abs=value):
            await asyncio.sleep(0)
            return float(wg.grad(np.abs)(0.0))

    async def both():
        return await asyncio.gather(chosen(0.25), chosen(-0.25))

    assert seen == [0.0] and asyncio.run(both()) == [0.25, -0.25]


# ---------------------------------------------------------------- reporting


def loss(x):
    y = np.abs(x)
    z = np.maximum(y, 1.0)
    return np.sum(z) + np.sum(np.sqrt(y))


POINT = np.array([1.0, 0.0, -1.0, 2.0])


def test_record_names_operation_line_count_and_place():
    gradient = wg.grad(loss, nonsmooth="record")(POINT)
    assert np.array_equal(gradient, wg.grad(loss)(POINT), equal_nan=True)
    start = loss.__code__.co_firstlineno
    assert [(k.op, k.line - start, k.count, k.where) for k in wg.kinks()] == [
        ("absolute", 1, 1, (1,)),
        ("maximum", 2, 2, (0,)),
        ("sqrt", 3, 1, (1,)),
    ]
    assert all(k.file == __file__ for k in wg.kinks())
    assert "absolute met a kink once, first at index (1,)" in str(wg.kinks()[0])
    wg.grad(lambda x: np.sum(np.abs(x)), nonsmooth="record")(np.ones(2))
    assert wg.kinks() == []


def test_one_report_per_line_of_a_loop():
    def program(x):
        total = 0.0
        for _ in range(5):
            total = total + abs(x)
        return total

    wg.grad(program, nonsmooth="record")(0.0)
    (report,) = wg.kinks()
    assert (
        report.count == 5
        and report.where == ()
        and report.line == program.__code__.co_firstlineno + 3
    )


def test_raise_names_the_values_and_the_line():
    with pytest.raises(
        wg.KinkError, match=r"absolute has no unique derivative at x = 0.0 \(element \(1,\)\)"
    ) as caught:
        wg.value_and_grad(loss, nonsmooth="raise")(POINT)
    assert caught.value.line == loss.__code__.co_firstlineno + 1 and isinstance(
        caught.value, ValueError
    )
    with pytest.raises(wg.KinkError, match=r"maximum .* a = 2.0, b = 2.0"):
        wg.grad(np.maximum, nonsmooth="raise")(2.0, 2.0)
    assert wg.grad(loss, nonsmooth="raise")(np.array([3.0, -0.5]))[0] == 1 + 0.5 / np.sqrt(3)


def test_warn_once_per_line_with_the_users_line():
    with pytest.warns(wg.KinkWarning) as caught:
        wg.grad(loss, nonsmooth="warn")(POINT)
    start = loss.__code__.co_firstlineno
    assert [w.lineno - start for w in caught] == [1, 2, 3] and {w.filename for w in caught} == {
        __file__
    }


def test_a_line_left_behind_by_threads_that_traced_at_once_is_forgotten():
    from wengert.core.context import SWITCH

    SWITCH.where = (len.__class__.__call__, 0)  # what two threads that restore it crosswise leave
    wg.grad(loss, nonsmooth="record")(POINT)
    assert [k.file for k in wg.kinks()] == [__file__] * len(wg.kinks())
    assert SWITCH.where is None


def test_jumps_and_branches_at_equality_are_reported_too():
    found = lambda f, x: (wg.grad(f, nonsmooth="record")(x), [k.op for k in wg.kinks()])[1]
    assert found(lambda x: x if x > 0 else 2 * x, 0.0) == ["greater"]
    assert (
        found(lambda x: x * np.floor(x), 2.0) == ["floor"]
        and found(lambda x: x * np.floor(x), 2.5) == []
    )
    assert (
        found(lambda x: x * np.round(x), 2.5) == ["round"]
        and found(lambda x: x * np.rint(x), 2.4) == []
    )
    assert (
        found(lambda x: x % 1.5, 3.0) == ["remainder"]
        and found(lambda x: np.fmod(x, 1.5), 0.0) == []
    )
    assert found(lambda x: x * np.sign(x), 0.0) == ["sign"]
    assert found(lambda x: np.clip(x, 0.0, 1.0), 1.0) == ["clip"]
    assert found(lambda x: np.hypot(x, 0.0) + x**0.5, 0.0) == ["hypot", "power"]


def test_rules_of_derivatives_report_nothing_themselves():
    # The rule of maximum compares its operands, that of a power looks for a zero exponent: no kinks
    # of the program.
    inner = lambda t: wg.grad(lambda u: u**1.0 * np.abs(u))(t)
    wg.grad(inner, nonsmooth="record")(2.0)
    assert wg.kinks() == []
    wg.grad(inner, nonsmooth="record")(0.0)
    assert [k.op for k in wg.kinks()] == ["absolute"]
    wg.grad(lambda t: wg.jvp(lambda u: u**1.0 * np.abs(u), (t,), (1.0,))[1], nonsmooth="record")(
        0.0
    )
    assert [k.op for k in wg.kinks()] == ["absolute"]


def test_an_unknown_option_is_refused_when_the_gradient_is_made():
    with pytest.raises(ValueError, match='(?s)nonsmooth=.*"ignore", "warn", "raise" or "record"'):
        wg.grad(loss, nonsmooth="Warn")
