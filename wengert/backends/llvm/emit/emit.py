"""From a program in index form to the text of a kernel.

``emit`` glues the stages: canonical form, schedule, storage, text. Imports no compiler. Invariant: the text depends on
the program and on the arguments of ``emit`` alone, and holds no address."""

from __future__ import annotations

import functools
import hashlib
import itertools
import re
from dataclasses import replace

from wengert.backends.llvm.emit.arithmetic import CannotEmit
from wengert.backends.llvm.emit.whole import Whole, constants_of, slots_of
from wengert.backends.llvm.heat import spare
from wengert.backends.llvm.indexed import Program, Scan
from wengert.backends.llvm.kernel import Kernel
from wengert.backends.llvm.lapack import PREFIX
from wengert.backends.llvm.loops_text import describe
from wengert.backends.llvm.scalar_ops import Vocabulary
from wengert.backends.llvm.scan_forms import settled
from wengert.backends.llvm.schedule import Plan, parts_of, schedule, volume
from wengert.backends.llvm.storage import Storage
from wengert.backends.llvm.threads.division import Division, divide
from wengert.backends.llvm.threads.loops import Joined, Ranged
from wengert.backends.llvm.threads.text import SPLIT, THREADS
from wengert.backends.llvm.writer import Writer

PLACEHOLDER = "@KERNEL"
OWN = "$OWN"
"""Where the threads' own memory begins, which is known when all is written."""
MUCH_TEXT = 500_000
"""Letters of text that take LLVM seconds."""
SLOT = re.compile(r"%slot_(\d+)")
LETTERS = 500
"""The letters of one operation, at most, where nothing swells it."""


