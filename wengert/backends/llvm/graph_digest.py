"""The digest of a graph: all that rewriting, lowering and scheduling can see of it.

Imports core. Invariants: graphs of one digest, treated by the same sources on the same machine, become the same kernel;
where anything in a graph is not known to be told in full (functions of the user's, objects of unknown classes, values
of other traces), there is no digest."""

from __future__ import annotations

import struct
import sys
from collections.abc import Mapping
from enum import Enum
from functools import partial
from itertools import pairwise
from types import BuiltinFunctionType, CodeType, FunctionType
from typing import Any
from zlib import crc32

import numpy as np

from wengert.backends.llvm.cache import blake2b
from wengert.core.constants import without_repeats
from wengert.core.graph import Graph
from wengert.core.node import Const, Node
from wengert.core.op import OPS, Op
from wengert.core.types import ArrayType


class Untold(Exception):
    """A graph holds something that a digest cannot tell."""


def digest(
    graph: Graph, told: Mapping[int, str] | None = None
) -> tuple[str, list[np.ndarray[Any, Any]], list[str]] | None:
    """The digest of a graph, the constant arrays in it, each once, in the order in which they come, and what
    ``content`` says of each; None where there is none. ``told`` has that of some of them, by ``id``."""
    writer = _Writer(told or {})
    try:
        writer.graph(graph)
    except Exception:  # noqa: BLE001 what cannot be told, for whatever reason, is not looked for
        return None
    lines = "\n".join(writer.lines).encode("utf-8", "surrogatepass")
    return blake2b(lines, digest_size=20).hexdigest(), writer.arrays, writer.contents


class _Writer:
    """Writes lines: nodes, graphs, arrays, places in the program and operations by number, everything else by what it
    is. A number tells that two things are one; the line where it first comes tells what that is."""

    def __init__(self, told: Mapping[int, str]) -> None:
        self.told = told
        self.contents: list[str] = []
        self.lines: list[str] = []
        self.arrays: list[np.ndarray[Any, Any]] = []
        self.numbers: dict[Any, int] = {}
        self.known: dict[int, str] = {}
        self.held: list[Any] = []

    def graph(self, graph: Graph) -> None:
        """The lines of a graph. What it is called, how its containers are nested, and at which values it was recorded
        decides no step."""
        nodes = (*graph.inputs, *graph.nodes)
        for node in nodes:
            if id(node) in self.numbers:
                raise Untold("a node of two graphs")
            self.numbers[id(node)] = len(self.numbers)
        self.held.append(graph)
        add, numbers, operand, text = self.lines.append, self.numbers, self.operand, self.text
        add(f"graph {len(graph.inputs)} {len(graph.nodes)}")
        for node in nodes:
            where = node.where
            if where is not None:  # loops are found by the lines of their steps
                where = numbers.setdefault((id(where[0]), where[1]), len(numbers))
            if node.abstract or node.args is None:
                raise Untold("a step without operands or values")
            args = " ".join([operand(a) for a in node.args])
            params = text(node.params) if node.params else ""
            how = "" if node.evaluate is None else self.function(node.evaluate)
            add(f"{numbers[id(node)]} {self.operation(node.op)} ({args}) {params} {self.kind(node.type)} {where} {how}")
        if any(a.seq >= b.seq for a, b in pairwise(nodes)):
            add(f"order {np.unique([n.seq for n in nodes], return_inverse=True)[1].tolist()}")
        add(f"outputs {' '.join(map(operand, graph.outputs))}")
        for g in graph.guards:
            add(f"guard {g.kind!r} {operand(g.node)} {text(g.outcome)} {text(g.value)}")

    def operand(self, a: Any) -> str:
        """An operand: the number of a step, or what a constant is."""
        if isinstance(a, Node):
            number = self.numbers.get(id(a))
            if number is None:
                raise Untold("a step of another graph")
            return f"n{number}"
        if type(a) is Const:
            return self.text(a.value)
        raise Untold("an operand of another kind")

    def kind(self, kind: Any) -> str:
        """The type of a step."""
        if type(kind) is tuple:
            return f"({' '.join(map(self.kind, kind))})"
        if type(kind) is not ArrayType:
            raise Untold("a type of another kind")
        found = self.known.get(id(kind))
        if found is None:
            if any(type(n) is not int for n in kind.shape):
                raise Untold("sizes by name")
            self.held.append(kind)
            found = self.known[id(kind)] = f"{_dtype(kind.dtype)}{kind.shape}{sorted(kind.facts) or ''}"
        return found

    def operation(self, op: Op) -> str:
        """An operation, by name and by what computes it."""
        found = self.known.get(id(op))
        if found is None:
            ours = OPS.get(op.name) is op
            function = self.function(op.evaluate)
            if not ours and (op.name, function.partition(":")[0]) not in _UNLISTED:
                raise Untold(f"the operation {op.name}")
            facts = f"{op.kind} {op.scalar} {op.zeroes} {op.inputs} {op.outputs}"
            self.held.append(op)
            found = self.known[id(op)] = f"{op.name!r} {ours} {function} {facts}"
        return found

    def function(self, f: Any) -> str:
        """A function of wengert's, NumPy's or Python's: module and name, and what it closes over."""
        known = self.known.get(id(f))
        if known is not None:
            return known
        if type(f) is FunctionType and f.__module__.startswith("wengert."):
            found = f"{f.__module__}:{f.__qualname__}:{_code(f.__code__)}"
            inside = [c.cell_contents for c in f.__closure__ or ()]
            inside += [*(f.__defaults__ or ()), *(f.__kwdefaults__ or {}).values()]
            found += "".join(f" {self.text(v)}" for v in inside)
        elif type(f) is partial:
            found = f"partial {self.function(f.func)} {self.text(f.args)} {self.text(f.keywords)}"
        elif isinstance(f, (np.ufunc, BuiltinFunctionType, type(np.sum), type)):
            modules = ("numpy", "scipy.special") if isinstance(f, np.ufunc) else (f.__module__,)
            found = next((f"{m}:{f.__name__}" for m in modules if _is_named(f, m)), "")
            if not found:
                raise Untold(f"the function {f.__name__}")
        else:
            raise Untold(f"a function ({type(f).__name__})")
        self.held.append(f)
        self.known[id(f)] = found
        return found

    def text(self, x: Any) -> str:
        """A parameter, a constant, or a part of one."""
        kind = type(x)
        if kind is float:
            return f"f{struct.pack('<d', x).hex()}"  # which tells -0.0 and one NaN from another
        if kind in (int, bool, str, bytes) or x is None or x is Ellipsis:
            return repr(x)
        if kind is tuple or kind is list:
            return f"{kind.__name__}({' '.join(map(self.text, x))})"
        if kind is np.ndarray:
            return self.array(x)
        if kind is complex:
            return f"complex {struct.pack('<dd', x.real, x.imag).hex()}"
        if isinstance(x, np.generic):
            return f"{_dtype(x.dtype)}:{x.tobytes().hex()}"
        if kind is slice:
            return f"slice({self.text(x.start)} {self.text(x.stop)} {self.text(x.step)})"
        if kind is dict:
            return f"dict({' '.join(f'{self.text(k)}:{self.text(v)}' for k, v in x.items())})"
        if kind in (set, frozenset):
            return f"{kind.__name__}({' '.join(sorted(map(self.text, x)))})"
        if isinstance(x, np.dtype):
            return f"dtype {_dtype(x)}"
        if kind is ArrayType:
            return self.kind(x)
        if kind is Graph:
            return self.body(x)
        if isinstance(x, (Node, Const)):
            return self.operand(x)
        return self.thing(x) if kind.__module__.startswith("wengert.") else self.function(x)

    def array(self, x: np.ndarray[Any, Any]) -> str:
        """A constant array: its content, how it lies in memory, and which others it is."""
        number = self.numbers.get(("array", id(x)))
        if number is None:
            number = self.numbers["array", id(x)] = len(self.arrays)
            self.arrays.append(x)
            told = self.told.get(id(x)) or content(without_repeats(x))
            self.contents.append(told)
            self.lines.append(f"array {_dtype(x.dtype)}{x.shape}{x.strides}{x.flags.num}:{told}")
        return f"a{number}"

    def body(self, graph: Graph) -> str:
        """The graph inside a loop or a choice."""
        number = self.numbers.get(("graph", id(graph)))
        if number is None:
            number = self.numbers["graph", id(graph)] = len(self.numbers)
            self.lines.append(f"begin {number}")
            self.graph(graph)
            self.lines.append(f"end {number}")
        return f"g{number}"

    def thing(self, x: Any) -> str:
        """An object of a class of wengert's that holds what its fields name, and nothing else."""
        kind = type(x)
        name = f"{kind.__module__}.{kind.__qualname__}"
        if isinstance(x, Enum):
            return f"{name}.{x.name}"
        if isinstance(x, tuple) and hasattr(kind, "_fields"):
            return f"{name}({' '.join(map(self.text, x))})"
        if name == "wengert.ops.paths.Slot":
            return f"{name}({x.number})"
        return self.function(x)


