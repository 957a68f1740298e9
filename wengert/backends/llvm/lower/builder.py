"""Building values in index form: axes made one where they are aligned, arrays laid out over axes, casts, substitutions.

Imports NumPy, core, ``indexed``, ``lower/affine``. Invariant: two axes that some value or array carries both are never
made one; where an alignment asks for it, the operand is read through fresh axes instead."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from wengert.backends.llvm.indexed import Affine, Axis, Constant, Index, Map, Read, Reduce, Reshaped, Slot, Sub, Value
from wengert.backends.llvm.lower.affine import Dim, Guards, along, bounds, compose, normal, renaming, same_number
from wengert.backends.llvm.lower.constants import uniform, wider
from wengert.backends.llvm.scalar_ops import supports
from wengert.core.types import SCALARS

BOOL, INT64, FLOAT64 = np.dtype(np.bool_), np.dtype(np.int64), np.dtype(np.float64)
NATIVE = frozenset({FLOAT64, np.dtype(np.float32), INT64, np.dtype(np.int32), BOOL})
"""The dtypes that values of native code have."""


class Refused(Exception):
    """A step has no native form: the reason, as a short phrase."""


class _Nothing:
    __slots__ = ()


NOTHING: Any = _Nothing()


@dataclass(slots=True, eq=False)
class Laid:
    """An array: a value, and for each dimension the axis that runs along it (0 where the extent is 1).

    The value need not depend on all of them (a broadcast). ``const`` is the plain value of a constant operand."""

    value: Value
    dims: tuple[Dim, ...]
    const: Any = NOTHING

    @property
    def shape(self) -> tuple[int, ...]:
        """The extents."""
        return tuple(d.extent if isinstance(d, Axis) else 1 for d in self.dims)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the elements."""
        return self.value.dtype

    @property
    def axes(self) -> tuple[Axis, ...]:
        """The axes of its dimensions, those of extent 1 left out."""
        return tuple(d.find() for d in self.dims if isinstance(d, Axis))


