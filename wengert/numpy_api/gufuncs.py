"""The options ``axis=``, ``axes=`` and ``keepdims=`` of generalised ufuncs (matmul, vecdot, matvec,
vecmat).

Imports ops. Invariant: the axes are moved to where the operation has them, and its result's axes
back, by views.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from wengert.ops.contract import rank


def cores(signature: str) -> tuple[list[int], int]:
    """How many trailing axes each operand and the output have of their own: ``"(m,n),(n)->(m)"``
    gives [2, 1], 1."""
    left, right = signature.split("->")

    def count(part: str) -> int:
        inside = part.strip("()")
        return inside.count(",") + 1 if inside else 0

    return [count(part) for part in left.replace("),(", ")|(").split("|")], count(right)


def with_axes(
    ufunc: Any,
    record: Callable[..., Any],
    inputs: Sequence[Any],
    axis: int | None = None,
    axes: Sequence[Any] | None = None,
    *,
    keepdims: bool = False,
) -> Any:
    """The operation along other axes than the last ones; raises TypeError where NumPy does."""
    each, out = cores(ufunc.signature)
    if (axis is not None or keepdims) and (set(each) != {1} or out):
        raise TypeError(
            f"{ufunc.__name__}: axis= and keepdims= are for one shared axis that is summed over"
        )
    if axis is not None:
        axes = [(axis,)] * len(each)
    if axes is None:
        axes = [tuple(range(-n, 0)) for n in each]
    chosen = [(a,) if isinstance(a, int) else tuple(a) for a in axes]
    parts = [_to_end(x, a) for x, a in zip(inputs, chosen, strict=False)]
    result = record(*parts)
    if keepdims:
        return _from_end(
            result[..., None], chosen[len(each)] if len(chosen) > len(each) else chosen[0]
        )
    return _from_end(result, chosen[len(each)]) if out and len(chosen) > len(each) else result


def _to_end(x: Any, axes: tuple[int, ...]) -> Any:
    n = rank(x)
    last = tuple(a % n for a in axes)
    return x.transpose((*(k for k in range(n) if k not in last), *last))


def _from_end(x: Any, axes: tuple[int, ...]) -> Any:
    n = rank(x)
    wanted = tuple(a % n for a in axes)
    order = list(range(n - len(wanted)))
    for target, source in sorted(zip(wanted, range(n - len(wanted), n), strict=True)):
        order.insert(target, source)
    return x.transpose(tuple(order))
