"""Losses and scores: cross entropy, mean squared error, accuracy.

Imports ``layers``. Invariant: a loss is one number, the mean over the batch.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.core.errors import WengertTypeError, WengertValueError, error_at
from wengert.nn.layers import largest


def cross_entropy(scores: Any, labels: Any) -> Any:
    """The mean of -log softmax at the labels: scores (batch, classes), integer labels (batch,).

    >>> round(float(cross_entropy(np.zeros((2, 4)), np.array([0, 3]))), 6)
    1.386294
    """
    wanted = np.asarray(labels)
    if wanted.dtype.kind not in "iu":
        raise error_at(
            WengertTypeError, f"cross_entropy: labels of {wanted.dtype}", fix="give the numbers of the classes"
        )
    batch, classes = scores.shape
    if wanted.shape != (batch,) or (batch and (wanted.min() < 0 or wanted.max() >= classes)):
        raise error_at(
            WengertValueError,
            f"cross_entropy: labels of shape {wanted.shape} for scores of shape ({batch}, {classes})",
            fix="give one label from 0 to classes - 1 for each row",
        )
    shifted = scores - largest(scores, 1)
    return (np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(batch), wanted]).mean()


def mean_squared_error(found: Any, wanted: Any) -> Any:
    """The mean of the squared differences.

    >>> float(mean_squared_error(np.array([1.0, 3.0]), np.array([1.0, 1.0])))
    2.0
    """
    error = found - wanted
    return np.mean(error * error)


def accuracy(scores: Any, labels: Any) -> float:
    """The share of rows whose largest score is at the label.

    >>> accuracy(np.eye(2), np.array([0, 0]))
    0.5
    """
    plain = np.asarray(scores.detach()) if hasattr(scores, "detach") else np.asarray(scores)
    return float(np.mean(np.argmax(plain, axis=1) == np.asarray(labels)))


__all__ = ["accuracy", "cross_entropy", "mean_squared_error"]
