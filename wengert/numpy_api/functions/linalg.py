"""numpy.linalg by name: systems, determinants, factorisations, eigenvalues, norms.

Imports core, ops, ``table``. Invariant: results come in NumPy's own named tuples, options NumPy has
and we do not know raise.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from wengert.core.errors import NoRuleError, error_at
from wengert.core.handle import is_handle
from wengert.numpy_api.functions.contract import operand, rank
from wengert.numpy_api.table import implements
from wengert.ops import contract, solve
from wengert.ops.kinds import constant
from wengert.ops.linalg import eig as linalg_eig
from wengert.ops.linalg import eigen as linalg_eigen
from wengert.ops.linalg import factors as linalg
from wengert.ops.linalg import norm as linalg_norm
from wengert.ops.linalg import svd as linalg_svd

_ONE = np.eye(1)
_EIGH: Any = type(np.linalg.eigh(_ONE))
_EIG: Any = type(np.linalg.eig(_ONE))
_SVD: Any = type(np.linalg.svd(_ONE))
_QR, _SLOGDET = type(np.linalg.qr(_ONE)), type(np.linalg.slogdet(_ONE))
"""NumPy's named tuples."""


def stacked(a: Any, *, square: bool = False) -> Any:
    """An argument that must be a matrix or a stack of matrices; raises LinAlgError as NumPy
    does."""
    a = operand(a)
    if rank(a) < 2:
        raise np.linalg.LinAlgError(
            f"{rank(a)}-dimensional array given. Array must be at least two-dimensional"
        )
    if square and a.shape[-1] != a.shape[-2]:
        raise np.linalg.LinAlgError("Last 2 dimensions of the array must be square")
    return a


# ---------------------------------------------------------------- systems


@implements(np.linalg.solve)
def solve_system(a: Any, b: Any) -> Any:
    return solve.solve(stacked(a, square=True), operand(b))


@implements(np.linalg.inv)
def inv(a: Any) -> Any:
    return solve.inv(stacked(a, square=True))


@implements(np.linalg.pinv)
def pinv(a: Any, rcond: Any = None, hermitian: bool = False, *, rtol: Any = None) -> Any:
    return solve.pinv(stacked(a), rtol if rcond is None else rcond, hermitian)


@implements(np.linalg.lstsq)
def lstsq(a: Any, b: Any, rcond: Any = None) -> Any:
    a, b = operand(a), operand(b)
    x, residuals, s = solve.lstsq(a, b, rcond)
    values = s.value if is_handle(s) else s
    eps = float(np.finfo(values.dtype).eps)
    limit = eps * (max(a.shape) if rcond is None else 1) if rcond is None or rcond == -1 else rcond
    return x, residuals, int(np.count_nonzero(values > limit * values.max(initial=0.0))), s


@implements(np.linalg.tensorsolve)
def tensorsolve(a: Any, b: Any, axes: Any = None) -> Any:
    a, b = operand(a), operand(b)
    if axes is not None:
        order = [k for k in range(rank(a)) if k not in axes] + list(axes)
        a = a.transpose(tuple(order))
    shape = a.shape[-(rank(a) - rank(b)) :]
    size = math.prod(shape)
    if a.size != size**2:
        raise np.linalg.LinAlgError(
            "Input arrays must satisfy the requirement prod(a.shape[b.ndim:]) == "
            "prod(a.shape[:b.ndim])"
        )
    return solve.solve(a.reshape((size, size)), b.reshape(-1)).reshape(shape)


@implements(np.linalg.tensorinv)
def tensorinv(a: Any, ind: int = 2) -> Any:
    a = operand(a)
    if ind <= 0:
        raise ValueError("Invalid ind argument.")
    shape = a.shape[ind:] + a.shape[:ind]
    return solve.inv(a.reshape((math.prod(a.shape[ind:]), -1))).reshape(shape)


@implements(np.linalg.matrix_power)
def matrix_power(a: Any, n: int) -> Any:
    a = stacked(a, square=True)
    if not isinstance(n, (int, np.integer)):
        raise TypeError("exponent must be an integer")
    if n == 0:
        return np.broadcast_to(np.eye(a.shape[-1], dtype=a.dtype), a.shape).copy()
    if n < 0:
        a, n = solve.inv(a), -n
    if n <= 3:
        out = a
        for _ in range(n - 1):
            out = contract.matmul(out, a)
        return out
    square = result = None
    while n > 0:
        square = a if square is None else contract.matmul(square, square)
        n, bit = divmod(n, 2)
        if bit:
            result = square if result is None else contract.matmul(result, square)
    return result


# ---------------------------------------------------------------- determinants


@implements(np.linalg.det)
def det(a: Any) -> Any:
    return solve.det(stacked(a, square=True))


@implements(np.linalg.slogdet)
def slogdet(a: Any) -> Any:
    return _SLOGDET(*solve.slogdet(stacked(a, square=True)))


# ---------------------------------------------------------------- factorisations


@implements(np.linalg.cholesky)
def cholesky(a: Any, /, *, upper: bool = False) -> Any:
    return linalg.cholesky(stacked(a, square=True), bool(upper))


@implements(np.linalg.qr)
def qr(a: Any, mode: str = "reduced") -> Any:
    a = stacked(a)
    if mode == "complete" and a.shape[-2] > a.shape[-1]:
        return _QR(*linalg.qr_complete(a))
    if mode in ("reduced", "complete"):
        return _QR(*linalg.qr(a))
    if mode == "r":
        return linalg.qr(a)[1]
    if mode == "raw":
        raise error_at(
            NoRuleError,
            "np.linalg.qr with mode='raw' gives LAPACK's reflectors, which have no derivative rule",
            fix="use mode='reduced'",
        )
    raise ValueError(f"Unrecognized mode '{mode}'")


