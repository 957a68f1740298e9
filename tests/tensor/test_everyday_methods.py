"""Everyday methods of Tensors by PyTorch's names: values against NumPy, gradients against differences of NumPy."""

from __future__ import annotations

import math

import numpy as np
import pytest

import wengert as wg
from wengert import numeric

X = np.random.default_rng(5).standard_normal((3, 4))
S = np.random.default_rng(6).standard_normal((3, 4))
PLACES = np.array([[0, 2, 1], [1, 3, 1], [3, 0, 0]])


def at(index: np.ndarray, dim: int) -> tuple[np.ndarray, ...]:
    grid = list(np.indices(index.shape))
    grid[dim] = index
    return tuple(grid)


def written(x, place, values, add=False):
    out = x.copy()
    if add:
        np.add.at(out, place, values)
    else:
        out[place] = values
    return out


def windows(x):
    return np.stack([x[:, k : k + 2] for k in range(3)], axis=1)


elementwise = np.vectorize
METHODS = {
    "add": (lambda t: t.add(t[0], alpha=2), lambda x: x + 2 * x[0]),
    "sub_": (lambda t: t.clone().sub_(t * t, alpha=0.5), lambda x: x - 0.5 * x * x),
    "amax": (lambda t: t.amax((0, 1)) + t.amin(1), lambda x: x.max() + x.min(1)),
    "erf": (lambda t: t.erf() - 2 * t.erfc(), lambda x: elementwise(lambda v: math.erf(v) - 2 * math.erfc(v))(x)),
    "lgamma": (lambda t: (t * t + 1).lgamma(), lambda x: elementwise(lambda v: math.lgamma(v * v + 1))(x)),
    "frac": (lambda t: t.frac() * t.trunc(), lambda x: (x - np.trunc(x)) * np.trunc(x)),
    "logit": (lambda t: t.sigmoid().logit(), lambda x: x),
    "xlogy": (lambda t: (t[0] * 0).xlogy(t[0]) + t[1].xlogy(t[2].abs()), lambda x: x[1] * np.log(abs(x[2]))),
    "hypot": (lambda t: t.hypot(t[0] + 9) + t.fmod(0.7), lambda x: np.hypot(x, x[0] + 9) + np.fmod(x, 0.7)),
    "where": (lambda t: t.where(t > 0, t * t), lambda x: np.where(x > 0, x, x * x)),
    "dist": (
        lambda t: t[0].dist(t[1]) + t.dist(t[1] * 2, 1),
        lambda x: np.hypot.reduce(x[0] - x[1]) + abs(x - 2 * x[1]).sum(),
    ),
    "median": (lambda t: t.median() * t.median(1)[0], lambda x: np.sort(x.ravel())[5] * np.sort(x, 1)[:, 1]),
    "kthvalue": (lambda t: t.kthvalue(2, 0)[0] + t.kthvalue(1)[0].sum(), lambda x: np.sort(x, 0)[1] + x.min(1).sum()),
    "quantile": (lambda t: t.quantile(0.3, dim=1), lambda x: np.quantile(x, 0.3, axis=1)),
    "cummax": (
        lambda t: t.cummax(1)[0] * t.cummin(0)[0],
        lambda x: np.maximum.accumulate(x, 1) * np.minimum.accumulate(x, 0),
    ),
    "logcumsumexp": (lambda t: t.logcumsumexp(1), lambda x: np.log(np.cumsum(np.exp(x), 1))),
    "scatter": (lambda t: t.scatter(1, wg.tensor(PLACES), t * 2), lambda x: written(x, at(PLACES, 1), 2 * x[:, :3])),
    "scatter value": (
        lambda t: t.scatter(0, wg.tensor(PLACES[:1, :1]), 7.0) * t,
        lambda x: written(x, (0, 0), 7.0) * x,
    ),
    "scatter_add_": (
        lambda t: t.clone().scatter_add_(1, wg.tensor(PLACES), t * t),
        lambda x: written(x, at(PLACES, 1), (x * x)[:, :3], add=True),
    ),
    "index_add": (
        lambda t: t.index_add(0, wg.tensor([0, 0]), t[1:], alpha=3) * t,
        lambda x: written(x, [0, 0], 3 * x[1:], add=True) * x,
    ),
    "index_copy": (
        lambda t: t.index_copy(1, wg.tensor([3, 0]), t[:, 1:3] ** 2),
        lambda x: written(x, (slice(None), [3, 0]), x[:, 1:3] ** 2),
    ),
    "index_fill": (lambda t: t.index_fill(0, wg.tensor([1]), 2.0) * t, lambda x: written(x, 1, 2.0) * x),
    "index_put": (
        lambda t: t.index_put((wg.tensor([0, 0]), wg.tensor([1, 1])), t[1, :2], accumulate=True),
        lambda x: written(x, ([0, 0], [1, 1]), x[1, :2], add=True),
    ),
    "constant index_put": (
        lambda t: wg.zeros(2).index_put((wg.tensor([1]),), t[0, :1]),
        lambda x: np.stack([0 * x[0, 0], x[0, 0]]),
    ),
    "fill_diagonal_": (
        lambda t: t.clone().fill_diagonal_(3.0) * t,
        lambda x: written(x, (range(3), range(3)), 3.0) * x,
    ),
    "masked_select": (lambda t: t.masked_select(t > 0), lambda x: x[x > 0]),
    "narrow": (lambda t: t.narrow(1, 1, 2) * t.select(-1, 0).unsqueeze(1), lambda x: x[:, 1:3] * x[:, :1]),
    "unflatten": (lambda t: t.unflatten(1, (2, -1)) ** 2, lambda x: x.reshape(3, 2, 2) ** 2),
    "unfold": (lambda t: t.unfold(1, 2, 1) ** 2, lambda x: windows(x) ** 2),
    "tensor_split": (lambda t: t.tensor_split(2, 1)[1] * t.tensor_split((1, 3), 1)[1], lambda x: x[:, 2:] * x[:, 1:3]),
    "movedim": (
        lambda t: t.unflatten(1, (2, 2)).movedim((0, 1), (1, 2)) ** 2,
        lambda x: np.moveaxis(x.reshape(3, 2, 2), (0, 1), (1, 2)) ** 2,
    ),
    "repeat_interleave": (lambda t: t.repeat_interleave(wg.tensor([1, 0, 2]), dim=0) ** 2, lambda x: x[[0, 2, 2]] ** 2),
    "diag_embed": (lambda t: t.diag_embed() ** 2, lambda x: x[..., None] ** 2 * np.eye(4)),
    "sum_to_size": (
        lambda t: t.sum_to_size(1, 4) ** 2 + t.sum_to_size(4) ** 3,
        lambda x: x.sum(0, keepdims=True) ** 2 + x.sum(0) ** 3,
    ),
    "logdet": (lambda t: (t @ t.t()).logdet(), lambda x: np.log(np.linalg.det(x @ x.T))),
    "addmm": (lambda t: t[0].addmm(t[:, :3], t, beta=2, alpha=3), lambda x: 2 * x[0] + 3 * x[:, :3] @ x),
    "addcdiv_": (lambda t: t.clone().addcdiv_(t, t * t + 1, value=2), lambda x: x + 2 * x / (x * x + 1)),
    "complex": (lambda t: (t * (1 + 2j)).imag + (t * 1j).conj().abs() + t.real, lambda x: 3 * x + abs(x)),
    "reshaping": (lambda t: (t * 1).unsqueeze_(0).squeeze_(0).t_() ** 2, lambda x: x.T**2),
    "expand_as": (lambda t: t[:1].expand_as(t) * t.view_as(t), lambda x: x[:1] * x),
}


