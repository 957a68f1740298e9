"""``optim`` by PyTorch's argument names.

Imports the public names of wengert. Invariant: the steps are those of ``wengert.optim``.
"""

from __future__ import annotations

from typing import Any

from wengert import optim


def SGD(
    params: Any, lr: float = 1e-3, momentum: float = 0.0, weight_decay: float = 0.0, nesterov: bool = False
) -> optim.SGD:
    """``wengert.optim.SGD``."""
    return optim.SGD(params, lr, momentum, weight_decay, nesterov=nesterov)


def Adam(
    params: Any,
    lr: float = 1e-3,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 0.0,
) -> optim.Adam:
    """``wengert.optim.Adam``."""
    return optim.Adam(params, lr, betas, eps, weight_decay)


def AdamW(
    params: Any,
    lr: float = 1e-3,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 1e-2,
) -> optim.AdamW:
    """``wengert.optim.AdamW``."""
    return optim.AdamW(params, lr, betas, eps, weight_decay)


__all__ = ["SGD", "Adam", "AdamW"]
