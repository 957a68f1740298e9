"""Sorting as LLVM text: rows become unsigned keys of the same order, which are sorted by insertion or by their digits.

A float is its bits with the sign turned (all of them for a negative number), NaN the largest key; so one text serves
every type. Digits of eight bits from the least on (Knuth, The Art of Computer Programming 3, 5.2.5), a digit that is
the same in all keys passed over. Imports the writer's types. Invariant: equal keys keep their order."""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.backends.llvm.writer import memory_type

SHORT = 64
"""Rows of at most so many elements are sorted by insertion."""

_LOOP = """define internal void @{name}({head}) nounwind noinline {{
entry:
  br label %head
head:
  %i = phi i64 [ 0, %entry ], [ %next, %head ]
{body}
  %next = add nuw nsw i64 %i, 1
  %more = icmp slt i64 %next, %n
  br i1 %more, label %head, label %leave
leave:
  ret void
}}
"""


def _loop(name: str, head: str, body: list[str]) -> str:
    """A function of %n > 0 steps."""
    return _LOOP.format(name=name, head=head, body="\n".join("  " + line for line in body))


def _to_keys(name: str, dtype: np.dtype[Any], *, places: bool) -> str:
    """Elements to keys, and where their places are asked for, those: then a zero is a zero, whatever its sign."""
    kind, key = memory_type(dtype), f"i{8 * dtype.itemsize}"
    bits, sign = 8 * dtype.itemsize, -(1 << 8 * dtype.itemsize - 1)
    body = [f"%at = getelementptr inbounds {kind}, ptr %from, i64 %i", f"%x = load {kind}, ptr %at"]
    if dtype.kind == "f":
        zero = "0.0"
        body += [
            f"%plain = fadd {kind} %x, {zero}" if places else f"%plain = fsub {kind} %x, {zero}",
            f"%bits = bitcast {kind} %plain to {key}",
            f"%negative = ashr {key} %bits, {bits - 1}",
            f"%turned = or {key} %negative, {sign}",
            f"%usual = xor {key} %bits, %turned",
            f"%nan = fcmp uno {kind} %x, {zero}",
            f"%key = select i1 %nan, {key} -1, {key} %usual",
        ]
    else:
        body += [f"%key = xor {key} %x, {sign}"]
    body += [f"%to = getelementptr inbounds {key}, ptr %keys, i64 %i", f"store {key} %key, ptr %to"]
    if places:
        body += ["%place = getelementptr inbounds i64, ptr %order, i64 %i", "store i64 %i, ptr %place"]
    return _loop(name, f"ptr %from, ptr %keys{', ptr %order' if places else ''}, i64 %n", body)


def _from_keys(name: str, dtype: np.dtype[Any]) -> str:
    """Keys to elements."""
    kind, key = memory_type(dtype), f"i{8 * dtype.itemsize}"
    bits, sign = 8 * dtype.itemsize, -(1 << 8 * dtype.itemsize - 1)
    body = [f"%at = getelementptr inbounds {key}, ptr %keys, i64 %i", f"%key = load {key}, ptr %at"]
    if dtype.kind == "f":
        body += [
            f"%positive = ashr {key} %key, {bits - 1}",
            f"%other = xor {key} %positive, -1",
            f"%turned = or {key} %other, {sign}",
            f"%bits = xor {key} %key, %turned",
            f"%x = bitcast {key} %bits to {kind}",
        ]
    else:
        body += [f"%x = xor {key} %key, {sign}"]
    body += [f"%place = getelementptr inbounds {kind}, ptr %to, i64 %i", f"store {kind} %x, ptr %place"]
    return _loop(name, "ptr %keys, ptr %to, i64 %n", body)


def _gather(name: str, dtype: np.dtype[Any]) -> str:
    """Elements in a given order."""
    kind = memory_type(dtype)
    body = [
        "%at = getelementptr inbounds i64, ptr %order, i64 %i",
        "%place = load i64, ptr %at",
        f"%source = getelementptr inbounds {kind}, ptr %from, i64 %place",
        f"%x = load {kind}, ptr %source",
        f"%target = getelementptr inbounds {kind}, ptr %to, i64 %i",
        f"store {kind} %x, ptr %target",
    ]
    return _loop(name, "ptr %from, ptr %order, ptr %to, i64 %n", body)


