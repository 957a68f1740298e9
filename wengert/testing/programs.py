"""What laws are written with: an operation as a function of its moving operands, comparisons.

May import every room. Invariant: a comparison says what was got, what was wanted, and where they
differ most.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from wengert.batch.rules import call_op
from wengert.core.handle import is_handle
from wengert.core.op import CONSTANT, Op
from wengert.core.types import dtype_of, is_inexact, shape_of

LEADING_OPERANDS = {"get": 1, "update": 2, "add_at": 2}
"""Of the operations on memory, how many operands are values (the others are indices)."""


DETERMINED: dict[str, Callable[..., Any]] = {
    "svd_full": lambda u, s, vh: (u[..., : s.shape[-1]], s, vh[..., : s.shape[-1], :]),
    "qr_complete": lambda q, r: (q[..., : r.shape[-1]], r[..., : r.shape[-1], :]),
}
"""Where other columns are any basis of a subspace: the outputs that are functions of the input."""


def determined(op: Op, out: Any) -> Any:
    """The part of an operation's result that has a derivative."""
    return DETERMINED[op.name](*out) if op.name in DETERMINED else out


def evaluated(op: Op, operands: Sequence[Any], params: tuple[Any, ...]) -> Any:
    """The whole result on operands as they are."""
    return call_op(op, list(operands), params)


class Program:
    """An operation as a function of the operands ``which``; the others keep their values.

    ``leaves`` is the point. The results are those parts that are functions of the operands.
    """

    def __init__(self, op: Op, operands: Sequence[Any], params: tuple[Any, ...], which: Sequence[int]) -> None:
        self.op = op
        self.operands = tuple(operands)
        self.params = params
        self.which = tuple(which)
        self.leaves = tuple(operands[k] for k in which)
        self.__name__ = op.name

    def __call__(self, *leaves: Any) -> Any:
        """The determined part of the result, for these leaves."""
        full = list(self.operands)
        for k, leaf in zip(self.which, leaves, strict=True):
            full[k] = leaf
        return determined(self.op, call_op(self.op, full, self.params))

    def tangents(self, rng: np.random.Generator) -> tuple[Any, ...]:
        """Random tangents; symmetric ones where the operation is one of symmetric matrices."""
        found = tuple(random_like(v, rng) for v in self.leaves)
        if self.op.domain == ("symmetric",):
            return tuple((t + t.conj().swapaxes(-1, -2)) / 2 for t in found)
        return found

    def joined(self, *leaves: Any) -> Any:
        """The inexact outputs as one vector."""
        return joined(self(*leaves))


def moving(op: Op, operands: Sequence[Any]) -> tuple[int, ...]:
    """The operands by which the operation has a derivative."""
    if op.kind == CONSTANT:
        return ()
    count = LEADING_OPERANDS.get(op.name, len(operands))
    return tuple(
        k
        for k, v in enumerate(operands[:count])
        if is_inexact(v) and (len(op.rules or ()) != len(operands) or op.rules[k] is not None)
    )


def programs(op: Op, operands: Sequence[Any], params: tuple[Any, ...]) -> list[Program]:
    """The operation as a function of all moving operands together, and of each alone."""
    all_of_them = moving(op, operands)
    if not all_of_them:
        return []
    alone = [(k,) for k in all_of_them] if len(all_of_them) > 1 else []
    return [Program(op, operands, params, which) for which in (all_of_them, *alone)]


def subsets(count: int) -> list[tuple[int, ...]]:
    """The nonempty subsets of so many operands; of many only each alone and all together."""
    sizes = range(1, count + 1) if count <= 3 else (1, count)
    return [chosen for size in sizes for chosen in combinations(range(count), size)]


def plain(value: Any) -> Any:
    """The value behind a handle."""
    return value.value if is_handle(value) else value


def parts(out: Any) -> list[Any]:
    """The outputs that have a derivative."""
    return [p for p in (out if isinstance(out, (tuple, list)) else (out,)) if is_inexact(plain(p))]


def joined(out: Any) -> Any:
    """The inexact outputs as one vector."""
    found = [np.ravel(p) for p in parts(out)]
    return np.concatenate(found) if found else np.zeros(0)


