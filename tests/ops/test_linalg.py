"""Linear algebra: every operation on its samples, and every function of numpy.linalg by name.

Values bit for bit as NumPy's; first and second derivatives, both modes, against Richardson's
differences.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wengert
from tests.ops.oracle import check, check_batch, recorded, samples
from wengert.ops import solve
from wengert.ops.linalg import eig as linalg_eig
from wengert.ops.linalg import eigen as linalg_eigen
from wengert.ops.linalg import factors as linalg
from wengert.ops.linalg import norm as linalg_norm
from wengert.ops.linalg import polar as linalg_polar
from wengert.ops.linalg import svd as linalg_svd

ROOMS = (solve, linalg, linalg_svd, linalg_polar, linalg_eigen, linalg_eig, linalg_norm)
RECORDS = {r.op.name: r for room in ROOMS for r in vars(room).values() if hasattr(r, "op") and r.op.samples}
CASES = [
    pytest.param(record, operands, params, id=f"{name}-{k}")
    for name, record in RECORDS.items()
    for k, (operands, params) in enumerate(samples(record))
]


@pytest.mark.parametrize(("record", "operands", "params"), [c for c in CASES if c.values[0].op.domain != ("basis",)])
def test_derivatives_of_every_operation(record: Any, operands: Any, params: Any) -> None:
    symmetric = record.op.domain == ("symmetric",)
    check(recorded(record, params), operands, np.random.default_rng(1), symmetric=symmetric)


@pytest.mark.parametrize(("record", "operands", "params"), [c for c in CASES if c.values[0].op.batch is not None])
def test_a_batch_is_its_rows(record: Any, operands: Any, params: Any) -> None:
    check_batch(record, operands, params)


RNG = np.random.default_rng(5)
A, B = RNG.normal(size=(3, 3)) + 3 * np.eye(3), RNG.normal(size=(3, 3))
U, V = RNG.normal(size=3), RNG.normal(size=3)
C = A + 1j * B
X = RNG.normal(size=(2, 4, 6))
TALL, LONG = RNG.normal(size=(5, 3)), RNG.normal(size=5)


def added(u: Any) -> Any:
    """The projector onto the columns beyond the third: the same for every basis of them."""
    return u[:, 3:] @ u[:, 3:].T


BY_NAME: dict[str, tuple[Any, Any]] = {
    "solve": (np.linalg.solve, (A, V)),
    "solve, constant matrix": (lambda b: np.linalg.solve(A, b), (V,)),
    "solve, constant right side": (lambda a: np.linalg.solve(a, V), (C,)),
    "inv": (np.linalg.inv, (A,)),
    "inv of nested lists": (lambda v: np.linalg.inv([[v[0] + 4.0, 1.0], [v[1], 4.0]]), (V,)),
    "det": (np.linalg.det, (A,)),
    "slogdet": (lambda a: np.linalg.slogdet(a).logabsdet, (A,)),
    "slogdet sign": (lambda a: np.linalg.slogdet(a).sign, (C,)),
    "cholesky": (lambda a: np.linalg.cholesky(a @ a.T), (A,)),
    "cholesky upper": (lambda a: np.linalg.cholesky(a @ a.T, upper=True), (A,)),
    "eigh": (lambda a: np.linalg.eigh(a + a.T).eigenvectors ** 2, (A,)),
    "eigvalsh": (lambda a: np.linalg.eigvalsh(a + a.T, UPLO="U"), (A,)),
    "eig": (lambda a: np.abs(np.linalg.eig(a)[1]), (A,)),
    "eigvals": (np.linalg.eigvals, (A,)),
    "svd": (lambda a: np.linalg.svd(a, full_matrices=False).U ** 2, (TALL,)),
    "svd, full": (lambda a: np.linalg.svd(a)[1], (TALL,)),
    "svd, projector": (lambda a: added(np.linalg.svd(a)[0]), (TALL,)),
    "svdvals": (np.linalg.svdvals, (TALL,)),
    "svd, values only": (lambda a: np.linalg.svd(a, compute_uv=False), (TALL,)),
    "svd, Hermitian values": (lambda a: np.linalg.svd(a + a.T, True, False, True), (B,)),
    "svd, Hermitian": (lambda a: np.linalg.svd(a + a.T, hermitian=True)[0] ** 2, (B,)),
    "qr": (lambda a: np.linalg.qr(a).R, (TALL,)),
    "qr, R only": (lambda a: np.linalg.qr(a, mode="r"), (TALL,)),
    "qr, Q": (lambda a: np.linalg.qr(a)[0], (TALL,)),
    "qr, wide": (lambda a: np.linalg.qr(a)[1], (TALL.T,)),
    "qr, complete": (lambda a: np.linalg.qr(a, "complete")[1], (TALL,)),
    "qr, projector": (lambda a: added(np.linalg.qr(a, "complete")[0]), (TALL,)),
    "lstsq": (lambda a, b: np.linalg.lstsq(a, b)[0], (TALL, LONG)),
    "lstsq residuals": (lambda a, b: np.linalg.lstsq(a, b)[1], (TALL, LONG)),
    "lstsq singular values": (lambda a: np.linalg.lstsq(a, LONG)[3], (TALL,)),
    "pinv": (np.linalg.pinv, (TALL,)),
    "pinv rtol": (lambda a: np.linalg.pinv(a, rtol=1e-10), (TALL,)),
    "matrix_power": (lambda a: np.linalg.matrix_power(a, 5), (A,)),
    "matrix_power negative": (lambda a: np.linalg.matrix_power(a, -3), (A,)),
    "matrix_power one": (lambda a: np.linalg.matrix_power(a, 1) * 1, (A,)),
    "cond": (np.linalg.cond, (A,)),
    "cond 1": (lambda a: np.linalg.cond(a, 1), (A,)),
    "cond -2": (lambda a: np.linalg.cond(a, -2), (A,)),
    "cond fro": (lambda a: np.linalg.cond(a, "fro"), (A,)),
    "tensorinv": (np.linalg.tensorinv, (RNG.normal(size=(2, 3, 3, 2)),)),
    "tensorsolve": (np.linalg.tensorsolve, (RNG.normal(size=(2, 3, 6)), RNG.normal(size=(2, 3)))),
    "tensorsolve axes": (
        lambda a, b: np.linalg.tensorsolve(a, b, axes=(0,)),
        (RNG.normal(size=(6, 2, 3)), RNG.normal(size=(2, 3))),
    ),
    "norm": (np.linalg.norm, (A,)),
    "norm of three axes": (np.linalg.norm, (X,)),
    "norm keepdims": (lambda a: np.linalg.norm(a, keepdims=True), (A,)),
    "norm 1": (lambda a: np.linalg.norm(a, 1), (A,)),
    "norm 2": (lambda a: np.linalg.norm(a, 2), (A,)),
    "norm of a vector, 2": (lambda a: np.linalg.norm(a, 2), (V,)),
    "norm of a vector, 3": (lambda a: np.linalg.norm(a, 3), (V,)),
    "norm axis": (lambda a: np.linalg.norm(a, axis=1), (X,)),
    "norm inf": (lambda a: np.linalg.norm(a, np.inf, axis=(0, 2), keepdims=True), (X,)),
    "norm fro": (lambda a: np.linalg.norm(a, "fro"), (C,)),
    "norm nuc": (lambda a: np.linalg.norm(a, "nuc"), (A,)),
    "norm pair": (lambda a: np.linalg.norm(a, axis=(1, 2)), (X,)),
    "norm 0": (lambda a: np.linalg.norm(a, 0) + a.sum(), (V,)),
    "vector_norm": (lambda a: np.linalg.vector_norm(a, ord=3), (X,)),
    "vector_norm axis": (lambda a: np.linalg.vector_norm(a, axis=(0, 1)), (X,)),
    "matrix_norm": (np.linalg.matrix_norm, (X,)),
    "matrix_norm nuc": (lambda a: np.linalg.matrix_norm(a, ord="nuc", keepdims=True), (X,)),
    "matrix_rank is constant": (lambda a: np.linalg.matrix_rank(a) * a, (A,)),
}


@pytest.mark.parametrize(("fun", "operands"), BY_NAME.values(), ids=BY_NAME)
def test_by_numpys_names(fun: Any, operands: Any) -> None:
    check(fun, operands, np.random.default_rng(2))


def test_results_come_in_numpys_named_tuples() -> None:
    kinds = []

    def named(a: Any) -> Any:
        for fun in (np.linalg.eigh, np.linalg.eig, np.linalg.svd, np.linalg.qr, np.linalg.slogdet):
            kinds.append((fun, type(fun(a))))
        return np.sum(a)

    wengert.grad(named)(A)
    assert all(type(fun(A)) is kind for fun, kind in kinds)


SINGULAR = np.diag([1.0, 2.0, 0.0])


@pytest.mark.parametrize(
    ("fun", "x", "kind"),
    [
        (lambda a: np.linalg.solve(a, V), SINGULAR, np.linalg.LinAlgError),
        (np.linalg.inv, SINGULAR, np.linalg.LinAlgError),
        (lambda a: np.linalg.matrix_power(a, -1), SINGULAR, np.linalg.LinAlgError),
        (np.linalg.cholesky, -np.eye(3), np.linalg.LinAlgError),
        (np.linalg.inv, np.ones((2, 3)), np.linalg.LinAlgError),
        (np.linalg.det, np.ones(3), np.linalg.LinAlgError),
        (lambda a: np.linalg.eigh(a)[0], np.ones((2, 3)), np.linalg.LinAlgError),
        (lambda a: np.linalg.norm(a, "fro"), np.ones(3), ValueError),
        (lambda a: np.linalg.norm(a, 3), np.ones((3, 3)), ValueError),
        (lambda a: np.linalg.norm(a, axis=5), np.ones((3, 3)), ValueError),
        (lambda a: np.linalg.qr(a, "sideways")[0], np.ones((3, 3)), ValueError),
        (lambda a: np.linalg.tensorsolve(a, V), np.ones((3, 4)), np.linalg.LinAlgError),
    ],
)
def test_bad_input_raises_as_untraced(fun: Any, x: Any, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        fun(x)
    with pytest.raises(kind):
        wengert.grad(lambda a: np.sum(fun(a)))(x)
