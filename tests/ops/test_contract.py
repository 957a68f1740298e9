"""Products and einsum: values bit for bit as NumPy's, derivatives against Richardson's differences.

First and second order, forward and reverse, real, complex, single precision; the rules for batches
against loops.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wengert
from tests.ops.oracle import check, check_batch, recorded, samples
from wengert.ops import contract, einsum, pairwise

RECORDS = [r for r in vars(contract).values() if hasattr(r, "op")] + [einsum.einsum]
CASES = [
    pytest.param(record, operands, params, id=f"{record.op.name}-{k}")
    for record in RECORDS
    for k, (operands, params) in enumerate(samples(record))
]


@pytest.mark.parametrize(("record", "operands", "params"), CASES)
def test_derivatives_of_every_product(record: Any, operands: Any, params: Any) -> None:
    check(recorded(record, params), operands, np.random.default_rng(1))


@pytest.mark.parametrize(("record", "operands", "params"), CASES)
def test_a_batch_is_its_rows(record: Any, operands: Any, params: Any) -> None:
    check_batch(record, operands, params)


RNG = np.random.default_rng(5)
A, B = RNG.normal(size=(3, 3)) + 3 * np.eye(3), RNG.normal(size=(3, 3))
U, V, LONG = RNG.normal(size=3), RNG.normal(size=3), RNG.normal(size=5)
C = A + 1j * B
X, T = RNG.normal(size=(2, 4, 6)), RNG.normal(size=(6, 6))
TALL, CUBE = RNG.normal(size=(5, 3)), RNG.normal(size=(3, 3, 3))

BY_NAME: dict[str, tuple[Any, Any]] = {
    "dot": (np.dot, (A, B)),
    "dot method": (lambda a, b: a.dot(b), (A, V)),
    "dot number": (lambda a: np.dot(2.0, a), (A,)),
    "dot nested list": (lambda a: np.dot([a[0], a[1], a[2]], B), (V,)),
    "inner": (np.inner, (A, V)),
    "outer": (np.outer, (U, V)),
    "linalg.outer": (np.linalg.outer, (U, V)),
    "tensordot": (np.tensordot, (A, B)),
    "tensordot pairs": (lambda a, b: np.tensordot(a, b, axes=([0], [1])), (A, B)),
    "tensordot outer": (lambda a, b: np.tensordot(a, b, axes=0), (U, V)),
    "tensordot negative": (lambda a, b: np.tensordot(a, b, axes=(-1, 0)), (X, T)),
    "linalg.tensordot": (lambda a, b: np.linalg.tensordot(a, b, axes=1), (A, B)),
    "kron": (np.kron, (A, TALL)),
    "kron vector": (np.kron, (U, A)),
    "kron number": (np.kron, (2.5, A)),
    "cross": (np.cross, (A, V)),
    "cross axis": (lambda a, b: np.cross(a, b, axis=0), (A, B)),
    "cross axes": (lambda a, b: np.cross(a, b, axisa=0, axisb=1, axisc=0), (A, B)),
    "linalg.cross": (np.linalg.cross, (U, V)),
    "trace": (np.trace, (A,)),
    "trace offset": (lambda a: np.trace(a, 1), (X,)),
    "trace method": (lambda a: a.trace(axis1=1, axis2=2, offset=-1), (X,)),
    "linalg.trace": (np.linalg.trace, (X,)),
    "linalg.diagonal": (lambda a: np.linalg.diagonal(a, offset=1) * 2, (X,)),
    "vdot": (np.vdot, (C, A)),
    "matvec": (np.matvec, (C, V)),
    "vecmat": (np.vecmat, (V + 1j * U, C)),
    "vecdot": (np.vecdot, (C, V)),
    "vecdot axis": (lambda a, b: np.vecdot(a, b, axis=0), (C, A)),
    "vecdot keepdims": (lambda a, b: np.vecdot(a, b, axis=0, keepdims=True), (A, B)),
    "matmul axes": (lambda a, b: np.matmul(a, b, axes=[(1, 0), (0, 1), (1, 0)]), (A, B)),
    "linalg.vecdot": (lambda a, b: np.linalg.vecdot(a, b, axis=0), (C, A)),
    "linalg.matmul": (np.linalg.matmul, (A, B)),
    "multi_dot 2": (lambda a, b: np.linalg.multi_dot([a, b]), (A, B)),
    "multi_dot 3": (lambda a, b: np.linalg.multi_dot([V, a, b]), (A, B)),
    "multi_dot 5": (lambda a, b: np.linalg.multi_dot([V, a, b, TALL.T, LONG]), (A, B)),
}
EINSUMS: dict[str, tuple[Any, Any]] = {
    "implicit": (lambda a, b: np.einsum("ij,jk", a, b), (A, B)),
    "implicit transpose": (lambda a: np.einsum("ba", a) * 1.0, (A,)),
    "lists": (lambda a, b: np.einsum(a, [0, 1], b, [1, 2], [0, 2]), (A, B)),
    "lists implicit": (lambda a, b: np.einsum(a, [0, 1], b, [1, 2]), (A, B)),
    "lists ellipsis": (lambda a, b: np.einsum(a, [..., 0], b, [0, 1], [..., 1]), (X, T)),
    "optimize": (lambda a, b, c: np.einsum("ij,jk,kl->il", a, b, c, optimize=True), (A, B, A)),
    "greedy": (lambda a, b, c: np.einsum("ij,jk,kl->il", a, b, c, optimize="greedy"), (A, B, A)),
    "ellipsis": (lambda a: np.einsum("...ij->...ji", a) * 2, (X,)),
    "diagonal": (lambda a: np.einsum("ii->i", a) * 2, (A,)),
    "diagonal of three": (lambda a: np.einsum("iii->i", a) * 2, (CUBE,)),
    "diagonal, other order": (lambda a: np.einsum("iij->ji", a) * 2, (CUBE,)),
    "trace": (lambda a: np.einsum("ii", a), (A,)),
    "dtype": (lambda a, b: np.einsum("ij,jk", a, b, dtype=complex), (A, B)),
    "spaces": (lambda a, b: np.einsum("i j, j k -> i k", a, b), (A, B)),
    "one operand twice": (lambda a: np.einsum("ij,ij->i", a, a), (A,)),
    "real and complex": (lambda a, b: np.einsum("ij,kj->ik", a, b), (C, B)),
    "constants": (lambda a: np.einsum("ij,jk,k->i", B, a, V), (A,)),
    "size one broadcasts": (lambda a, b: np.einsum("ij,jk->ik", a, b), (A[:, :1], B)),
}


@pytest.mark.parametrize(("fun", "operands"), BY_NAME.values(), ids=BY_NAME)
def test_by_numpys_names(fun: Any, operands: Any) -> None:
    check(fun, operands, np.random.default_rng(2))


@pytest.mark.parametrize(("fun", "operands"), EINSUMS.values(), ids=EINSUMS)
def test_forms_of_einsum(fun: Any, operands: Any) -> None:
    check(fun, operands, np.random.default_rng(3))


def test_a_diagonal_by_einsum_is_a_view_that_can_be_written_to() -> None:
    def tripled(a: Any) -> Any:
        b = a * 1.0
        np.einsum("ii->i", b)[:] *= 3.0
        return np.sum(b * b)

    a = np.arange(4.0).reshape(2, 2)
    np.testing.assert_array_equal(wengert.grad(tripled)(a), 2 * a * np.array([[9, 1], [1, 9]]))


def test_a_transposition_by_einsum_is_a_view_that_can_be_written_to() -> None:
    def cleared(a: Any) -> Any:
        b = a * 1.0
        np.einsum("ij->ji", b)[0] = 0.0
        return np.sum(b * b)

    a = np.arange(6.0).reshape(2, 3)
    wanted = 2 * a
    wanted[:, 0] = 0.0
    np.testing.assert_array_equal(wengert.grad(cleared)(a), wanted)


def test_cotangents_of_einsum_do_not_call_einsum(monkeypatch: pytest.MonkeyPatch) -> None:
    left, right = RNG.normal(size=(4, 3, 3)), RNG.normal(size=(7, 4, 3))
    _, pullback = wengert.vjp(lambda a, b: np.einsum("kij,nkj->nki", a, b), left, right)
    ct = RNG.normal(size=(7, 4, 3))
    wanted = np.einsum("nki,nkj->kij", ct, right), np.einsum("nki,kij->nkj", ct, left)

    def refuse(*_: Any, **__: Any) -> Any:
        raise AssertionError("a cotangent went through np.einsum")

    monkeypatch.setattr(np, "einsum", refuse)
    for got, want in zip(pullback(ct), wanted, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-13)


def test_pairwise_contraction_of_many_operands_is_einsum() -> None:
    shapes = {"ab": (2, 3), "bcd": (3, 4, 2), "de": (2, 5), "ce": (4, 5), "a": (2,)}
    arrays = [RNG.normal(size=s) for s in shapes.values()]
    labels = [tuple(k) for k in shapes]
    sizes = pairwise.sizes_of(labels, list(shapes.values()))
    made, got = pairwise.contract(list(zip(labels, arrays, strict=True)), ("e", "b"), sizes)
    assert made == ("e", "b")
    np.testing.assert_allclose(got, np.einsum("ab,bcd,de,ce,a->eb", *arrays), rtol=1e-12)


@pytest.mark.parametrize(
    ("fun", "kind"),
    [
        (lambda a: np.einsum("ij,jk", a), ValueError),
        (lambda a: np.einsum("ijk->i", a), ValueError),
        (lambda a: np.einsum("ij", a, colour="red"), TypeError),
        (lambda a: np.dot(a, np.ones(4)), ValueError),
        (lambda a: np.cross(a, np.ones(4)), ValueError),
        (lambda a: np.tensordot(a, a, axes=([0, 1], [0])), ValueError),
        (lambda a: np.linalg.multi_dot([a]), ValueError),
        (lambda a: np.trace(a[0]), ValueError),
    ],
)
def test_bad_input_raises_as_untraced(fun: Any, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        fun(A)
    with pytest.raises(kind):
        wengert.grad(lambda a: np.sum(fun(a)))(A)
