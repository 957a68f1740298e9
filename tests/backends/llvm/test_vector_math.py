"""The mathematical functions of native code against extended precision: units in the last place, special values,
widths."""

import itertools
import math
import re

import mpmath
import numpy as np
import pytest

from tests.backends.llvm.native_loops import compiled, llvm, module_text, optimised, unary
from wengert.backends.llvm.scalar_ops import Vocabulary, supports
from wengert.backends.llvm.scalar_rules import SIMPLE
from wengert.backends.llvm.vector_math import table as vector_math

LONG = np.longdouble
DOUBLE, SINGLE = np.dtype("float64"), np.dtype("float32")
EXTENDED = pytest.mark.skipif(np.finfo(LONG).nmant < 63, reason="no extended precision to compare with")


def _sigmoid(x):
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1, e) / (1 + e)


def _log_sigmoid(x):
    return np.minimum(x, 0) - np.log1p(np.exp(-np.abs(x)))


def _sinc(x):
    # Of the product as NumPy rounds it: the function's own condition is not at stake.
    y = x.astype(x.dtype.type) * x.dtype.type(math.pi)
    return np.where(x == 0, 1, np.sin(y.astype(LONG)) / np.where(x == 0, 1, y.astype(LONG)))


def _mp(function):
    def evaluate(x):
        with mpmath.workprec(100):
            # Beyond 40 the error functions are 0, 1 or 2 in every format.
            return np.array([_long(function(mpmath.mpf(float(v)))) for v in np.clip(x, -40, 40)])

    return evaluate


def _long(value):
    high = float(value)
    return LONG(high) + LONG(float(value - mpmath.mpf(high))) if math.isfinite(high) else LONG(high)


REFERENCES = {name: getattr(np, name, None) for name in vector_math.FUNCTIONS}
REFERENCES |= {
    "sigmoid": _sigmoid,
    "softplus": lambda x: np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x))),
    "log_sigmoid": _log_sigmoid,
    "erf": _mp(mpmath.erf),
    "erfc": _mp(mpmath.erfc),
}
# Tested on their own, on their own terms.
SPARE = {"sinc", "gamma", "lgamma", "digamma"}
UNARY = sorted(name for name, known in vector_math.FUNCTIONS.items() if known.arity == 1 and name not in SPARE)
# The largest error that is let through, in units of the last place (measured ones: docs/native_functions.md).
BOUND = {"erfc": 1.4, "exp2": 1.0, "softplus": 1.4, "log_sigmoid": 1.4}
SINGLE_BOUND = {"sin": 1.5, "cos": 1.5, "softplus": 1.5, "log_sigmoid": 1.5}


def samples(dtype, size=6000):
    rng = np.random.default_rng(7)
    last = 1020 if dtype == DOUBLE else 125
    least = 1074 if dtype == DOUBLE else 149
    sign = rng.choice([-1.0, 1.0], size)
    drawn = {
        "near": rng.uniform(-1.5, 1.5, size),
        "middle": rng.uniform(-40, 40, size),
        "exponents": rng.uniform(-760, 720, size),
        "everywhere": sign * np.exp2(rng.uniform(-least, last, size)),
        "small": sign * np.exp2(rng.uniform(-60, 3, size)),
        "above one": 1 + np.exp2(rng.uniform(-50, 0, size)),
        "below one": 1 - np.exp2(rng.uniform(-50, 0, size)),
        "turns": np.rint(sign * np.exp2(rng.uniform(0, 29, size))) * (math.pi / 2),
    }
    with np.errstate(all="ignore"):
        return {name: x.astype(dtype) for name, x in drawn.items()}


def units(got, want):
    """Errors in units of the last place of the result; infinite where the one is finite and the other not."""
    with np.errstate(all="ignore"):
        nearest = want.astype(got.dtype)
        gap = np.spacing(np.abs(nearest)).astype(LONG)
        error = np.abs(got.astype(LONG) - want) / np.where(gap > 0, gap, 1)
    finite = np.isfinite(nearest) & np.isfinite(got)
    same = (got == nearest) | (np.isnan(got) & np.isnan(nearest))
    # A result that rounds to infinity may be the last finite number, and the reverse: a unit apart.
    return np.where(finite, error, np.where(same, 0, np.inf)).astype(float)


