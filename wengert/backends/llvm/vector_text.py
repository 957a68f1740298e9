"""Writing LLVM text at any vector width: operands that carry their type, and formulas of them.

``Value`` has the operators of arithmetic, so that a definition reads as its equation; ``Body`` collects the lines.
May import NumPy. Invariants: every value of one body has the same width; nothing is folded or reordered here, and
no instruction gets a flag of fast mathematics but ``contract`` where the body was made with it.
"""

from __future__ import annotations

import functools
import itertools
import struct
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

KINDS: dict[str, str] = {"float64": "double", "float32": "float", "int64": "i64", "int32": "i32", "bool": "i1"}
"""The type in registers of each dtype that has a native form."""
MANGLED = {"double": "f64", "float": "f32", "i64": "i64", "i32": "i32", "i1": "i1"}
BITS = {"double": 64, "float": 32, "i64": 64, "i32": 32, "i1": 1}
FLOATING = ("double", "float")
ROUNDING = ("floor", "ceil", "trunc", "rint")


def kind_of(dtype: np.dtype[Any] | type) -> str:
    """The LLVM type of one element in registers.

    >>> kind_of(np.dtype("float32"))
    'float'
    """
    return KINDS[name_of(dtype)]


@functools.cache
def name_of(dtype: np.dtype[Any] | type) -> str:
    """NumPy's name of a type, which takes it a microsecond to make."""
    return str(np.dtype(dtype).name)


def literal(kind: str, value: float) -> str:
    """A number as LLVM text of its kind; floats by their bits, so that nothing is lost.

    >>> literal("double", 1.0), literal("i64", 3), literal("i1", True)
    ('0x3FF0000000000000', '3', 'true')
    """
    if kind == "i1":
        return "true" if value else "false"
    if kind in FLOATING:
        number = float(value) if kind == "double" else float(np.float32(value))
        return f"0x{struct.unpack('<Q', struct.pack('<d', number))[0]:016X}"
    return str(int(value))


def vector(kind: str, width: int) -> str:
    """The type of ``width`` elements: the element's own at width 1.

    >>> vector("double", 8), vector("float", 1)
    ('<8 x double>', 'float')
    """
    return kind if width == 1 else f"<{width} x {kind}>"


def splat(kind: str, value: float, width: int) -> str:
    """An operand that holds ``value`` in every lane."""
    text = literal(kind, value)
    return text if width == 1 else f"splat ({kind} {text})"


