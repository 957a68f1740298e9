"""First values of parameters, as dicts of arrays.

Imports NumPy. Invariant: all randomness comes from the Generator that is given.
"""

from __future__ import annotations

import numpy as np

Parameters = dict[str, np.ndarray]


def linear_parameters(random: np.random.Generator, inputs: int, outputs: int, *, gain: float = 2.0) -> Parameters:
    """Weight (inputs, outputs) with variance ``gain / inputs`` (2: before a relu), bias zero.

    >>> {k: v.shape for k, v in linear_parameters(np.random.default_rng(0), 3, 4).items()}
    {'weight': (3, 4), 'bias': (4,)}
    """
    return {"weight": random.standard_normal((inputs, outputs)) * (gain / inputs) ** 0.5, "bias": np.zeros(outputs)}


def conv2d_parameters(
    random: np.random.Generator, inputs: int, outputs: int, size: int, *, gain: float = 2.0
) -> Parameters:
    """Kernels (outputs, inputs, size, size) with variance ``gain`` over the elements of one, bias zero.

    >>> conv2d_parameters(np.random.default_rng(0), 1, 8, 3)["weight"].shape
    (8, 1, 3, 3)
    """
    scale = (gain / (inputs * size * size)) ** 0.5
    return {"weight": random.standard_normal((outputs, inputs, size, size)) * scale, "bias": np.zeros(outputs)}


def layer_norm_parameters(size: int) -> Parameters:
    """Weight one, bias zero.

    >>> layer_norm_parameters(2)["weight"]
    array([1., 1.])
    """
    return {"weight": np.ones(size), "bias": np.zeros(size)}


__all__ = ["conv2d_parameters", "layer_norm_parameters", "linear_parameters"]
