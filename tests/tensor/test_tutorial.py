"""The first lines of PyTorch tutorials, word for word but for the import; their results have closed forms."""

import numpy as np
import pytest

import wengert as wg
from wengert.compat import torch


def test_one_layer_with_its_gradients():
    x = torch.ones(5)
    y = torch.zeros(3)
    w = torch.randn(5, 3, requires_grad=True)
    b = torch.randn(3, requires_grad=True)
    z = torch.matmul(x, w) + b
    loss = torch.nn.functional.binary_cross_entropy_with_logits(z, y)
    assert f"{z.grad_fn}" and f"{loss.grad_fn}"
    loss.backward()
    expected = 1.0 / (1.0 + np.exp(-z.detach().numpy())) / 3.0
    assert np.allclose(b.grad, expected) and np.allclose(w.grad, np.tile(expected, (5, 1)))
    assert z.requires_grad is True
    with torch.no_grad():
        z = torch.matmul(x, w) + b
    assert z.requires_grad is False
    z = torch.matmul(x, w) + b
    assert z.detach().requires_grad is False


def test_a_vector_jacobian_product():
    a = torch.tensor([2.0, 3.0], requires_grad=True)
    b = torch.tensor([6.0, 4.0], requires_grad=True)
    Q = 3 * a**3 - b**2
    external_grad = torch.tensor([1.0, 1.0])
    Q.backward(gradient=external_grad)
    assert (9 * a**2 == a.grad).all() and (-2 * b == b.grad).all()


def test_accumulation_is_undone_by_zeroing():
    inp = torch.eye(4, 5, requires_grad=True)
    out = (inp + 1).pow(2).t()
    out.backward(torch.ones_like(out), retain_graph=True)
    first = inp.grad.clone()
    out.backward(torch.ones_like(out), retain_graph=True)
    assert torch.equal(inp.grad, 2 * first)
    inp.grad.zero_()
    out.backward(torch.ones_like(out))
    assert torch.equal(inp.grad, 2 * (torch.eye(4, 5) + 1))


def test_a_polynomial_is_fitted_by_hand():
    torch.manual_seed(0)
    x = torch.linspace(-np.pi, np.pi, 200)
    y = torch.sin(x)
    a, b, c, d = (torch.randn((), requires_grad=True) for _ in range(4))
    losses = []
    for _ in range(300):
        y_pred = a + b * x + c * x**2 + d * x**3
        loss = (y_pred - y).pow(2).sum()
        losses.append(loss.item())
        loss.backward()
        with torch.no_grad():
            for p in (a, b, c, d):
                p -= 1e-6 * p.grad
                p.grad = None
    assert losses[-1] < 0.5 * losses[0]


def test_an_optimiser_and_joined_tensors():
    t = torch.cat([torch.rand(2, 3), torch.zeros(2, 3)], dim=0)
    assert t.shape == (4, 3) and torch.stack([t, t], dim=1).shape == (4, 2, 3)
    w = torch.zeros(3, requires_grad=True)
    optimizer = torch.optim.SGD([w], lr=0.5, momentum=0.5)
    for _ in range(60):
        optimizer.zero_grad()
        loss = torch.nn.functional.mse_loss(w, torch.tensor([1.0, 2.0, 3.0]), reduction="sum")
        loss.backward()
        optimizer.step()
    assert torch.allclose(w, torch.tensor([1.0, 2.0, 3.0]), atol=1e-6)


def test_what_is_missing_is_named():
    with pytest.raises(AttributeError, match=r"no 'ormqr'[\s\S]*NumPy"):
        torch.ormqr
    with pytest.raises(ValueError, match="reduction"):
        torch.nn.functional.mse_loss(torch.ones(2), torch.ones(2), reduction="most")


def test_elements_picked_and_sorted_have_their_gradients():
    t = torch.tensor([[3.0, 1.0, 2.0], [4.0, 6.0, 5.0]], requires_grad=True)
    values, places = t.sort(descending=True)
    assert values.tolist() == [[3.0, 2.0, 1.0], [6.0, 5.0, 4.0]] and places.tolist() == [[0, 2, 1], [1, 2, 0]]
    weight = torch.tensor([100.0, 10.0, 1.0])
    top, _ = t.topk(1)
    picked = t.gather(1, torch.tensor([[0, 0], [2, 1]]))
    loss = (
        (values * weight).sum()
        + 1000.0 * top.sum()
        + 1e4 * picked.sum()
        + 1e5 * t.index_select(0, torch.tensor([1, 1])).sum()
    )
    loss = loss + 1e6 * t.unbind(1)[2].sum() + t.lerp(2.0 * t, 0.5).sum() * 1e7 + 1e8 * t.movedim(0, 1)[0].sum()
    loss.backward()
    expected = np.array([[100.0, 1.0, 10.0], [1.0, 100.0, 10.0]])
    expected += 1000.0 * np.array([[1, 0, 0], [0, 1, 0]]) + 1e4 * np.array([[2, 0, 0], [0, 1, 1]])
    expected += 2e5 * np.array([[0, 0, 0], [1, 1, 1]]) + 1e6 * np.array([[0, 0, 1], [0, 0, 1]]) + 1.5e7
    expected += 1e8 * np.array([[1, 0, 0], [1, 0, 0]])
    assert np.allclose(t.grad, expected)
    with pytest.raises(TypeError, match="is no index"):
        t.gather(1, torch.tensor([[0.5]]))
    assert t.new_zeros(2).tolist() == [0.0, 0.0] and t.new_ones((1, 2)).dtype == t.dtype
    assert (
        np.allclose(wg.tensor(4.0).rsqrt().item(), 0.5)
        and t.type_as(torch.ones(1, dtype=torch.float32)).dtype == np.float32
    )
