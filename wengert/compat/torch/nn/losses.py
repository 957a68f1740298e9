"""Losses of ``nn.functional`` by PyTorch's names, for Tensors.

Imports the public names of wengert. Invariant: means over the batch unless ``reduction`` says otherwise.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import wengert
from wengert.core.errors import WengertTypeError, WengertValueError, error_at


def _reduced(losses: Any, reduction: str) -> Any:
    if reduction not in {"mean", "sum", "none"}:
        raise error_at(WengertValueError, f"a reduction {reduction!r}", fix='give "mean", "sum" or "none"', depth=4)
    return losses if reduction == "none" else losses.mean() if reduction == "mean" else losses.sum()


def _difference(x: Any, target: Any, name: str) -> Any:
    if x.shape != target.shape:
        raise error_at(
            WengertValueError,
            f"{name}: values of shape {tuple(x.shape)} for targets of shape {tuple(target.shape)}",
            fix="give equal shapes: broadcasting here is a mistake most of the time",
            depth=4,
        )
    return x - target


def mse_loss(x: Any, target: Any, reduction: str = "mean") -> Any:
    """Squared differences.

    >>> mse_loss(wengert.ones(2), wengert.zeros(2)).item()
    1.0
    """
    difference = _difference(x, target, "mse_loss")
    return _reduced(difference * difference, reduction)


def l1_loss(x: Any, target: Any, reduction: str = "mean") -> Any:
    """Absolute differences."""
    return _reduced(abs(_difference(x, target, "l1_loss")), reduction)


def huber_loss(x: Any, target: Any, reduction: str = "mean", delta: float = 1.0) -> Any:
    """Half the square of a difference up to ``delta``, linear beyond."""
    size = abs(_difference(x, target, "huber_loss"))
    return _reduced(np.where(size <= delta, 0.5 * size * size, delta * (size - 0.5 * delta)), reduction)


def smooth_l1_loss(x: Any, target: Any, reduction: str = "mean", beta: float = 1.0) -> Any:
    """``huber_loss`` over ``beta``."""
    return huber_loss(x, target, reduction, beta) / beta if beta else l1_loss(x, target, reduction)


def binary_cross_entropy(x: Any, target: Any, reduction: str = "mean") -> Any:
    """-target log(x) - (1 - target) log(1 - x), the logarithms not below -100, as in PyTorch."""
    down, up = np.maximum(np.log(x), -100.0), np.maximum(np.log1p(-x), -100.0)
    return _reduced(-(target * down + (1.0 - target) * up), reduction)


def binary_cross_entropy_with_logits(x: Any, target: Any, reduction: str = "mean", pos_weight: Any = None) -> Any:
    """-target log(sigmoid(x)) - (1 - target) log(1 - sigmoid(x)), without overflow; the first times ``pos_weight``.

    >>> round(binary_cross_entropy_with_logits(wengert.zeros(2), wengert.ones(2)).item(), 6)
    0.693147
    """
    if pos_weight is None:
        return _reduced(x.softplus() - x * target, reduction)
    return _reduced((1.0 - target) * x.softplus() + pos_weight * target * (-x).softplus(), reduction)


def nll_loss(x: Any, target: Any, weight: Any = None, ignore_index: int = -100, reduction: str = "mean") -> Any:
    """-x at the labels, for logarithms of probabilities (batch, classes, ...) and labels (batch, ...).

    Labels equal to ``ignore_index`` do not count; the mean is weighted by ``weight``, one for each class.
    """
    labels = _labels(x, target, ignore_index, "nll_loss")
    counts = labels != ignore_index
    places = np.where(counts, labels, 0)
    picked = np.take_along_axis(x, np.expand_dims(places, 1), axis=1)
    share = np.where(counts, 1.0 if weight is None else weight[places], 0.0)
    losses = -picked.reshape(labels.shape) * share
    return losses.sum() / share.sum() if reduction == "mean" else _reduced(losses, reduction)


def cross_entropy(
    scores: Any,
    target: Any,
    weight: Any = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Any:
    """-log softmax of the scores (batch, classes, ...) at the labels (batch, ...), or weighted by probabilities of the
    scores' shape. ``label_smoothing`` is the share that goes to all classes alike.

    >>> round(cross_entropy(wengert.zeros(2, 4), np.array([0, 3])).item(), 6)
    1.386294
    """
    axis = 1 if scores.ndim > 1 else 0
    if scores.ndim == 1:
        scores, target = scores.reshape(1, -1), target.reshape(1, -1) if np.ndim(target) else target.reshape(1)
        return cross_entropy(scores, target, weight, ignore_index, reduction, label_smoothing)
    logarithms = scores.log_softmax(axis)
    classes = scores.shape[axis]
    column = (-1, *(1,) * (scores.ndim - 2))
    if target.shape == scores.shape:
        wanted = target * (1.0 - label_smoothing) + label_smoothing / classes
        share = wanted if weight is None else wanted * weight.reshape(column)
        losses = -(logarithms * share).sum(axis)
        return losses.sum() / (losses.numel() or 1) if reduction == "mean" else _reduced(losses, reduction)
    plain = nll_loss(logarithms, target, weight, ignore_index, reduction)
    if not label_smoothing:
        return plain
    labels = _labels(scores, target, ignore_index, "cross_entropy")
    counts = labels != ignore_index
    even = logarithms if weight is None else logarithms * weight.reshape(column)
    spread = -even.sum(axis) * counts
    if reduction == "mean":
        share = counts if weight is None else np.where(counts, weight[np.where(counts, labels, 0)], 0.0)
        spread = spread.sum() / share.sum()
    else:
        spread = _reduced(spread, reduction)
    return (1.0 - label_smoothing) * plain + label_smoothing / classes * spread


def _labels(scores: Any, target: Any, ignored: int, name: str) -> Any:
    labels = target.detach().numpy() if isinstance(target, wengert.Tensor) else np.asarray(target)
    if labels.dtype.kind not in "iu":
        raise error_at(
            WengertTypeError, f"{name}: labels of {labels.dtype}", fix="give the numbers of the classes", depth=4
        )
    shape = (scores.shape[0], *scores.shape[2:])
    outside = (labels != ignored) & ((labels < 0) | (labels >= scores.shape[1]))
    if labels.shape != shape or bool(outside.any()):
        raise error_at(
            WengertValueError,
            f"{name}: labels of shape {labels.shape} for scores of shape {tuple(scores.shape)}"
            + (f", one of them is {labels[outside].flat[0]}" if labels.shape == shape else ""),
            fix="give one label from 0 to classes - 1 for each row",
            depth=4,
        )
    return labels


__all__ = [
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "cross_entropy",
    "huber_loss",
    "l1_loss",
    "mse_loss",
    "nll_loss",
    "smooth_l1_loss",
]
