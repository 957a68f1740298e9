"""From a program in index form to the text of a kernel.

``emit`` glues the stages: canonical form, schedule, storage, text. Imports no compiler. Invariant: the text depends on
the program and on the arguments of ``emit`` alone, and holds no address."""

from __future__ import annotations

import hashlib
import itertools

from wengert.backends.llvm.emit_arithmetic import CannotEmit
from wengert.backends.llvm.emit_whole import Whole, constants_of, slots_of
from wengert.backends.llvm.indexed import Program
from wengert.backends.llvm.kernel import Kernel
from wengert.backends.llvm.lapack import PREFIX
from wengert.backends.llvm.loops_text import describe
from wengert.backends.llvm.scalar_ops import Vocabulary
from wengert.backends.llvm.scan_forms import settled
from wengert.backends.llvm.schedule import Plan, parts_of, schedule, volume
from wengert.backends.llvm.storage import Storage
from wengert.backends.llvm.writer import Writer

PLACEHOLDER = "@KERNEL"
MUCH_TEXT = 500_000
"""Letters of text that take LLVM seconds."""
LETTERS = 500
"""The letters of one operation, at most, where nothing swells it."""


class Module:
    """The text of one kernel while it is written."""

    def __init__(self, plan: Plan, width_bits: int, fma: bool) -> None:
        self.plan, self.width_bits = plan, width_bits
        self.numbers = itertools.count()
        self.declared: dict[str, str] = {}
        self.vocabulary = Vocabulary(lambda: f"%f_{next(self.numbers)}", fma=fma)
        self.workspace = 0
        self.areas: dict[object, int] = {}
        self.constants = tuple(dict.fromkeys(constants_of(plan)))
        self.slots = (*plan.program.inputs, *self.constants, *(s.slot for s in plan.program.stores))
        self.parts = parts_of(plan.tree)
        self.storage = Storage(plan, self.parts, self.reserve)
        self.storage.assign()
        self.filled: set[int] = set()

    def reserve(self, size: int) -> int:
        """Bytes of the workspace."""
        offset = self.workspace
        self.workspace += -(-max(size, 1) // 64) * 64
        return offset

    def functions(self) -> str:
        """All functions: the parts, of which the last is the kernel."""
        last = max(self.parts, default=0)
        return "\n".join(self.function(k, last) for k in range(last + 1))

    def function(self, part: int, last: int) -> str:
        """One function."""
        w = Writer(self.declared, self.numbers)
        pointers: dict[int, str] = {}
        nest = Whole(w, self.vocabulary, pointers, self.plan.nodes.of)
        nest.area, nest.reserve, nest.areas = "%workspace", self.reserve, self.areas
        nest.steady = {id(s) for s in (*self.plan.program.inputs, *self.constants)}
        for number, slot in enumerate(self.slots):
            name = f"%slot_{number}"
            w.entry.append(f"  %at_{number} = getelementptr inbounds ptr, ptr %args, i64 {number}")
            w.entry.append(f"  {name} = load ptr, ptr %at_{number}, align 8, !invariant.load !0")
            pointers[id(slot)] = name
        for number, slot in enumerate(slots_of(self.plan)):
            pointers[-1 - number] = pointers[id(slot)]
        nest.setup(self.plan, self.storage)
        nest.filled = self.filled
        if part == last:
            for k in range(last):
                w.line(f"call void {PLACEHOLDER}_{k}(ptr %args, ptr %workspace)")
        items = [item for item, p in zip(self.plan.tree, self.parts, strict=True) if p == part]
        nest.top(items, [g for g, _ in self.plan.program.guards] if part == last else None)
        head = f"define i64 {PLACEHOLDER}" if part == last else f"define internal void {PLACEHOLDER}_{part}"
        attributes = f'nounwind {"" if part == last else "noinline "}"prefer-vector-width"="{self.width_bits}"'
        lines = [f"{head}(ptr noalias %args, ptr noalias %workspace) {attributes} {{", "entry:", *w.entry]
        return "\n".join([*lines, "  br label %start", "start:", *w.lines, "}"]) + "\n"


def emit(program: Program, *, width_bits: int, fma: bool) -> Kernel:
    """The kernel of a program, for vectors of ``width_bits`` on a machine with (``fma``) or without fused
    multiply-add.

    Raises CannotEmit for what has no native form."""
    program = settled(program)
    plan = schedule(program, width_bits)
    made = _written(plan, width_bits, fma)
    most = max(MUCH_TEXT, LETTERS * volume(program.values(), plan.nodes.unrolled))
    if len(made.text) > most and writes_out(plan):
        # Elements that are gathered lane by lane make much of what is little in the program: then loops stay loops.
        rolled = _written(schedule(program, width_bits, 0), width_bits, fma)
        if len(rolled.text) < len(made.text) // 4:
            return rolled
    return made


def writes_out(plan: Plan) -> bool:
    """Whether some axis has no loop."""
    return bool(plan.nodes.unrolled) or any(map(writes_out, plan.bodies.values()))


def _written(plan: Plan, width_bits: int, fma: bool) -> Kernel:
    """The kernel of a scheduled program."""
    module = Module(plan, width_bits, fma)
    functions = module.functions()
    declared = "\n".join(module.declared.values())
    text = f"{functions}\n{declared}\n{module.vocabulary.definitions()}\n!0 = !{{}}\n"
    name = "k" + hashlib.sha256(text.encode()).hexdigest()[:24]
    return Kernel(
        name,
        text.replace(PLACEHOLDER, "@" + name),
        module.slots,
        module.workspace,
        describe(plan, module.storage),
        (*module.vocabulary.external, *sorted(n for n in module.declared if n.startswith(PREFIX))),
    )


__all__ = ["CannotEmit", "Module", "emit"]
