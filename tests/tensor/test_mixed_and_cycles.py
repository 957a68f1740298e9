"""Tensors of several dtypes in one graph, and references that run in circles.

May import wengert's public API. Invariant: every expected gradient is written out by hand or taken by a difference.
"""

import gc
import weakref

import numpy as np
import pytest

import wengert as wg
from wengert.core.errors import WengertTypeError, WengertValueError


def test_gradients_have_the_dtype_of_their_leaf():
    a = wg.tensor(np.array([1.0, 2.0, 3.0], np.float32), requires_grad=True)
    b = wg.tensor(np.array([0.5, -1.0, 4.0]), requires_grad=True)
    y = (a * b).sum()
    assert y.dtype == np.float64
    y.backward()
    assert a.grad.dtype == np.float32
    assert b.grad.dtype == np.float64
    assert np.array_equal(a.grad.numpy(), [0.5, -1.0, 4.0])
    assert np.array_equal(b.grad.numpy(), [1.0, 2.0, 3.0])


def test_real_and_complex_tensors_meet():
    a = wg.tensor([1.0, 2.0], requires_grad=True)
    c = wg.tensor(np.array([1.0 + 2.0j, 3.0 - 1.0j]), requires_grad=True)
    np.imag(a * c).sum().backward()
    assert np.array_equal(a.grad.numpy(), [2.0, -1.0])  # d Im(a c)/da = Im c
    assert a.grad.dtype == np.float64
    assert np.array_equal(c.grad.numpy(), [1.0j, 2.0j])  # df/dx + i df/dy = i a


@pytest.mark.parametrize("other", [wg.tensor([1, 2, 3]), wg.tensor([True, False, True]), np.arange(3), 2, True])
def test_integers_and_booleans_take_part_as_constants(other):
    b = wg.tensor([1.0, 2.0, 3.0], requires_grad=True)
    (b * other).sum().backward()
    plain = other.numpy() if isinstance(other, wg.Tensor) else other
    assert np.array_equal(b.grad.numpy(), np.ones(3) * plain)
    assert b.grad.dtype == np.float64


def test_writing_wider_numbers_in_place_keeps_the_dtype():
    a = wg.tensor(np.ones(3, np.float32), requires_grad=True)
    b = wg.tensor([1.0, 2.0, 3.0], requires_grad=True)
    h = a * 2
    h += b
    assert h.dtype == np.float32
    (h * h).sum().backward()
    assert np.array_equal(b.grad.numpy(), [6.0, 8.0, 10.0])
    assert np.array_equal(a.grad.numpy(), np.float32([12.0, 16.0, 20.0]))
    assert (a.grad.dtype, b.grad.dtype) == (np.float32, np.float64)


def test_an_array_may_be_added_to_itself_in_place():
    x = wg.tensor([1.0, 2.0], requires_grad=True)
    y = x * 1
    y += y
    y *= y
    y.sum().backward()
    assert np.array_equal(x.grad.numpy(), [8.0, 16.0])  # (2 x)^2


@pytest.mark.parametrize("make", [lambda x: x, lambda x: x.detach(), lambda x: x.detach()[::-1]])
def test_a_tensor_cannot_be_its_own_gradient(make):
    x = wg.tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(WengertValueError, match="shares the memory"):
        x.grad = make(x)
    assert x.grad is None
    x.grad = x.detach().clone()
    (x * x).sum().backward()
    assert np.array_equal(x.grad.numpy(), [3.0, 6.0])
    assert np.array_equal(x.numpy() if not x.requires_grad else x.detach().numpy(), [1.0, 2.0])


def scale_by_itself(t):
    t.register_hook(lambda g: g * t.detach()[0])  # t -> hook -> t


def test_a_hook_that_holds_its_own_tensor_does_not_keep_it_alive():
    x = wg.tensor(np.ones(1000), requires_grad=True)
    y = x * 2
    scale_by_itself(y)
    y.sum().backward()
    assert np.array_equal(x.grad.numpy(), np.full(1000, 4.0))
    watch = weakref.ref(y)
    del y
    gc.collect()
    assert watch() is None


def test_a_gradient_with_a_graph_through_its_own_leaf_is_let_go():
    x = wg.tensor(np.ones(1000), requires_grad=True)
    (x**3).sum().backward(create_graph=True)
    assert np.array_equal(x.grad.detach().numpy(), np.full(1000, 3.0))
    x.grad.sum().backward()  # adds d sum(3 x^2)/dx
    assert np.array_equal(x.grad.detach().numpy(), np.full(1000, 9.0))
    watch = weakref.ref(x)
    del x
    gc.collect()
    assert watch() is None


def test_a_list_that_contains_itself_is_refused():
    x = wg.tensor([1.0, 2.0], requires_grad=True)
    inputs = [x]
    inputs.append(inputs)
    with pytest.raises(WengertTypeError, match="input 1 is a list"):
        wg.autograd.grad((x * x).sum(), inputs)
    assert x.grad is None
