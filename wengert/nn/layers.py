"""Layers: linear maps, convolution, normalisation, embedding, dropout, attention.

Imports the public names of wengert. Invariant: a layer has no state; what is random comes from a Generator that the
caller gives.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import wengert
from wengert.core.errors import WengertIndexError, WengertTypeError, WengertValueError, error_at


def linear(x: Any, weight: Any, bias: Any = None) -> Any:
    """``x @ weight + bias``: shapes (..., n), (n, m), (m,) give (..., m).

    >>> linear(np.ones((2, 3)), np.ones((3, 4)), np.ones(4)).shape
    (2, 4)
    """
    if x.shape[-1] != weight.shape[0]:
        raise error_at(
            WengertValueError,
            f"linear: inputs of {x.shape[-1]} features for a weight of shape {tuple(weight.shape)}",
            fix="give a weight of shape (features in, features out)",
        )
    out = x @ weight
    return out if bias is None else out + bias


def conv2d(x: Any, weight: Any, bias: Any = None, *, stride: int = 1, padding: int = 0) -> Any:
    """Correlate images (batch, channels in, height, width) with kernels (channels out, channels in, rows, columns).

    The sides are padded with ``padding`` zeros; the result is (batch, channels out, rows, columns).

    >>> conv2d(np.ones((1, 1, 5, 5)), np.ones((2, 1, 3, 3)), padding=1)[0, 0, 0]
    array([4., 6., 6., 6., 4.])
    """
    if len(x.shape) != 4 or len(weight.shape) != 4 or x.shape[1] != weight.shape[1]:
        raise error_at(
            WengertValueError,
            f"conv2d: images of shape {tuple(x.shape)} and kernels of shape {tuple(weight.shape)} do not go together",
            fix="images are (batch, channels in, height, width), kernels (channels out, channels in, rows, columns)",
        )
    if padding:
        x = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    batch, _, height, width = x.shape
    count, channels, rows, columns = weight.shape
    high, wide = (height - rows) // stride + 1, (width - columns) // stride + 1
    if high < 1 or wide < 1:
        raise error_at(
            WengertValueError,
            f"conv2d: kernels of {rows} x {columns} are larger than the padded images of {height} x {width}",
            fix="use smaller kernels or more padding",
        )
    # One matrix product: every window of the image is a column.
    windows = [
        x[:, :, i : i + stride * (high - 1) + 1 : stride, j : j + stride * (wide - 1) + 1 : stride]
        for i in range(rows)
        for j in range(columns)
    ]
    patches = np.stack(windows, axis=2).reshape((batch, channels * rows * columns, high * wide))
    out = (weight.reshape((count, channels * rows * columns)) @ patches).reshape((batch, count, high, wide))
    return out if bias is None else out + bias.reshape((count, 1, 1))


def max_pool2d(x: Any, size: int = 2) -> Any:
    """The largest element of every ``size`` x ``size`` square (what is left over at the edges is dropped).

    >>> max_pool2d(np.arange(16.0).reshape(1, 1, 4, 4))[0, 0]
    array([[ 5.,  7.],
           [13., 15.]])
    """
    batch, channels, height, width = x.shape
    high, wide = height // size, width // size
    squares = x[:, :, : high * size, : wide * size].reshape((batch, channels, high, size, wide, size))
    return np.max(np.max(squares, axis=5), axis=3)


def layer_norm(x: Any, weight: Any = None, bias: Any = None, *, epsilon: float = 1e-5) -> Any:
    """Shift and scale the last axis to mean 0 and variance 1, then by ``weight`` and ``bias``.

    >>> layer_norm(np.array([[1.0, 3.0]]), epsilon=0.0)
    array([[-1.,  1.]])
    """
    centred = x - np.mean(x, axis=-1, keepdims=True)
    out = centred / np.sqrt(np.mean(centred * centred, axis=-1, keepdims=True) + epsilon)
    if weight is not None:
        out = out * weight
    return out if bias is None else out + bias


def embedding(table: Any, indices: Any) -> Any:
    """The rows of a table (n, d) that integer ``indices`` name: shape (*indices.shape, d).

    >>> embedding(np.eye(3), np.array([2, 0]))
    array([[0., 0., 1.],
           [1., 0., 0.]])
    """
    places = np.asarray(indices)
    if places.dtype.kind not in "iu":
        raise error_at(WengertTypeError, f"embedding: indices of {places.dtype}", fix="give integers")
    if places.size and not (places.min() >= 0 and places.max() < table.shape[0]):
        raise error_at(
            WengertIndexError,
            f"embedding: indices from {places.min()} to {places.max()} for a table of {table.shape[0]} rows",
            fix="give indices of rows that the table has",
        )
    return table[places]


def dropout(x: Any, rate: float, random: np.random.Generator, *, training: bool = True) -> Any:
    """Set a share ``rate`` of the elements to zero at random and scale the others up; ``x`` itself when not training.

    >>> dropout(np.ones(4), 0.0, np.random.default_rng(0))
    array([1., 1., 1., 1.])
    """
    if not 0.0 <= rate < 1.0:
        raise error_at(WengertValueError, f"dropout: a rate of {rate}", fix="give a share of at least 0 and below 1")
    if not training or rate == 0.0:
        return x
    return x * ((random.random(x.shape) >= rate) / (1.0 - rate))


def gelu(x: Any) -> Any:
    """The Gaussian error linear unit, in its tanh form.

    >>> float(gelu(np.float64(0.0)))
    0.0
    """
    return 0.5 * x * (1.0 + np.tanh(0.7978845608028654 * (x + 0.044715 * x * x * x)))


def largest(x: Any, axis: int) -> Any:
    """The largest elements along an axis, which stays with length 1, as constants: what exponentials are shifted by."""
    if isinstance(x, wengert.Tensor):
        return np.max(x.detach(), axis=axis, keepdims=True)
    return wengert.stop_gradient(np.max(x, axis=axis, keepdims=True))


def softmax(x: Any, axis: int = -1) -> Any:
    """Exponentials over their sum along an axis, without overflow.

    >>> softmax(np.array([1000.0, 1000.0]))
    array([0.5, 0.5])
    """
    weights = np.exp(x - largest(x, axis))
    return weights / weights.sum(axis=axis, keepdims=True)


def log_softmax(x: Any, axis: int = -1) -> Any:
    """The logarithm of ``softmax``, without overflow.

    >>> log_softmax(np.array([1000.0, 0.0]))
    array([    0., -1000.])
    """
    shifted = x - largest(x, axis)
    return shifted - np.log(np.exp(shifted).sum(axis=axis, keepdims=True))


def attention(query: Any, key: Any, value: Any, *, mask: Any = None) -> Any:
    """Softmax of ``query @ key^T / sqrt(d)`` times ``value``: shapes (..., n, d), (..., m, d), (..., m, e) give (...,
    n, e).

    Where ``mask`` (Boolean, broadcastable to (..., n, m)) is False nothing is attended to.

    >>> attention(np.zeros((1, 2)), np.ones((2, 2)), np.array([[1.0], [3.0]]))
    array([[2.]])
    """
    scores = query @ np.swapaxes(key, -1, -2) * (1.0 / np.sqrt(query.shape[-1]))
    if mask is not None:
        scores = np.where(np.asarray(mask), scores, -1e30)
    return softmax(scores) @ value


__all__ = [
    "attention",
    "conv2d",
    "dropout",
    "embedding",
    "gelu",
    "layer_norm",
    "linear",
    "log_softmax",
    "max_pool2d",
    "softmax",
]