def _insertion(name: str, bits: int, *, places: bool) -> str:
    """Each key moved down to its place among those before it."""
    key = f"i{bits}"

    def if_places(*lines: str) -> str:
        return "\n".join("  " + line for line in lines) + "\n" if places else ""

    return (
        f"define internal void @{name}(ptr %keys{', ptr %order' if places else ''}, i64 %n) nounwind noinline {{\n"
        "entry:\n"
        "  %some = icmp sgt i64 %n, 1\n"
        "  br i1 %some, label %head, label %leave\n"
        "head:\n"
        "  %i = phi i64 [ 1, %entry ], [ %next, %put ]\n"
        f"  %at = getelementptr inbounds {key}, ptr %keys, i64 %i\n"
        f"  %k = load {key}, ptr %at\n"
        + if_places("%from = getelementptr inbounds i64, ptr %order, i64 %i", "%p = load i64, ptr %from")
        + "  br label %look\n"
        "look:\n"
        "  %j = phi i64 [ %i, %head ], [ %below, %move ]\n"
        "  %below = add nsw i64 %j, -1\n"
        f"  %lower = getelementptr inbounds {key}, ptr %keys, i64 %below\n"
        f"  %other = load {key}, ptr %lower\n"
        f"  %larger = icmp ugt {key} %other, %k\n"
        "  br i1 %larger, label %move, label %put\n"
        "move:\n"
        f"  %to = getelementptr inbounds {key}, ptr %keys, i64 %j\n"
        f"  store {key} %other, ptr %to\n"
        + if_places(
            "%lower.place = getelementptr inbounds i64, ptr %order, i64 %below",
            "%other.place = load i64, ptr %lower.place",
            "%to.place = getelementptr inbounds i64, ptr %order, i64 %j",
            "store i64 %other.place, ptr %to.place",
        )
        + "  %down = icmp sgt i64 %below, 0\n"
        "  br i1 %down, label %look, label %put\n"
        "put:\n"
        "  %place = phi i64 [ %j, %look ], [ 0, %move ]\n"
        f"  %here = getelementptr inbounds {key}, ptr %keys, i64 %place\n"
        f"  store {key} %k, ptr %here\n"
        + if_places("%here.place = getelementptr inbounds i64, ptr %order, i64 %place", "store i64 %p, ptr %here.place")
        + "  %next = add nuw nsw i64 %i, 1\n"
        "  %more = icmp slt i64 %next, %n\n"
        "  br i1 %more, label %head, label %leave\n"
        "leave:\n"
        "  ret void\n"
        "}\n"
    )