@EXTENDED
@pytest.mark.parametrize("name", UNARY)
@pytest.mark.parametrize("dtype", [DOUBLE, SINGLE], ids=str)
def test_errors_stay_within_their_bounds_over_all_ranges(name, dtype):
    bound = BOUND.get(name, 1.25) if dtype == DOUBLE else SINGLE_BOUND.get(name, 1.25)
    run = unary(name, dtype, 8 if dtype == DOUBLE else 16)
    for label, x in samples(dtype, 500 if name.startswith("erf") else 6000).items():
        with np.errstate(all="ignore"):
            want = REFERENCES[name](x.astype(LONG))
        error = units(run(x), want)
        worst = int(error.argmax())
        assert error[worst] <= bound, (label, x[worst], run(x)[worst], want[worst], error[worst])


SPECIAL = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    np.inf,
    -np.inf,
    np.nan,
    2.0,
    -2.0,
    0.5,
    5e-324,
    -5e-324,
    1e-310,
    1.7976931348623157e308,
]


@pytest.mark.parametrize("name", [n for n in UNARY if getattr(np, n, None) is not None])
@pytest.mark.parametrize("dtype", [DOUBLE, SINGLE], ids=str)
def test_special_values_are_numpys(name, dtype):
    with np.errstate(all="ignore"):
        x = np.array(SPECIAL).astype(dtype)
        want = getattr(np, name)(x)
        got = unary(name, dtype, 4)(x)
        close = np.abs(got - want) <= 4 * np.spacing(np.abs(want))
    same = (got == want) & (np.signbit(got) == np.signbit(want)) | (np.isnan(got) & np.isnan(want))
    exact = ~np.isfinite(want) | (want == 0) | (want == 1)
    assert (same | (close & ~exact)).all(), (x, got, want)


@pytest.mark.parametrize("name", sorted(vector_math.FUNCTIONS))
@pytest.mark.parametrize("dtype", [DOUBLE, SINGLE], ids=str)
def test_every_width_gives_the_same_bits(name, dtype):
    arity = vector_math.FUNCTIONS[name].arity
    pool = np.concatenate([x[:60] for x in samples(dtype, 60).values()] + [np.array(SPECIAL[:9], dtype)])
    rng = np.random.default_rng(1)
    arguments = [pool, rng.permutation(pool)][:arity]
    results = []
    for width in (1, 8) if dtype == DOUBLE else (1, 16):
        results.append(compiled([(name, range(arity), dtype)], [dtype] * arity, dtype, width)(*arguments))
    image = np.int64 if dtype == DOUBLE else np.int32
    for other in results[1:]:
        same = (results[0].view(image) == other.view(image)) | (np.isnan(results[0]) & np.isnan(other))
        assert same.all(), (pool[~same], results[0][~same], other[~same])


@pytest.mark.parametrize("name", ["sin", "cos", "tan"])
def test_huge_arguments_are_reduced_exactly(name):
    rng = np.random.default_rng(3)
    x = np.concatenate([
        rng.choice([-1.0, 1.0], 300) * np.exp2(rng.uniform(25, 1023, 300)),
        [2.0**31, np.nextafter(2.0**31, 0), np.nextafter(2.0**31, np.inf), 1e22, 1.7976931348623157e308],
        [float(mpmath.mpf(int(k)) * mpmath.pi / 2) for k in rng.integers(1, 2**30, 300)],
    ])  # fmt: skip
    with mpmath.workprec(1300):
        want = np.array([_long(getattr(mpmath, name)(mpmath.mpf(v))) for v in x])
    assert units(unary(name)(x), want).max() < 1.1
    # In float32, whose lanes beyond 2^31 go through double precision as well.
    y = x[np.abs(x) < 3e38].astype(SINGLE)
    with mpmath.workprec(300):
        want = np.array([_long(getattr(mpmath, name)(mpmath.mpf(float(v)))) for v in y])
    assert units(unary(name, SINGLE, 16)(y), want).max() < 1.5


