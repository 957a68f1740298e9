"""``nn.functional`` by PyTorch's names, for Tensors.

Imports the public names of wengert. Invariant: means over the batch unless ``reduction`` says otherwise.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import wengert
from wengert import nn
from wengert.core.errors import WengertValueError, error_at
from wengert.tensor import draws

gelu, layer_norm = nn.gelu, nn.layer_norm


def relu(x: Any) -> Any:
    """The positive part."""
    return x.relu()


def softmax(x: Any, dim: int) -> Any:
    """Exponentials over their sum along ``dim``."""
    return x.softmax(dim)


def log_softmax(x: Any, dim: int) -> Any:
    """The logarithm of ``softmax``."""
    return x.log_softmax(dim)


def linear(x: Any, weight: Any, bias: Any = None) -> Any:
    """``x @ weight.T + bias``: the weight is (features out, features in), as in PyTorch.

    >>> linear(wengert.ones(1, 2), wengert.ones(3, 2)).tolist()
    [[2.0, 2.0, 2.0]]
    """
    out = x @ weight.t()
    return out if bias is None else out + bias


def dropout(x: Any, p: float = 0.5, training: bool = True) -> Any:
    """Set a share ``p`` to zero at random, scale the others up."""
    return nn.dropout(x, p, draws.source(), training=training)


def _reduced(losses: Any, reduction: str) -> Any:
    if reduction not in {"mean", "sum", "none"}:
        raise error_at(WengertValueError, f"a reduction {reduction!r}", fix='give "mean", "sum" or "none"')
    return losses if reduction == "none" else losses.mean() if reduction == "mean" else losses.sum()


def mse_loss(x: Any, target: Any, reduction: str = "mean") -> Any:
    """Squared differences.

    >>> mse_loss(wengert.ones(2), wengert.zeros(2)).item()
    1.0
    """
    difference = x - target
    return _reduced(difference * difference, reduction)


def binary_cross_entropy_with_logits(x: Any, target: Any, reduction: str = "mean") -> Any:
    """-target log(sigmoid(x)) - (1 - target) log(1 - sigmoid(x)), without overflow.

    >>> round(binary_cross_entropy_with_logits(wengert.zeros(2), wengert.ones(2)).item(), 6)
    0.693147
    """
    return _reduced(x.softplus() - x * target, reduction)


def cross_entropy(scores: Any, target: Any, reduction: str = "mean") -> Any:
    """-log softmax of the scores (batch, classes) at the labels (batch,)."""
    labels = target.detach().numpy() if isinstance(target, wengert.Tensor) else np.asarray(target)
    if reduction == "mean":
        return nn.cross_entropy(scores, labels)
    return _reduced(-scores.log_softmax(1)[np.arange(len(labels)), labels], reduction)


__all__ = [
    "binary_cross_entropy_with_logits",
    "cross_entropy",
    "dropout",
    "gelu",
    "layer_norm",
    "linear",
    "log_softmax",
    "mse_loss",
    "relu",
    "softmax",
]
