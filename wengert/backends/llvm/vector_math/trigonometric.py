"""Sine, cosine, tangent and what goes with them, as LLVM text.

Imports ``vector_text`` and the exponential part. Arguments up to ``REACH`` are reduced by multiples of pi/2 in three
words; lanes farther out are computed once more by the mathematical library, in a block that is jumped over where
there are none. Invariant: sine, cosine and tangent of one argument have the reduction and the polynomials in common.
"""

from __future__ import annotations

import math

from wengert.backends.llvm.vector_math.exponential import quotient
from wengert.backends.llvm.vector_text import Body, Value, vector

REACH = 2.0**31
"""Up to here the reduction in three words is exact to the last place."""
HALF_PI = (float.fromhex("0x1.921fb54442d18p+0"), float.fromhex("0x1.1a62633145c07p-54"),
           float.fromhex("-0x1.f1976b7ed8fbcp-110"))  # fmt: skip
MAGIC, MAGIC_BITS = 1.5 * 2.0**52, 0x4338000000000000
SIN = {
    "double": (-0.16666666666666666, 0.008333333333330925, -0.00019841269836722418, 2.755731608381636e-06,
               -2.5051127944014188e-08, 1.5917848524808262e-10),
    "float": (-0.1666666716337204, 0.008333331905305386, -0.00019840082677546889, 2.7249313916399842e-06),
}  # fmt: skip
"""(sin r - r)/r^3 in r^2, |r| <= pi/4."""
COS = {
    "double": (0.041666666666666664, -0.0013888888888887382, 2.480158729874307e-05, -2.7557317260008837e-07,
               2.0876143827993133e-09, -1.1382456778061306e-11),
    "float": (0.0416666679084301, -0.00138888880610466, 2.480059629306197e-05, -2.730044741383608e-07),
}  # fmt: skip
"""(cos r - 1 + r^2/2)/r^4 in r^2."""


def redo(b: Body, name: str, bad: Value, x: Value, fast: Value) -> Value:
    """``fast``, but where ``bad`` the double function ``name`` of the mathematical library, lane by lane."""
    w, kind = b.width, x.kind
    xs, flags = vector(kind, w), vector("i1", w)
    symbol = f"@wengert.redo.{name}.v{w}{kind}"
    b.external[name] = f"declare double @{name}(double) nounwind willreturn memory(none)"
    widen = "%d = fpext float %e to double" if kind == "float" else ""
    value, narrow = ("%y", "%y = fptrunc double %z to float") if kind == "float" else ("%z", "")
    argument = "%d" if kind == "float" else "%e"
    call = f"%z = call double @{name}(double {argument})"
    head = f"define internal {xs} {symbol}({xs} %x, {xs} %fast, {flags} %bad) noinline cold nounwind memory(none) {{"
    if w == 1:
        call = call.replace("%e", "%x")
        lines = [head, widen.replace("%e", "%x"), call, narrow, f"ret {kind} {value}", "}"]
    else:
        take = f"%e = extractelement {xs} %x, i32 %i"
        flag = f"%b = extractelement {flags} %bad, i32 %i"
        put = f"%new = insertelement {xs} %all, {kind} {value}, i32 %i"
        lines = [
            head, "entry:", "br label %loop",
            "loop:", "%i = phi i32 [0, %entry], [%next, %after]", f"%all = phi {xs} [%fast, %entry], [%kept, %after]",
            flag, "br i1 %b, label %compute, label %after",
            "compute:", take, widen, call, narrow, put, "br label %after",
            "after:", f"%kept = phi {xs} [%all, %loop], [%new, %compute]", "%next = add i32 %i, 1",
            f"%over = icmp eq i32 %next, {w}", "br i1 %over, label %end, label %loop",
            "end:", f"ret {xs} %kept", "}",
        ]  # fmt: skip
    b.internal[symbol] = "\n".join(line for line in lines if line)
    bad = b.frozen(bad)
    return b.rarely(bad, fast, lambda: b.call(kind, symbol, [x, fast, bad]))