@pytest.mark.parametrize("name", METHODS)
def test_values_and_gradients(name: str) -> None:
    ours, plain = METHODS[name]
    t = wg.tensor(X, requires_grad=True)
    found = ours(t)
    value = plain(X)
    assert np.allclose(found.detach(), value, rtol=1e-12, atol=1e-13)
    assert found.shape == np.shape(value)
    weights = np.cos(np.arange(np.size(value))).reshape(np.shape(value))
    (found * weights).sum().backward()
    expected = numeric.gradient(lambda x: np.sum(plain(x) * weights), X).value
    assert np.allclose(t.grad, expected, rtol=1e-8, atol=1e-9)


def test_pairs_of_values_and_indices() -> None:
    t = wg.tensor([[3.0, 1.0, 2.0], [1.0, 1.0, 0.0]])
    assert [p.tolist() for p in t.median(dim=1)] == [[2.0, 1.0], [2, 0]]
    assert [p.tolist() for p in t.cummax(1)] == [[[3.0, 3.0, 3.0], [1.0, 1.0, 1.0]], [[0, 0, 0], [0, 1, 1]]]
    assert [p.tolist() for p in t.kthvalue(1, 1, keepdim=True)] == [[[1.0], [0.0]], [[1], [2]]]


def test_what_a_tensor_is() -> None:
    t = wg.tensor(X, requires_grad=True)
    assert (t.nbytes, t.itemsize, t.element_size(), t.nelement(), t.ndimension()) == (96, 8, 8, 12, 2)
    assert (t.device, t.is_cuda, t.is_complex(), t.is_contiguous(), t.retains_grad) == (
        "cpu",
        False,
        False,
        True,
        False,
    )
    assert t.equal(wg.tensor(X))
    assert not t.equal(X[:1])
    assert t.allclose(X + 1e-9)
    assert t.to(wg.ones(1, dtype=np.float32)).dtype == np.float32
    y = t * 2
    y.retain_grad()
    assert y.retains_grad
    assert (t > 0).nonzero().tolist() == np.argwhere(X > 0).tolist()


