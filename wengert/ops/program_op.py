"""The form of operations that have programs as parameters: loops and choices.

Imports core and ``apply``. Invariant: such an operation takes any number of operands, keeps all of them, and has one
output per value that its programs give.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from wengert.core.op import CONTROL, Op
from wengert.ops.apply import special


def program_op(
    name: str,
    params: Iterable[str],
    count: int,
    *,
    evaluate: Callable[..., Any],
    pull: Callable[..., Any],
    push: Callable[..., Any],
    infer: Callable[..., Any],
    batch: Callable[..., Any],
    zeroes: bool,
    doc: str,
) -> Op:
    """The operation for ``count`` outputs; ``zeroes``: a program has steps whose transposes make exact zeros."""
    op = Op(
        listed=False,
        name=name,
        kind=CONTROL,
        inputs=("*operands",),
        params=dict.fromkeys(params),
        rules=(),
        needs=(),
        evaluate=evaluate,
        pull=pull,
        push=push,
        infer=infer,
        zeroes=zeroes,
        save=lambda values, y, params, mask: tuple(values),
        saved_from=lambda node: tuple(range(len(node.inputs))),
        outputs=tuple(f"out{k}" for k in range(count)),
        batch=batch,
        doc=doc,
    )
    op.record = lambda operands, *params: special(op, operands, params)
    return op


__all__ = ["program_op"]
