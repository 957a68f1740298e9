"""The makers: ``elementwise``, ``linear``, ``general``, ``constant``. One statement of theirs is one operation.

The author writes one derivative fact (partials, transposes, or JVPs); the maker reads from the parameter names of that
fact what must be saved, and derives the recording function and both visitors from it. Imports core, ``apply``,
``generate``. Invariant: a fact is written once; what is missing or double is refused here.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from wengert.core.op import CONSTANT, ELEMENTWISE, GENERAL, LINEAR, Op
from wengert.core.types import ArrayType, broadcast_shapes, dtype_of
from wengert.ops import residuals, visit
from wengert.ops.apply import many
from wengert.ops.generate import recorder


def elementwise(
    name: str, evaluate: Callable[..., Any], partials: Sequence[Any], *, inputs: str = "x", expression: str = "",
    doc: str = "", **facts: Any,
) -> Any:
    """An element-wise operation: one partial derivative per input.

    A partial is a function of inputs by name and of the output ``y``, the number 1 or -1, or None (the input has no
    derivative). ``expression`` is how Python itself writes it on raw values (``"a * b"``).
    """
    names = tuple(inputs.split())
    if len(partials) != len(names):
        raise TypeError(f"{name}: {len(names)} inputs but {len(partials)} partials")
    rules = tuple(_rule(name, p, names, ("y",)) for p in partials)
    op = _build(name, ELEMENTWISE, names, {}, evaluate, rules, expression=expression, doc=doc, **facts)
    op.pull = visit.lazy_pull(op)
    op.push = lambda values, y, params, tangents, mask: visit.push_elementwise(op, values, y, tangents)
    if op.infer is None:
        op.infer = lambda types, params: infer_elementwise(op, types, params)
    return recorder(op)


def linear(
    name: str,
    evaluate: Callable[..., Any],
    transposes: Sequence[Callable[..., Any] | None],
    *,
    inputs: str = "x",
    params: Mapping[str, Any] | None = None,
    shape: Callable[..., Any] | None = None,
    joint: bool = False,
    doc: str = "",
    **facts: Any,
) -> Any:
    """An operation linear in each of its inputs (``joint``: in all of them together): one transpose per linear input.

    A transpose takes the cotangent ``ct`` first, then by name: other inputs, parameters, ``<input>_shape``. The pairing
    is Re<ct, t>, so for complex values it is the conjugate transpose. ``shape`` gives the output shape from the input
    shapes and parameters.
    """
    names = tuple(inputs.split())
    options = dict(params or {})
    extra = (*options, "y", *(f"{n}_shape" for n in names))
    rules = tuple(_rule(name, t, names, ("ct", *extra)) for t in transposes)
    if len(rules) != len(names):
        raise TypeError(f"{name}: {len(names)} inputs but {len(transposes)} transposes")
    op = _build(name, LINEAR, names, options, evaluate, rules, doc=doc, **facts)
    op.pull = visit.lazy_pull(op)
    op.push = lambda values, y, p, tangents, mask: visit.push_linear(op, values, y, p, tangents, joint=joint)
    if op.infer is None:
        if shape is None:
            raise TypeError(f"{name}: a linear operation needs its type rule (shape= or infer=)")
        op.infer = _infer_by_shape(op, shape)
    return recorder(op)


def general(
    name: str, evaluate: Callable[..., Any], jvps: Sequence[Callable[..., Any] | None], *, inputs: str = "x",
    params: Mapping[str, Any] | None = None, shape: Callable[..., Any] | None = None, outputs: Sequence[str] = (),
    doc: str = "", **facts: Any,
) -> Any:
    """Any differentiable operation: one JVP per input, linear in the tangent ``d<input>``.

    A JVP takes by name what it needs: the tangent, inputs, the output ``y`` (a tuple when there are several
    ``outputs``), parameters. It is written with operations and operators, so that reverse mode can transpose it.
    """
    names = tuple(inputs.split())
    options = dict(params or {})
    extra = (*options, "y", *(f"d{n}" for n in names))
    rules = tuple(_rule(name, j, names, extra) for j in jvps)
    if len(rules) != len(names):
        raise TypeError(f"{name}: {len(names)} inputs but {len(jvps)} JVPs")
    op = _build(name, GENERAL, names, options, evaluate, rules, doc=doc, outputs=tuple(outputs), **facts)
    op.pull = lambda node, ct, sweep: visit.pull_general(op, node, ct, sweep)
    op.push = lambda values, y, p, tangents, mask: visit.push_general(op, values, y, p, tangents)
    if op.infer is None and shape is not None:
        op.infer = _infer_by_shape(op, shape)
    return recorder(op)


def variadic(
    name: str, evaluate: Callable[..., Any], transpose: Callable[..., Any], *, params: Mapping[str, Any] | None = None,
    joint: bool = True, shape: Callable[..., Any] | None = None, doc: str = "", **facts: Any,
) -> Any:
    """A linear operation of any number of operands: jointly linear, or (``joint=False``) linear in each.

    ``evaluate(*values, *params)``; ``transpose(k, ct, values, shapes, *params)`` is the cotangent of operand ``k``
    (``values`` are there only for a multilinear operation); ``shape(shapes, *params)``. The recording function takes
    the operands as a list, then params.
    """
    options = dict(params or {})
    fields = {"outputs": (), **facts}
    op = Op(
        name=name,
        kind=LINEAR,
        inputs=("*operands",),
        params=options,
        evaluate=evaluate,
        rules=(transpose,),
        needs=(),
        doc=doc,
        **fields,
    )
    visit.make_variadic(op, joint=joint)
    if op.infer is None:
        if shape is None:
            raise TypeError(f"{name}: a linear operation needs its type rule (shape= or infer=)")
        op.infer = lambda types, p: ArrayType(
            shape([t.shape for t in types], *p), np.result_type(*(t.dtype for t in types))
        )
    op.record = many(op)
    return op.record


def constant(
    name: str, evaluate: Callable[..., Any], *, inputs: str = "x", params: Mapping[str, Any] | None = None,
    expression: str = "", doc: str = "", **facts: Any,
) -> Any:
    """An operation whose derivative is zero wherever it exists (comparisons, rounding, index searches)."""
    names = tuple(inputs.split())
    op = _build(name, CONSTANT, names, dict(params or {}), evaluate, (), expression=expression, doc=doc, **facts)
    if op.infer is None:
        op.infer = lambda types, p: infer_elementwise(op, types, p)
    op.pull = lambda node, ct, sweep: None  # recorded in full, a mask or an index is an operand like any other
    return recorder(op)


def _build(
    name: str, kind: str, names: tuple[str, ...], params: Mapping[str, Any], evaluate: Callable[..., Any], rules: Any,
    **fields: Any,
) -> Op:
    if clash := set(names) & set(params):
        raise TypeError(f"{name}: {sorted(clash)} are inputs and parameters at once")
    fields.setdefault("outputs", ())
    op = Op(name=name, kind=kind, inputs=names, params=params, evaluate=evaluate, rules=rules, **fields)
    op.needs = residuals.needs_of(op)
    op.saved_from = (*(need.origin for need in op.needs), None)
    op.save = lambda values, y, p, mask: residuals.save(op, values, y, mask)
    return op


def _rule(name: str, rule: Any, inputs: tuple[str, ...], extra: tuple[str, ...]) -> Any:
    if rule is None or isinstance(rule, int):
        return rule
    wanted = tuple(inspect.signature(rule).parameters)
    if unknown := [w for w in wanted if w not in inputs and w not in extra]:
        raise TypeError(f"{name}: its rule asks for {unknown}, known are {[*inputs, *extra]}")
    return residuals.Rule(rule, wanted)


_dtypes: dict[Any, Any] = {}


def infer_elementwise(op: Op, types: Sequence[ArrayType], params: Sequence[Any] = ()) -> ArrayType:
    """Broadcast shapes; the dtype is what one element of each dtype gives."""
    key = (op.name, *((t.dtype, not t.shape) for t in types))
    dtype = _dtypes.get(key)
    if dtype is None:
        with np.errstate(all="ignore"):
            dtype = _dtypes[key] = dtype_of(op.evaluate(*(_one_of(t) for t in types), *params))
    return ArrayType(broadcast_shapes(*(t.shape for t in types)), dtype)


def _one_of(kind: ArrayType) -> Any:
    return np.ones((1,), kind.dtype) if kind.shape else kind.dtype.type(1)


def _infer_by_shape(op: Op, shape: Callable[..., Any]) -> Callable[..., Any]:
    wanted = tuple(inspect.signature(shape).parameters)

    def infer(types: Sequence[ArrayType], params: Sequence[Any]) -> Any:
        known = dict(zip(op.params, params, strict=True))
        for n, t in zip(op.inputs, types, strict=True):
            known[f"{n}_shape"] = t.shape
        found = shape(**{w: known[w] for w in wanted})
        dtype = np.result_type(*(t.dtype for t in types if t.dtype.kind != "b"))
        if op.outputs:
            return tuple(ArrayType(s, dtype) for s in found)
        return ArrayType(found, dtype)

    return infer