def test_random_contents() -> None:
    t = wg.zeros(1000)
    t.normal_(2.0, 0.5, generator=np.random.default_rng(0))
    assert t.tolist() == (2.0 + 0.5 * np.random.default_rng(0).standard_normal(1000)).tolist()
    t.data.uniform_(-1.0, 1.0)
    assert -1.0 <= t.min() < -0.9
    assert 0.9 < t.max() <= 1.0


def test_unfit_arguments_are_named() -> None:
    t = wg.tensor(X)
    with pytest.raises(ValueError, match=r"scatter: an index of 1 axes for a Tensor of 2"):
        t.scatter(0, wg.tensor([0]), 1.0)
    with pytest.raises(TypeError, match=r"a Tensor of float64 is no index"):
        t.index_add(0, wg.tensor([0.0]), t[:1])
    with pytest.raises(ValueError, match=r"unfold: windows of 5, a step of 1, on an axis of length 4"):
        t.unfold(1, 5, 1)
    with pytest.raises(ValueError, match=r"there is no device 'cuda:0'"):
        t.to("cuda:0")
    with pytest.raises(IndexError, match=r"transpose of the axes -1 and -2 of a Tensor of shape \(4,\)"):
        t[0].mT
    leaf = wg.tensor(X, requires_grad=True)
    with pytest.raises(ValueError, match=r"unsqueeze_: a leaf Tensor"):
        leaf.unsqueeze_(0)


def test_methods_are_compiled() -> None:
    w = wg.tensor([1.0, 2.0, 3.0], requires_grad=True)

    def step(x: np.ndarray) -> tuple[float, wg.Tensor]:
        y = (w * x).index_add(0, np.array([0, 0]), w[:2])
        y.scatter_add_(0, wg.tensor([1, 2]), w[1:])
        y.narrow(0, 1, 2).mul_(2)
        loss = y.median() * y.kthvalue(2)[0] + y.erf().sum() + y.amax()
        loss.backward()
        grad = w.grad.clone()
        w.grad = None
        return loss.item(), grad

    compiled = wg.compile(step, backend="numpy")
    for k in (1.0, 0.5, -2.0):
        value, grad = compiled(np.arange(1.0, 4.0) * k)
        expected, slope = step(np.arange(1.0, 4.0) * k)
        assert np.isclose(value, expected, rtol=1e-13)
        assert np.allclose(grad, slope, rtol=1e-13)
    assert compiled.paths