def _by_digits(name: str, bits: int, *, places: bool) -> str:
    """Keys (and places) by one digit after the other, between two memories; how often each digit occurs is counted
    beforehand, in one pass."""
    key, size, digits = f"i{bits}", bits // 8, bits // 8

    def if_places(text: str) -> str:
        return text if places else ""

    wide = (lambda what, to: f"  {to} = zext i32 {what} to i64\n") if bits == 32 else None
    count = ""
    for d in range(digits):
        count += f"  %s{d} = lshr {key} %k, {8 * d}\n  %d{d} = and {key} %s{d}, 255\n"
        count += wide(f"%d{d}", f"%w{d}") if wide else f"  %w{d} = add i64 %d{d}, 0\n"
        count += (
            f"  %o{d} = add nuw nsw i64 %w{d}, {256 * d}\n"
            f"  %c{d} = getelementptr inbounds i64, ptr %counts, i64 %o{d}\n"
            f"  %v{d} = load i64, ptr %c{d}\n  %n{d} = add i64 %v{d}, 1\n  store i64 %n{d}, ptr %c{d}\n"
        )

    def digit_of(value: str, to: str) -> str:
        text = f"  {to}.s = lshr {key} {value}, %shift\n  {to}.d = and {key} {to}.s, 255\n"
        return text + (wide(f"{to}.d", to) if wide else f"  {to} = add i64 {to}.d, 0\n")

    narrow = "  %shift = trunc i64 %shift.wide to i32\n" if bits == 32 else "  %shift = add i64 %shift.wide, 0\n"
    more_pointers = if_places(
        "  %pa = phi ptr [ %order, %counted ], [ %pa.next, %pass.end ]\n"
        "  %pb = phi ptr [ %order.other, %counted ], [ %pb.next, %pass.end ]\n"
    )
    swapped = if_places(
        "  %pa.next = phi ptr [ %pa, %pass ], [ %pb, %move ]\n  %pb.next = phi ptr [ %pb, %pass ], [ %pa, %move ]\n"
    )
    moved_place = if_places(
        "  %place.at = getelementptr inbounds i64, ptr %pa, i64 %m\n"
        "  %place = load i64, ptr %place.at\n"
        "  %place.to = getelementptr inbounds i64, ptr %pb, i64 %slot\n"
        "  store i64 %place, ptr %place.to\n"
    )
    back = if_places("  call void @llvm.memcpy.p0.p0.i64(ptr %order, ptr %pa.next, i64 %place.bytes, i1 false)\n")
    return (
        f"define internal void @{name}(ptr %keys, ptr %other, ptr %counts"
        f"{', ptr %order, ptr %order.other' if places else ''}, i64 %n) nounwind noinline {{\n"
        "entry:\n"
        f"  call void @llvm.memset.p0.i64(ptr %counts, i8 0, i64 {digits * 256 * 8}, i1 false)\n"
        "  br label %count\n"
        "count:\n"
        "  %i = phi i64 [ 0, %entry ], [ %i.next, %count ]\n"
        f"  %at = getelementptr inbounds {key}, ptr %keys, i64 %i\n"
        f"  %k = load {key}, ptr %at\n"
        f"{count}"
        "  %i.next = add nuw nsw i64 %i, 1\n"
        "  %i.more = icmp slt i64 %i.next, %n\n"
        "  br i1 %i.more, label %count, label %counted\n"
        "counted:\n"
        "  br label %pass\n"
        "pass:\n"
        "  %digit = phi i64 [ 0, %counted ], [ %digit.next, %pass.end ]\n"
        "  %a = phi ptr [ %keys, %counted ], [ %a.next, %pass.end ]\n"
        "  %b = phi ptr [ %other, %counted ], [ %b.next, %pass.end ]\n"
        f"{more_pointers}"
        "  %shift.wide = shl i64 %digit, 3\n"
        f"{narrow}"
        "  %row = shl i64 %digit, 8\n"
        "  %table = getelementptr inbounds i64, ptr %counts, i64 %row\n"
        f"  %first = load {key}, ptr %a\n"
        f"{digit_of('%first', '%fd')}"
        "  %first.at = getelementptr inbounds i64, ptr %table, i64 %fd\n"
        "  %first.count = load i64, ptr %first.at\n"
        "  %trivial = icmp eq i64 %first.count, %n\n"
        "  br i1 %trivial, label %pass.end, label %sum\n"
        "sum:\n"
        "  %c = phi i64 [ 0, %pass ], [ %c.next, %sum ]\n"
        "  %total = phi i64 [ 0, %pass ], [ %total.next, %sum ]\n"
        "  %c.at = getelementptr inbounds i64, ptr %table, i64 %c\n"
        "  %c.count = load i64, ptr %c.at\n"
        "  store i64 %total, ptr %c.at\n"
        "  %total.next = add i64 %total, %c.count\n"
        "  %c.next = add nuw nsw i64 %c, 1\n"
        "  %c.more = icmp slt i64 %c.next, 256\n"
        "  br i1 %c.more, label %sum, label %start\n"
        "start:\n"
        "  br label %move\n"
        "move:\n"
        "  %m = phi i64 [ 0, %start ], [ %m.next, %move ]\n"
        f"  %m.at = getelementptr inbounds {key}, ptr %a, i64 %m\n"
        f"  %mk = load {key}, ptr %m.at\n"
        f"{digit_of('%mk', '%md')}"
        "  %slot.at = getelementptr inbounds i64, ptr %table, i64 %md\n"
        "  %slot = load i64, ptr %slot.at\n"
        "  %slot.next = add i64 %slot, 1\n"
        "  store i64 %slot.next, ptr %slot.at\n"
        f"  %m.to = getelementptr inbounds {key}, ptr %b, i64 %slot\n"
        f"  store {key} %mk, ptr %m.to\n"
        f"{moved_place}"
        "  %m.next = add nuw nsw i64 %m, 1\n"
        "  %m.more = icmp slt i64 %m.next, %n\n"
        "  br i1 %m.more, label %move, label %pass.end\n"
        "pass.end:\n"
        "  %a.next = phi ptr [ %a, %pass ], [ %b, %move ]\n"
        "  %b.next = phi ptr [ %b, %pass ], [ %a, %move ]\n"
        f"{swapped}"
        "  %digit.next = add nuw nsw i64 %digit, 1\n"
        f"  %digit.more = icmp slt i64 %digit.next, {digits}\n"
        "  br i1 %digit.more, label %pass, label %done\n"
        "done:\n"
        "  %here = icmp eq ptr %a.next, %keys\n"
        "  br i1 %here, label %leave, label %back\n"
        "back:\n"
        f"  %bytes = mul i64 %n, {size}\n"
        "  %place.bytes = mul i64 %n, 8\n"
        "  call void @llvm.memcpy.p0.p0.i64(ptr %keys, ptr %a.next, i64 %bytes, i1 false)\n"
        f"{back}"
        "  br label %leave\n"
        "leave:\n"
        "  ret void\n"
        "}\n"
    )


