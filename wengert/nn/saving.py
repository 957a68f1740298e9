"""Saving parameters with safetensors: names and arrays, no code.

Imports core and the public names of wengert. Invariant: what is loaded has the names, shapes and dtypes of the
container it is loaded into.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np

import wengert
from wengert.core.errors import WengertError, WengertValueError, error_at
from wengert.core.tree import arrays, flatten


class MissingExtraError(WengertError, ImportError):
    """An optional package is not installed."""


def _safetensors() -> Any:
    try:
        import safetensors.numpy
    except ImportError:
        raise error_at(
            MissingExtraError,
            "saving parameters needs the package safetensors, which is not installed",
            fix="pip install 'wengert[nn]'",
        ) from None
    return safetensors.numpy


def _named(params: Any) -> tuple[dict[str, np.ndarray[Any, Any]], Any]:
    with wengert.no_grad():  # of Tensors that require gradients the values are wanted
        leaves, structure = flatten(arrays(params))
    names = [p.replace("'", "").replace("][", ".").strip("[].") or "value" for p in structure.paths()]
    return {n: np.ascontiguousarray(v) for n, v in zip(names, leaves, strict=True)}, structure


def save(path: str | os.PathLike[str], params: Any) -> None:
    """Write the arrays or Tensors of a container to a safetensors file, under names such as ``layers.0.weight``.

    Raises ImportError without the package safetensors (``wengert[nn]``).

    >>> import wengert.nn as nn
    >>> nn.save("model.safetensors", {"weight": np.ones(2)})  # doctest: +SKIP
    """
    _safetensors().save_file(_named(params)[0], os.fspath(path))


def load(path: str | os.PathLike[str], like: Any) -> Any:
    """The arrays of a file in a container built like ``like``; raises ValueError where names, shapes or dtypes differ.

    >>> import wengert.nn as nn
    >>> nn.load("model.safetensors", like={"weight": np.zeros(2)})  # doctest: +SKIP
    {'weight': array([1., 1.])}
    """
    found = _safetensors().load_file(os.fspath(path))
    wanted, structure = _named(like)
    if set(found) != set(wanted):
        raise error_at(
            WengertValueError,
            f"load: the file has {sorted(set(found) - set(wanted))} besides "
            f"and lacks {sorted(set(wanted) - set(found))}",
            fix="load into a container of the same structure",
        )
    for name, value in wanted.items():
        if found[name].shape != value.shape or found[name].dtype != value.dtype:
            raise error_at(
                WengertValueError,
                f"load: {name} is {found[name].dtype}{list(found[name].shape)} in the file, "
                f"wanted {value.dtype}{list(value.shape)}",
                fix="load into a container of the same shapes and dtypes",
            )
    return structure.unflatten([found[name] for name in wanted])


__all__ = ["load", "save"]