def test_gamma_and_its_logarithm_are_the_librarys():
    x = np.concatenate([np.linspace(-20.3, 20.2, 400), np.linspace(20, 170, 200), [1e-5, 0.5, 1.0, 2.0]])
    for name, reference in (("gamma", mpmath.gamma), ("lgamma", lambda v: mpmath.log(abs(mpmath.gamma(v))))):
        want = np.array([float(reference(mpmath.mpf(v))) for v in x])
        got = unary(name)(x)
        assert np.all(np.abs(got - want) <= 1e-14 * np.maximum(np.abs(want), 1e-2))


def test_digamma_by_recurrence_series_and_reflection():
    rng = np.random.default_rng(2)
    x = np.concatenate([
        rng.uniform(-30, 30, 2000), np.exp2(rng.uniform(-1000, 1000, 500)), -np.exp2(rng.uniform(-60, 20, 500)),
        [1e-300, 10.0, 9.999999999999998, 1.0, 0.5, 1.4616321449683623],
    ])  # fmt: skip
    with mpmath.workprec(200):
        want = np.array([float(mpmath.digamma(mpmath.mpf(v))) for v in x])
    got = unary("digamma")(x)
    # Just beside a pole, the distance to it is known to a unit of x.
    assert np.all(np.abs(got - want) <= 8 * 2.0**-52 * np.maximum(np.abs(want), 1))
    edges = unary("digamma")(np.array([0.0, -0.0, -1.0, -7.0, np.inf, -np.inf, np.nan]))
    assert edges[4] == np.inf and np.isnan(np.delete(edges, 4)).all()
    run = compiled([("polygamma", [0, 1], DOUBLE, [0, None])], [DOUBLE, DOUBLE], DOUBLE, 8)
    assert np.array_equal(run(x, x), got)
    assert not supports("polygamma", [DOUBLE, DOUBLE], DOUBLE, [1, None])


def test_one_lane_out_of_range_leaves_the_others_as_they_are():
    x = np.linspace(-3, 3, 8)
    for lane in range(8):
        y = x.copy()
        y[lane] = 1e300
        got, plain = unary("sin")(y), unary("sin")(x)
        assert np.array_equal(np.delete(got, lane), np.delete(plain, lane))
        assert abs(got[lane] - math.sin(1e300)) < 1e-15


def pairs(n=3000):
    rng = np.random.default_rng(5)
    wide = lambda: rng.choice([-1.0, 1.0], n) * np.exp2(rng.uniform(-1060, 1020, n))
    one = wide()
    return {
        "plain": (rng.uniform(0, 10, n), rng.uniform(-50, 50, n)),
        "wide": (one, wide()),
        "near each other": (one, one * rng.uniform(0.1, 3, n)),
        "denormal": (rng.uniform(0, 1e-310, n), rng.uniform(-1e-308, 1e-308, n)),
        "wide base": (np.abs(wide()), rng.uniform(-3, 3, n)),
        "base near one": (1 + rng.uniform(-1, 1, n) * np.exp2(rng.uniform(-40, -1, n)), np.exp2(rng.uniform(0, 45, n))),
        "negative base": (-rng.uniform(0, 100, n), np.rint(rng.uniform(-60, 60, n))),
    }


@EXTENDED
@pytest.mark.parametrize("name", ["power", "arctan2", "hypot", "logaddexp", "logaddexp2"])
@pytest.mark.parametrize("dtype", [DOUBLE, SINGLE], ids=str)
def test_errors_of_functions_of_two_arguments(name, dtype):
    run = compiled([(name, [0, 1], dtype)], [dtype, dtype], dtype, 8)
    for label, (x, y) in pairs().items():
        with np.errstate(all="ignore"):
            x, y = x.astype(dtype), y.astype(dtype)
        if name.startswith("log"):
            # Where the sum is near 0, the error is that of its terms, as it is with NumPy.
            x, y = np.abs(x), np.abs(y)
        with np.errstate(all="ignore"):
            want = getattr(np, name)(x.astype(LONG), y.astype(LONG))
        error = units(run(x, y), want)
        worst = int(error.argmax())
        assert error[worst] <= 1.25, (label, x[worst], y[worst], run(x, y)[worst], want[worst], error[worst])


