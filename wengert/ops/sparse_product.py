"""Products with a constant sparse matrix of SciPy: ``A @ t`` and ``t @ A``, linear in ``t``.

Imports core and the makers; SciPy is imported only by those who hold such a matrix. Invariant: the
matrix is kept as it was when the product was formed.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from wengert.core.handle import is_handle
from wengert.core.record import keep_constant
from wengert.core.types import shape_of
from wengert.ops.kinds import linear


def means_product(name: str, operands: Sequence[Any]) -> bool:
    """Whether ``@`` (or ``*``, of SciPy's older matrix classes) is the product of a sparse matrix
    and a handle with axes.
    """
    sparse = sys.modules.get("scipy.sparse")
    if sparse is None:
        return False
    known = sparse.issparse if name == "matmul" else sparse.isspmatrix
    return any(map(known, operands)) and all(
        known(a) or (is_handle(a) and shape_of(a.value)) for a in operands
    )


def _shape(x_shape: tuple[Any, ...], matrix: Any) -> tuple[Any, ...]:
    return (matrix.shape[0], *x_shape[1:])


def _product(x: Any, matrix: Any) -> Any:
    return np.asarray(matrix @ x)


def _transpose(ct: Any, matrix: Any) -> Any:
    turned = matrix.T.tocsr()
    return sparse_product(ct, turned.conj() if turned.dtype.kind == "c" else turned)


sparse_product = linear(
    "sparse_product",
    _product,
    [_transpose],
    params={"matrix": None},
    shape=_shape,
    doc="Constant sparse matrix times vector or matrix: `y = A x`.",
)


def _kept(matrix: Any) -> Any:
    """A copy in compressed rows of a small matrix; a large one is watched for changes."""
    from scipy.sparse import csr_array

    rows = csr_array(matrix)
    return csr_array(
        (keep_constant(rows.data), keep_constant(rows.indices), keep_constant(rows.indptr)),
        shape=rows.shape,
    )


def multiply_sparse(a: Any, b: Any) -> Any:
    """``a @ b`` where one of the two is sparse and the other a handle; raises ValueError when the
    shapes do not fit.
    """
    if is_handle(b):
        rank = len(shape_of(b.value))
        if rank not in (1, 2) or a.shape[-1] != b.shape[0] or len(a.shape) != 2:
            raise ValueError(
                "matmul: dimension mismatch with signature "
                f"(n,k={a.shape[-1]}),(k={b.shape[0] if rank else 0},m?)->(n,m?)"
            )
        return sparse_product(b, _kept(a))
    rank = len(shape_of(a.value))
    if rank not in (1, 2) or len(b.shape) != 2 or a.shape[-1] != b.shape[0]:
        raise ValueError(f"matmul: shapes {a.shape} and {b.shape} do not fit")
    product = sparse_product(a if rank == 1 else a.T, _kept(b.T))
    return product if rank == 1 else product.T