class Value:
    """An operand: its text, its element type, and the body that it belongs to."""

    __slots__ = ("body", "kind", "text")

    def __init__(self, body: Body, kind: str, text: str) -> None:
        self.body, self.kind, self.text = body, kind, text

    def _binary(self, floating: str, integer: str, left: Value | float, right: Value | float) -> Value:
        a, b = self.body.lift(self.kind, left), self.body.lift(self.kind, right)
        if a.kind != b.kind:
            raise TypeError(f"{floating} of {a.kind} and {b.kind}: cast one of them first")
        opcode = (floating + self.body.flags) if a.kind in FLOATING else integer
        return self.body.line(a.kind, f"{opcode} {self.body.typed(a)}, {b.text}")

    def __add__(self, other: Value | float) -> Value:
        return self._binary("fadd", "add", self, other)

    def __radd__(self, other: float) -> Value:
        return self._binary("fadd", "add", other, self)

    def __sub__(self, other: Value | float) -> Value:
        return self._binary("fsub", "sub", self, other)

    def __rsub__(self, other: float) -> Value:
        return self._binary("fsub", "sub", other, self)

    def __mul__(self, other: Value | float) -> Value:
        return self._binary("fmul", "mul", self, other)

    def __rmul__(self, other: float) -> Value:
        return self._binary("fmul", "mul", other, self)

    def __truediv__(self, other: Value | float) -> Value:
        return self._binary("fdiv", "sdiv", self, other)

    def __rtruediv__(self, other: float) -> Value:
        return self._binary("fdiv", "sdiv", other, self)

    def __mod__(self, other: Value | int) -> Value:
        return self._binary("", "srem", self, other)

    def __and__(self, other: Value | int) -> Value:
        return self._binary("", "and", self, other)

    def __or__(self, other: Value | int) -> Value:
        return self._binary("", "or", self, other)

    def __xor__(self, other: Value | int) -> Value:
        return self._binary("", "xor", self, other)

    def __lshift__(self, other: Value | int) -> Value:
        return self._binary("", "shl", self, other)

    def __rshift__(self, other: Value | int) -> Value:
        return self._binary("", "ashr", self, other)

    def logical_shift(self, other: Value | int) -> Value:
        """Shifted right, zeros coming in."""
        return self._binary("", "lshr", self, other)

    def __neg__(self) -> Value:
        if self.kind in FLOATING:
            return self.body.line(self.kind, f"fneg {self.body.typed(self)}")
        return 0 - self

    def __invert__(self) -> Value:
        return self ^ (1 if self.kind == "i1" else -1)

    def __abs__(self) -> Value:
        if self.kind in FLOATING:
            return self.body.intrinsic("fabs", self)
        return self.body.call(self.kind, self.body.overloaded("abs", self.kind), [self], ", i1 false")

    def compare(self, floating: str, integer: str, other: Value | float) -> Value:
        """A comparison: the predicates for floats and for integers."""
        b = self.body.lift(self.kind, other)
        opcode = f"fcmp {floating}" if self.kind in FLOATING else f"icmp {integer}"
        return self.body.line("i1", f"{opcode} {self.body.typed(self)}, {b.text}")

    def __lt__(self, other: Value | float) -> Value:
        return self.compare("olt", "ult" if self.kind == "i1" else "slt", other)

    def __le__(self, other: Value | float) -> Value:
        return self.compare("ole", "ule" if self.kind == "i1" else "sle", other)

    def __gt__(self, other: Value | float) -> Value:
        return self.compare("ogt", "ugt" if self.kind == "i1" else "sgt", other)

    def __ge__(self, other: Value | float) -> Value:
        return self.compare("oge", "uge" if self.kind == "i1" else "sge", other)

    def equal(self, other: Value | float) -> Value:
        """Equality; false for NaN."""
        return self.compare("oeq", "eq", other)

    def differs(self, other: Value | float) -> Value:
        """Inequality; true for NaN."""
        return self.compare("une", "ne", other)

    def is_nan(self) -> Value:
        """Whether it is not a number."""
        return self.compare("uno", "ne", self)

    def where(self, then: Value | float, other: Value | float) -> Value:
        """As a condition: ``then`` where it holds, else ``other``; one of the two has to be a Value."""
        kind = then.kind if isinstance(then, Value) else other.kind if isinstance(other, Value) else ""
        a, b = self.body.lift(kind, then), self.body.lift(kind, other)
        return self.body.line(kind, f"select {self.body.typed(self)}, {self.body.typed(a)}, {self.body.typed(b)}")

    def to(self, kind: str) -> Value:
        """Converted to another kind. Floats that no integer of the kind stands for give its least one."""
        if kind == self.kind:
            return self
        body, target = self.body, vector(kind, self.body.width)
        if self.kind in FLOATING and kind in FLOATING:
            opcode = "fpext" if kind == "double" else "fptrunc"
        elif kind == "i1":
            return self.differs(0)
        elif self.kind in FLOATING:
            # What x86 gives, and NumPy there: the least integer stands for all that does not fit.
            bound = 2.0 ** (BITS[kind] - 1)
            # As the conversion of what does not fit is undefined, such lanes convert 0 in its place.
            fits = (self >= -bound) & (self < bound)
            whole = body.line(kind, f"fptosi {body.typed(fits.where(self, 0.0))} to {target}")
            return fits.where(whole, -(2 ** (BITS[kind] - 1)))
        elif kind in FLOATING:
            opcode = "uitofp" if self.kind == "i1" else "sitofp"
        elif BITS[kind] < BITS[self.kind]:
            opcode = "trunc"
        else:
            opcode = "zext" if self.kind == "i1" else "sext"
        return body.line(kind, f"{opcode} {body.typed(self)} to {target}")

    def bits(self) -> Value:
        """The bits of a float as an integer."""
        return self._bitcast("i64" if self.kind == "double" else "i32")

    def as_float(self) -> Value:
        """The float that has the bits of this integer."""
        return self._bitcast("double" if self.kind == "i64" else "float")

    def _bitcast(self, kind: str) -> Value:
        target = vector(kind, self.body.width)
        return self.body.line(kind, f"bitcast {self.body.typed(self)} to {target}")


