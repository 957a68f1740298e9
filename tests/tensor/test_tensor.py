"""Tensors: gradients against closed forms and against wengert.grad's independent checks, and PyTorch's semantics where
a user expects them.
"""

import copy
import pickle

import numpy as np
import pytest

import wengert as wg
from wengert.numeric import gradient as differences


def leaf(data):
    return wg.tensor(data, requires_grad=True)


def array(t):
    return np.asarray(t.detach())


def test_the_first_lines_of_a_tutorial():
    x = wg.ones(5)
    y = wg.zeros(3)
    w = leaf(np.arange(15.0).reshape(5, 3) / 10)
    b = leaf([0.1, 0.2, 0.3])
    z = wg.Tensor.matmul(x, w) + b
    loss = ((z - y) ** 2).mean()
    assert z.requires_grad and not z.is_leaf and w.is_leaf and "add" in repr(z.grad_fn)
    loss.backward()
    residual = np.ones(5) @ array(w) + array(b)
    assert np.allclose(array(b.grad), 2 * residual / 3)
    assert np.allclose(array(w.grad), np.outer(np.ones(5), 2 * residual / 3))
    with wg.no_grad():
        assert not (wg.Tensor.matmul(x, w) + b).requires_grad


PROGRAMS = [
    lambda x: (x * x - 3 / x).sum(),
    lambda x: np.sin(x).exp().mean(),
    lambda x: (x @ x.T).tanh().sum(),
    lambda x: (x[0] * x[1:]).sum() + x[:, 1].prod(),
    lambda x: x.softmax(1).log().var(0).sum(),
    lambda x: (x.log_softmax(-1) * x.view(3, 2).t()).sum(),
    lambda x: np.concatenate([x, x * 2]).max(0)[0].sum(),
    lambda x: np.where(x > 1, x**2, x).norm() + np.linalg.norm(x[0]),
    lambda x: x.permute(1, 0).flatten().cumsum(0).std(),
    lambda x: (2 - x).abs().sqrt().unsqueeze(1).squeeze(1).sum(dim=1, keepdim=True).mean(),
    lambda x: np.einsum("ij,kj->ik", x, x).clamp(2.0, 20.0).sum(),
    lambda x: x.expand(4, 2, 3).repeat(1, 2, 1).logsumexp((0, 1)).sum(),
    lambda x: sum(row.dot(row) * float(k) for k, row in enumerate(x)) / x.numel(),
    lambda x: x.masked_fill(x > 3, 0.0).pow(3).sigmoid().relu().sum(),
]


@pytest.mark.parametrize("program", PROGRAMS)
def test_gradients_agree_with_differences(program):
    data = np.array([[0.5, 1.5, 2.5], [3.5, 4.25, 1.25]])
    x = leaf(data)
    program(x).backward()
    expected = differences(lambda v: program(wg.tensor(v)).item(), data)
    assert np.allclose(array(x.grad), np.asarray(getattr(expected, "value", expected)), rtol=1e-6, atol=1e-8)


def test_gradients_accumulate_and_are_zeroed():
    x = leaf([1.0, 2.0])
    for _ in range(3):
        (x**2).sum().backward()
    held = x.grad
    assert held.tolist() == [6.0, 12.0]
    x.grad.zero_()
    assert held.tolist() == [0.0, 0.0] and x.grad is held
    (x**2).sum().backward()
    assert held.tolist() == [2.0, 4.0]
    x.zero_grad()
    assert x.grad is None


def test_python_decides_on_values():
    def f(x):
        y = x
        while y.norm() < 100:
            y = y * 2 if y.sum() > 0 else -y * 3
        return y.sum()

    x = leaf([1.0, -3.0])
    y = f(x)
    y.backward()
    # -3, then 2 until the norm reaches 100: sqrt(10) * 3 * 2^k
    factor = -3 * 2 ** int(np.ceil(np.log2(100 / (3 * np.sqrt(10)))))
    assert x.grad.tolist() == [factor, factor]


def test_higher_derivatives():
    x = leaf(0.7)
    y = np.sin(x) * np.exp(x)
    for _ in range(3):
        (y,) = wg.autograd.grad(y, x, create_graph=True)
    assert y.item() == pytest.approx(2 * np.exp(0.7) * (np.cos(0.7) - np.sin(0.7)), rel=1e-13)
    z = leaf([1.0, 2.0])
    (z**3).sum().backward(create_graph=True)
    z.grad.sum().backward()
    assert array(z.grad).tolist() == [3.0 + 6.0, 12.0 + 12.0]


