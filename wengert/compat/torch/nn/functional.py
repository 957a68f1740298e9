"""``nn.functional`` by PyTorch's names, for Tensors: layers and activations.

Imports the public names of wengert, ``losses``. Invariant: defaults and conventions are PyTorch's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from wengert import nn
from wengert.compat.torch.nn.losses import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    cross_entropy,
    huber_loss,
    l1_loss,
    mse_loss,
    nll_loss,
    smooth_l1_loss,
)
from wengert.core.errors import WengertValueError, error_at
from wengert.tensor import draws
from wengert.tensor.tensor import Tensor


def relu(x: Any) -> Any:
    """The positive part."""
    return x.relu()


def sigmoid(x: Any) -> Any:
    """1 / (1 + exp(-x))."""
    return x.sigmoid()


def tanh(x: Any) -> Any:
    """The hyperbolic tangent."""
    return x.tanh()


def leaky_relu(x: Any, negative_slope: float = 0.01) -> Any:
    """x where it is positive, ``negative_slope * x`` elsewhere."""
    return np.where(x > 0, x, negative_slope * x)


def elu(x: Any, alpha: float = 1.0) -> Any:
    """x where it is positive, ``alpha * (exp(x) - 1)`` elsewhere."""
    return np.where(x > 0, x, alpha * np.expm1(np.where(x > 0, 0.0, x)))


def silu(x: Any) -> Any:
    """x sigmoid(x)."""
    return x * x.sigmoid()


def softplus(x: Any) -> Any:
    """log(1 + exp(x)), without overflow."""
    return x.softplus()


def logsigmoid(x: Any) -> Any:
    """log(sigmoid(x)), without overflow."""
    return -(-x).softplus()


def gelu(x: Any, approximate: str = "none") -> Any:
    """x times the normal distribution function at x; ``approximate="tanh"`` for its tanh form.

    >>> import wengert
    >>> round(gelu(wengert.tensor(1.0)).item(), 6), round(gelu(wengert.tensor(1.0), "tanh").item(), 6)
    (0.841345, 0.841192)
    """
    if approximate not in {"none", "tanh"}:
        raise error_at(WengertValueError, f"gelu: approximate={approximate!r}", fix='give "none" or "tanh"')
    return nn.gelu(x) if approximate == "tanh" else 0.5 * x * (1.0 + (x * 0.5**0.5).erf())


def softmax(x: Any, dim: int) -> Any:
    """Exponentials over their sum along ``dim``."""
    return x.softmax(dim)


def log_softmax(x: Any, dim: int) -> Any:
    """The logarithm of ``softmax``."""
    return x.log_softmax(dim)


def linear(x: Any, weight: Any, bias: Any = None) -> Any:
    """``x @ weight.T + bias``: the weight is (features out, features in), as in PyTorch.

    >>> import wengert
    >>> linear(wengert.ones(1, 2), wengert.ones(3, 2)).tolist()
    [[2.0, 2.0, 2.0]]
    """
    out = x @ weight.t()
    return out if bias is None else out + bias


def layer_norm(x: Any, normalized_shape: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Any:
    """Shift and scale the last axes, of shape ``normalized_shape``, to mean 0 and variance 1; then weight and bias."""
    shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
    if not shape or tuple(x.shape[-len(shape) :]) != shape:
        raise error_at(
            WengertValueError,
            f"layer_norm over {shape} of a Tensor of shape {tuple(x.shape)}",
            fix="give the lengths of its last axes",
        )
    axes = tuple(range(-len(shape), 0))
    centred = x - x.mean(axes, True)
    out = centred / ((centred * centred).mean(axes, True) + eps).sqrt()
    out = out if weight is None else out * weight
    return out if bias is None else out + bias


def dropout(x: Any, p: float = 0.5, training: bool = True) -> Any:
    """Set a share ``p`` to zero at random, scale the others up."""
    return nn.dropout(x, p, draws.source(), training=training)


def embedding(indices: Any, weight: Any) -> Any:
    """The rows of ``weight`` that integer indices name."""
    return nn.embedding(weight, indices)


def one_hot(indices: Any, num_classes: int = -1) -> Any:
    """Ones at the places that the indices name in a new last axis, zeros elsewhere.

    >>> one_hot(np.array([1, 0])).tolist()
    [[0, 1], [1, 0]]
    """
    places = np.asarray(indices)
    count = int(places.max()) + 1 if num_classes == -1 else num_classes
    return Tensor((places[..., None] == np.arange(count)).astype(np.int64))


def conv2d(x: Any, weight: Any, bias: Any = None, stride: int = 1, padding: int = 0) -> Any:
    """``wengert.nn.conv2d``."""
    return nn.conv2d(x, weight, bias, stride=_one(stride, "stride"), padding=_one(padding, "padding"))


def max_pool2d(x: Any, kernel_size: int, stride: int | None = None) -> Any:
    """``wengert.nn.max_pool2d``: squares that do not overlap."""
    size = _one(kernel_size, "kernel_size")
    if stride is not None and _one(stride, "stride") != size:
        raise error_at(
            WengertValueError, f"max_pool2d: squares of {size}, a stride of {stride}", fix="give equal numbers"
        )
    return nn.max_pool2d(x, size)


def _one(value: Any, name: str) -> int:
    """One number for both axes."""
    if isinstance(value, Sequence) and len(set(value)) == 1:
        return int(value[0])
    if not isinstance(value, int):
        raise error_at(WengertValueError, f"{name}={value!r}", fix="give one number, for both axes", depth=4)
    return value


def pad(x: Any, pad: Sequence[int], mode: str = "constant", value: float = 0.0) -> Any:
    """Padded at both ends of the last axis, then of the one before, and so on."""
    pairs = [(int(a), int(b)) for a, b in zip(pad[::2], pad[1::2], strict=True)][::-1]
    widths = [(0, 0)] * (x.ndim - len(pairs)) + pairs
    if mode == "constant":
        return np.pad(x, widths, constant_values=value)
    kinds = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}
    if mode not in kinds:
        raise error_at(WengertValueError, f"pad: mode={mode!r}", fix=f"give constant or one of {', '.join(kinds)}")
    return np.pad(x, widths, mode=kinds[mode])  # type: ignore[call-overload]


def normalize(x: Any, p: float = 2.0, dim: int = 1, eps: float = 1e-12) -> Any:
    """Over its ``p``-norm along ``dim``, which is taken for ``eps`` where it is smaller."""
    length = np.linalg.norm(x, ord=p, axis=dim, keepdims=True)
    return x / np.maximum(length, eps)


def cosine_similarity(a: Any, b: Any, dim: int = 1, eps: float = 1e-8) -> Any:
    """The cosine of the angle between vectors along ``dim``."""
    long = [np.maximum(np.linalg.norm(t, axis=dim), eps) for t in (a, b)]
    return (a * b).sum(dim) / (long[0] * long[1])


def scaled_dot_product_attention(query: Any, key: Any, value: Any, attn_mask: Any = None) -> Any:
    """``wengert.nn.attention``; a mask of floats is added to the scores."""
    if attn_mask is None or np.asarray(attn_mask).dtype.kind == "b":
        return nn.attention(query, key, value, mask=attn_mask)
    scores = query @ key.transpose(-2, -1) * (1.0 / query.shape[-1] ** 0.5) + attn_mask
    return scores.softmax(-1) @ value


__all__ = [
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "conv2d",
    "cosine_similarity",
    "cross_entropy",
    "dropout",
    "elu",
    "embedding",
    "gelu",
    "huber_loss",
    "l1_loss",
    "layer_norm",
    "leaky_relu",
    "linear",
    "log_softmax",
    "logsigmoid",
    "max_pool2d",
    "mse_loss",
    "nll_loss",
    "normalize",
    "one_hot",
    "pad",
    "relu",
    "scaled_dot_product_attention",
    "sigmoid",
    "silu",
    "smooth_l1_loss",
    "softmax",
    "softplus",
    "tanh",
]
