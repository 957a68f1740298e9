"""The record of an operation: its mathematics, and everything the makers derive from the one derivative fact.

Imports nothing of wengert but errors. Invariant: one name, one operation; a second one under the same name is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

ELEMENTWISE, LINEAR, GENERAL, CONTROL, CONSTANT = "elementwise", "linear", "general", "control", "constant"

OWNED = 2
"""In the mask of a push: there is a tangent, and it may be written to."""

OPS: dict[str, Op] = {}
"""Every operation by name."""


class Op:
    """One operation. Authors never build it: the makers in ``ops/kinds`` do.

    ``evaluate(*values, *params)`` computes; ``infer(types, params)`` gives the ArrayType (a tuple of them for several
    outputs); ``record`` is the function users reach; ``pull(node, cotangent, sweep)`` and ``push(values, y, params,
    tangents, mask)`` are the two visitors generated from the derivative fact; ``save(values, y, mask)`` the residuals
    they read, whose origin is in ``saved_from`` (the operand's number, -1 for the output, None for something that is
    not a value). In ``push``, ``mask[0]`` is OWNED where the first operand's tangent is held by nobody else and may be
    written to. ``lean``: the pull does without types where all is float64. ``aware``: ``record`` looks at the traces
    that run, so that a recorded step that runs again goes through it too.
    """

    __slots__ = (
        "aware", "batch", "cost", "doc", "domain", "evaluate", "expression", "infer", "inputs", "kind", "kink", "latex",
        "lean", "name", "needs", "outputs", "params", "pull", "push", "record", "rules", "samples", "save",
        "saved_from", "scalar", "shape", "sparsity", "text", "zeroes",
    )

    name: str
    kind: str
    doc: str
    aware: Any
    inputs: tuple[str, ...]
    params: Mapping[str, Any]
    evaluate: Callable[..., Any]
    batch: Any
    cost: Any
    domain: Any
    expression: Any
    infer: Any
    kink: Any
    latex: Any
    lean: Any
    needs: Any
    outputs: Any
    pull: Any
    push: Any
    record: Any
    rules: Any
    samples: Any
    save: Any
    saved_from: Any
    scalar: Any
    shape: Any
    sparsity: Any
    text: Any
    zeroes: Any

    def __init__(self, *, listed: bool = True, **fields: Any) -> None:
        for slot in self.__slots__:
            setattr(self, slot, fields.pop(slot, None))
        if fields:
            raise TypeError(f"unknown fields of an operation: {sorted(fields)}")
        if listed:
            if self.name in OPS:
                raise ValueError(f"there is an operation called {self.name!r} already")
            OPS[self.name] = self

    def __repr__(self) -> str:
        return f"<Op {self.name}>"
