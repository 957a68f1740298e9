"""Products by NumPy's names: dot, inner, outer, tensordot, kron, cross, trace, vdot, einsum,
multi_dot and their namesakes in linalg.

Imports core, ops, ``table``. Invariant: the value is computed by the same sequence of NumPy
operations as untraced.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from wengert.core.handle import TracedArray, is_handle
from wengert.core.types import shape_of
from wengert.numpy_api.protocols import listed
from wengert.numpy_api.table import implements, method
from wengert.ops import contract, einsum, reduce
from wengert.ops.join import stack
from wengert.ops.memory import read, write


def operand(x: Any) -> Any:
    """An argument as an array or a handle."""
    x = listed(x)
    return (
        x
        if is_handle(x) or isinstance(x, (np.ndarray, np.generic, float, int, complex))
        else np.asarray(x)
    )


_PLAIN = frozenset({np.ndarray, TracedArray})


def rank(x: Any) -> int:
    """The number of axes."""
    return contract.rank(x)


def stored(result: Any, out: Any) -> Any:
    """The result, written into ``out=`` where one was given."""
    if out is None:
        return result
    if type(out) is tuple and len(out) == 1:
        out = out[0]
    if type(out) is TracedArray:
        write(out, ("index", Ellipsis), result)
        return out
    if not is_handle(result):
        out[...] = result
        return out
    from wengert.numpy_api import inplace

    return inplace.bind(result, out)


@method("dot")
@implements(np.dot)
def dot(a: Any, b: Any, out: Any = None) -> Any:
    if out is None and type(a) in _PLAIN and type(b) in _PLAIN:
        return contract.dot(a, b)
    return stored(contract.dot(operand(a), operand(b)), out)


@implements(np.inner)
def inner(a: Any, b: Any, /) -> Any:
    return contract.inner(operand(a), operand(b))


@implements(np.outer)
def outer(a: Any, b: Any, out: Any = None) -> Any:
    return stored(contract.outer(operand(a), operand(b)), out)


@implements(np.linalg.outer)
def outer_of_vectors(x1: Any, x2: Any, /) -> Any:
    x1, x2 = operand(x1), operand(x2)
    if rank(x1) != 1 or rank(x2) != 1:
        raise ValueError(
            f"Input arrays must be one-dimensional, but they are x1.ndim={rank(x1)} and "
            f"x2.ndim={rank(x2)}."
        )
    return contract.outer(x1, x2)


@implements(np.vdot)
def vdot(a: Any, b: Any, /) -> Any:
    return contract.vdot(operand(a), operand(b))


@implements(np.linalg.vecdot)
def vecdot(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    x1, x2 = operand(x1), operand(x2)
    if axis != -1:
        x1, x2 = moved(x1, axis, -1), moved(x2, axis, -1)
    return contract.vecdot(x1, x2)


@implements(np.linalg.matmul)
def matmul(x1: Any, x2: Any, /) -> Any:
    return contract.matmul(operand(x1), operand(x2))


@implements(np.tensordot)
def tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    a, b = operand(a), operand(b)
    return contract.tensordot(a, b, _paired_axes(rank(a), rank(b), axes))


@implements(np.linalg.tensordot)
def tensordot_of_linalg(x1: Any, x2: Any, /, *, axes: Any = 2) -> Any:
    return tensordot(x1, x2, axes)


def _paired_axes(left: int, right: int, axes: Any) -> contract.Axes:
    if isinstance(axes, (int, np.integer)):
        n = int(axes)
        return tuple(range(left - n, left)), tuple(range(n))
    first, second = axes
    pair = tuple(
        tuple(int(k) % n if n else int(k) for k in (part if np.ndim(part) else (part,)))
        for part, n in ((first, left), (second, right))
    )
    if len(pair[0]) != len(pair[1]):
        raise ValueError(
            f"tensordot: {len(pair[0])} axes of the first operand are paired with "
            f"{len(pair[1])} of the second"
        )
    return pair[0], pair[1]


@implements(np.kron)
def kron(a: Any, b: Any) -> Any:
    a, b = operand(a), operand(b)
    left, right = rank(a), rank(b)
    if left == 0 or right == 0:
        return np.multiply(a, b)
    n = max(left, right)
    a_shape = (1,) * (n - left) + shape_of(a.value if is_handle(a) else a)
    b_shape = (1,) * (n - right) + shape_of(b.value if is_handle(b) else b)
    a = a.reshape(tuple(size for k in a_shape for size in (k, 1)))
    b = b.reshape(tuple(size for k in b_shape for size in (1, k)))
    return (a * b).reshape(tuple(p * q for p, q in zip(a_shape, b_shape, strict=True)))


def moved(x: Any, source: int, target: int) -> Any:
    """``np.moveaxis`` of one axis, as a view."""
    n = rank(x)
    if not -n <= source < n or not -n <= target < n:
        raise np.exceptions.AxisError(source, n)
    order = [k for k in range(n) if k != source % n]
    order.insert(target % n, source % n)
    return x if order == list(range(n)) else x.transpose(tuple(order))


@implements(np.cross)
def cross(
    a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None
) -> Any:
    if axis is not None:
        axisa = axisb = axisc = axis
    a, b = moved(operand(a), axisa, -1), moved(operand(b), axisb, -1)
    sizes = a.shape[-1], b.shape[-1]
    if sizes == (3, 3):
        return moved(contract.cross(a, b), -1, axisc)
    if not set(sizes) <= {2, 3}:
        raise ValueError(
            "incompatible dimensions for cross product (dimension must be 2 or 3), got "
            f"{sizes[0]} and {sizes[1]}"
        )
    # Vectors of the plane: a missing third component is 0; of two of them only the third component
    # of the product is returned.
    third = a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
    if sizes == (2, 2):
        return third
    if sizes == (2, 3):
        first, second = a[..., 1] * b[..., 2], -(a[..., 0] * b[..., 2])
    else:
        first, second = -(a[..., 2] * b[..., 1]), a[..., 2] * b[..., 0]
    return moved(stack([first, second, third], -1), -1, axisc)


@implements(np.linalg.cross)
def cross_of_linalg(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    x1, x2 = operand(x1), operand(x2)
    if x1.shape[axis] != 3 or x2.shape[axis] != 3:
        raise ValueError(
            "Both input arrays must be (arrays of) 3-dimensional vectors, got "
            f"{x1.shape[axis]} and {x2.shape[axis]}"
        )
    return cross(x1, x2, axis=axis)


@method("trace")
@implements(np.trace)
def trace(
    a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None, out: Any = None
) -> Any:
    a = operand(a)
    if rank(a) < 2:
        raise ValueError("diag requires an array of at least two dimensions")
    line = (
        read(a, ("diagonal", (offset, axis1, axis2)))
        if is_handle(a)
        else np.diagonal(a, offset, axis1, axis2)
    )
    return stored(reduce.sum(line if dtype is None else line.astype(dtype), -1, False), out)


@implements(np.linalg.trace)
def trace_of_linalg(x: Any, /, *, offset: int = 0, dtype: Any = None) -> Any:
    return trace(x, offset, -2, -1, dtype)


@implements(np.linalg.diagonal)
def diagonal_of_linalg(x: Any, /, *, offset: int = 0) -> Any:
    x = operand(x)
    return (
        read(x, ("diagonal", (offset, -2, -1)))
        if is_handle(x)
        else np.linalg.diagonal(x, offset=offset)
    )


# ---------------------------------------------------------------- einsum


@implements(np.einsum)
def einsum_by_letters(
    *arguments: Any, out: Any = None, optimize: Any = False, dtype: Any = None, **layout: Any
) -> Any:
    if unknown := set(layout) - {"order", "casting"}:
        raise TypeError(f"Did not understand the following kwargs: {sorted(unknown)}")
    if isinstance(arguments[0], str):
        subscripts, *operands = arguments
    else:
        subscripts, operands = einsum.from_lists(arguments)
    subscripts = einsum.explicit(subscripts)
    parts = [operand(x) for x in operands]
    if dtype is not None:
        parts = [x.astype(dtype) for x in parts]
    if (
        len(parts) == 1
        and is_handle(parts[0])
        and (steps := _view_steps(subscripts, rank(parts[0]))) is not None
    ):
        view = parts[0]
        for step in steps:
            view = read(view, step)
        return stored(view, out)
    return stored(einsum.einsum(parts, subscripts, optimize), out)


def _view_steps(subscripts: str, ndim: int) -> list[Any] | None:
    """The view steps of one operand without a sum (NumPy gives a view that may be written to), else
    None."""
    spec = einsum.parse(subscripts, [ndim])
    (labels,), output = spec
    if set(labels) != set(output) or not labels:
        return None
    steps, have = einsum.diagonal_steps(labels)
    order = tuple(have.index(k) for k in output)
    if order != tuple(range(len(order))):
        steps.append(("transpose", order))
    return steps or [("index", (Ellipsis,))]


# ---------------------------------------------------------------- chains


@implements(np.linalg.multi_dot)
def multi_dot(arrays: Sequence[Any], *, out: Any = None) -> Any:
    parts = [operand(x) for x in arrays]
    n = len(parts)
    if n < 2:
        raise ValueError("Expecting at least two arrays.")
    if n == 2:
        return stored(contract.dot(parts[0], parts[1]), out)
    row, column = rank(parts[0]) == 1, rank(parts[-1]) == 1
    if row:
        parts[0] = parts[0][None, :]
    if column:
        parts[-1] = parts[-1][:, None]
    for x in parts:
        if rank(x) != 2:
            raise np.linalg.LinAlgError(
                f"{rank(x)}-dimensional array given. Array must be two-dimensional"
            )
    sizes = [parts[0].shape[0], *(x.shape[1] for x in parts)]
    split = _chain_order(sizes)
    result = _multiply_chain(parts, split, 0, n - 1)
    if row:
        result = result[0]
    if column:
        result = result[..., 0]
    return stored(result, out)


def _chain_order(sizes: Sequence[int]) -> Any:
    """Where to split each part of a chain of matrix products so that it costs least (ties as NumPy
    breaks them)."""
    n = len(sizes) - 1
    if n == 3:
        a, b, c, d = sizes
        first = a * c * (b + d) < b * d * (a + c)
        return {(0, 2): 1 if first else 0, (0, 1): 0, (1, 2): 1}
    cost: dict[tuple[int, int], float] = {(i, i): 0 for i in range(n)}
    split: dict[tuple[int, int], int] = {}
    for length in range(1, n):
        for i in range(n - length):
            j = i + length
            cost[i, j] = np.inf
            for k in range(i, j):
                q = cost[i, k] + cost[k + 1, j] + sizes[i] * sizes[k + 1] * sizes[j + 1]
                if q < cost[i, j]:
                    cost[i, j], split[i, j] = q, k
    return split


def _multiply_chain(parts: Sequence[Any], split: Any, i: int, j: int) -> Any:
    if i == j:
        return parts[i]
    k = split[i, j]
    return contract.dot(
        _multiply_chain(parts, split, i, k), _multiply_chain(parts, split, k + 1, j)
    )
