"""What Tensors came from: the operation of leaves, a readable face of nodes, hooks.

Imports core. Invariant: a node never holds the Tensor it belongs to alive.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from wengert.core.node import Node, describe
from wengert.core.op import CONTROL, Op


def _pull_leaf(node: Node, ct: Any, sweep: Any) -> None:
    """Nothing above a leaf: the backward sweep takes the cotangent itself."""


LEAF = Op(
    name="leaf",
    kind=CONTROL,
    inputs=(),
    params={},
    evaluate=lambda: None,
    pull=_pull_leaf,
    saved_from=(),
    outputs=(),
    save=lambda values, y, params, mask: (),
    infer=lambda types, params: None,
    doc="A Tensor that gradients are accumulated in.",
    listed=False,
)


class Extra:
    """What few Tensors have: hooks, a wish to keep the gradient, memory of a Tensor with a history that they have not.

    ``hooks``      those of a leaf, or of the step that made the Tensor last
    ``retains``    what attends the step whose gradient is kept, or None
    ``untracked``  "data" for what ``t.data`` gives, "no_grad" for a view made while nothing was recorded, else ""
    """

    __slots__ = ("hooks", "retains", "untracked")

    def __init__(self) -> None:
        self.hooks: dict[int, Callable[[Any], Any]] = {}
        self.retains: Any = None
        self.untracked = ""


class GradFn:
    """A recorded step, to look at: ``name()``, ``where``, ``next_functions``."""

    __slots__ = ("_node",)

    def __init__(self, node: Node) -> None:
        self._node = node

    def name(self) -> str:
        """The operation."""
        return str(self._node.op.name)

    @property
    def where(self) -> str:
        """File, line and function."""
        return describe(self._node.where)

    @property
    def next_functions(self) -> tuple[Any, ...]:
        """The steps its operands came from; None for constants, the leaf itself for leaves."""
        return tuple(None if n is None else (n.saved[0]() if n.op is LEAF else GradFn(n)) for n in self._node.inputs)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, GradFn) and other._node is self._node

    def __hash__(self) -> int:
        return hash(self._node)

    def __repr__(self) -> str:
        return f"<{self.name()} at {self.where}>"


def describe_node(node: Node) -> str:
    """An operation and its line, for messages."""
    return f"{node.op.name} at {describe(node.where)}"


__all__ = ["LEAF", "Extra", "GradFn", "describe_node"]