@implements(np.linalg.svd)
def svd(
    a: Any, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False
) -> Any:
    a = stacked(a)
    if hermitian:
        return _hermitian_svd(stacked(a, square=True), compute_uv=compute_uv)
    if not compute_uv:
        return linalg_svd.svdvals(a)
    rows, columns = a.shape[-2:]
    return _SVD(
        *(linalg_svd.svd_full(a) if full_matrices and rows != columns else linalg_svd.svd(a))
    )


def _hermitian_svd(a: Any, *, compute_uv: bool) -> Any:
    """By eigenvalues, as NumPy does: the singular values are their absolute values, the largest
    first."""
    if not compute_uv:
        w = linalg_eigen.eigvalsh(a, "L")
        return np.take_along_axis(np.abs(w), _descending(w), -1)
    w, v = linalg_eigen.eigh(a, "L")
    order = _descending(w)
    signs = np.take_along_axis(np.sign(w.value if is_handle(w) else w), order, -1)
    u = np.take_along_axis(v, order[..., None, :], -1)
    return _SVD(
        u,
        np.take_along_axis(np.abs(w), order, -1),
        contract.conj((u * signs[..., None, :]).swapaxes(-1, -2)),
    )


def _descending(w: Any) -> Any:
    return np.argsort(np.abs(w.value if is_handle(w) else w), axis=-1)[..., ::-1]


@implements(np.linalg.svdvals)
def svdvals(x: Any, /) -> Any:
    return linalg_svd.svdvals(stacked(x))


@implements(np.linalg.eigh)
def eigh(a: Any, UPLO: str = "L") -> Any:
    return _EIGH(*linalg_eigen.eigh(stacked(a, square=True), UPLO.upper()))


@implements(np.linalg.eigvalsh)
def eigvalsh(a: Any, UPLO: str = "L") -> Any:
    return linalg_eigen.eigvalsh(stacked(a, square=True), UPLO.upper())


@implements(np.linalg.eig)
def eig(a: Any) -> Any:
    return _EIG(*linalg_eig.eig(stacked(a, square=True)))


@implements(np.linalg.eigvals)
def eigvals(a: Any) -> Any:
    return linalg_eig.eigvals(stacked(a, square=True))


# ---------------------------------------------------------------- norms


@implements(np.linalg.norm)
def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    x = operand(x)
    n = rank(x)
    if axis is None:
        # In these cases NumPy sums the squares of the flattened array.
        if ord is None or (ord == 2 and n == 1) or (ord in ("fro", "f") and n == 2):
            return linalg_norm.vector_norm(x, None, None, bool(keepdims))
        axis = tuple(range(n))
        if n not in (1, 2):
            raise ValueError("Improper number of dimensions to norm.")
    axes = tuple(int(k) for k in axis) if isinstance(axis, (tuple, list)) else (int(axis),)
    if any(not -n <= k < n for k in axes):
        raise np.exceptions.AxisError(max(axes, key=abs), n)
    if len(axes) == 1:
        if isinstance(ord, str):
            raise ValueError(f"Invalid norm order '{ord}' for vectors")
        return linalg_norm.vector_norm(x, 2 if ord is None else ord, axes[0], bool(keepdims))
    if len(axes) != 2:
        raise ValueError("Improper number of dimensions to norm.")
    return _matrix_norm(x, ord, axes, bool(keepdims))


def _matrix_norm(x: Any, order: Any, axes: tuple[int, ...], keepdims: bool) -> Any:
    if axes[0] % rank(x) == axes[1] % rank(x):
        raise ValueError("Duplicate axes given.")
    if order in (None, "fro", "f"):
        return linalg_norm.frobenius(x, axes, keepdims)
    if order not in (1, -1, 2, -2, np.inf, -np.inf, "nuc"):
        raise ValueError("Invalid norm order for matrices.")
    return linalg_norm.matrix_norm(x, order, axes, keepdims)


@implements(np.linalg.vector_norm)
def vector_norm(x: Any, /, *, axis: Any = None, keepdims: bool = False, ord: Any = 2) -> Any:
    x = operand(x)
    if axis is None:
        axis = tuple(range(rank(x)))
    axes = tuple(int(k) for k in axis) if isinstance(axis, (tuple, list)) else int(axis)
    return linalg_norm.vector_norm(x, ord, axes, bool(keepdims))


@implements(np.linalg.matrix_norm)
def matrix_norm(x: Any, /, *, keepdims: bool = False, ord: Any = "fro") -> Any:
    return _matrix_norm(stacked(x), ord, (-2, -1), bool(keepdims))


@implements(np.linalg.cond)
def cond(x: Any, p: Any = None) -> Any:
    x = stacked(x)
    if p is None or p in (2, -2):
        s = linalg_svd.svdvals(x)
        largest, smallest = s[..., 0], s[..., -1]
        return smallest / largest if p == -2 else largest / smallest
    return _matrix_norm(x, p, (-2, -1), False) * _matrix_norm(solve.inv(x), p, (-2, -1), False)


_rank = constant(
    "matrix_rank",
    lambda a, tol, hermitian, rtol: np.linalg.matrix_rank(a, tol, hermitian, rtol=rtol),
    params={"tol": None, "hermitian": False, "rtol": None},
    doc="The number of singular values above a threshold: constant.",
    infer=lambda types, params: type(types[0])(types[0].shape[:-2], np.dtype(np.intp)),
)


@implements(np.linalg.matrix_rank)
def matrix_rank(A: Any, tol: Any = None, hermitian: bool = False, *, rtol: Any = None) -> Any:
    return _rank(operand(A), tol, hermitian, rtol)