def test_writes_and_views_at_any_order():
    x = leaf([1.0, 2.0, 3.0])
    v = x * 1
    v[0] = 5.0
    v += 1
    v[1:] *= x[:2]
    view = v[1:]
    view.add_(x[0])
    v.sum().backward()
    # [6, (x1+1) x0 + x0, (x2+1) x1 + x0]
    assert array(x.grad).tolist() == [(2 + 1) + 1 + 1, 1 + (3 + 1), 2.0]


def test_a_value_that_a_step_needs_survives_a_write():
    x = leaf([1.0, 2.0])
    y = x * 1
    z = y * y  # needs the old y
    y.mul_(10)
    (z.sum() + y.sum()).backward()
    assert array(x.grad).tolist() == [12.0, 14.0]
    a = leaf([1.0, 2.0, 3.0])
    b = a.exp()
    b.view(3, 1)[0].zero_()
    (b * a).sum().backward()
    assert np.allclose(array(a.grad), [0.0, 3 * np.exp(2), 4 * np.exp(3)])


def test_raw_constants_may_be_changed_afterwards():
    for size in (3, 5000):
        x, c = leaf(np.ones(size)), np.full(size, 2.0)
        y = (x * c).sum() + np.dot(x, c)
        c[:] = 100.0
        y.backward()
        assert (array(x.grad) == 4.0).all()


def test_steps_of_optimisers_under_no_grad():
    w = leaf([1.0, 2.0])
    seen = w[:1]
    with wg.no_grad():
        w -= 0.5
        w.mul_(2.0)
        w[0] = 7.0
    assert w.tolist() == [7.0, 3.0] and w.requires_grad and w.is_leaf and seen.tolist() == [7.0]
    (w * w).sum().backward()
    assert w.grad.tolist() == [14.0, 6.0]


def test_detach_freezes_a_layer():
    a, b = leaf(np.eye(2)), leaf(np.ones((2, 2)))
    hidden = (a @ wg.ones(2, 2)).detach()
    (b @ hidden).sum().backward()
    assert a.grad is None and b.grad.tolist() == [[2.0, 2.0], [2.0, 2.0]]
    y = b * 2
    y.detach_()
    assert not y.requires_grad and y.is_leaf
    y.add_(1)
    assert b.tolist() == [[1.0, 1.0], [1.0, 1.0]]


def test_record_and_pause():
    with wg.record():
        a, b = wg.ones((2, 1)), wg.ones((2, 1))
        c = 2 * a + b
        with wg.pause():
            d = a * 3
    assert not d.requires_grad
    c.sum().backward()
    assert a.grad.tolist() == [[2.0], [2.0]] and b.grad.tolist() == [[1.0], [1.0]]
    with wg.no_grad(), wg.enable_grad():
        assert (a * 2).requires_grad

    @wg.no_grad()
    def frozen(t):
        return t * 2

    assert not frozen(a).requires_grad and wg.is_grad_enabled()


def test_hooks_and_kept_gradients():
    x = leaf([1.0, 2.0])
    y = x * 3
    z = (y * y).sum()
    y.retain_grad()
    seen = []
    first = y.register_hook(lambda g: seen.append(g.tolist()))
    second = x.register_hook(lambda g: g * 10)
    z.backward(retain_graph=True)
    assert seen == [[6.0, 12.0]] and y.grad.tolist() == [6.0, 12.0] and x.grad.tolist() == [180.0, 360.0]
    first.remove()
    second.remove()
    x.grad = None
    z.backward()
    assert len(seen) == 1 and x.grad.tolist() == [18.0, 36.0] and y.grad.tolist() == [12.0, 24.0]


@pytest.mark.parametrize("hook", [lambda g: g.sum(), lambda g: 3.0, lambda g: 1 / 0])
def test_a_bad_hook_updates_nothing(hook):
    x, w = leaf([1.0, 2.0]), leaf([1.0, 2.0])
    y = x * w
    y.register_hook(hook)
    with pytest.raises((TypeError, ValueError, ZeroDivisionError)):
        y.sum().backward()
    assert x.grad is None and w.grad is None


def test_chosen_inputs():
    x, w = leaf(2.0), leaf(3.0)
    y = x * w
    z = y * x
    z.backward(inputs=[w, y], retain_graph=True)
    assert x.grad is None and w.grad.item() == 4.0 and y.grad.item() == 2.0
    found = wg.autograd.grad(z, [y, x], retain_graph=True)
    assert [g.item() for g in found] == [2.0, 12.0]
    other = leaf(1.0)
    assert wg.autograd.grad(z, [other], retain_graph=True, allow_unused=True) == (None,)
    with pytest.raises(ValueError, match="do not depend on input 0"):
        wg.autograd.grad(z, other)


