"""Every number of the textbook examples, against closed forms, formulas and counts."""

import math

import numpy as np
import pytest

import wengert as wg
from examples import textbook
from examples.textbook import PROGRAMS, sweep_forward, work


def values(name):
    return work(PROGRAMS[name]).values


def test_product_value_and_gradient():
    assert textbook.whole_gradient(PROGRAMS["product"]) == {"a": 2.0, "b": 5.0}
    assert values("product") == {"a": 2.0, "b": 1.0, "c": 3.0, "d": 2.0, "e": 6.0}


def test_product_local_derivatives_and_sweeps():
    walk = work(PROGRAMS["product"])
    assert walk.local == {"c": (1.0, 1.0), "d": (1.0,), "e": (2.0, 3.0)}
    assert walk.tangents["a"] == {"a": 1.0, "b": 0.0, "c": 1.0, "d": 0.0, "e": 2.0}
    assert walk.tangents["b"] == {"a": 0.0, "b": 1.0, "c": 1.0, "d": 1.0, "e": 5.0}
    assert walk.cotangents == {"e": 1.0, "c": 2.0, "d": 3.0, "a": 2.0, "b": 5.0}


def test_cotangents_are_added_where_paths_meet():
    walk = work(PROGRAMS["product"])
    into_b = [(source, up * partial) for name, source, up, partial in walk.additions if name == "b"]
    assert into_b == [("d", 3.0), ("c", 2.0)]
    assert walk.cotangents["b"] == sum(part for _, part in into_b) == 5.0


def test_circuit():
    walk = work(PROGRAMS["circuit"])
    assert walk.values["f"] == -12.0
    assert walk.local == {"q": (1.0, 1.0), "f": (-4.0, 3.0)}
    assert textbook.whole_gradient(PROGRAMS["circuit"]) == {"x": -4.0, "y": -4.0, "z": 3.0}


def test_neuron():
    walk = work(PROGRAMS["neuron"])
    gradient = textbook.whole_gradient(PROGRAMS["neuron"])
    assert walk.values["f"] == pytest.approx(0.731059, abs=5e-7)
    assert [gradient[name] for name in ("x0", "x1")] == pytest.approx(
        [0.393224, -0.589836], abs=5e-7
    )
    assert [gradient[name] for name in ("w0", "w1", "w2")] == pytest.approx(
        [-0.196612, -0.393224, 0.196612], abs=5e-7
    )
    slope = walk.values["f"] * (1.0 - walk.values["f"])  # sigma' = sigma (1 - sigma)
    assert gradient["w2"] == pytest.approx(slope, rel=1e-14)


def test_neuron_local_derivatives():
    walk = work(PROGRAMS["neuron"])
    e = math.exp(-1.0)
    expected = {
        "p": (-1.0, 2.0),
        "q": (-2.0, -3.0),
        "s": (1.0, 1.0),
        "t": (1.0, 1.0),
        "n": (-1.0,),
        "e": (e,),
        "d": (1.0,),
        "f": (-1.0 / (1.0 + e) ** 2,),
    }
    assert walk.local.keys() == expected.keys()
    for name, partials in expected.items():
        assert walk.local[name] == pytest.approx(partials, rel=1e-14), name


def test_quotient():
    walk = work(PROGRAMS["quotient"])
    gradient = textbook.whole_gradient(PROGRAMS["quotient"])
    assert walk.values["f"] == pytest.approx(1.545645, abs=5e-7)
    assert gradient["x"] == pytest.approx(2.059570, abs=5e-7)
    assert gradient["y"] == pytest.approx(1.592233, abs=5e-7)
    into_x = [source for name, source, _, _ in walk.additions if name == "x"]
    assert into_x == ["s", "v", "n"]


@pytest.mark.parametrize("point", [(3.0, -1.0), (0.0, 0.0), (-0.5, 2.25)])
def test_bowl(point):
    gradient = wg.grad(PROGRAMS["bowl"].function, argnums=(0, 1))(*point)
    assert tuple(map(float, gradient)) == (2.0 * point[0], 4.0 * point[1])


@pytest.mark.parametrize("name", PROGRAMS)
def test_sweeps_on_paper_equal_the_gradient_of_the_whole(name):
    program = PROGRAMS[name]
    walk = work(program)
    plain = program.function(*program.at.values())
    assert walk.values[program.result] == pytest.approx(plain, rel=1e-15)
    for variable, derivative in textbook.whole_gradient(program).items():
        assert walk.cotangents[variable] == pytest.approx(derivative, rel=1e-13)
        assert walk.tangents[variable][program.result] == pytest.approx(derivative, rel=1e-13)