def content(x: np.ndarray[Any, Any]) -> str:
    """What an array holds, in C order: the element that all are to the bit (finding that takes a tenth of the time of a
    digest), or a digest."""
    flat = np.ascontiguousarray(x).reshape(-1)
    if flat.size > 1 and flat.dtype.itemsize in (1, 2, 4, 8):
        bits = flat.view(f"u{flat.dtype.itemsize}")
        if bits[-1] == bits[0] and bool((bits == bits[0]).all()):
            return f"all {flat[:1].tobytes().hex()}"
    return blake2b(flat.view(np.uint8).data, digest_size=20).hexdigest()


_PACKAGES = frozenset({"numpy", "scipy", "math", "_operator", "operator", "builtins"})
_UNLISTED = frozenset(
    {
        ("scan", "wengert.ops.loops"),
        ("cond", "wengert.ops.branches"),
        ("while_loop", "wengert.ops.while_loops"),
        ("again", "wengert.rewrite.recompute"),
    }
)
"""Operations that are made as they are needed: their name, and the module of what computes them."""


def _is_named(f: Any, module: str) -> bool:
    """Whether a function or class is what a module of NumPy's or Python's calls so."""
    return module.partition(".")[0] in _PACKAGES and getattr(sys.modules.get(module), f.__name__, None) is f


def _code(code: CodeType) -> str:
    """What tells two functions of one name apart: two lambdas may stand in one line."""
    plain = [c for c in code.co_consts if type(c) in (int, float, complex, bool, str, tuple)]
    return f"{code.co_firstlineno}:{crc32(code.co_code)}:{code.co_names}:{plain}"


def _dtype(dtype: np.dtype[Any]) -> str:
    """A dtype of plain numbers."""
    if dtype.kind not in "biufc" or dtype.metadata is not None:
        raise Untold(f"{dtype} numbers")
    return dtype.str


__all__ = ["Untold", "content", "digest"]