def test_products_with_a_cotangent():
    x = leaf([1.0, 2.0, 3.0])
    y = x**2
    with pytest.raises(ValueError, match=r"\.sum\(\).*gradient="):
        y.backward()
    with pytest.raises(ValueError, match="gradient has shape"):
        y.backward(wg.ones(2))
    y.backward(wg.tensor([1.0, 0.1, 0.01]))
    assert np.allclose(array(x.grad), [2.0, 0.4, 0.06])


def test_errors_of_the_graph():
    x = leaf([1.0, 2.0])
    y = (x * x).sum()
    y.backward()
    with pytest.raises(ValueError, match="retain_graph=True"):
        y.backward()
    assert x.grad.tolist() == [2.0, 4.0]
    with pytest.raises(ValueError, match="neither requires gradients"):
        wg.tensor(3.0).backward()
    with pytest.raises(ValueError, match="leaf Tensor that requires gradients"):
        x += 1
    with pytest.raises(ValueError, match="view of a leaf"):
        x[0].add_(1) if x[0].shape else x[:1].add_(1)
    with pytest.raises(TypeError, match="only floating point"):
        wg.tensor([1, 2], requires_grad=True)
    with pytest.raises(TypeError, match="does not fit"):
        wg.tensor([1, 2]).add_(0.5)
    with pytest.raises(ValueError, match="keep the shape"):
        wg.ones(2).add_(wg.ones(3, 2))
    with pytest.raises(ValueError, match="leaves only"):
        y.requires_grad_(False)
    with pytest.raises(TypeError, match=r"detach\(\)"):
        np.asarray(x)
    with pytest.raises(ValueError, match="equal shape"):
        x.grad = wg.ones(3)
    with pytest.raises(ValueError, match="equal lengths"):
        wg.tensor([[1.0], [1.0, 2.0]])


def test_memory_is_shared_with_numpy_and_given_to_others_in_copies():
    x = wg.tensor(np.arange(6.0))
    seen = np.asarray(x.detach())
    assert np.shares_memory(seen, np.asarray(x)) and not seen.flags.writeable
    given = np.from_dlpack(x)
    assert np.array_equal(given, seen) and not np.shares_memory(given, seen)
    assert np.shares_memory(np.from_dlpack(x, copy=False), seen)
    assert wg.from_dlpack(np.arange(3)).tolist() == [0, 1, 2]
    data = np.ones(3)
    t = wg.tensor(data)
    data[0] = 5.0
    assert t.tolist() == [1.0, 1.0, 1.0]
    t[1] = 2.0
    assert seen.tolist() == list(range(6))


def test_numbers_and_texts():
    x = leaf(2.5)
    assert float(x) == 2.5 and x.item() == 2.5 and f"{x:.1f}" == "2.5" and bool(x > 2) and int(wg.tensor(3)) == 3
    assert repr(x) == "tensor(2.5, requires_grad=True)" and "multiply" in repr(x * x)
    assert [1, 2, 3][wg.tensor(1)] == 2 and len(wg.ones(4)) == 4 and wg.ones(2, 3).size(1) == 3
    assert x.dtype == np.float64 and x.to(np.float32).dtype == np.float32
    m = wg.tensor([[1.0, 5.0], [3.0, 2.0]])
    values, where = m.max(1)
    assert values.tolist() == [5.0, 3.0] and where.tolist() == [1, 0] and m.argmax().item() == 1
    assert m.var().item() == pytest.approx(np.var(m.numpy(), ddof=1)) and np.var(m).item() == pytest.approx(
        np.var(m.numpy())
    )
    fn = (x * 2).grad_fn
    assert fn.name() == "multiply" and __file__ in fn.where and fn.next_functions[0] is x


def test_single_precision_stays():
    x = wg.tensor(np.ones(3), True, np.float32)
    y = (x * 2 + 1).exp().sum()
    y.backward()
    assert y.dtype == np.float32 and x.grad.dtype == np.float32


def test_copies():
    x = leaf([1.0, 2.0])
    (x * x).sum().backward()
    twin = copy.deepcopy(x)
    assert twin.requires_grad and twin.grad.tolist() == [2.0, 4.0] and twin is not x
    again = pickle.loads(pickle.dumps(x))
    assert again.requires_grad and again.tolist() == [1.0, 2.0]
    with pytest.raises(ValueError, match="detach"):
        pickle.dumps(x * 2)
