"""``nn``: the functions; modules with state there are none (``docs/pytorch.md``).

Imports ``functional``. Invariant: none of its own.
"""

from wengert.compat.torch.nn import functional

__all__ = ["functional"]
