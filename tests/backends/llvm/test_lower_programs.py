"""Whole programs and their derivatives: all steps that can be lowered, lowered together, give NumPy's values."""

import numpy as np
import pytest

import wengert as wg
from tests.backends.llvm.segments_of import assert_native_part_agrees
from tests.programs.harness import quiet
from tests.programs.tables import PROGRAMS
from tests.programs.test_programs import argnums, real_function
from tests.programs.test_random_programs import point, random_program


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.name)
def test_a_gradient(program):
    with quiet():
        graph = wg.trace(wg.value_and_grad(real_function(program), argnums(program)))(*program.arguments())
        assert_native_part_agrees(graph, graph.values)


@pytest.mark.parametrize("program", [p for p in PROGRAMS if p.smooth and p.order > 1][::6], ids=lambda p: p.name)
def test_a_second_derivative(program):
    gradient = wg.grad(real_function(program), argnums(program))
    with quiet():
        graph = wg.trace(lambda *a: wg.jvp(gradient, a, program.tangents()))(*program.arguments())
        assert_native_part_agrees(graph, graph.values)


@pytest.mark.parametrize("seed", range(0, 200, 8))
def test_writes_and_views_in_any_order(seed):
    graph = wg.trace(wg.value_and_grad(random_program(seed)))(point(seed))
    assert assert_native_part_agrees(graph, graph.values) == len(graph.nodes)


@pytest.mark.parametrize("seed", range(1, 200, 25))
def test_second_derivatives_of_writes_and_views(seed):
    graph = wg.trace(wg.hessian(random_program(seed)))(point(seed))
    assert assert_native_part_agrees(graph, graph.values) > 100


def test_programs_are_native_almost_throughout():
    rng = np.random.default_rng(0)

    def mixture(alphas, means, Q, L, x):
        centred = x[:, None, :] - means
        q = np.einsum("kij,nkj->nki", L, centred) + np.exp(Q) * centred
        inner = alphas + np.sum(Q, 1) - 0.5 * np.sum(q**2, 2)
        m = np.max(inner, axis=1, keepdims=True)
        return np.sum(m[:, 0] + np.log(np.sum(np.exp(inner - m), axis=1)))

    shapes = ((3,), (3, 2), (3, 2), (3, 2, 2), (4, 2))
    graph = wg.trace(wg.value_and_grad(mixture, (0, 1, 2, 3, 4)))(*(rng.normal(size=s) for s in shapes))
    assert assert_native_part_agrees(graph, graph.values) == len(graph.nodes)
