"""``nn.functional`` of ``compat.torch``: values against formulas in NumPy, gradients against differences."""

from __future__ import annotations

import math

import numpy as np
import pytest

import wengert as wg
from wengert import numeric
from wengert.compat.torch.nn import functional

X = np.random.default_rng(1).standard_normal((4, 3)) * 3
LABELS = np.array([0, 2, 1, 1])
SHARES = np.array([[0.2, 0.3, 0.5], [1.0, 0.0, 0.0], [0.1, 0.8, 0.1], [0.6, 0.2, 0.2]])
WEIGHTS = np.array([0.2, 1.0, 3.0])


def logarithms(x):
    return x - np.log(np.exp(x).sum(1, keepdims=True))


def cross_entropy(x, weight=None, ignored=None, smooth=0.0):
    weight = np.ones(3) if weight is None else weight
    total, mass = 0.0, 0.0
    for row, label in zip(logarithms(x), LABELS, strict=True):
        if label != ignored:
            total += -(1 - smooth) * weight[label] * row[label] - smooth / 3 * (weight * row).sum()
            mass += weight[label]
    return total / mass


def huber(x, delta):
    size = np.abs(x - SHARES)
    return np.where(size <= delta, size**2 / 2, delta * (size - delta / 2)).mean()


def normal_distribution(x):
    return np.vectorize(lambda v: 0.5 * (1 + math.erf(v / math.sqrt(2))))(x)


def centred(x, axes):
    return (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + 1e-5)


F = functional
CASES = {
    "gelu": (lambda t: F.gelu(t), lambda x: x * normal_distribution(x)),
    "layer_norm": (lambda t: F.layer_norm(t, (3,)), lambda x: centred(x, (1,))),
    "layer_norm of two axes": (
        lambda t: F.layer_norm(t, (4, 3), wg.tensor(SHARES), wg.tensor(X)),
        lambda x: centred(x, (0, 1)) * SHARES + X,
    ),
    "elu": (lambda t: F.elu(t, 2.0), lambda x: np.where(x > 0, x, 2 * (np.exp(x) - 1))),
    "silu": (lambda t: F.silu(t), lambda x: x / (1 + np.exp(-x))),
    "logsigmoid": (lambda t: F.logsigmoid(t), lambda x: -np.log(1 + np.exp(-x))),
    "leaky_relu": (lambda t: F.leaky_relu(t, 0.1), lambda x: np.where(x > 0, x, 0.1 * x)),
    "normalize": (lambda t: F.normalize(t), lambda x: x / np.sqrt((x * x).sum(1, keepdims=True))),
    "pad": (
        lambda t: F.pad(t, (1, 2), value=5.0) ** 2,
        lambda x: np.pad(x, ((0, 0), (1, 2)), constant_values=5.0) ** 2,
    ),
    "huber": (lambda t: F.huber_loss(t, wg.tensor(SHARES), delta=0.7), lambda x: huber(x, 0.7)),
    "smooth_l1": (lambda t: F.smooth_l1_loss(t, wg.tensor(SHARES), beta=0.7), lambda x: huber(x, 0.7) / 0.7),
    "binary_cross_entropy": (
        lambda t: F.binary_cross_entropy(t.sigmoid(), wg.tensor(SHARES), "sum"),
        lambda x: (np.log1p(np.exp(-x)) * SHARES + np.log1p(np.exp(x)) * (1 - SHARES)).sum(),
    ),
    "with pos_weight": (
        lambda t: F.binary_cross_entropy_with_logits(t, wg.tensor(SHARES), pos_weight=wg.tensor(WEIGHTS)),
        lambda x: (np.log1p(np.exp(-x)) * SHARES * WEIGHTS + np.log1p(np.exp(x)) * (1 - SHARES)).mean(),
    ),
    "cross_entropy": (lambda t: F.cross_entropy(t, wg.tensor(LABELS)), lambda x: cross_entropy(x)),
    "ignoring": (lambda t: F.cross_entropy(t, LABELS, ignore_index=1), lambda x: cross_entropy(x, ignored=1)),
    "weighted": (lambda t: F.cross_entropy(t, LABELS, wg.tensor(WEIGHTS)), lambda x: cross_entropy(x, WEIGHTS)),
    "smoothed": (
        lambda t: F.cross_entropy(t, LABELS, wg.tensor(WEIGHTS), 1, label_smoothing=0.2),
        lambda x: cross_entropy(x, WEIGHTS, 1, 0.2),
    ),
    "probabilities": (
        lambda t: F.cross_entropy(t, wg.tensor(SHARES)),
        lambda x: -(logarithms(x) * SHARES).sum() / 4,
    ),
    "pixels": (
        lambda t: F.cross_entropy(t.reshape(2, 3, 2), wg.tensor(LABELS.reshape(2, 2)), reduction="sum"),
        lambda x: -sum(logarithms(x.reshape(2, 3, 2)[b].T)[k, LABELS[2 * b + k]] for b in (0, 1) for k in (0, 1)),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_values_and_gradients(name: str) -> None:
    ours, plain = CASES[name]
    t = wg.tensor(X, requires_grad=True)
    found = ours(t)
    assert np.allclose(found.detach(), plain(X), rtol=1e-12, atol=1e-13)
    weights = np.cos(np.arange(np.size(found.detach()))).reshape(found.shape)
    (found * weights).sum().backward()
    expected = numeric.gradient(lambda x: np.sum(plain(x) * weights), X).value
    assert np.allclose(t.grad, expected, rtol=1e-7, atol=1e-9)


def test_unfit_arguments_are_named() -> None:
    t = wg.tensor(X, requires_grad=True)
    with pytest.raises(ValueError, match=r"one of them is 7"):
        F.cross_entropy(t, np.array([0, 7, 1, 1]))
    with pytest.raises(ValueError, match=r"layer_norm over \(4,\) of a Tensor of shape \(4, 3\)"):
        F.layer_norm(t, 4)
    with pytest.raises(ValueError, match=r"mse_loss: values of shape \(4, 3\) for targets of shape \(4,\)"):
        F.mse_loss(t, wg.tensor(X[:, 0]))
    with pytest.raises(ValueError, match="max_pool2d: squares of 3, a stride of 2"):
        F.max_pool2d(wg.zeros(1, 1, 6, 6), 3, 2)