def reduced(b: Body, x: Value) -> tuple[Value, Value, Value]:
    """The quadrant q (as int64 or int32), r and its rounding error: ``x = q pi/2 + r``, |r| <= pi/4."""
    wide = x.to("double")
    shifted = b.fma(wide, 2.0 / math.pi, MAGIC)
    count = shifted - MAGIC
    # Exact: all is a multiple of the last place of pi/2, and the difference is small.
    first = b.fma(count, -HALF_PI[0], wide)
    quadrant = shifted.bits() - MAGIC_BITS
    if x.kind == "float":
        r = b.fma(count, -HALF_PI[1], first)
        return quadrant.to("i32"), r.to("float"), b.constant("float", 0.0)
    product, error = b.product(count, -HALF_PI[1])
    r, low = b.exact_sum(first, product)
    return quadrant, r, b.fma(count, -HALF_PI[2], low + error)


def _sine(b: Body, r: Value, low: Value) -> Value:
    # sin(r + low) = r + (r^3 S(r^2) + low (1 - r^2/2))
    z = r * r
    return r + b.fma(z * r, b.polynomial(z, SIN[r.kind]), b.fma(z * -0.5, low, low) if r.kind == "double" else low)


def _cosine(b: Body, r: Value, low: Value) -> Value:
    # cos(r + low) = 1 - r^2/2 + (r^4 C(r^2) - r low), the difference 1 - r^2/2 in two words
    z = r * r
    half = z * 0.5
    head = 1.0 - half
    return head + b.fma(z * z, b.polynomial(z, COS[r.kind]), b.fma(-r, low, (1.0 - head) - half))


def _chosen(b: Body, quadrant: Value, sign: Value | None, r: Value, low: Value) -> Value:
    # Quadrants 1 and 3 take the cosine; 2 and 3 turn the sign, as does that of the argument.
    odd = (quadrant & 1).differs(0)
    top = 62 if quadrant.kind == "i64" else 30
    turned = (quadrant & 2) << top
    if sign is not None:
        turned = turned ^ (sign.bits() & (-2 << top))
    return (odd.where(_cosine(b, r, low), _sine(b, r, low)).bits() ^ turned).as_float()


def sin(b: Body, x: Value) -> Value:
    """sin x."""
    size = abs(x)
    q, r, low = reduced(b, size)
    return redo(b, "sin", size > REACH, x, _chosen(b, q, x, r, low))


def cos(b: Body, x: Value) -> Value:
    """cos x."""
    size = abs(x)
    q, r, low = reduced(b, size)
    return redo(b, "cos", size > REACH, x, _chosen(b, q + 1, None, r, low))


def tan(b: Body, x: Value) -> Value:
    """tan x: the quotient of sine and cosine, both in two words."""
    size = abs(x)
    q, r, low = reduced(b, size)
    z = r * r
    half = z * 0.5
    sine, sine_low = b.total(r, b.fma(z * r, b.polynomial(z, SIN["double"]), b.fma(-half, low, low)))
    head = 1.0 - half
    rest = b.fma(z * z, b.polynomial(z, COS["double"]), b.fma(-r, low, ((1.0 - head) - half) - b.fma(r, r, -z) * 0.5))
    cosine, cosine_low = b.total(head, rest)
    # Odd quadrants turn by pi/2: -cos/sin.
    odd = (q & 1).differs(0)
    high, rest = quotient(
        b, odd.where(-cosine, sine), odd.where(-cosine_low, sine_low),
        odd.where(sine, cosine), odd.where(sine_low, cosine_low),
    )  # fmt: skip
    fast = high + rest
    fast = (fast.bits() ^ (x.bits() & (-1 << 63))).as_float()
    return redo(b, "tan", size > REACH, x, fast)


def sinc(b: Body, x: Value) -> Value:
    """sin(pi x)/(pi x), the product rounded as NumPy rounds it."""
    y = (x.equal(0.0).where(1e-20, x)) * math.pi
    return sin(b, y) / y