def _rows(name: str, dtype: np.dtype[Any], parts: dict[str, str], *, places: bool) -> str:
    """All rows, one after the other."""
    kind, bits = memory_type(dtype), 8 * dtype.itemsize
    order = ", ptr %order.row" if places else ""
    other = ", ptr %order.row, ptr %order.other" if places else ""
    text = (
        f"define internal void @{name}(ptr %from, ptr %to, ptr %order, ptr %scratch, i64 %rows, i64 %n)"
        " nounwind noinline {\n"
        "entry:\n"
        f"  %long = icmp sgt i64 %n, {SHORT}\n"
        f"  %other = getelementptr i{bits}, ptr %scratch, i64 %n\n"
        f"  %order.other = getelementptr i{bits}, ptr %other, i64 %n\n"
        f"  %counts = getelementptr i64, ptr %order.other, i64 {'%n' if places else 0}\n"
        "  %asked = icmp ne ptr %to, null\n"
        "  br label %head\n"
        "head:\n"
        "  %row = phi i64 [ 0, %entry ], [ %row.next, %end ]\n"
        "  %start = mul i64 %row, %n\n"
        f"  %from.row = getelementptr inbounds {kind}, ptr %from, i64 %start\n"
        f"  %to.row = getelementptr {kind}, ptr %to, i64 %start\n"
    )
    if places:
        text += "  %order.row = getelementptr inbounds i64, ptr %order, i64 %start\n"
    text += (
        f"  call void @{parts['keys']}(ptr %from.row, ptr %scratch{order}, i64 %n)\n"
        "  br i1 %long, label %digits, label %insert\n"
        "insert:\n"
        f"  call void @{parts['insertion']}(ptr %scratch{order}, i64 %n)\n"
        "  br label %sorted\n"
        "digits:\n"
        f"  call void @{parts['digits']}(ptr %scratch, ptr %other, ptr %counts{other}, i64 %n)\n"
        "  br label %sorted\n"
        "sorted:\n"
        "  br i1 %asked, label %give, label %end\n"
        "give:\n"
    )
    if places:
        text += f"  call void @{parts['give']}(ptr %from.row, ptr %order.row, ptr %to.row, i64 %n)\n"
    else:
        text += f"  call void @{parts['give']}(ptr %scratch, ptr %to.row, i64 %n)\n"
    return text + (
        "  br label %end\n"
        "end:\n"
        "  %row.next = add nuw nsw i64 %row, 1\n"
        "  %more = icmp slt i64 %row.next, %rows\n"
        "  br i1 %more, label %head, label %leave\n"
        "leave:\n"
        "  ret void\n"
        "}\n"
    )


def sorting(dtype: np.dtype[Any], *, places: bool) -> tuple[str, dict[str, str]]:
    """The function ``(from, to, order, scratch, rows, n)`` that sorts rows of n elements, and all its texts.

    ``to`` may be null; ``order`` is written where ``places`` are asked for."""
    bits = 8 * dtype.itemsize
    what = "places" if places else "keys"
    own = f"{dtype.name}_{what}"
    parts = {
        "keys": f"sort_to_{own}",
        "insertion": f"sort_insertion_{bits}_{what}",
        "digits": f"sort_digits_{bits}_{what}",
        "give": f"sort_gather_{dtype.name}" if places else f"sort_from_{own}",
    }
    name = f"sort_{own}"
    texts = {
        "llvm.memset.p0.i64": "declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)",
        "llvm.memcpy.p0.p0.i64": "declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)",
        parts["keys"]: _to_keys(parts["keys"], dtype, places=places),
        parts["insertion"]: _insertion(parts["insertion"], bits, places=places),
        parts["digits"]: _by_digits(parts["digits"], bits, places=places),
        parts["give"]: _gather(parts["give"], dtype) if places else _from_keys(parts["give"], dtype),
        name: _rows(name, dtype, parts, places=places),
    }
    return name, texts


def scratch_of(dtype: np.dtype[Any], n: int, *, places: bool) -> int:
    """The bytes of scratch that ``sorting`` needs: keys, and for digits keys again, places and counters."""
    if n <= SHORT:
        return dtype.itemsize * n
    return 2 * dtype.itemsize * n + (8 * n if places else 0) + dtype.itemsize * 256 * 8


__all__ = ["SHORT", "scratch_of", "sorting"]
