"""The generated function that checks the arguments of a call, runs the plan of a path and builds the result.

Imports core, the NumPy plan's switch of floating point errors, and what checks facts and Tensors. Invariant: it answers
MISS wherever it is not certain that the path fits."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from wengert.api.compiling.outside import check_text
from wengert.api.compiling.reads import SCALARS
from wengert.api.compiling.tensors import Given, fits, mode
from wengert.backends.guards import GUARD, MISS
from wengert.backends.numpy.compiled import FLOATS, PythonPlan
from wengert.core.deferred import is_missing
from wengert.core.tree import LEAF, Structure
from wengert.ops.kinks import choice

DEFAULT_FLOATS = FLOATS[0].get() if FLOATS is not None else None


def fitted(value: Any, kind: type) -> Any:
    """An output as the type that the function itself returned."""
    if type(value) is kind:
        return value
    if kind is np.ndarray:
        return np.asarray(value)
    return kind(value.item() if type(value) is np.ndarray and kind in (float, int, bool, complex) else value)


def orders_of(results: Sequence[Any], leaves: Sequence[Any]) -> tuple[str, ...]:
    """Which results lie in C or in Fortran order where all arguments lie in C order: "C", "F", or "" where that is not
    known, or not asked, as of those that are no tables."""
    if not all(v.flags.c_contiguous for v in leaves if type(v) is np.ndarray):
        return ("",) * len(results)
    return tuple(_order(v) if type(v) is np.ndarray and v.ndim > 1 else "" for v in results)


def _order(value: np.ndarray[Any, Any]) -> str:
    if is_missing(value) or not value.size:
        return ""
    return "C" if value.flags.c_contiguous else "F" if value.flags.f_contiguous else ""


def ordered(value: Any, order: str, inputs: Sequence[Any]) -> Any:
    """A result of a NumPy plan, in the order in which the function itself gives it for arguments in C order."""
    if not order or value.flags.c_contiguous is (order == "C") or value.flags.f_contiguous is (order == "F"):
        return value
    return value.copy(order) if all(v.flags.c_contiguous for v in inputs if type(v) is np.ndarray) else value


def all_ordered(plan: Any, values: list[Any], orders: Sequence[str], inputs: Sequence[Any]) -> list[Any]:
    """The results of a plan in their orders; those of native code lie in C order."""
    if not isinstance(plan, PythonPlan):
        return values
    return [ordered(v, order, inputs) for v, order in zip(values, orders, strict=True)]


class Writer:
    """The text of the function that runs a path."""

    def __init__(self, path: Any) -> None:
        self.path = path
        self.space: dict[str, Any] = {"MISS": MISS, "GUARD": GUARD, "ndarray": np.ndarray, "fitted": fitted}
        self.lines: list[str] = []
        self.names: list[str] = []
        self.leaves: Iterator[Any] = iter(zip(path.leaves, path.types, strict=True))
        self.plain: dict[int, str] = {}  # of the Tensors among the arguments: the names of their values
        if path.given is not None:
            self.leaves = iter(path.given.of_leaves(list(self.leaves)))
        self.first = len(path.of_call.tensors) if path.of_call is not None else 0
        self.fits = True
        self.units = "()"

    def bind(self, value: Any) -> str:
        """A name for a value."""
        name = f"c{len(self.space)}"
        self.space[name] = value
        return name

    def miss_unless(self, text: str) -> None:
        """A line that ends where the text is not true."""
        self.lines.append(f"if not ({text}): return MISS")

    def function(self) -> Callable[[tuple[Any, ...]], Any] | None:
        """The compiled function; None where it is not made."""
        path = self.path
        recording = path.recording
        positional, keywords = path.arguments.children
        if recording.written or recording.careful or keywords.children or positional.container is None:
            return None
        checked = isinstance(path.chosen, PythonPlan) or not hasattr(path.chosen, "entry") or path.chosen.entry is None
        plain = positional.flat and all(path.taken) and path.given is None
        star = plain and not checked and all(kind is not None and kind[0] is np.ndarray for kind in path.types)
        if star:
            pass  # the entry looks at every leaf itself
        elif positional.children:
            self.unpack("args", positional)
        else:
            self.lines.append("if args: return MISS")
        if path.given is not None:
            self.tensors(path.given)
        if not self.fits:
            return None
        if recording.tensors:
            self.space["mode"], self.space["known"] = mode, path.mode
            self.miss_unless("mode() == known")
        else:
            self.space["choice"], self.space["chosen"] = choice.get, path.mode[2]
            self.miss_unless("choice() == chosen")
        facts = check_text(recording.outside.reads, self.bind)
        for start in range(0, len(facts), 8):
            self.miss_unless(" and ".join(facts[start : start + 8]))
        if FLOATS is not None:
            self.space["floats"], self.space["default"] = FLOATS[0].get, DEFAULT_FLOATS
            self.miss_unless("floats() is default")
        self.space["entry"] = path.entry_of(path.chosen)
        self.lines.append(f"out = entry({'*args' if star else ', '.join(self.names)})")
        self.lines.append("if out is GUARD or out is MISS: return MISS")
        self.lines.extend(self.result())
        text = "\n".join(["def hot(args):", *(f"    {line}" for line in self.lines)])
        exec(compile(text, "<wengert path>", "exec"), self.space)
        self.space["hot"].__text__ = text
        return self.space["hot"]  # type: ignore[no-any-return]

    def unpack(self, name: str, structure: Structure) -> None:
        """Lines that take a container apart and check every leaf."""
        container = structure.container
        if container is None:
            known = next(self.leaves)
            if type(known) is int:
                self.tensor(known, name)
            else:
                self.leaf(name, *known)
            return
        if container.cls is type(None):
            self.miss_unless(f"{name} is None")
            return
        parts = [f"{name}_{k}" for k in range(len(structure.children))]
        if container.cls in (tuple, list):
            if name != "args":
                self.miss_unless(f"type({name}) is {container.cls.__name__}")
            self.miss_unless(f"len({name}) == {len(parts)}")
            if parts:
                self.lines.append(f"{', '.join(parts)}, = {name}")
        elif container.cls is dict:
            keys = tuple(structure.extra)
            self.miss_unless(f"type({name}) is dict and tuple({name}) == {self.bind(keys)}")
            if parts:
                self.lines.append(f"{', '.join(parts)}, = {name}.values()")
        else:
            self.fits = False
            return
        for part, child in zip(parts, structure.children, strict=True):
            self.unpack(part, child)

    def tensor(self, number: int, name: str) -> None:
        """Note where a Tensor is met; a second time it must be the same one."""
        if number in self.plain:
            self.miss_unless(f"{name} is {self.plain[number]}")
        else:
            self.plain[number] = name

    def tensors(self, given: Given) -> None:
        """Lines that check the Tensors of a call and take their values."""
        self.space["fits"] = fits
        for number, t in enumerate(self.path.recording.outer, self.first):
            self.plain.setdefault(number, self.bind(t))
        for number, (requires, grad) in enumerate(given.tensors):
            name = self.plain[number]
            self.miss_unless(f"fits({name}, {requires})")
            if grad is None:
                self.miss_unless(f"{name}.grad is None")
            else:
                self.lines.append(f"g{number} = {name}.grad")
                self.tensor(grad, f"g{number}")
        names = [self.plain[number] for number in range(len(given.tensors))]
        if len(names) > 1:
            self.miss_unless(f"len({{{', '.join(f'id({name})' for name in names)}}}) == {len(names)}")
        others, self.names = self.names, []
        for number, name in enumerate(names):
            self.lines.append(f"v{number} = {name}.value")
            if number >= self.first and not self.path.taken[number]:
                self.miss_unless(f"v{number} is {self.bind(self.path.leaves[number])}")
            else:
                self.leaf(f"v{number}", self.path.leaves[number], self.path.types[number])
        self.names += others
        self.units = f"({', '.join(names)},)"

    def leaf(self, name: str, known: Any, kind: Any) -> None:
        """Lines that check a leaf."""
        if kind is not None:
            cls, shape, dtype = kind
            self.names.append(name)
            if cls is np.ndarray:
                self.miss_unless(
                    f"type({name}) is ndarray and {name}.dtype is {self.bind(dtype)} and {name}.shape == {shape!r}"
                )
            else:
                self.miss_unless(f"type({name}) is {self.bind(cls)}")
        elif isinstance(known, SCALARS) and not isinstance(known, (float, complex, np.inexact)):
            known_name = self.bind(known)
            self.miss_unless(
                f"{name} is {known_name} or type({name}) is {self.bind(type(known))} and {name} == {known_name}"
            )
        elif type(known) is np.ndarray and known.nbytes <= 4096:
            self.miss_unless(
                f"type({name}) is ndarray and {name}.dtype is {self.bind(known.dtype)} and "
                f"{name}.shape == {known.shape!r} and {name}.tobytes() == {self.bind(known.tobytes())}"
            )
        elif type(known) is np.ndarray:
            self.fits = False
        else:
            self.miss_unless(f"{name} is {self.bind(known)}")

    def result(self) -> list[str]:
        """Lines that make the function's own result of the outputs."""
        recording = self.path.recording
        count = sum(recording.dynamic)
        outs = ["out"] if count == 1 else [f"out[{k}]" for k in range(count)]
        moving = iter(outs)
        texts = []
        lines = []
        for k, (value, moves, kind) in enumerate(
            zip(recording.leaves, recording.dynamic, recording.kinds, strict=True)
        ):
            if not moves:
                held = self.bind(value)
                texts.append(f"{held}.copy('K')" if type(value) is np.ndarray else held)
                continue
            source = next(moving)
            name = f"r{k}"
            lines.append(f"{name} = {source}")
            if kind in (float, complex, int, bool):
                lines[-1] = f"{name} = {kind.__name__}({source})"
            else:
                cls = self.bind(kind)
                lines.append(f"if type({name}) is not {cls}: {name} = fitted({name}, {cls})")
            if recording.orders[k] and isinstance(self.path.chosen, PythonPlan):
                order = recording.orders[k]
                self.space["ordered"] = ordered
                lines.append(
                    f"if not {name}.flags.{order.lower()}_contiguous: "
                    f"{name} = ordered({name}, {order!r}, ({', '.join(self.names)},))"
                )
            texts.append(name)
        if recording.taken is not None:
            self.space["assemble"] = recording.taken.assemble
            lines.append(f"whole = assemble([{', '.join(texts)}], {self.units})")
            texts = [f"whole[{k}]" for k in range(len(recording.taken.leaves))]
        rest = iter(texts)
        return [*lines, f"return {self.build(recording.structure, rest)}"]

    def build(self, structure: Structure, texts: Any) -> str:
        """An expression that builds a container of the outputs."""
        if structure is LEAF or structure.container is None:
            return str(next(texts))
        cls = structure.container.cls
        if cls is type(None):
            return "None"
        parts = [self.build(child, texts) for child in structure.children]
        if cls is tuple:
            return f"({', '.join(parts)}{',' if len(parts) == 1 else ''})"
        if cls is list:
            return f"[{', '.join(parts)}]"
        if cls is dict:
            return "{" + ", ".join(f"{self.bind(k)}: {p}" for k, p in zip(structure.extra, parts, strict=True)) + "}"
        return f"{self.bind(structure.container.rebuild)}({self.bind(structure.extra)}, [{', '.join(parts)}])"


__all__ = ["DEFAULT_FLOATS", "Writer", "all_ordered", "fitted", "orders_of"]
