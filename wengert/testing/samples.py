"""Samples: operands and parameters on which the laws try an operation.

An operation brings its own (``op.samples(rng)``) or says for which numbers it is smooth
(``op.domain``); operations that read and write memory have theirs here. May import every room.
Invariant: a sample lies where the operation is differentiable, away from where it is not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from wengert.core.op import CONSTANT, CONTROL, OPS, Op
from wengert.core.types import dtype_of, shape_of
from wengert.ops import memory
from wengert.ops.control import with_jvp, with_vjp
from wengert.ops.paths import apply

STRUCTURAL = frozenset({"input", "item"})
"""Every trace executes the first, every operation of several outputs the second."""


class Sample(NamedTuple):
    """One point to try an operation at."""

    operands: tuple[Any, ...]
    params: tuple[Any, ...]

    def __str__(self) -> str:
        shown = ", ".join(_short(v) for v in self.operands)
        return f"({shown}; {', '.join(map(_short, self.params))})" if self.params else f"({shown})"


def _short(value: Any) -> str:
    if isinstance(value, np.ndarray) and value.size > 6:
        return f"{value.dtype}{list(value.shape)}"
    text = repr(value)
    return text if len(text) <= 70 else text[:67] + "..."


def samples_of(op: Op, rng: np.random.Generator) -> list[Sample]:
    """The samples of an operation; an empty list when there is no way to know any.

    >>> from wengert.core.op import OPS
    >>> import wengert
    >>> len(samples_of(OPS["sin"], np.random.default_rng(0))) > 3
    True
    """
    own = op.samples or _OWN.get(op.name)
    if own is not None:
        return [Sample(tuple(operands), tuple(params)) for operands, params in own(rng)]
    if op.kind == CONTROL or op.inputs[:1] == ("*operands",):
        return []
    return list(_derived(op, rng))


def operations() -> list[Op]:
    """Every operation the laws run on: listed ones, and calls of functions with their own rule."""
    return [*(op for name, op in OPS.items() if name not in STRUCTURAL), *_calls()]


# ---------------------------------------------------------------- from the domain


def _derived(op: Op, rng: np.random.Generator) -> Iterator[Sample]:
    params = tuple(op.params.values())
    for shapes, dtype in (*_shapes(len(op.inputs)), *_other_numbers(len(op.inputs))):
        dtypes = dtype if isinstance(dtype, tuple) else (dtype,) * len(op.inputs)
        for _ in range(20):
            operands = tuple(
                _draw(op, k, shape, d, rng) for k, (shape, d) in enumerate(zip(shapes, dtypes, strict=True))
            )
            if not _accepted(op, operands, params):
                break
            if not _on_kink(op, operands, params):
                yield Sample(operands, params)
                break


Shape = tuple[int, ...] | None
_F32, _C128 = np.dtype(np.float32), np.dtype(np.complex128)


def _shapes(count: int) -> list[tuple[tuple[Shape, ...], Any]]:
    """Shapes per input (None: a Python number) and dtype: alone, together, and broadcasting."""
    real: list[tuple[Shape, ...]] = [
        (None,) * count,
        ((3,),) * count,
        ((),) * count,
        ((0,),) * count,
    ]
    if count == 2:
        real += [((3, 1), (4,)), (None, (2, 3)), ((2, 3), None), ((2, 1, 2), (1, 3, 1))]
    elif count > 2:
        real += [((2, 3), *((3,),) * (count - 2), None), (None, *((2, 2),) * (count - 1))]
    return [(shapes, np.dtype(float)) for shapes in real]


def _other_numbers(count: int) -> list[tuple[tuple[Shape, ...], Any]]:
    found: list[tuple[tuple[Shape, ...], Any]] = [
        (((2, 3),) * count, _F32),
        (((),) * count, _F32),
        (((3,),) * count, _C128),
        ((None,) * count, _C128),
        (((3,),) * count, np.dtype(np.complex64)),
    ]
    if count == 2:
        mixed = (np.dtype(float), _C128)
        found += [
            (((3,), (2, 1)), mixed),
            (((3,), ()), mixed[::-1]),
            (((3,), None), (_F32, np.dtype(float))),
        ]
    if count > 2:
        found.append((((2, 2), *((2,),) * (count - 1)), (_F32, *(np.dtype(float),) * (count - 1))))
    return found


def _draw(op: Op, k: int, shape: Shape, dtype: np.dtype[Any], rng: np.random.Generator) -> Any:
    size: Any = () if shape is None else shape
    domain = op.domain[k] if op.domain else None
    if domain is not None:
        drawn: Any = rng.uniform(domain[0], domain[1], size)
    else:
        drawn = rng.uniform(0.3, 1.7, size) * rng.choice([-1.0, 1.0], size)
    if dtype.kind == "c":
        drawn = drawn + 1j * rng.uniform(0.2, 0.6, size)
    if shape is None:
        return complex(drawn) if dtype.kind == "c" else float(drawn)
    return np.asarray(drawn).astype(dtype)


def _accepted(op: Op, operands: tuple[Any, ...], params: tuple[Any, ...]) -> bool:
    try:
        with np.errstate(all="ignore"):
            op.evaluate(*operands, *params)
    except TypeError:
        return False
    return True


def _on_kink(op: Op, operands: tuple[Any, ...], params: tuple[Any, ...]) -> bool:
    if op.kink is None or op.kind == CONSTANT:
        return False
    y = op.evaluate(*operands, *params)
    return bool(np.any(op.kink(operands, params, y)))


# -------------------------------------------------- operations whose operands are not only numbers

Samples = Callable[[np.random.Generator], Iterable[tuple[tuple[Any, ...], tuple[Any, ...]]]]
_MATRIX = (3, 4)
_INDICES: tuple[Any, ...] = (
    1,
    -1,
    slice(None, None, -2),
    (slice(None), 2),
    (Ellipsis, None, slice(1, 3)),
    np.array([2, 0, 2]),
    (np.array([0, 2]), np.array([1, 1])),
    (slice(None), np.array([[3, 0]])),
    [0, -1],
    (np.array([0, 1]), 2),
    (2, slice(0, 3)),
    np.arange(12).reshape(3, 4) % 3 == 0,
    (np.array([True, False, True]), slice(None)),
    Ellipsis,
)
_VIEWS: tuple[Any, ...] = (
    (("reshape", ((2, 6), "C")),),
    (("reshape", ((2, 6), "F")),),
    (("reshape", ((-1,), "C")),),
    (("transpose", None),),
    (("transpose", (1, 0)),),
    (("diagonal", (1, 0, 1)),),
    (("broadcast", (2, 3, 4)),),
    (("transpose", None), ("index", (slice(None), 1)), ("reshape", ((2, 2), "C"))),
    (("index", slice(0, 2)), ("diagonal", (0, 1, 0))),
)


def _reads(rng: np.random.Generator) -> Iterable[Any]:
    for dtype in (float, np.float32, complex):
        x = _normal(rng, _MATRIX, dtype)
        paths = [*((("index", i),) for i in _INDICES), *_VIEWS]
        for path in paths if dtype is float else paths[::4]:
            yield (x,), (path, x.shape, x.dtype)
        if dtype is complex:
            yield (x,), ((("real", None),), x.shape, x.dtype)
            yield (x,), ((("imag", None), ("index", 1)), x.shape, x.dtype)


def _writes(rng: np.random.Generator) -> Iterable[Any]:
    for dtype in (float, np.float32, complex):
        for k, index in enumerate(_INDICES):
            if dtype is not float and k % 4:
                continue
            yield _written(rng, (("index", index),), dtype, None)
            yield _written(rng, (("index", index),), dtype, ())
        yield _written(rng, (("transpose", None), ("index", (1, slice(0, 2)))), dtype, None)
        yield _written(rng, (("index", (slice(None), slice(1, 4))), ("index", slice(0, 2))), dtype, (1, 3))


def _written(rng: np.random.Generator, path: Any, dtype: Any, shape: tuple[int, ...] | None) -> Any:
    old = _normal(rng, _MATRIX, dtype)
    region = shape_of(apply(path, old))
    value = _normal(rng, region if shape is None else shape, dtype)
    return (old, value), (path, region, old.shape, old.dtype, (shape_of(value), dtype_of(value)))


def _normal(rng: np.random.Generator, shape: tuple[int, ...], dtype: Any = float) -> Any:
    drawn = rng.normal(size=shape)
    if np.dtype(dtype).kind == "c":
        drawn = drawn + 1j * rng.normal(size=shape)
    return np.asarray(drawn).astype(dtype)


def _joins(shapes: tuple[tuple[tuple[int, ...], ...], ...], axes: tuple[int, ...]) -> Samples:
    def samples(rng: np.random.Generator) -> Iterable[Any]:
        for operands, axis in zip(shapes, axes, strict=True):
            for dtype in (float, np.float32, complex):
                yield tuple(_normal(rng, s, dtype) for s in operands), (axis,)
        yield (
            (_normal(rng, shapes[-1][0]), *(_normal(rng, s, complex) for s in shapes[-1][1:])),
            (axes[-1],),
        )

    return samples


def _choices(rng: np.random.Generator) -> Iterable[Any]:
    mask = np.array([[True, False, True], [False, False, True]])
    for dtype in (float, np.float32, complex):
        yield (mask, _normal(rng, (2, 3), dtype), _normal(rng, (2, 3), dtype)), ()
    yield (mask[0], _normal(rng, (2, 1)), 0.5), ()
    yield (True, _normal(rng, (3,)), _normal(rng, (2, 1))), ()
    yield (mask, float(rng.normal()), float(rng.normal())), ()
    yield (mask, _normal(rng, (3,)), _normal(rng, (2, 1), complex)), ()


def _casts(rng: np.random.Generator) -> Iterable[Any]:
    for dtype, to in (
        (float, np.float32),
        (np.float32, float),
        (float, complex),
        (complex, np.complex64),
        (float, float),
    ):
        yield (_normal(rng, (2, 3), dtype),), (np.dtype(to),)


def _bits(count: int) -> Samples:
    def samples(rng: np.random.Generator) -> Iterable[Any]:
        yield tuple(rng.integers(0, 8, size=(2, 3)) for _ in range(count)), ()
        yield tuple(rng.normal(size=3) > 0 for _ in range(count)), ()

    return samples


def _wholes(count: int) -> Samples:
    def samples(rng: np.random.Generator) -> Iterable[Any]:
        yield tuple(rng.integers(0, 8, size=(2, 3)) for _ in range(count)), ()
        yield tuple(rng.integers(1, 6, size=3, dtype=np.int32) for _ in range(count)), ()

    return samples


def _sorted_rows(rng: np.random.Generator) -> Iterable[Any]:
    yield (np.array([[0.0, 1.0, 1.0], [2.0, 2.0, 2.0]]),), (-1,)
    yield (np.sort(rng.normal(size=(3, 2)), axis=0),), (0,)


_OWN: dict[str, Samples] = {
    "get": _reads,
    "update": _writes,
    "add_at": _writes,
    "stack": _joins((((2, 3), (2, 3)), ((), (), ()), ((2,), (2,))), (1, 0, -1)),
    "concatenate": _joins((((2, 3), (1, 3)), ((2, 1), (2, 0), (2, 3))), (0, -1)),
    "where": _choices,
    "astype": _casts,
    "tie_groups": _sorted_rows,
    "has_ties": _sorted_rows,
    "bitwise_and": _bits(2),
    "bitwise_or": _bits(2),
    "bitwise_xor": _bits(2),
    "invert": _bits(1),
    "left_shift": _wholes(2),
    "right_shift": _wholes(2),
    "gcd": _wholes(2),
    "lcm": _wholes(2),
    "bitwise_count": _wholes(1),
}
"""Samples of operations that lie below the makers or whose operands are not floating point."""


# ---------------------------------------------------------- functions that carry their own rule


def _calls() -> list[Op]:
    """``y = sin(a) b`` with a forward rule, and ``y, z = a^2 b, a + b`` with a reverse rule."""
    forward = with_jvp(
        "call_with_jvp",
        lambda a, b: [np.sin(a) * b],
        lambda v, t: [np.cos(v[0]) * v[1] * t[0] + np.sin(v[0]) * t[1]],
        1,
    )
    reverse = with_vjp(
        "call_with_vjp",
        lambda a, b: [a**2 * b, a + b],
        lambda a, b: ([a**2 * b, a + b], (a, b)),
        lambda res, ct: [2.0 * res[0] * res[1] * ct[0] + ct[1], res[0] ** 2 * ct[0] + ct[1]],
        2,
    )
    for op in (forward, reverse):
        op.samples = _pairs
    return [forward, reverse]


def _pairs(rng: np.random.Generator) -> Iterable[Any]:
    yield (float(rng.normal()), float(rng.normal())), ()
    yield (_normal(rng, (2, 3)), _normal(rng, (2, 3))), ()
    yield (_normal(rng, (3,), np.float32), _normal(rng, (3,), np.float32)), ()


__all__ = ["STRUCTURAL", "Sample", "memory", "operations", "samples_of"]
