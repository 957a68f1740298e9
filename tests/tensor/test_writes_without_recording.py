"""Writes into Tensors while nothing is recorded: the new content is nobody else's, whatever it was computed from."""

import numpy as np
import pytest

import wengert as wg


@pytest.fixture
def pair():
    return wg.tensor([1.0, 2.0], requires_grad=True), wg.tensor([10.0, 20.0])


def test_a_copied_content_is_not_shared(pair):
    a, b = pair
    with wg.no_grad():
        a.copy_(b)
        b += 1.0
        b[0] = 7.0
    assert a.tolist() == [10.0, 20.0]
    assert b.tolist() == [7.0, 21.0]


def test_detached_values_and_arrays_taken_before_keep_their_content(pair):
    a, b = pair
    before, array = a.detach(), a.detach().numpy()
    with wg.no_grad():
        a -= 0.5 * b
    assert a.tolist() == [-4.0, -8.0]
    assert before.tolist() == array.tolist() == [1.0, 2.0]


def test_a_graph_recorded_before_keeps_the_values_it_needs(pair):
    a, b = pair
    loss = (a * a).sum()
    with wg.no_grad():
        a -= b
    loss.backward()
    assert a.grad.tolist() == [2.0, 4.0]


def test_views_and_their_base_follow(pair):
    _, b = pair
    part = b[1:]
    with wg.no_grad():
        b *= 2.0
        part += 1.0
    assert b.tolist() == [20.0, 41.0]
    assert part.tolist() == [41.0]


def test_an_operation_that_gives_its_operand_back_is_copied(pair):
    _, b = pair
    c = b.clone()
    with wg.no_grad():
        c.copy_(b)
        c.fill_(b[0])
    assert c.tolist() == [10.0, 10.0]
    assert b.tolist() == [10.0, 20.0]


@pytest.mark.parametrize("wrong", [lambda a: a.__iadd__(np.ones((3, 2))), lambda a: a.__iadd__(1j)])
def test_what_does_not_fit_is_an_error_and_changes_nothing(pair, wrong):
    a, _ = pair
    with wg.no_grad(), pytest.raises((ValueError, TypeError)):
        wrong(a)
    assert a.tolist() == [1.0, 2.0]
    assert a.dtype == np.float64


def test_single_precision_stays_what_it_is():
    a = wg.tensor(np.ones(3, np.float32), requires_grad=True)
    with wg.no_grad():
        a -= 0.5 * wg.tensor(np.ones(3))
    assert a.dtype == np.float32
    assert a.tolist() == [0.5, 0.5, 0.5]
