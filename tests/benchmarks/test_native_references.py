"""What compiled code is measured against: the C drivers, the formulas by hand and JAX's formulations compute what the
programs' own differences say.

May import the benchmarks. Invariant: a reference is held against differences of the NumPy program, never against a
derivative of ours.
"""

from itertools import pairwise

import numpy as np
import pytest

from benchmarks import native_c, native_programs, native_table, programs
from benchmarks.adbench import ba, gmm, lstm

needs_compiler = pytest.mark.skipif(native_c.compiler() is None, reason="there is no C compiler here")
RANDOM = np.random.default_rng(4)


def slopes(f, x, step=2e-4):
    """Gradient (or Jacobian, last axis) of f at x by central differences of sixth order."""
    x = np.asarray(x, dtype=float)
    columns = []
    for place in np.ndindex(x.shape):
        move = np.zeros(x.shape)
        move[place] = step
        near, middle, far = (f(x + k * move) - f(x - k * move) for k in (1, 2, 3))
        columns.append((45 * near - 9 * middle + far) / (60 * step))
    return np.stack(columns, axis=-1).reshape(*np.shape(columns[0]), *x.shape)


def close(ours, theirs):
    np.testing.assert_allclose(ours, theirs, rtol=2e-9, atol=2e-9 * max(1.0, np.max(np.abs(theirs))))


def c(source, name, sizes, inputs, shapes):
    return native_c.Driver(source, name, sizes, inputs, shapes)()


@needs_compiler
def test_c_mixture():
    d, components, count = 3, 4, 9
    *moving, points, _, _ = gmm.random_inputs(d, components, count)
    gamma, m = 1.3, 2

    def value(position, replaced):
        given = [replaced if i == position else part for i, part in enumerate(moving)]
        return gmm.objective(*given, points, gamma, m)

    shapes = [(), *(part.shape for part in moving)]
    prior = np.array([gamma, m, 0.0])
    found = c("gmm", "gmm_gradient", (d, components, count), (*moving, points, prior), shapes)
    for position in range(3):
        close(found[1 + position], slopes(lambda part, i=position: value(i, part), moving[position]))
    moved = [part + 0.1 for part in moving]
    again = c("gmm", "gmm_gradient", (d, components, count), (*moved, points, prior), shapes)
    expected = gmm.objective(*moved, points, gamma, m) - gmm.objective(*moving, points, gamma, m)
    assert again[0] - found[0] == pytest.approx(expected, rel=1e-11)  # the constant of the value is the caller's


@needs_compiler
@pytest.mark.parametrize("axis", ["general", "zero"])
def test_c_bundle(axis):
    cameras, points, weights, features, camera_of, point_of = ba.random_inputs(3, 4, 6)
    if axis == "zero":
        cameras[1, :3] = 0.0
    inputs = (cameras, points, weights, features, camera_of, point_of)
    blocks, by_weight = c("ba", "ba_jacobian", (6,), inputs, [(6, 2, 15), (6,)])
    for i, parameters in enumerate(ba.gathered(cameras, points, weights, camera_of, point_of)):
        expected = slopes(lambda p, i=i: ba.reprojection(p, features[i]), parameters)
        columns = slice(3, 15) if axis == "zero" and camera_of[i] == 1 else slice(15)  # the formula bends there
        close(blocks[i][:, columns], expected[:, columns])
    np.testing.assert_array_equal(by_weight, -2 * weights)
    c("ba", "ba_matrix", (6, 3, 4), inputs, [])
    for part, expected in zip(native_c.matrix_blocks(6), (blocks, by_weight), strict=True):
        np.testing.assert_array_equal(part, expected)


@needs_compiler
def test_c_lstm():
    main, extra, state, sequence = lstm.random_inputs(2, 7, 3)
    value, by_main, by_extra = c(
        "lstm", "lstm_gradient", (2, 7, 3), (main, extra, state, sequence), [(), main.shape, extra.shape]
    )
    assert value == pytest.approx(lstm.objective(main, extra, state, sequence), rel=1e-13)
    close(by_main, slopes(lambda part: lstm.objective(part, extra, state, sequence), main))
    close(by_extra, slopes(lambda part: lstm.objective(main, part, state, sequence), extra))


def logistic_data():
    table = RANDOM.standard_normal((13, 5))
    return RANDOM.standard_normal(5), RANDOM.standard_normal(5), table, np.sign(RANDOM.standard_normal(13))


def test_logistic_regression_by_hand_and_in_c():
    w, v, table, sign = logistic_data()
    gradient = slopes(lambda w: programs.logistic(w, table, sign), w)
    hessian = slopes(lambda w: native_programs.logistic_by_hand(w, table, sign)[1], w)
    value, by_hand = native_programs.logistic_by_hand(w, table, sign)
    assert value == pytest.approx(programs.logistic(w, table, sign), rel=1e-14)
    close(by_hand, gradient)
    close(native_programs.logistic_product_by_hand(w, v, table, sign), hessian @ v)
    close(native_programs.logistic_hessian_by_hand(w, table, sign), hessian)
    if native_c.compiler() is None:
        return
    value, by_c = c("logistic", "logistic_gradient", (13, 5), (w, table, sign), [(), (5,)])
    assert value == pytest.approx(programs.logistic(w, table, sign), rel=1e-13)
    close(by_c, gradient)
    close(c("logistic", "logistic_product", (13, 5), (w, table, sign, v), [(5,)])[0], hessian @ v)


