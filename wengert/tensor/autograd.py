"""``wengert.autograd``: gradients of Tensors without touching ``grad``, and operations with rules of one's own.

Imports this room. Invariant: names only; nothing is defined here.
"""

from wengert.tensor.backward import grad
from wengert.tensor.function import Function
from wengert.tensor.mode import enable_grad, no_grad

__all__ = ["Function", "enable_grad", "grad", "no_grad"]
