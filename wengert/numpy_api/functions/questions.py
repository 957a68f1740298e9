"""Questions about arrays by name: shapes, types, sharing of memory, equality, text.

Imports core, ops, ``table``. Invariant: the answers are plain, and noted in a full recording.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.core.handle import TracedArray
from wengert.core.types import dtype_of
from wengert.numpy_api.conversions import asks_layout
from wengert.numpy_api.exact import array, looked, rank, shape, values_of
from wengert.numpy_api.table import implements
from wengert.ops.paths import apply


@implements(np.shape)
def shape_of_array(a: Any) -> Any:
    return shape(array(a))


@implements(np.ndim)
def ndim(a: Any) -> int:
    return rank(array(a))


@implements(np.size)
def size(a: Any, axis: Any = None) -> int:
    return int(np.size(values_of(array(a)), axis))


def _sharing(original: Any) -> None:
    def share(a: Any, b: Any, /, max_work: Any = None) -> bool:
        asks_layout()
        if not {type(a), type(b)} <= {TracedArray}:
            return False
        root = a if a.base is None else a.base
        if root is not (b if b.base is None else b.base):
            return False
        # A handle's own value may be a copy: what counts is where both look in their common base.
        first, second = (apply(() if t is root else t.path, root.value) for t in (a, b))
        return bool(original(first, second))

    implements(original)(share)


_sharing(np.may_share_memory)
_sharing(np.shares_memory)


@implements(np.iscomplexobj)
def iscomplexobj(x: Any) -> bool:
    return dtype_of(values_of(array(x))).kind == "c"


@implements(np.isrealobj)
def isrealobj(x: Any) -> bool:
    return not iscomplexobj(x)


def _asking(*originals: Any) -> None:
    """Functions that only look: their answer is plain."""
    for original in originals:

        def look(*args: Any, _original: Any = original, **options: Any) -> Any:
            answer = _original(*values_of(args), **values_of(options))
            for a in args:
                looked(a, _original.__name__, answer)
            return answer

        look.__name__ = original.__name__
        implements(original)(look)


_asking(
    np.iscomplex,
    np.isreal,
    np.isclose,
    np.allclose,
    np.array_equal,
    np.array_equiv,
    np.result_type,
    np.can_cast,
    np.min_scalar_type,
    np.common_type,
    np.array2string,
    np.array_repr,
    np.array_str,
    np.tril_indices_from,
    np.triu_indices_from,
    np.diag_indices_from,
    np.unravel_index,
    np.ravel_multi_index,
)