class Builder:
    """Makes the values of one program."""

    def __init__(self) -> None:
        self.where: Any = None
        self.checks: list[tuple[Value, str]] = []
        self._apart: dict[Axis, set[Axis]] = {}
        self._slots: dict[Any, Slot] = {}
        self._kept: list[Any] = []

    # ------------------------------------------------------------ axes

    def axes(self, shape: Iterable[int]) -> tuple[Dim, ...]:
        """Fresh axes for the dimensions of a shape; 0 where the extent is 1."""
        found: list[Dim] = []
        for n in shape:
            if n == 0:
                raise Refused("an array without elements")
            found.append(Axis(n) if n != 1 else 0)
        return tuple(found)

    def keep_apart(self, axes: Iterable[Axis]) -> None:
        """Note that something carries all these axes: they stay different."""
        roots = list(dict.fromkeys(a.find() for a in axes))
        for a in roots:
            others = self._apart.setdefault(a, set())
            others.update(r for r in roots if r is not a)

    def may_unify(self, a: Axis, b: Axis) -> bool:
        """Whether two axes can be made one."""
        a, b = a.find(), b.find()
        return a is b or (a.extent == b.extent and b not in self._apart.get(a, ()))

    def unify(self, a: Axis, b: Axis) -> None:
        """Make two axes one."""
        a, b = a.find(), b.find()
        if a is b:
            return
        kept = a.unify(b)
        gone = b if kept is a else a
        for other in self._apart.pop(gone, ()):
            self._apart[other].discard(gone)
            self._apart[other].add(kept)
            self._apart.setdefault(kept, set()).add(other)

    def align(
        self, operands: Sequence[Laid], labels: Sequence[Sequence[Hashable]]
    ) -> tuple[list[Laid], dict[Hashable, Axis]]:
        """The operands over common axes: dimensions of one label are made one axis, of two labels stay two.

        A dimension of extent 1 has no axis. Returns the operands (some read through fresh axes) and the axis of every
        label. Arrays in memory come last: reading them through other axes costs nothing."""
        env: dict[Hashable, Axis] = {}
        found = list(operands)
        for k in sorted(range(len(found)), key=lambda k: isinstance(found[k].value, Read)):
            operand, names = found[k], labels[k]
            pairs = [(n, d.find()) for n, d in zip(names, operand.dims, strict=True) if isinstance(d, Axis)]
            if not self._joins(env, pairs):
                operand = self.fresh(operand)
                pairs = [(n, d.find()) for n, d in zip(names, operand.dims, strict=True) if isinstance(d, Axis)]
            for name, axis in pairs:
                if name in env:
                    self.unify(env[name], axis)
            for name, axis in pairs:
                env[name] = axis.find()
            env = {name: axis.find() for name, axis in env.items()}
            assert len(set(env.values())) == len(env)
            self.keep_apart(env.values())
            found[k] = operand
        return found, env

    def _joins(self, env: Mapping[Hashable, Axis], pairs: Sequence[tuple[Hashable, Axis]]) -> bool:
        """Whether an operand's axes can be made those of its labels without two labels falling together."""
        taken = {axis.find(): name for name, axis in env.items()}
        for name, axis in pairs:
            if taken.get(axis, name) != name:
                return False
            if name in env and not self.may_unify(env[name], axis):
                return False
        # Two unifications may forbid each other: an axis of the operand and that of another label may lie in one value.
        merged: dict[Axis, set[Axis]] = {}
        for name, axis in pairs:
            if name in env:
                merged.setdefault(env[name].find(), set()).add(axis)
        for root, group in merged.items():
            near = {root, *group}
            if any(b in self._apart.get(a, ()) for a in near for b in near if a is not b):
                return False
        return True

    # ------------------------------------------------------------ leaves

    def read(self, slot: Slot) -> Laid:
        """An array in memory, over fresh axes."""
        dims = self.axes(slot.shape)
        self.keep_apart(d for d in dims if isinstance(d, Axis))
        axes = tuple(d for d in dims if isinstance(d, Axis))
        return Laid(Read(axes, slot.dtype, slot, dims, where=self.where), dims)

    def number(self, value: Any, dtype: Any) -> Constant:
        """A constant of no axes."""
        dtype = np.dtype(dtype)
        with np.errstate(all="ignore"):
            made = np.asarray(value).astype(dtype).item()
        return Constant((), dtype, made, where=self.where)

    def constant(self, value: Any) -> Laid:
        """A constant operand: a number where all elements are the same to the bit, else an array of its own."""
        if type(value) in SCALARS and not isinstance(value, np.generic):
            if type(value) is int and not -(2**63) <= value < 2**63:
                raise Refused("an integer beyond 64 bits")
            dtype = np.asarray(value).dtype
        else:
            if not isinstance(value, (np.ndarray, np.generic)):
                raise Refused(f"a constant of type {type(value).__name__}")
            dtype = wider(value.dtype)
        if dtype not in NATIVE:
            raise Refused(f"{dtype} numbers")
        plain = np.asarray(value)
        dims = self.axes(plain.shape)
        first = uniform(plain)
        if first is not None:
            self.keep_apart(d for d in dims if isinstance(d, Axis))
            return Laid(self.number(first, dtype), dims, value)
        found = self.array(plain, dtype)
        return Laid(found.value, found.dims, value)

    def array(self, data: Any, dtype: Any = None) -> Laid:
        """An array that is known when the program is built, read from memory."""
        made = np.ascontiguousarray(data, dtype=np.dtype(dtype or data.dtype).newbyteorder("="))
        key = (made.shape, made.dtype, made.tobytes()) if made.size <= 4096 else (id(data), made.dtype)
        slot = self._slots.get(key)
        if slot is None:
            made = made.copy() if made is data or made.base is not None else made
            slot = self._slots[key] = Slot("", made.shape, made.dtype, "constant", made)
            self._kept.append(data)
        return self.read(slot)

    def place(self, axis: Axis) -> Index:
        """The number of the place along an axis."""
        return Index((axis.find(),), INT64, where=self.where)

    # ------------------------------------------------------------ values

    def map(self, function: str, dtype: Any, *args: Value) -> Value:
        """A scalar function of values; the identities that hold to the bit are left out."""
        if function == "multiply" and args[0].dtype.kind in "fi":
            for one, other in (args, args[::-1]):
                if isinstance(one, Constant) and one.value == 1:
                    return other
        if function == "select" and isinstance(args[0], Constant):
            return args[1] if args[0].value else args[2]
        if function == "select" and args[1] is args[2]:
            return args[1]
        literals = tuple(v.value if isinstance(v, Constant) else None for v in args)
        if not _has_native_form(function, tuple(v.dtype for v in args), np.dtype(dtype), literals):
            raise Refused(f"{function} of {', '.join(str(v.dtype) for v in args)}")
        axes = tuple(dict.fromkeys(a.find() for v in args for a in v.axes))
        self.keep_apart(axes)
        return Map(axes, np.dtype(dtype), function, tuple(args), where=self.where)

    def cast(self, value: Value, dtype: Any) -> Value:
        """The value as another type, as NumPy casts."""
        dtype = np.dtype(dtype)
        if value.dtype == dtype:
            return value
        if isinstance(value, Constant):
            return self.number(value.value, dtype)
        if isinstance(value, Read) and value.slot.kind == "constant":
            data = value.slot.data
            assert data is not None
            key = (id(value.slot), dtype)
            slot = self._slots.get(key)
            if slot is None:
                with np.errstate(all="ignore"):
                    slot = self._slots[key] = Slot("", data.shape, dtype, "constant", data.astype(dtype))
                self._kept.append(value.slot)
            return Read(value.axes, dtype, slot, value.index, where=self.where)
        return self.map("cast", dtype, value)

    def reduce(self, kind: str, arg: Value, over: Iterable[Axis], dtype: Any = None) -> Value:
        """A value accumulated over axes that it carries."""
        axes = tuple(dict.fromkeys(a.find() for a in arg.axes))
        gone = tuple(dict.fromkeys(a.find() for a in over))
        if not gone:
            return arg
        kept = tuple(a for a in axes if a not in gone)
        return Reduce(kept, np.dtype(dtype or arg.dtype), kind, arg, gone, where=self.where)

    def total(self, value: Value, over: Iterable[Axis]) -> Value:
        """The sum over axes, also over those that the value does not depend on."""
        return self.reduced("sum", value, over)

    def reduced(self, kind: str, value: Value, over: Iterable[Axis]) -> Value:
        """A sum, product, extreme or quantifier over axes, also over those that the value does not depend on."""
        roots = tuple(dict.fromkeys(a.find() for a in over))
        carried = {a.find() for a in value.axes}
        out = self.reduce(kind, value, (a for a in roots if a in carried))
        count = 1
        for a in roots:
            if a not in carried:
                count *= a.extent
        if count == 1 or kind not in ("sum", "prod"):
            return out
        if kind == "sum":
            return self.map("multiply", out.dtype, self.number(count, out.dtype), out)
        if out.dtype.kind == "f":
            return self.map("power", out.dtype, out, self.number(count, out.dtype))
        return self.whole_power(out, count)

    def whole_power(self, value: Value, exponent: int) -> Value:
        """A power by repeated squaring: exact for integers."""
        out: Value | None = None
        while exponent:
            if exponent & 1:
                out = value if out is None else self.map("multiply", value.dtype, out, value)
            exponent >>= 1
            if exponent:
                value = self.map("multiply", value.dtype, value, value)
        return self.number(1, value.dtype) if out is None else out

    def substitute(
        self, value: Value, index: Mapping[Axis, Affine | Value], guards: Guards = (), fill: Any = 0
    ) -> Value:
        """``value`` with axes replaced by index expressions, ``fill`` where a guard fails."""
        carried = {a.find() for a in value.axes}
        chosen: dict[Axis, Affine | Value] = {}
        for axis, place in index.items():
            axis = axis.find()
            if axis in carried:
                place = normal(place) if isinstance(place, Affine) else place
                if not (isinstance(place, Affine) and place.terms == ((axis, 1),) and place.offset == 0):
                    chosen[axis] = place
        asked: list[tuple[Affine, int, int]] = []
        for affine, low, high in guards:
            affine = normal(affine)
            least, most = bounds(affine)
            if most < low or least >= high:
                return self.number(fill, value.dtype)
            if least < low or most >= high:
                asked.append((affine, low, high))
        if not chosen and not asked:
            return value
        if isinstance(value, Constant) and (not asked or same_number(value.value, fill)):
            return value
        composed = compose(value, chosen, tuple(asked), fill)
        if composed is not None:
            return self.substitute(*composed)
        axes = list(dict.fromkeys(a.find() for a in value.axes if a.find() not in chosen))
        for place in chosen.values():
            axes += [a.find() for a in place.axes]
        for affine, _, _ in asked:
            axes += [a.find() for a in affine.axes]
        unique = tuple(dict.fromkeys(axes))
        self.keep_apart(unique)
        if isinstance(value, Read) and not asked and len(unique) == len(carried):
            renamed = renaming(value, chosen)
            if renamed is not None:
                return Read(unique, value.dtype, value.slot, renamed, where=self.where)
        return Sub(unique, value.dtype, value, chosen, tuple(asked), fill, where=self.where)

    def reshape(self, value: Value, source: Sequence[Axis], target: Sequence[Axis]) -> Value:
        """The elements in C order of ``source``, read in C order of ``target``; the other axes stay."""
        source, target = tuple(a.find() for a in source), tuple(a.find() for a in target)
        axes = [a.find() for a in value.axes]
        if not any(a in axes for a in source):
            return value
        if (
            isinstance(value, Reshaped)
            and tuple(a.find() for a in value.target) == source
            and [a.extent for a in value.source] == [a.extent for a in target]
        ):
            return self.substitute(value.arg, {s: Affine(((t, 1),)) for s, t in zip(value.source, target, strict=True)})
        if len(source) == 1:
            step, terms = 1, []
            for a in reversed(target):
                terms.append((a, step))
                step *= a.extent
            return self.substitute(value, {source[0]: Affine(tuple(reversed(terms)))})
        made = (*(a for a in axes if a not in source), *target)
        self.keep_apart((*made, *source))
        return Reshaped(made, value.dtype, value, source, target, where=self.where)

    # ------------------------------------------------------------ arrays

    def laid(self, value: Value, dims: Sequence[Dim]) -> Laid:
        """An array over these dimensions."""
        found = tuple(d.find() if isinstance(d, Axis) else 0 for d in dims)
        axes = [d for d in found if isinstance(d, Axis)]
        assert len(set(axes)) == len(axes), "an axis twice in one array"
        assert {a.find() for a in value.axes} <= set(axes), "a value depends on an axis that its array has not"
        self.keep_apart(axes)
        return Laid(value, found)

    def fresh(self, operand: Laid) -> Laid:
        """The same array read through fresh axes."""
        dims = self.axes(operand.shape)
        renamed: dict[Axis, Affine | Value] = {
            a.find(): Affine(((b, 1),))
            for a, b in zip(operand.dims, dims, strict=True)
            if isinstance(a, Axis) and isinstance(b, Axis)
        }
        return Laid(self.laid(self.substitute(operand.value, renamed), dims).value, dims, operand.const)

    def broadcast(self, operand: Laid, shape: Sequence[int]) -> Laid:
        """The array seen with a shape that it broadcasts to; leading dimensions of extent 1 may fall away."""
        dims: list[Dim] = list(operand.dims)
        while len(dims) > len(shape) and dims[0] == 0:
            del dims[0]
        dims = [*([0] * (len(shape) - len(dims))), *dims]
        found: list[Dim] = []
        for d, n in zip(dims, shape, strict=True):
            if n == 0:
                raise Refused("an array without elements")
            found.append(d if isinstance(d, Axis) or n == 1 else Axis(n))
        return self.laid(operand.value, found)

    def check(self, value: Value, what: str) -> None:
        """Ask, when the program runs, that all elements of a Boolean value are true."""
        self.checks.append((self.reduce("all", value, value.axes), what))

    def checked(self) -> tuple[tuple[Value, str], ...]:
        """All checks as one guard, with what it stands for."""
        if not self.checks:
            return ()
        together = self.checks[0][0]
        for value, _ in self.checks[1:]:
            together = self.map("logical_and", BOOL, together, value)
        return ((together, "; ".join(dict.fromkeys(what for _, what in self.checks))),)


@lru_cache(maxsize=4096)
def _has_native_form(function: str, args: tuple[Any, ...], dtype: Any, literals: tuple[Any, ...]) -> bool:
    return supports(function, args, dtype, literals)


__all__ = ["BOOL", "FLOAT64", "INT64", "NATIVE", "NOTHING", "Builder", "Dim", "Guards", "Laid", "Refused", "along"]