class Body:
    """The lines of one block of text at one vector width.

    ``fresh`` draws SSA names (``%v1``, ...); ``fma`` says whether the machine multiplies and adds in one instruction;
    ``contract`` allows LLVM to join a product and a sum that stand apart."""

    def __init__(self, width: int, fresh: Callable[[], str], *, fma: bool = True, contract: bool = False) -> None:
        self.width, self.fresh, self.fma_native = width, fresh, fma
        self.flags = " contract" if contract else ""
        self.lines: list[str] = []
        self.external: dict[str, str] = {}
        """Symbols from outside: name and declaration."""
        self.internal: dict[str, str] = {}
        """Functions of this module that are called: name and definition."""

    def typed(self, value: Value) -> str:
        """Type and text, as an operand is written."""
        return f"{vector(value.kind, self.width)} {value.text}"

    def line(self, kind: str, text: str) -> Value:
        """One instruction, whose result has ``kind``."""
        name = self.fresh()
        self.lines.append(f"{name} = {text}")
        return Value(self, kind, name)

    def constant(self, kind: str, value: float) -> Value:
        """``value`` in every lane."""
        return Value(self, kind, splat(kind, value, self.width))

    def lift(self, kind: str, value: Value | float) -> Value:
        """A number as an operand of ``kind``; values stay."""
        return value if isinstance(value, Value) else self.constant(kind, value)

    def overloaded(self, name: str, kind: str) -> str:
        """The name of an intrinsic at this width."""
        return f"@llvm.{name}.{'' if self.width == 1 else f'v{self.width}'}{MANGLED[kind]}"

    def call(self, kind: str, symbol: str, args: Sequence[Value], extra: str = "") -> Value:
        """The result of a function."""
        operands = ", ".join(self.typed(a) for a in args)
        return self.line(kind, f"call {vector(kind, self.width)} {symbol}({operands}{extra})")

    def intrinsic(self, name: str, *args: Value) -> Value:
        """An LLVM intrinsic whose arguments and result have one type."""
        kind = args[0].kind
        if name in ROUNDING and not self.fma_native:
            # A machine that old may have no instruction for it either, and LLVM calls the library.
            symbol = name if kind == "double" else f"{name}f"
            self.external[symbol] = f"declare {kind} @{symbol}({kind}) nounwind willreturn memory(none)"
        return self.call(kind, self.overloaded(name, kind), args)

    def fma(self, a: Value | float, b: Value | float, c: Value | float) -> Value:
        """``a b + c``, rounded once where the machine can do that, else twice."""
        kind = next(v.kind for v in (a, b, c) if isinstance(v, Value))
        x, y, z = (self.lift(kind, v) for v in (a, b, c))
        return self.intrinsic("fma", x, y, z) if self.fma_native else x * y + z

    def remainder(self, x: Value, y: Value) -> Value:
        """C's ``fmod``, which is exact."""
        if not self.fma_native:
            return self._library_remainder(x, y)
        lanes = vector(x.kind, self.width)
        symbol = f"@wengert.fmod.v{self.width}{MANGLED[x.kind]}"
        numbers = itertools.count()
        inner = Body(self.width, lambda: f"%t{next(numbers)}", fma=True)
        result = inner._exact_remainder(Value(inner, x.kind, "%x"), Value(inner, x.kind, "%y"))
        head = f"define internal {lanes} {symbol}({lanes} %x, {lanes} %y) alwaysinline nounwind memory(none) {{"
        self.internal[symbol] = "\n".join([head, *inner.lines, f"ret {lanes} {result.text}", "}"])
        self.external |= inner.external
        return self.call(x.kind, symbol, [x, y])

    def _library_remainder(self, x: Value, y: Value) -> Value:
        name = "fmod" if x.kind == "double" else "fmodf"
        self.external[name] = f"declare {x.kind} @{name}({x.kind}, {x.kind}) nounwind willreturn memory(none)"
        return self.line(x.kind, f"frem {self.typed(x)}, {y.text}")

    def _exact_remainder(self, x: Value, y: Value) -> Value:
        # q = trunc(x/y) is right or, where the quotient was rounded up to a whole number, one too far. As
        # |x - q y| < |y| is a multiple of the last place of the smaller of x and y, it is exact, and so is the
        # addition that sets it right.
        q = self.intrinsic("trunc", x / y)
        rest = self.fma(-q, y, x)
        # One too far where x - q y is not 0 and has not the sign of x.
        over = ((rest < 0.0) & (x > 0.0)) | ((rest > 0.0) & (x < 0.0))
        rest = over.where(rest + self.copysign(y, x), rest)
        near = 2.0**53 if x.kind == "double" else 2.0**24
        plain = (abs(q) < near) & (abs(y) < float("inf"))
        return self.rarely(~plain, self.copysign(rest, x), lambda: self._library_remainder(x, y))

    def product(self, a: Value, b: Value | float) -> tuple[Value, Value]:
        """The rounded product and its rounding error, exact unless something over- or underflows."""
        y = self.lift(a.kind, b)
        p = a * y
        if self.fma_native:
            return p, self.intrinsic("fma", a, y, -p)
        a_high, a_low = self._halves(a)
        y_high, y_low = self._halves(y)
        # Dekker's product: exact partial products of halves.
        return p, ((a_high * y_high - p) + a_high * y_low + a_low * y_high) + a_low * y_low

    def _halves(self, x: Value) -> tuple[Value, Value]:
        # The upper half by its bits: this cannot overflow, as Veltkamp's splitting does.
        integer, low = ("i64", 27) if x.kind == "double" else ("i32", 12)
        high = (x.bits() & self.constant(integer, -(1 << low))).as_float()
        return high, x - high

    def total(self, a: Value, b: Value) -> tuple[Value, Value]:
        """The rounded sum and its rounding error, exact where ``|a| >= |b|``."""
        s = a + b
        return s, b - (s - a)

    def exact_sum(self, a: Value, b: Value) -> tuple[Value, Value]:
        """The rounded sum and its rounding error (Knuth), whichever is larger."""
        s = a + b
        part = s - a
        return s, (a - (s - part)) + (b - part)

    def polynomial(self, x: Value, coefficients: Sequence[float]) -> Value:
        """The polynomial with these coefficients, the constant one first."""
        # Neighbours are joined and the rest is done in x^2, twice where there are many (Estrin): with as many
        # instructions as Horner's rule, they wait for each other for a quarter to half of the time.
        terms: list[Value | float] = list(coefficients)
        while len(terms) > 4:
            pairs = [self.fma(high, x, low) for low, high in zip(terms[::2], terms[1::2], strict=False)]
            terms = [*pairs, terms[-1]] if len(terms) % 2 else [*pairs]
            x = x * x
        result = terms[-1]
        for term in reversed(terms[:-1]):
            result = self.fma(result, x, term)
        return self.lift(x.kind, result)

    def frozen(self, value: Value) -> Value:
        """``value``, some value where it was undefined."""
        return self.line(value.kind, f"freeze {self.typed(value)}")

    def rarely(self, bad: Value, fast: Value, slow: Callable[[], Value]) -> Value:
        """``slow()`` where any lane is ``bad``, else ``fast``: the block that computes it is jumped over."""
        # Lanes beyond the end of an array may hold anything, and no branch may hang on what is undefined.
        bad = self.frozen(bad)
        hit = bad.text
        if self.width > 1:
            hit = self.fresh()
            self.lines.append(f"{hit} = call i1 @llvm.vector.reduce.or.v{self.width}i1({self.typed(bad)})")
        rare, *labels = (self.fresh() for _ in range(4))
        here, there, after = (label[1:] for label in labels)
        self.lines += [
            f"{rare} = call i1 @llvm.expect.i1(i1 {hit}, i1 false)",
            f"br label %{here}",
            f"{here}:",
            f"br i1 {rare}, label %{there}, label %{after}",
            f"{there}:",
        ]
        other = slow()
        self.lines += [f"br label %{after}", f"{after}:"]
        lanes = vector(fast.kind, self.width)
        return self.line(fast.kind, f"phi {lanes} [{fast.text}, %{here}], [{other.text}, %{there}]")

    def least(self, x: Value, bound: float) -> Value:
        """``x``, at most ``bound``; NaN stays."""
        return (x > bound).where(bound, x)

    def most(self, x: Value, bound: float) -> Value:
        """``x``, at least ``bound``; NaN stays."""
        return (x < bound).where(bound, x)

    def copysign(self, x: Value, sign: Value) -> Value:
        """``x`` with the sign of ``sign``."""
        return self.intrinsic("copysign", x, sign)


__all__ = ["BITS", "FLOATING", "KINDS", "MANGLED", "Body", "Value", "kind_of", "literal", "name_of", "splat", "vector"]