def random_like(value: Any, rng: np.random.Generator) -> Any:
    """A random tangent or cotangent of a value's shape and dtype."""
    if isinstance(value, tuple):
        return tuple(random_like(v, rng) for v in value)
    if not is_inexact(value):
        return None
    shape, dtype = shape_of(value), dtype_of(value)
    drawn: Any = rng.normal(size=shape)
    if dtype.kind == "c":
        drawn = drawn + 1j * rng.normal(size=shape)
    return dtype.type(drawn) if shape == () and type(value) is not np.ndarray else np.asarray(drawn).astype(dtype)


def pairing(a: Any, b: Any) -> float:
    """The real pairing Re<a, b> of two values or tuples of values."""
    return float(np.real(np.vdot(joined(a).astype(complex), joined(b).astype(complex))))


def size_of(value: Any) -> float:
    """The Euclidean length of a value or a tuple of values."""
    return float(np.linalg.norm(joined(value)))


def is_single(*values: Any) -> bool:
    """Whether float32 numbers take part."""
    return any(dtype_of(p).itemsize < (16 if dtype_of(p).kind == "c" else 8) for v in values for p in parts(v))


def tolerance(*values: Any, double: float, single: float) -> float:
    """The relative tolerance for values of such precision."""
    return single if is_single(*values) else double


def widened(operands: Sequence[Any]) -> tuple[Any, ...]:
    """Operands in double precision."""
    wide = {"f": np.float64, "c": np.complex128}
    return tuple(
        v.astype(wide[v.dtype.kind]) if isinstance(v, (np.ndarray, np.generic)) and v.dtype.kind in "fc" else v
        for v in operands
    )


def narrowed(operands: Sequence[Any]) -> tuple[Any, ...]:
    """Operands in single precision; Python numbers, which have none, stay."""
    thin = {"f": np.float32, "c": np.complex64}
    return tuple(
        v.astype(thin[v.dtype.kind]) if isinstance(v, (np.ndarray, np.generic)) and v.dtype.kind in "fc" else v
        for v in operands
    )


def assert_close(got: Any, want: Any, rtol: float, what: str, error: Any = 0.0) -> None:
    """Assert |got - want| <= rtol (|want| + max |want|) + 10 error everywhere; NaN equals NaN."""
    got, want = joined(got), joined(want)
    assert got.shape == want.shape, f"{what}: {got.size} entries, wanted {want.size}"
    if not want.size:
        return
    finite = np.abs(want[np.isfinite(want)])
    allowed = rtol * (np.abs(want) + finite.max(initial=0.0)) + 10.0 * np.ravel(error)
    with np.errstate(all="ignore"):
        right = (np.abs(got - want) <= allowed) | (got == want) | (np.isnan(got) & np.isnan(want))
    if not right.all():
        k = int(np.argmax(np.where(right, -1.0, np.nan_to_num(np.abs(got - want), nan=np.inf))))
        raise AssertionError(f"{what}: entry {k} is {got[k]}, wanted {want[k]} (all got {got}, wanted {want})")


def assert_same(got: Any, want: Any, what: str) -> None:
    """Assert equality bit for bit, of dtypes too, for values and tuples of them."""
    if isinstance(want, tuple):
        assert isinstance(got, tuple) and len(got) == len(want), f"{what}: got {got!r}, wanted {want!r}"
        for k, (g, w) in enumerate(zip(got, want, strict=True)):
            assert_same(g, w, f"{what}[{k}]")
        return
    got, want = plain(got), plain(want)
    if not isinstance(want, (np.ndarray, np.generic, float, int, complex)):
        assert got is want or got == want, f"{what}: got {got!r}, wanted {want!r}"
        return
    assert dtype_of(got) == dtype_of(want), f"{what}: dtype {dtype_of(got)}, wanted {dtype_of(want)}"
    assert shape_of(got) == shape_of(want), f"{what}: shape {shape_of(got)}, wanted {shape_of(want)}"
    same = np.array_equal(got, want, equal_nan=dtype_of(want).kind in "fc")
    assert same, f"{what}: got {got!r}, wanted {want!r}"