@pytest.mark.parametrize("name", ["power", "float_power", "arctan2", "hypot", "logaddexp", "logaddexp2"])
@pytest.mark.parametrize("dtype", [DOUBLE, SINGLE], ids=str)
def test_special_pairs_are_numpys(name, dtype):
    values = [
        *SPECIAL,
        3.0,
        -3.0,
        1e300,
        -1e300,
        2.0**53 + 2,
        -(2.0**53) - 2,
        2.0**54,
        1 - 2.0**-53,
        1 + 2.0**-52,
        1e18,
    ]
    x, y = (np.array(v) for v in zip(*itertools.product(values, values), strict=True))
    with np.errstate(all="ignore"):
        x, y = x.astype(dtype), y.astype(dtype)
        want = getattr(np, name)(x, y).astype(dtype)
    got = compiled([(name, [0, 1], dtype)], [dtype, dtype], dtype, 8)(x, y)
    with np.errstate(all="ignore"):
        close = np.abs(got - want) <= 4 * np.spacing(np.abs(want))
    good = ((got == want) | close) & (np.signbit(got) == np.signbit(want)) | (np.isnan(got) & np.isnan(want))
    assert good.all(), (x[~good], y[~good], got[~good], want[~good])


@EXTENDED
@pytest.mark.parametrize("name", ["exp", "log1p", "tanh", "sin", "sigmoid", "softplus", "arctan", "erf", "log_sigmoid"])
def test_without_fused_multiply_add_the_library_stands_in(name):
    run = unary(name, DOUBLE, 2, fma=False)
    for label, x in samples(DOUBLE, 400).items():
        with np.errstate(all="ignore"):
            want = REFERENCES[name](x.astype(LONG))
        assert units(run(x), want).max() <= 2.0, label


def test_no_fused_multiply_add_is_asked_for_where_there_is_none():
    for name, known in vector_math.FUNCTIONS.items():
        text = vector_math.definition(name, "double", 2, False)
        assert "llvm.fma" not in text.text + "".join(t for _, t in text.internal), name
        assert known.library is None or dict(text.external).keys() == {known.library}


def fused(steps):
    _, text, _ = module_text(steps, [DOUBLE], DOUBLE, 8, fma=True)
    return str(optimised(text)).count("call <8 x double> @llvm.fma")


def test_sine_and_cosine_of_one_argument_share_their_work():
    both = fused([("sin", [0], DOUBLE), ("cos", [0], DOUBLE), ("add", [1, 2], DOUBLE)])
    assert both == fused([("sin", [0], DOUBLE)])


def test_a_function_and_its_derivative_share_the_exponential():
    pair = [("sigmoid", [0], DOUBLE), ("negative", [0], DOUBLE), ("sigmoid", [2], DOUBLE), ("multiply", [1, 3], DOUBLE)]
    assert fused(pair) <= fused([("sigmoid", [0], DOUBLE)]) + 8


def test_all_definitions_of_one_module_are_accepted_at_every_width():
    for fma in (True, False):
        for width in (1, 2, 4, 8, 16):
            counter = itertools.count()
            words = Vocabulary(lambda: f"%v{next(counter)}", fma=fma)  # noqa: B023
            for name, known in vector_math.FUNCTIONS.items():
                for dtype in (DOUBLE, SINGLE):
                    words.emit(name, ["%a"] * known.arity, [dtype] * known.arity, dtype, width)
            module = llvm.parse_assembly(words.definitions())
            module.verify()
            declared = {f.name for f in module.functions if f.is_declaration and not f.name.startswith("llvm.")}
            assert declared == set(words.external)