class Module:
    """The text of one kernel while it is written; ``division`` says which of its loops are split among threads."""

    def __init__(self, plan: Plan, width_bits: int, fma: bool, division: Division | None = None) -> None:
        self.plan, self.width_bits, self.division = plan, width_bits, division
        self.numbers = itertools.count()
        self.declared: dict[str, str] = {}
        self.vocabulary = Vocabulary(lambda: f"%f_{next(self.numbers)}", fma=fma)
        self.workspace = 0
        self.areas: dict[object, int] = {}
        self.constants = tuple(dict.fromkeys(constants_of(plan)))
        self.slots = (*plan.program.inputs, *self.constants, *(s.slot for s in plan.program.stores))
        self.parts = parts_of(plan.tree) if division is None else division.parts
        self.storage = Storage(plan, self.parts, self.reserve)
        self.storage.assign()
        self.filled: set[int] = set()
        self.spare = spare(work(plan))
        self.own: dict[int, int] = {}
        if division is not None:
            self.part_memory(division)

    def reserve(self, size: int) -> int:
        """Bytes of the workspace."""
        offset = self.workspace
        self.workspace += -(-max(size, 1) // 64) * 64
        return offset

    def part_memory(self, division: Division) -> None:
        """Give buffers that live inside split loops their places in the threads' own memory."""
        parts = {share.loop: part for part, share in division.shares.items()}
        self.workspace = 0
        for buffer in (*self.storage.buffers.values(), *self.storage.scanned.values()):
            if buffer.offset >= 0:
                part = parts.get(buffer.share[0]) if buffer.share else None
                size = buffer.size * buffer.lanes * buffer.value.dtype.itemsize
                buffer.offset = self.reserve(size) if part is None else self.reserve_own(part, size)

    def reserve_own(self, part: int, size: int) -> int:
        """Bytes of a thread's own memory while it runs a part."""
        offset = self.own.get(part, 0)
        self.own[part] = offset + -(-max(size, 1) // 64) * 64
        return offset

    @property
    def scratch(self) -> int:
        """Bytes of a thread's own memory; apart by a line of cache."""
        return max(self.own.values(), default=0) + 64 if self.division is not None else 0

    def functions(self) -> str:
        """All functions: the parts, of which the last is the kernel."""
        last = max(self.parts, default=0)
        return "\n".join(self.function(k, last) for k in range(last + 1))

    def function(self, part: int, last: int) -> str:
        """One function."""
        w = Writer(self.declared, self.numbers)
        pointers: dict[int, str] = {}
        share = self.division.shares.get(part) if self.division is not None else None
        joined = self.division.joins.get(part) if self.division is not None else None
        kind = Ranged if share is not None else Joined if joined is not None else Whole
        nest = kind(w, self.vocabulary, pointers, self.plan.nodes.of)
        nest.area, nest.reserve, nest.areas = "%workspace", self.reserve, self.areas
        nest.common, nest.spare = "%workspace", self.spare
        if isinstance(nest, Ranged) and share is not None:
            nest.hand_in(share, functools.partial(self.reserve_own, part), self.reserve)
        nest.steady = {id(s) for s in (*self.plan.program.inputs, *self.constants)}
        for number, slot in enumerate(self.slots):
            pointers[id(slot)] = f"%slot_{number}"
        for number, slot in enumerate(slots_of(self.plan)):
            pointers[-1 - number] = pointers[id(slot)]
        nest.setup(self.plan, self.storage)
        nest.filled = self.filled
        if part == last:
            for k in range(last):
                self.call(w, k)
        if isinstance(nest, Joined) and joined is not None:
            nest.share = joined
            nest.join()
        else:
            items = [item for item, p in zip(self.plan.tree, self.parts, strict=True) if p == part]
            nest.top(items, [g for g, _ in self.plan.program.guards] if part == last else None)
        head = f"define i64 {PLACEHOLDER}" if part == last else f"define internal void {PLACEHOLDER}_{part}"
        attributes = f'nounwind {"" if part == last else "noinline "}"prefer-vector-width"="{self.width_bits}"'
        more = "" if share is None else ", ptr noalias %own, i64 %first, i64 %last, i64 %block"
        body = "\n".join([*w.entry, "  br label %start", "start:", *w.lines, "}\n"])
        loads = [
            f"  %at_{k} = getelementptr inbounds ptr, ptr %args, i64 {k}\n"
            f"  %slot_{k} = load ptr, ptr %at_{k}, align 8, !invariant.load !0"
            for k in sorted({int(k) for k in SLOT.findall(body)})
        ]
        return "\n".join(
            [f"{head}(ptr noalias %args, ptr noalias %workspace{more}) {attributes} {{", "entry:", *loads, body]
        )

    def call(self, w: Writer, part: int) -> None:
        """Run a part: alone, or block by block among threads."""
        share = self.division.shares.get(part) if self.division is not None else None
        if share is None:
            w.line(f"call void {PLACEHOLDER}_{part}(ptr %args, ptr %workspace)")
            return
        self.declared[THREADS] = f"@{THREADS} = external global i64"
        self.declared[SPLIT] = f"declare void @{SPLIT}(ptr, ptr, ptr, ptr, i64, i64, i64, i64)"
        asked = w.let(f"load i64, ptr @{THREADS}")
        threads = w.call("i64", "llvm.smin.i64", [("i64", asked), ("i64", str(share.most))])
        own = w.let(f"getelementptr i8, ptr %workspace, i64 {OWN}")
        w.line(
            f"call void @{SPLIT}(ptr {PLACEHOLDER}_{part}, ptr %args, ptr %workspace, ptr {own}, i64 {self.scratch}, "
            f"i64 {share.steps}, i64 {share.blocks}, i64 {threads})"
        )


def emit(program: Program, *, width_bits: int, fma: bool, split: bool = False) -> Kernel:
    """The kernel of a program, for vectors of ``width_bits`` on a machine with (``fma``) or without fused
    multiply-add; ``split``: its long loops can be shared by threads.

    Raises CannotEmit for what has no native form."""
    program = settled(program)
    plan = schedule(program, width_bits)
    made = _written(plan, width_bits, fma)
    most = max(MUCH_TEXT, LETTERS * volume(program.values(), plan.nodes.unrolled))
    if len(made.text) > most and writes_out(plan):
        # Elements that are gathered lane by lane make much of what is little in the program: then loops stay loops.
        rolled_plan = schedule(program, width_bits, 0)
        rolled = _written(rolled_plan, width_bits, fma)
        if len(rolled.text) < len(made.text) // 4:
            plan, made = rolled_plan, rolled
    return among_threads(plan, made, width_bits, fma) if split else made


def among_threads(plan: Plan, made: Kernel, width_bits: int, fma: bool) -> Kernel:
    """The kernel whose long loops are split; the one that was made, where none is."""
    plan, division = divide(plan)
    if not division.shares:
        return replace(made, threads=division.told)
    return _written(plan, width_bits, fma, division)


def work(plan: Plan) -> float:
    """The operations of a plan, with all steps of its scans."""
    return sum(
        n.value.length * work(plan.bodies[id(n.value)]) if isinstance(n.value, Scan) else n.work
        for n in plan.nodes.nodes
    )


def writes_out(plan: Plan) -> bool:
    """Whether some axis has no loop."""
    return bool(plan.nodes.unrolled) or any(map(writes_out, plan.bodies.values()))


def _written(plan: Plan, width_bits: int, fma: bool, division: Division | None = None) -> Kernel:
    """The kernel of a scheduled program."""
    module = Module(plan, width_bits, fma, division)
    functions = module.functions().replace(OWN, str(module.workspace))
    declared = "\n".join(module.declared.values())
    text = f"{functions}\n{declared}\n{module.vocabulary.definitions()}\n!0 = !{{}}\n"
    blocks = {s.loop: s.blocks for s in division.shares.values()} if division is not None else None
    name = "k" + hashlib.sha256(text.encode()).hexdigest()[:24]
    return Kernel(
        name,
        text.replace(PLACEHOLDER, "@" + name),
        module.slots,
        module.workspace,
        describe(plan, module.storage, blocks=blocks),
        (*module.vocabulary.external, *sorted(n for n in module.declared if n.startswith(PREFIX))),
        module.scratch,
        division.told if division is not None else (),
    )


__all__ = ["CannotEmit", "Module", "emit"]
