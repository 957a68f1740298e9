"""Loads and stores at affine positions: contiguous lanes, gathers, masks, and the bytes that bools are in memory.

Imports the writer and positions. Invariant: no address outside an array is read or written: a lane that is switched
off by the loop's tail, or for which a guard fails, is masked, or its address replaced by the array's first."""

from __future__ import annotations

from dataclasses import dataclass

from wengert.backends.llvm.heat import Spare
from wengert.backends.llvm.positions import Position
from wengert.backends.llvm.writer import Type, Writer, memory_type, vector_of

PER_LANE = 2.0
"""Cycles for each lane that a gather or scatter takes longer than loads or stores of their own."""


@dataclass(frozen=True, slots=True)
class Result:
    """A value in a register: its name (or a literal) and how many lanes it has."""

    name: str
    width: int = 1
    zero: bool = False
    """Whether it is a zero of a seed: nothing flows there, whatever it is multiplied by."""


class Memory:
    """Addresses and accesses of one function being written. ``mask`` names the lanes that the loop's tail has (None:
    all); ``width`` is the number of lanes of the loop around."""

    def __init__(self, writer: Writer) -> None:
        self.writer = writer
        self.mask: str | None = None
        self.width = 1
        self.times = 1.0
        """How often what is written now is run."""
        self.spare: Spare | None = None
        self.scopes: list[dict[object, Result]] = [{}]

    # What was computed in this block or one around it.

    def known(self, key: object) -> Result | None:
        """The result of a key in any scope around."""
        for scope in reversed(self.scopes):
            found = scope.get(key)
            if found is not None:
                return found
        return None

    def know(self, key: object, result: Result) -> Result:
        """Remember a result in the innermost scope."""
        self.scopes[-1][key] = result
        return result

    # Positions as numbers.

    def scalar(self, position: Position) -> str:
        """The position of the first lane as an i64."""
        key = ("scalar", position)
        found = self.known(key)
        if found is not None:
            return found.name
        w = self.writer
        total = ""
        for variable, factor in position.terms:
            part = variable.name if factor == 1 else w.let(f"mul nsw i64 {variable.name}, {factor}")
            total = part if not total else w.let(f"add nsw i64 {total}, {part}")
        if not total:
            return str(position.offset)
        if position.offset:
            total = w.let(f"add nsw i64 {total}, {position.offset}")
        return self.know(key, Result(total)).name

    def lanes(self, position: Position) -> str:
        """The positions of all lanes as a vector of i64."""
        width = position.width
        key = ("lanes", position)
        found = self.known(key)
        if found is not None:
            return found.name
        w, kind = self.writer, f"<{width} x i64>"
        uniform = Position(tuple((v, c) for v, c in position.terms if not (v.free and v.width > 1)), position.offset)
        total = w.splat(self.scalar(uniform), "i64", width)
        step = uniform.step
        if step:
            iota = "<" + ", ".join(f"i64 {k * step}" for k in range(width)) + ">"
            total = w.let(f"add nsw {kind} {total}, {iota}")
        for variable, factor in position.terms:
            if variable.free and variable.width > 1:
                part = variable.name
                if factor != 1:
                    factors = f"splat (i64 {factor})"
                    part = w.let(f"mul nsw {kind} {part}, {factors}")
                total = w.let(f"add nsw {kind} {total}, {part}")
        return self.know(key, Result(total, width)).name

    def index(self, position: Position) -> Result:
        """A position as a value."""
        if position.width == 1:
            return Result(self.scalar(position))
        return Result(self.lanes(position), position.width)

    def pointer(self, base: str, element: str, index: str) -> str:
        """``base`` moved by ``index`` elements, made once."""
        key = ("pointer", base, element, index)
        found = self.known(key)
        return (found or self.know(key, Result(self.writer.pointer(base, element, index)))).name

    # Masks.

    def widen(self, result: Result, element: str, width: int) -> str:
        """The name of the result in ``width`` lanes."""
        if result.width == width:
            return result.name
        assert result.width == 1, (result, width)
        key = ("splat", result.name, element, width)
        found = self.known(key)
        if found is not None:
            return found.name
        if not result.name.startswith("%"):
            name = f"splat ({element} {result.name})"
        else:
            name = self.writer.splat(result.name, element, width)
        return self.know(key, Result(name, width)).name

    def both(self, a: Result | None, b: Result | None) -> Result | None:
        """The conjunction of two conditions, of which None is true."""
        if a is None or b is None:
            return b if a is None else a
        if a == b:
            return a
        width = max(a.width, b.width)
        left, right = self.widen(a, "i1", width), self.widen(b, "i1", width)
        key = ("and", left, right)
        found = self.known(key)
        if found is not None:
            return found
        return self.know(key, Result(self.writer.let(f"and {vector_of('i1', width)} {left}, {right}"), width))

    def inside(self, position: Position, low: int, high: int) -> Result:
        """Whether ``low <= position < high``."""
        key = ("inside", position, low, high)
        found = self.known(key)
        if found is not None:
            return found
        p = self.index(position)
        kind = vector_of("i64", p.width)
        parts = []
        for condition, bound, needed in (("sge", low, position.low < low), ("slt", high, position.high >= high)):
            if needed:
                limit = self.widen(Result(str(bound)), "i64", p.width)
                parts.append(Result(self.writer.let(f"icmp {condition} {kind} {p.name}, {limit}"), p.width))
        result = self.both(parts[0], parts[1] if len(parts) > 1 else None)
        assert result is not None
        return self.know(key, result)

    def live(self) -> Result | None:
        """The lanes that the loop's tail has."""
        return None if self.mask is None else Result(self.mask, self.width)

    # Accesses.

    def load(
        self, base: str, dtype: Type, place: Position, size: int, condition: Result | None, note: str = ""
    ) -> Result:
        """The element (of an array of ``size``) at each lane of the place, wherever the condition holds."""
        element, align = memory_type(dtype), dtype.itemsize
        fits = place.low >= 0 and place.high < size
        if fits:
            condition = None
        w = self.writer
        width = max(place.width, 1 if condition is None else condition.width)
        if width == 1:
            offset = self.scalar(place)
            if condition is not None:
                offset = w.let(f"select i1 {condition.name}, i64 {offset}, i64 0")
            name = w.let(f"load {element}, ptr {self.pointer(base, element, offset)}, align {align}{note}")
            return self.truth(Result(name), dtype)
        mask = self.both(self.live(), condition)
        kind = vector_of(element, width)
        if place.width > 1 and not place.gathers and place.step == 1:
            pointer = self.pointer(base, element, self.scalar(place))
            if mask is None:
                name = w.let(f"load {kind}, ptr {pointer}, align {align}{note}")
            else:
                name = self.masked_load(kind, element, pointer, align, self.widen(mask, "i1", width), width)
            return self.truth(Result(name, width), dtype)
        if mask is None and place.width > 1 and not place.gathers and not self.seldom(width):
            return self.truth(Result(self.apart(base, element, place, width, align, note), width), dtype)
        pointers = self.pointers_of(base, element, place, width)
        chosen = self.widen(Result("true") if mask is None else mask, "i1", width)
        name = w.call(
            kind,
            f"llvm.masked.gather.v{width}{self.suffix(element)}.v{width}p0",
            [
                (f"<{width} x ptr>", pointers),
                ("i32", str(align)),
                (f"<{width} x i1>", chosen),
                (kind, "zeroinitializer"),
            ],
        )
        return self.truth(Result(name, width), dtype)

    def pointers_of(self, base: str, element: str, place: Position, width: int) -> str:
        """The addresses of all lanes."""
        if place.gathers:
            offsets = self.lanes(place)
        elif place.width == 1:
            offsets = self.widen(Result(self.scalar(place)), "i64", width)
        else:
            base = self.pointer(base, element, self.scalar(place))
            offsets = "<" + ", ".join(f"i64 {k * place.step}" for k in range(width)) + ">"
        return self.writer.let(f"getelementptr inbounds {element}, ptr {base}, <{width} x i64> {offsets}")

    def seldom(self, lanes: int) -> bool:
        """Whether what is written now is run so seldom that lanes had better be read or written by one instruction."""
        return self.spare is not None and self.spare.spend(self.times * lanes * PER_LANE)

    def apart(self, base: str, element: str, place: Position, width: int, align: int, note: str) -> str:
        """Lanes at equal distances, each loaded by itself: several times faster than a gather."""
        w, kind, step = self.writer, vector_of(element, width), place.step
        first, total = self.pointer(base, element, self.scalar(place)), "poison"
        for k in range(width):
            name = w.let(f"load {element}, ptr {self.pointer(first, element, str(k * step))}, align {align}{note}")
            total = w.let(f"insertelement {kind} {total}, {element} {name}, i64 {k}")
        return total

    def masked_load(self, kind: str, element: str, pointer: str, align: int, mask: str, width: int) -> str:
        """A contiguous load of some lanes, zeros elsewhere."""
        return self.writer.call(
            kind,
            f"llvm.masked.load.v{width}{self.suffix(element)}.p0",
            [("ptr", pointer), ("i32", str(align)), (f"<{width} x i1>", mask), (kind, "zeroinitializer")],
        )

    def suffix(self, element: str) -> str:
        """How intrinsics name a type."""
        return {"double": "f64", "float": "f32", "half": "f16"}.get(element, element)

    def truth(self, result: Result, dtype: Type) -> Result:
        """A bool loaded as a byte, as a condition."""
        if dtype.kind != "b":
            return result
        name = self.writer.let(
            f"icmp ne {vector_of('i8', result.width)} {result.name}, {'0' if result.width == 1 else 'zeroinitializer'}"
        )
        return Result(name, result.width)

    def bytes_of(self, result: Result, dtype: Type) -> Result:
        """A condition as the byte that is stored."""
        if dtype.kind != "b":
            return result
        width = result.width
        name = self.writer.let(f"zext {vector_of('i1', width)} {result.name} to {vector_of('i8', width)}")
        return Result(name, width)

    def store(self, base: str, dtype: Type, place: Position, result: Result) -> None:
        """Write the lanes that the loop's tail has."""
        result = self.bytes_of(result, dtype)
        element, align, w = memory_type(dtype), dtype.itemsize, self.writer
        width = place.width
        if width == 1:
            assert result.width == 1, "lanes stored at one place"
            pointer = self.pointer(base, element, self.scalar(place))
            w.line(f"store {element} {result.name}, ptr {pointer}, align {align}")
            return
        name, kind = self.widen(result, element, width), vector_of(element, width)
        mask = self.live()
        if not place.gathers and place.step == 1:
            pointer = self.pointer(base, element, self.scalar(place))
            if mask is None:
                w.line(f"store {kind} {name}, ptr {pointer}, align {align}")
            else:
                w.call(
                    "void",
                    f"llvm.masked.store.v{width}{self.suffix(element)}.p0",
                    [(kind, name), ("ptr", pointer), ("i32", str(align)), (f"<{width} x i1>", mask.name)],
                )
            return
        if mask is None and not place.gathers and not self.seldom(width):
            first = self.pointer(base, element, self.scalar(place))
            for k in range(width):
                one = w.let(f"extractelement {kind} {name}, i64 {k}")
                w.line(f"store {element} {one}, ptr {self.pointer(first, element, str(k * place.step))}, align {align}")
            return
        pointers = self.pointers_of(base, element, place, width)
        chosen = self.widen(Result("true") if mask is None else mask, "i1", width)
        w.call(
            "void",
            f"llvm.masked.scatter.v{width}{self.suffix(element)}.v{width}p0",
            [(kind, name), (f"<{width} x ptr>", pointers), ("i32", str(align)), (f"<{width} x i1>", chosen)],
        )


__all__ = ["Memory", "Result"]
