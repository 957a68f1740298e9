"""Generated recording functions on Tensors: the straight-line code of ``ops/generate`` with the Tensor in the handle's
place.

Imports core, ops, ``tensor``. Invariant: such a function makes the node that the same step on handles makes.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from types import FunctionType
from typing import Any

import numpy as np

from wengert.core.handle import is_handle
from wengert.core.op import CONSTANT, Op
from wengert.core.types import CONSTANTS
from wengert.ops import generate
from wengert.tensor.bridge import constants, outward, through
from wengert.tensor.mode import MODE, is_grad_enabled, is_traced
from wengert.tensor.session import session
from wengert.tensor.tensor import Tensor, current, plain

NEW_TENSOR = "c_ = NEW(T); c_.value = y; c_.node = f_; c_.mem = None"


def general(op: Op, operands: tuple[Any, ...], params: tuple[Any, ...], *_: Any) -> Any:
    """A step outside the ordinary: a trace is running, recording is off, or an operand is of an unusual type."""
    if session() is not None:
        flows = is_grad_enabled() and any(type(a) is Tensor and current(a).node is not None for a in operands)
        return through(op.record, (*operands, *params)) if flows else outward(op.record(*constants(operands), *params))
    if is_traced() or any(map(is_handle, operands)):
        return op.record(*constants(operands), *params)
    values = constants(operands)
    if all(type(v) in CONSTANTS for v in values) and (
        not is_grad_enabled() or all(a.node is None for a in operands if type(a) is Tensor)
    ):
        return Tensor(op.evaluate(*values, *params))
    return through(op.record, (*operands, *params))


def _operator(op: Op, operands: tuple[Any, ...], params: tuple[Any, ...], *_: Any) -> Any:
    for a in operands:
        if not (
            type(a) is Tensor
            or type(a) in CONSTANTS
            or is_handle(a)
            or isinstance(a, (Tensor, np.ndarray, np.generic, list, tuple))
        ):
            return NotImplemented
    return general(op, operands, params)


def _constant(value: Any) -> Any:
    """A constant array that a residual refers to: a copy, for its owner may write to it."""
    return value.copy() if type(value) is np.ndarray and value.flags.writeable else value


_NAMESPACE: dict[str, Any] = {
    **generate.NAMESPACE,
    "T": Tensor,
    "CURRENT": current,
    "E": MODE,
    "WRAP": Tensor,
    "KEEP": _constant,
    "SPECIAL": general,
    "OBJECTS": general,
    "FOREIGN": general,
    "FOREIGN_OPERATOR": _operator,
    "PLAIN": lambda y, operands: Tensor(y),
}
_made: dict[tuple[str, str], Any] = {}


def recording_function(op: Op, variant: str = "call") -> Callable[..., Any]:
    """The recording function of an operation for Tensors: ``"call"``, ``"operator"`` or ``"reflected"``; compiled on
    first use.
    """
    key = op.name, variant
    if key not in _made:
        safe = op.name.replace(".", "_")
        name = f"tensor_{variant}_{safe}"

        def first_use(*args: Any, **kwargs: Any) -> Any:
            _NAMESPACE.update({k: v for k, v in generate.NAMESPACE.items() if k not in _NAMESPACE})
            made.__code__ = _compiled(op, name, variant)
            return made(*args, **kwargs)

        _NAMESPACE[f"first_{name}"] = first_use
        stub = compile(
            f"def {name}(*args, **kwargs):\n return first_{name}(*args, **kwargs)\n", f"<wengert {name}>", "exec"
        )
        made = FunctionType(next(c for c in stub.co_consts if hasattr(c, "co_code")), _NAMESPACE, op.name)
        made.__defaults__ = tuple(op.params.values()) or None
        made.__doc__ = op.doc
        _made[key] = made
    return _made[key]


def _compiled(op: Op, name: str, variant: str) -> Any:
    lines = []
    for line in generate.source(op, name, variant, inline=True).split("\n"):
        if line.startswith(" if S.special"):
            line = (
                " if S.live or E.off:" + line.split(":", 1)[1]
                if variant == "call"
                else (
                    f" if S.live or E.off: return FOREIGN_OPERATOR(OP_{op.name.replace('.', '_')}, "
                    f"({', '.join(f'a{k}' for k in range(len(op.inputs)))},), ())"
                )
            )
        line = line.replace("if t is TA or t is TS:", "if t is T:").replace("if t is TS or t is TA:", "if t is T:")
        for k in range(len(op.inputs)):
            line = line.replace(f"if a{k}.base is not None: SYNC(a{k})", f"if a{k}.mem is not None: CURRENT(a{k})")
        line = line.replace("c_ = NEW(H); c_.value = y; c_.node = f_; c_.base = None", NEW_TENSOR)
        if "S.cut" in line:
            line = "  pass"
        elif line.startswith(" if type(y) is not ND"):  # a value without derivative: a Tensor like any other
            line = " return T(y)"
        # Only an array that is not a Tensor's may change behind our back.
        line = re.sub(r"(x(\d) = a\d\.value; n\d = a\d\.node)", r"\1; k\2 = False", line)
        line = re.sub(r"(elif t in CONST: x(\d) = a\d; n\d = None)", r"\1; k\2 = t is ND", line)
        line = re.sub(r"KEEP\(x(\d)\)", r"(KEEP(x\1) if k\1 else x\1)", line)
        lines.append(line)
    text = "\n".join(lines)
    unknown = "SYNC(" in text or "NEW(H)" in text or "S.special" in text
    if unknown or (op.kind == CONSTANT and " return T(y)" not in lines):
        raise AssertionError(f"the generated code of {op.name} has a form that Tensors do not know:\n{text}")
    module = compile(text, f"<wengert {name}>", "exec")
    return next(c for c in module.co_consts if hasattr(c, "co_code"))


__all__ = ["general", "plain", "recording_function"]