def test_the_oldest_machines_call_nothing_that_is_not_listed():
    # Without FMA and without SSE 4.1 even rounding is a call.
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    counter = itertools.count()
    words = Vocabulary(lambda: f"%v{next(counter)}", fma=False)
    functions = []
    arities = {name: known.arity for table in (vector_math.FUNCTIONS, SIMPLE) for name, known in table.items()}
    for (name, arity), dtype in itertools.product(arities.items(), (DOUBLE, SINGLE)):
        if not supports(name, [dtype] * arity, dtype):
            continue
        operands = [f"%x{k}" for k in range(arity)]
        lanes = Vocabulary.register(dtype, 2)
        lines, result = words.emit(name, operands, [dtype] * arity, dtype, 2)
        head = f"define {lanes} @{name}.{dtype}({', '.join(f'{lanes} {x}' for x in operands)}) {{"
        functions += [head, *lines, f"ret {lanes} {result}", "}"]
    module = llvm.parse_assembly("\n".join([*functions, words.definitions()]))
    machine = llvm.Target.from_triple("x86_64-linux-gnu").create_target_machine(cpu="x86-64", codemodel="small")
    passes = llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options(speed_level=2))
    passes.getModulePassManager().run(module, passes)
    called = set(re.findall(r"(?:callq?|jmp)\s+(\w+)(?:@PLT)?\s", machine.emit_assembly(module)))
    assert {"exp", "sin", "floor", "fmodf"} <= called <= set(words.external)


def test_integers_raised_to_a_known_power_wrap_as_numpys_do():
    x = np.array([0, 1, -1, 3, -7, 2**31, 2**63 - 1, -(2**63)])
    for exponent in (0, 1, 2, 3, 5, 10, 64):
        literals = [None, exponent]
        run = compiled([("power", [0, 1], np.int64, literals)], [np.int64, np.int64], np.int64, 4)
        assert np.array_equal(run(x, x), x**exponent)
    assert not supports("power", [np.int64, np.int64], np.int64)
    assert not supports("power", [np.int64, np.int64], np.int64, [None, -1])


@pytest.mark.parametrize("exponent", [0.0, 1.0, 2.0, 3.0, 4.0, -1.0, -2.0, 0.5])
def test_powers_that_are_known_have_short_forms(exponent):
    x = np.concatenate([samples(DOUBLE, 2000)["everywhere"], np.array(SPECIAL)])
    run = compiled([("power", [0, 1], DOUBLE, [None, exponent])], [DOUBLE, DOUBLE], DOUBLE, 8)
    with np.errstate(all="ignore"):
        want = np.power(x, exponent)
        close = np.abs(run(x, x) - want) <= 5e-324 + 3.6e-16 * np.abs(want)
    got = run(x, x)
    good = ((got == want) | close) & (np.signbit(got) == np.signbit(want)) | (np.isnan(got) & np.isnan(want))
    assert good.all(), (x[~good], got[~good], want[~good])


def test_operations_with_an_order_need_it_to_be_known():
    x = np.linspace(0, 3, 64)
    run = compiled([("sinc", [0, 1], DOUBLE, [0, None])], [DOUBLE, DOUBLE], DOUBLE, 8)
    assert np.abs(run(x, x) - np.sinc(x)).max() < 3e-16
    run = compiled([("power_log", [0, 1, 1], DOUBLE, [None, None, 2])], [DOUBLE, DOUBLE], DOUBLE, 8)
    want = [float(mpmath.mpf(v) ** (v + 1) * mpmath.log(v) ** 2) if v else 0.0 for v in x]
    assert np.allclose(run(x, x + 1), want, rtol=1e-14, atol=0)
    assert not supports("sinc", [DOUBLE, DOUBLE], DOUBLE)
    assert not supports("sinc", [DOUBLE, DOUBLE], DOUBLE, [1, None])
    assert not supports("power_log", [DOUBLE] * 3, DOUBLE)


def test_what_has_no_native_form_is_said_so():
    words = Vocabulary(lambda: "%v")
    with pytest.raises(ValueError, match=r"ulp of \(float32\) giving float32 has no native form"):
        words.emit("ulp", ["%a"], [SINGLE], SINGLE, 4)
    assert not supports("exp", [np.complex128], np.complex128)
    assert not supports("exp", [np.int64], np.int64)
    assert not supports("exp", [np.float16], np.float16)
