"""Optimisers: SGD, Adam, AdamW for Tensors and for containers of arrays, and L-BFGS by SciPy.

Imports the public names of wengert. Invariant: a step changes all parameters or none.
"""

from wengert.optim.lbfgs import lbfgs
from wengert.optim.steps import SGD, Adam, AdamW

__all__ = ["SGD", "Adam", "AdamW", "lbfgs"]
