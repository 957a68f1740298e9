"""Neural networks as plain functions over containers: parameters are arrays or Tensors in tuples, lists and dicts.

Imports the public names of wengert. Invariant: every function gives the same numbers on arrays, on Tensors, and under
any transformation.
"""

from wengert.nn.initial import conv2d_parameters, layer_norm_parameters, linear_parameters
from wengert.nn.layers import (
    attention,
    conv2d,
    dropout,
    embedding,
    gelu,
    layer_norm,
    linear,
    log_softmax,
    max_pool2d,
    softmax,
)
from wengert.nn.losses import accuracy, cross_entropy, mean_squared_error
from wengert.nn.saving import load, save

__all__ = [
    "accuracy",
    "attention",
    "conv2d",
    "conv2d_parameters",
    "cross_entropy",
    "dropout",
    "embedding",
    "gelu",
    "layer_norm",
    "layer_norm_parameters",
    "linear",
    "linear_parameters",
    "load",
    "log_softmax",
    "max_pool2d",
    "mean_squared_error",
    "save",
    "softmax",
]