CASES = {
    "scalar": (lambda z: native_programs.scalar(*z), lambda z: native_programs.scalar_by_hand(*z), 2),
    "rosenbrock": (programs.rosenbrock, native_programs.rosenbrock_by_hand, 7),
    "chain": (native_programs.chain, native_programs.chain_by_hand, 300),
}


@pytest.mark.parametrize("name", CASES)
def test_smaller_programs_by_hand_and_in_c(name):
    function, by_hand, size = CASES[name]
    x = RANDOM.standard_normal(size)
    expected = slopes(function, x)
    value, gradient = by_hand(x)
    assert value == pytest.approx(function(x), rel=1e-13)
    close(gradient, expected)
    if native_c.compiler() is not None:
        value, gradient = c("small", f"{name}_gradient", (size,), (x,), [(), (size,)])
        assert value == pytest.approx(function(x), rel=1e-12)
        close(gradient, expected)


@needs_compiler
def test_c_lotka_volterra():
    parameters, start = np.array([1.1, 0.4, 0.4, 0.1]), np.array([10.0, 5.0])
    step = np.array([native_programs.STEP])
    value, gradient = c("small", "lotka_gradient", (50,), (parameters, start, step), [(), (4,)])
    assert value == pytest.approx(native_programs.lotka_volterra(parameters, start, 50), rel=1e-13)
    close(gradient, slopes(lambda p: native_programs.lotka_volterra(p, start, 50), parameters))


def test_the_network_by_hand():
    layers = [(RANDOM.standard_normal((a, b)), RANDOM.standard_normal(b)) for a, b in pairwise((4, 3, 3, 2))]
    images, one_hot = RANDOM.standard_normal((5, 4)), np.eye(2)[[0, 1, 1, 0, 1]]
    value, gradient = native_programs.network_by_hand(layers, images, one_hot)
    assert value == pytest.approx(programs.network_tanh(layers, images, one_hot), rel=1e-13)
    for number, pair in enumerate(layers):
        for which in range(2):

            def replaced(part, number=number, which=which):
                changed = [list(layer) for layer in layers]
                changed[number][which] = part
                return programs.network_tanh(changed, images, one_hot)

            close(gradient[number][which], slopes(replaced, pair[which]))


@needs_compiler
def test_a_driver_is_timed_inside_c():
    x = RANDOM.standard_normal(1000)
    driver = native_c.Driver("small", "rosenbrock_gradient", (1000,), (x,), [(), (1000,)])
    assert 0 < driver.sample(2000) < 1e-4


def work(answer, peers):
    return native_table.Workload("a program", lambda x: x, lambda x: answer, (1.0,), peers, [])


def test_no_time_is_reported_for_a_wrong_answer(monkeypatch):
    monkeypatch.setattr(native_table, "BACKENDS", ("uncompiled",))
    wrong = native_table.Peer("C", "wrong", lambda: lambda: np.array([1.0, 2.1]))
    with pytest.raises(native_table.WrongAnswer, match=r"a program: wengert and C, wrong differ by 0.04"):
        native_table.measured(work(np.array([1.0, 2.0]), [wrong]), quick=True)


def test_the_fastest_formulation_counts(monkeypatch):
    monkeypatch.setattr(native_table, "BACKENDS", ("uncompiled",))
    values = np.ones(3)
    peers = [
        native_table.Peer("JAX", "slow", lambda: lambda: np.sort(np.ones(200000))[:3]),
        native_table.Peer("JAX", "fast", lambda: values.copy),
    ]
    row = native_table.measured(work(values, peers), quick=True)
    assert row.names["JAX"] == "fast"
    assert row.formulations["JAX: slow"] > row.formulations["JAX: fast"]
    assert row.difference == 0.0


def test_a_plan_that_hides_a_constant_is_no_answer(monkeypatch):
    monkeypatch.setattr(native_table, "BACKENDS", ("uncompiled",))
    monkeypatch.setattr(native_table, "ours", lambda function, backend: lambda x: function(2.0))
    program = native_table.Workload("a program", np.sin, np.cos, (2.0,), [], [])
    with pytest.raises(native_table.WrongAnswer, match=r"a program: wengert and uncompiled, at other arguments differ"):
        native_table.measured(program, quick=True)


def test_a_row_that_fails_is_a_missed_limit_and_the_others_go_on(monkeypatch):
    monkeypatch.setattr(native_table, "BACKENDS", ("uncompiled",))
    monkeypatch.setattr(native_table, "_backends_warm", lambda: None)
    monkeypatch.setattr(native_table, "limits", lambda work, row: [])
    monkeypatch.setattr(native_table, "_details", lambda row: row.title)
    monkeypatch.setenv("WENGERT_CACHE_DIR", "")
    right = native_table.Workload("right", np.sin, np.cos, (2.0,), [], [])
    wrong = native_table.Workload("wrong", np.sin, lambda x: 1 / 0, (2.0,), [], [])
    table = native_table.table_of("t", [lambda: wrong, lambda: right], True, [])
    assert [row[0] for row in table.rows] == ["wrong", "right"]
    assert [limit.holds for limit in table.limits] == [False]
    assert "ZeroDivisionError" in table.limits[0].name
    assert [row[0] for row in native_table.table_of("t", [lambda: right], True, [], ["left"]).rows] == []
