"""Results as named arrays: printed so that one can read them, or saved as .npz.

Imports the standard library, NumPy and this room. Invariant: what is printed and what is saved are
the same list of (name, value).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from wengert.cli.problems import Problem

Named = list[tuple[str, Any]]


def branches(tree: Any) -> Iterator[tuple[str, Any]] | None:
    """The children of a container with their names, or None for a leaf."""
    if isinstance(tree, dict):
        return ((str(key), value) for key, value in tree.items())
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return zip(tree._fields, tree, strict=True)
    if isinstance(tree, (tuple, list)):
        return ((str(position), value) for position, value in enumerate(tree))
    return None


def named(name: str, tree: Any) -> Named:
    """The leaves of nested containers, named by their path: `grad.w`, `jacobian.0.w`."""
    found: Named = []
    stack = [(name, tree)]
    while stack:
        path, value = stack.pop()
        inner = branches(value)
        if inner is None:
            if value is not None:
                found.append((path, value))
            continue
        stack += [(f"{path}.{key}", child) for key, child in reversed(list(inner))]
    return found


def mapped(function: Callable[[str, Any], Any], tree: Any, path: str = "") -> Any:
    """The same containers with every leaf replaced by `function(path, leaf)`."""

    def below(key: Any) -> str:
        return f"{path}.{key}" if path else str(key)

    if isinstance(tree, dict):
        return {key: mapped(function, value, below(key)) for key, value in tree.items()}
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        pairs = zip(tree._fields, tree, strict=True)
        return type(tree)(*(mapped(function, value, below(key)) for key, value in pairs))
    if isinstance(tree, (tuple, list)):
        parts = [mapped(function, value, below(key)) for key, value in enumerate(tree)]
        return tuple(parts) if isinstance(tree, tuple) else parts
    return None if tree is None else function(path, tree)


def printed(pairs: Named, full: bool) -> str:
    """Each value under its name, type and shape; long arrays are cut unless `full`."""
    blocks = []
    for name, value in pairs:
        array = np.asarray(value)
        if array.ndim == 0:
            blocks.append(f"{name} = {array[()]!s}")
            continue
        threshold = array.size + 1 if full else 60
        text = np.array2string(
            array, threshold=threshold, edgeitems=3, max_line_width=96, precision=8
        )
        shape = " x ".join(map(str, array.shape))
        head = f"{name}   {array.dtype} {shape}"
        blocks.append(head + "\n" + "\n".join("  " + line for line in text.splitlines()))
    return "\n".join(blocks)


def save(path: str, pairs: Named) -> str:
    """Write the values to an .npz file; says what it holds."""
    if not path.endswith(".npz"):
        raise Problem(f"--out {path}: the name must end with .npz")
    arrays = {name: np.asarray(value) for name, value in pairs}
    odd = [name for name, array in arrays.items() if array.dtype.kind == "O"]
    if odd:
        raise Problem(f"--out {path}: {odd[0]} is not an array of numbers")
    try:
        with Path(path).open("wb") as stream:
            np.savez(stream, **arrays)  # type: ignore[arg-type]
    except OSError as error:
        raise Problem(f"--out {path}: {error.strerror or error}") from error
    return f"wrote {path}: {', '.join(arrays)}"
