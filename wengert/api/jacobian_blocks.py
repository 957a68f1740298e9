"""A Jacobian by batched products: tangents along the columns of the identity, or cotangents along its rows.

Imports core, ``gradients``, ``batching``. Invariant: blocks are ``blocks[output][input]``, each ``out.shape +
in.shape``, and nothing is evaluated twice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.api import engine
from wengert.api.arguments import Selection, name_of
from wengert.api.batching import batched_call
from wengert.api.gradients import jvp, vjp
from wengert.core.context import TANGENTS
from wengert.core.deferred import held
from wengert.core.errors import WengertTypeError, WengertValueError, error_at
from wengert.core.handle import is_handle
from wengert.core.tree import Structure, flatten
from wengert.core.types import dtype_of, shape_of
from wengert.ops import join

DIRECTIONS = 256
"""How many tangents go in one batch where a gradient is computed by forward mode."""


def raw(value: Any) -> Any:
    """The raw value of a handle, for its type and shape; everything else as it is."""
    return held(value) if is_handle(value) else value


def size_of(leaf: Any) -> int:
    """The number of elements of a leaf."""
    size = 1
    for n in shape_of(raw(leaf)):
        size *= n
    return size


def _basis(leaves: Sequence[Any], start: int, stop: int) -> list[np.ndarray[Any, Any]]:
    """Rows ``start`` to ``stop`` of the identity over all elements of the leaves, split by leaf."""
    out = []
    offset = 0
    for leaf in leaves:
        size = size_of(leaf)
        dtype = dtype_of(raw(leaf))
        rows = np.zeros((stop - start, size), dtype if dtype.kind in "fc" else float)
        low, high = max(start, offset), min(stop, offset + size)
        if low < high:
            picked = np.arange(low, high)
            rows[picked - start, picked - offset] = 1.0
        out.append(rows.reshape(stop - start, *shape_of(raw(leaf))))
        offset += size
    return out


def chunks_of(total: int, chunk_size: int | None) -> list[tuple[int, int]]:
    """Where each batch starts and stops; raises WengertValueError for a size that is none."""
    if chunk_size is None:
        return [(0, total)] if total else []
    if isinstance(chunk_size, bool) or not isinstance(chunk_size, (int, np.integer)) or chunk_size < 1:
        raise error_at(
            WengertValueError, f"chunk_size={chunk_size!r}", fix="give a positive number of rows per batch, or None"
        )
    return [(k, min(k + chunk_size, total)) for k in range(0, total, chunk_size)]


def _joined(parts: list[Any]) -> Any:
    if len(parts) == 1:
        return parts[0]
    return join.concatenate(parts, 0) if any(map(is_handle, parts)) else np.concatenate(parts)


def _rows(value: Any, batched: bool, count: int) -> Any:
    if batched:
        return value
    return join.stack([value] * count, 0) if is_handle(value) else np.broadcast_to(value, (count, *np.shape(value)))


class Flat:
    """A function of its differentiated leaves only, for one call."""

    def __init__(
        self, fun: Callable[..., Any], args: Any, kwargs: Any, argnums: Any, argnames: Any, has_aux: bool
    ) -> None:
        self.fun = fun
        self.picked = Selection(fun, args, kwargs, argnums, argnames)
        self.leaves = [engine.settled(leaf) for leaf in self.picked.leaves]
        self.has_aux = has_aux
        self.aux: Any = None
        self.total = sum(map(size_of, self.leaves))
        self.__name__ = name_of(fun)

    def __call__(self, *leaves: Any) -> Any:
        """What the function returns at these leaves; with ``has_aux`` it must be a pair."""
        args, kwargs = self.picked.rebuild(list(leaves))
        out = engine.call(self.fun, args, kwargs)
        if not self.has_aux:
            return out
        if not isinstance(out, tuple) or len(out) != 2:
            raise error_at(
                WengertTypeError,
                f"with has_aux=True {name_of(self.fun)} must return a pair (out, aux)",
                fix="return out, aux",
            )
        return out

    def check(self, outputs: Sequence[Any], structure: Structure) -> None:
        """Every output must be a number or an array."""
        for o, path in zip(outputs, structure.paths("the output"), strict=True):
            plain = raw(o)
            if not isinstance(plain, (np.ndarray, np.generic, float, int, complex)):
                raise error_at(
                    WengertTypeError,
                    f"{path} of {name_of(self.fun)} is a {type(plain).__name__}, which has no Jacobian",
                    fix="return arrays, numbers or containers of them",
                )
        if not outputs:
            raise error_at(
                WengertTypeError,
                f"{name_of(self.fun)} returned None",
                fix="let it return the value: is there a `return` missing?",
            )

    def holomorphic(self, outputs: Sequence[Any]) -> None:
        """Complex inputs have a Jacobian only where the function is holomorphic; that is not assumed."""
        if any(dtype_of(raw(leaf)).kind == "c" for leaf in self.leaves):
            raise error_at(
                WengertTypeError,
                f"the Jacobian of {name_of(self.fun)} by a complex argument is not defined unless it is holomorphic",
                fix="pass real and imaginary parts as two real arguments, or use vjp / jvp with the direction meant",
            )

    def arrange(self, blocks: Sequence[Sequence[Any]], structure: Structure, aux: Any) -> Any:
        """``blocks[output][input]`` as the tree of outputs of trees of inputs."""
        jacobian = structure.unflatten([self.picked.arrange(row) for row in blocks])
        return (jacobian, aux) if self.has_aux else jacobian


def forward(flat: Flat, chunk_size: int | None) -> Any:
    """The Jacobian, and the auxiliary output with it, by pushing every column of the identity."""
    columns: list[list[Any]] = []
    structure: Structure | None = None
    aux: Any = None
    shapes: list[Any] = []
    chunks = chunks_of(flat.total, chunk_size)
    flat.holomorphic([])
    for start, stop in chunks or [(0, 0)]:
        if not chunks:
            out = flat(*flat.leaves)
            out, aux = out if flat.has_aux else (out, None)
            outputs, structure = engine.flat_output(out)
            flat.check(outputs, structure)
            shapes = [(shape_of(raw(o)), dtype_of(raw(o))) for o in outputs]
            columns = [[np.zeros((0, *s), d)] for s, d in shapes]
            break
        kept: list[Any] = []

        def tangents_of(tangents: list[Any], kept: list[Any] = kept) -> Any:
            result = jvp(flat, tuple(flat.leaves), tuple(tangents), has_aux=flat.has_aux)
            kept[:] = [result[2] if flat.has_aux else None]
            outs, shape_tree = flatten(result[0])
            flat.check(outs, shape_tree)
            return result[1]

        values, found = batched_call(flat.fun, tangents_of, _basis(flat.leaves, start, stop), stop - start, TANGENTS)
        structure = found
        aux = kept[0]
        if not columns:
            columns = [[] for _ in values]
        for column, v in zip(columns, values, strict=True):
            column.append(_rows(v.value, v.batched, stop - start))
    assert structure is not None
    blocks = []
    for column in columns:
        whole = _joined(column)
        out_shape = shape_of(raw(whole))[1:]
        row = []
        offset = 0
        for leaf in flat.leaves:
            size, shape = size_of(leaf), shape_of(raw(leaf))
            part = whole[offset : offset + size]
            offset += size
            part = part.reshape((size, -1) if size and raw(part).size else (size, int(np.prod(out_shape)))).T
            row.append(_finish(part.reshape((*out_shape, *shape))))
        blocks.append(row)
    return flat.arrange(blocks, structure, _outward_tree(aux))


def finite(leaves: Sequence[Any]) -> bool:
    """Whether all numbers are finite; a recording asks for the same answer."""
    return all(leaf is None or bool(np.isfinite(leaf).all()) for leaf in leaves)


def gradient_by_directions(
    fun: Callable[..., Any], args: Any, kwargs: Any, argnums: Any, argnames: Any, has_aux: bool
) -> list[Any]:
    """The gradient of a function with one real output by forward mode, per leaf: df/dx + i df/dy for complex ones."""
    flat = Flat(fun, args, kwargs, argnums, argnames, has_aux)
    parts: list[list[Any]] = []
    units = [1.0, 1j] if any(dtype_of(raw(leaf)).kind == "c" for leaf in flat.leaves) else [1.0]
    for unit in units:
        slopes: list[Any] = []
        for start, stop in chunks_of(flat.total, DIRECTIONS):
            basis = [
                b * unit if dtype_of(raw(leaf)).kind == "c" else b * float(unit == 1.0)
                for b, leaf in zip(_basis(flat.leaves, start, stop), flat.leaves, strict=True)
            ]

            def tangents_of(tangents: list[Any]) -> Any:
                return jvp(flat, tuple(flat.leaves), tuple(tangents), has_aux=has_aux)[1]

            values, _ = batched_call(fun, tangents_of, basis, stop - start, TANGENTS)
            slopes.append(_rows(values[0].value, values[0].batched, stop - start))
        whole = _joined(slopes)
        offset = 0
        parts.append([])
        for leaf in flat.leaves:
            size, shape = size_of(leaf), shape_of(raw(leaf))
            parts[-1].append(whole[offset : offset + size].reshape(shape))
            offset += size
    grads = []
    for k, leaf in enumerate(flat.leaves):
        is_complex = dtype_of(raw(leaf)).kind == "c"
        grads.append(engine.as_gradient(parts[0][k] + 1j * parts[1][k] if is_complex else parts[0][k], leaf, set()))
    return grads


def reverse(flat: Flat, chunk_size: int | None) -> Any:
    """The Jacobian, and the auxiliary output with it, by one run and a sweep for each row of the identity."""
    flat.holomorphic([])
    result = vjp(flat, *flat.leaves, has_aux=flat.has_aux)
    out, pullback = result[0], result[1]
    aux = result[2] if flat.has_aux else None
    return pull_all(flat, out, pullback, aux, chunk_size)


def pull_all(flat: Flat, out: Any, pullback: Any, aux: Any, chunk_size: int | None) -> Any:
    """The second half of ``reverse``, from the output and its pullback."""
    outputs, structure = engine.flat_output(out)
    flat.check(outputs, structure)
    total = sum(map(size_of, outputs))
    rows: list[list[Any]] = [[] for _ in flat.leaves]
    if any(dtype_of(raw(o)).kind == "c" for o in outputs):
        raise error_at(
            WengertTypeError,
            f"the reverse-mode Jacobian of {name_of(flat.fun)} has complex outputs",
            fix="use mode='fwd'",
        )
    for start, stop in chunks_of(total, chunk_size):

        def cotangents_of(cts: list[Any]) -> Any:
            return pullback(structure.unflatten(cts))

        basis = _basis(outputs, start, stop)
        if stop - start == 1:
            found = cotangents_of([b[0] for b in basis])
            for row, v in zip(rows, found, strict=True):
                row.append(_plain_or_handle_row(v))
            continue
        values, _ = batched_call(flat.fun, cotangents_of, basis, stop - start, TANGENTS)
        for row, value in zip(rows, values, strict=True):
            row.append(_rows(value.value, value.batched, stop - start))
    if not total:
        rows = [[np.zeros((0, *shape_of(raw(leaf))), dtype_of(raw(leaf)))] for leaf in flat.leaves]
    blocks = []
    whole = [_joined(row) for row in rows]
    offset = 0
    for o in outputs:
        size, shape = size_of(o), shape_of(raw(o))
        blocks.append([
            _finish(w[offset : offset + size].reshape((*shape, *shape_of(raw(leaf)))))
            for w, leaf in zip(whole, flat.leaves, strict=True)
        ])
        offset += size
    return flat.arrange(blocks, structure, aux)


def _plain_or_handle_row(value: Any) -> Any:
    if is_handle(value):
        return value.reshape((1, *shape_of(value.value)))
    return np.asarray(value)[None]


def _outward_tree(aux: Any) -> Any:
    leaves, structure = flatten(aux)
    return structure.unflatten([engine.outward(leaf) for leaf in leaves])


def _finish(block: Any) -> Any:
    found = engine.outward(block)
    if is_handle(found):
        return found
    if type(found) is np.ndarray and found.shape == ():
        return found[()]
    return np.ascontiguousarray(found) if found.base is None or not found.flags.writeable else found.copy()
