"""Scalar functions applied to registers, fused sums of products, and the zeros of seeds.

Imports memory, the writer and the index form. Invariant: what is left out because it is multiplied by a zero is
multiplied by a zero of a seed, where nothing flows; all other zeros are numbers."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from wengert.backends.llvm.emit.memory import Result
from wengert.backends.llvm.emit.rows import Rows
from wengert.backends.llvm.writer import Type, Writer, literal, scalar_type, vector_of

LITERALS = 4096
"""Constants of at most so many elements are read while the text is written."""


class CannotEmit(RuntimeError):
    """A program that has no native form; the caller takes NumPy for it."""


class Vocabulary(Protocol):
    """Scalar functions as LLVM text."""

    fma: bool

    def emit(
        self,
        function: str,
        args: Sequence[str],
        arg_dtypes: Sequence[Any],
        dtype: Any,
        width: int,
        literals: Sequence[Any] | None = None,
    ) -> tuple[list[str], str]:
        """Lines, and the name of the result."""


PLAIN = {"add": "fadd", "subtract": "fsub", "multiply": "fmul", "divide": "fdiv"}
"""Functions that are one instruction."""
COMBINE = {
    "sum": "add",
    "prod": "multiply",
    "max": "maximum",
    "min": "minimum",
    "any": "logical_or",
    "all": "logical_and",
}


SYMMETRIC = frozenset({"add", "multiply"})
"""Functions whose arguments may change places."""
NEUTRAL: dict[str, tuple[float | None, float | None]] = {
    "add": (-0.0, -0.0),
    "subtract": (None, 0.0),
    "multiply": (1.0, 1.0),
    "divide": (None, 1.0),
}
"""The numbers that as a first or second argument leave the other one as it is, bit for bit."""
EXACT = {"add": np.add, "subtract": np.subtract, "multiply": np.multiply, "divide": np.divide}


def number(text: str, dtype: Type) -> Any:
    """The number that a floating literal says (see ``writer.literal``)."""
    return dtype.type(struct.unpack(">d", bytes.fromhex(text[2:]))[0])


def neutral(kind: str, dtype: Type) -> Any:
    """What changes nothing in a reduction."""
    if kind in {"any", "all"}:
        return kind == "all"
    if kind == "prod":
        return 1
    if kind == "sum":
        return -0.0 if dtype.kind == "f" else 0
    least = kind in {"max", "argmax"}
    if dtype.kind == "f":
        return -np.inf if least else np.inf
    if dtype.kind == "b":
        return not least
    limits = np.iinfo(dtype)
    return limits.min if least else limits.max


class Arithmetic(Rows):
    """Functions of results, into one writer."""

    def __init__(self, writer: Writer, vocabulary: Vocabulary) -> None:
        super().__init__(writer)
        self.vocabulary = vocabulary

    def apply(
        self, function: str, args: list[Result], dtypes: list[Type], dtype: Type, literals: list[Any] | None = None
    ) -> Result:
        """A scalar function of results."""
        known = self.without(function, args, dtypes, dtype)
        if known is not None:
            return known
        width = max((a.width for a in args), default=1)
        names = [a.name for a in args]
        types = "".join(d.char for d in (*dtypes, dtype))
        key = (
            "apply",
            function,
            tuple(sorted(names) if function in SYMMETRIC else names),
            types,
            width,
            repr(literals),
        )
        found = self.known(key)
        return (
            found if found is not None else self.know(key, self.applied(function, args, dtypes, dtype, width, literals))
        )

    def without(self, function: str, args: list[Result], dtypes: list[Type], dtype: Type) -> Result | None:
        """The result where it takes no instruction: zeros of seeds, numbers, what changes nothing."""
        if any(a.zero for a in args):
            known = nothing(function, args)
            if known is not None:
                return known
            if function in {"add", "subtract"}:
                if args[1].zero:
                    return args[0]
                if function == "add":
                    return args[1]
                return self.apply("negative", [args[1]], [dtype], dtype)
        if dtype.char in "fd" and function in NEUTRAL and all(d == dtype for d in dtypes):
            left, right = NEUTRAL[function]
            if right is not None and args[1].name == literal(right, dtype):
                return args[0]
            if left is not None and args[0].name == literal(left, dtype):
                return args[1]
            if all(a.name.startswith("0x") for a in args):
                with np.errstate(all="ignore"):
                    return Result(literal(EXACT[function](*(number(a.name, dtype) for a in args)), dtype))
        return None

    def applied(
        self, function: str, args: list[Result], dtypes: list[Type], dtype: Type, width: int, literals: list[Any] | None
    ) -> Result:
        """The instructions of a scalar function."""
        names = [self.widen(a, scalar_type(d), width) for a, d in zip(args, dtypes, strict=True)]
        plain = PLAIN.get(function) if dtype.kind == "f" and len(args) == 2 else None
        if plain is not None and dtypes[0] == dtypes[1] == dtype:
            kind = vector_of(scalar_type(dtype), width)
            return Result(self.writer.let(f"{plain} {kind} {names[0]}, {names[1]}"), width)
        lines, name = self.vocabulary.emit(function, names, dtypes, dtype, width, literals)
        for line in lines:
            self.writer.line(line.strip())
        return Result(name, width)

    def fma(self, dtype: Type, a: Result, b: Result, c: Result) -> Result:
        """a * b + c with one rounding."""
        width = max(a.width, b.width, c.width)
        element = scalar_type(dtype)
        kind = vector_of(element, width)
        if a.zero or b.zero:
            return c
        if c.zero:
            return self.apply("multiply", [a, b], [dtype, dtype], dtype)
        one = literal(1.0, dtype)
        if one in {a.name, b.name}:
            return self.apply("add", [b if a.name == one else a, c], [dtype, dtype], dtype)
        name = f"llvm.fma.{'' if width == 1 else f'v{width}'}{self.suffix(element)}"
        names = [(kind, self.widen(x, element, width)) for x in (a, b, c)]
        key = ("fma", kind, *(n for _, n in names))
        found = self.known(key)
        return found if found is not None else self.know(key, Result(self.writer.call(kind, name, names), width))

    def dot(self, dtype: Type, pairs: list[tuple[Result, Result]]) -> Result:
        """The sum of products."""
        total = self.apply("multiply", list(pairs[0]), [dtype, dtype], dtype)
        for a, b in pairs[1:]:
            total = self.fma(dtype, a, b, total)
        return total

    def together_pairs(self, kind: str, dtype: Type, parts: list[Result]) -> Result:
        """Parts put together, pairs with pairs."""
        while len(parts) > 1:
            pairs = [
                self.apply(COMBINE[kind], [a, b], [dtype] * 2, dtype)
                for a, b in zip(parts[::2], parts[1::2], strict=False)
            ]
            parts = pairs if len(parts) % 2 == 0 else [*pairs, parts[-1]]
        return parts[0]


def nothing(function: str, args: list[Result]) -> Result | None:
    """The zero of a seed that a function passes on, or None where it gives something else."""
    zeros = [a.zero for a in args]
    passes = (
        (function == "multiply" and any(zeros))
        or (function in {"add", "subtract", "negative", "cast", "positive"} and all(zeros))
        or (function == "divide" and zeros[0])
        or (function == "select" and zeros[1] and zeros[2])
    )
    return args[zeros.index(True)] if passes else None


def selects(data: np.ndarray[Any, Any]) -> bool:
    """Whether a matrix holds zeros and ones only, several rows and at most one 1 in every row and column: where such
    a matrix multiplies, its zeros say that nothing is there. They stay zeros beside infinities too."""
    if data.dtype.kind != "f" or data.size > LITERALS or min(data.shape, default=0) < 1:
        return False
    matrix = data.reshape(data.shape[0], -1)
    ones = matrix == 1.0
    if data.ndim < 2 or len(matrix) < 2 or not (ones | (matrix == 0.0)).all():
        return False
    return bool(ones.any() and (ones.sum(0) <= 1).all() and (ones.sum(1) <= 1).all())


__all__ = ["COMBINE", "LITERALS", "Arithmetic", "CannotEmit", "Vocabulary", "neutral", "selects"]