@pytest.mark.parametrize("name", PROGRAMS)
def test_one_forward_sweep_for_each_input_and_one_reverse_sweep(name):
    walk = work(PROGRAMS[name])
    assert walk.forward_sweeps == len(PROGRAMS[name].at)
    assert walk.reverse_sweeps == 1


@pytest.mark.parametrize("n", [1, 3, 8])
def test_wengert_runs_a_rule_n_times_forwards_and_once_in_reverse(n):
    assert textbook.counted_sweeps(n) == (n, 1)


@pytest.mark.parametrize(
    ("text", "upstream"), [("q z", -4.0), ("q / z", -0.25), ("q exp(z)", math.exp(-4.0))]
)
def test_replacing_one_operation_leaves_the_other_rules_untouched(text, upstream):
    operation = textbook.REPLACEMENTS[text]
    addition, seen = textbook.recorded_addition()
    gradient = wg.grad(lambda x, y: operation(addition(x, y), -4.0), argnums=(0, 1))(-2.0, 5.0)
    assert len(seen) == 1
    assert seen[0][0] == pytest.approx(upstream, rel=1e-15)
    assert seen[0][1] == tuple(map(float, gradient)) == (seen[0][0] * 1.0, seen[0][0] * 1.0)
    walk = work(textbook.replaced(operation, text))
    assert walk.local["q"] == work(PROGRAMS["circuit"]).local["q"] == (1.0, 1.0)
    downstream = [(up, partial) for _, source, up, partial in walk.additions if source == "q"]
    assert downstream == [(pytest.approx(upstream, rel=1e-15), 1.0)] * 2


def test_replaced_programs_differ_in_the_replaced_step_alone():
    walks = {t: work(textbook.replaced(op, t)) for t, op in textbook.REPLACEMENTS.items()}
    assert len({walk.local["f"] for walk in walks.values()}) == len(walks)
    assert {walk.local["q"] for walk in walks.values()} == {(1.0, 1.0)}


def test_a_forward_sweep_gives_one_column():
    walk = textbook.evaluate(PROGRAMS["product"])
    assert sweep_forward(PROGRAMS["product"], walk, "b") == 5.0
    assert list(walk.tangents) == ["b"]


def test_matrix_product():
    D, gradients, formulas = textbook.matrix_product()
    assert D.shape == (5, 3)
    assert [g.shape for g in gradients] == [(5, 10), (10, 3)]
    for got, formula in zip(gradients, formulas, strict=True):
        np.testing.assert_allclose(got, formula, rtol=1e-13)


@pytest.mark.parametrize("example", [textbook.squared_error, textbook.least_squares])
def test_quadratic_losses(example):
    got, formula = example()
    np.testing.assert_allclose(got, formula, rtol=1e-12)


def test_generalised_jacobian_by_index_tuples():
    X, J, flat, product, pushed = textbook.generalised_jacobian()
    assert J.shape == (3, 2, 2, 3)
    assert flat.shape == (6, 6)
    np.testing.assert_allclose(J, flat.reshape(J.shape), rtol=1e-14)
    np.testing.assert_allclose(product, pushed, rtol=1e-12)
    for i in np.ndindex(2, 3):
        # Complex step: the imaginary part of f(X + i h e) / h is exact to rounding.
        shifted = X.astype(complex)
        shifted[i] += 1e-200j
        column = textbook.tensor_function(shifted).imag / 1e-200
        for j in np.ndindex(3, 2):
            assert J[j + i] == pytest.approx(column[j], rel=1e-12, abs=1e-14)


def test_the_printout_holds_the_numbers(capsys):
    textbook.main()
    printed = capsys.readouterr().out
    for text in (
        "value 6.000000;  df/da = 2.000000, df/db = 5.000000",
        "value -12.000000;  df/dx = -4.000000, df/dy = -4.000000, df/dz = 3.000000",
        "value 0.731059;",
        "df/dx0 = 0.393224, df/dx1 = -0.589836",
        "value 1.545645;  df/dx = 2.059570, df/dy = 1.592233",
        "forward sweeps: 5, reverse sweeps: 1",
        "b~ += d~ * dd/db = 3 * 1",
        "Gradient of 6 inputs: 6 forward sweeps, or 1 reverse sweep",
    ):
        assert text in printed
