"""The two visitors, derived from one derivative fact, ``pull`` (reverse) and ``push`` (forward).

Rules call operations and operators only, so the same rule runs on raw values (evaluated at once) and on handles
(recorded). Imports core, ``memory``, ``residuals``. Invariant: the JVP of a GENERAL operation is transposed on a
type-only dummy, never on values.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from wengert.core import context
from wengert.core.deferred import by_type
from wengert.core.errors import NoRuleError, error_at
from wengert.core.handle import TracedArray, handle, is_handle
from wengert.core.node import RichNode
from wengert.core.op import CONSTANT, Op
from wengert.core.structure import ROOT
from wengert.core.sweep import Sweep, dependence, reachable, run, run_lifted
from wengert.core.types import FLOAT64, FLOATS, ArrayType, dtype_of, shape_of
from wengert.ops.memory import fit, read, real_part
from wengert.ops.products import absorb, finite_product, is_finite, multiply_into, times
from wengert.ops.residuals import Meta, Rule, meta


def lazy_pull(op: Op) -> Callable[..., None]:
    """A pull that is generated when first needed."""

    def pull(node: Any, ct: Any, sweep: Any) -> None:
        from wengert.ops.generate import pull_function

        op.pull = pull_function(op)
        op.pull(node, ct, sweep)

    return pull


# ---------------------------------------------------------------- element-wise


def no_rule(op: Op, k: int, node: Any = None) -> Any:
    """Raise: this input has no derivative rule; zero where it is a recorded constant (a mask, an index)."""
    if node is not None and node.inputs[k].op.kind == CONSTANT:
        return 0.0
    raise error_at(
        NoRuleError,
        f"{op.name} has no derivative with respect to its argument {op.inputs[k]!r}",
        fix="keep that argument constant (wengert.stop_gradient), or give a rule with wengert.custom_jvp",
        where=node.where if node is not None else None,
    )


def partial_value(op: Op, k: int, find: Callable[[str], Any], like: Any) -> Any:
    """The partial derivative with respect to input ``k``: 1, -1, or the author's function of residuals, as precise as
    the tangent or cotangent it is going to be multiplied with."""
    rule = op.rules[k]
    if rule is None:
        return no_rule(op, k)
    if isinstance(rule, int):
        return rule
    with np.errstate(all="ignore"):
        return rule.function(*(promote(find(w), like) for w in rule.wants))


def promote(value: Any, like: Any) -> Any:
    """A Python float as a NumPy one, so that partials give inf where Python would raise ZeroDivisionError; a constant
    array of a shorter type as one of doubles beside doubles."""
    if type(value) is float:
        return np.float64(value)
    return as_wide(value, like) if type(value) in _ARRAYS and value.dtype is not FLOAT64 else value


def as_wide(value: Any, like: Any) -> Any:
    """An array of floats in double precision beside a double: 1 / b of a float32 array b has 24 bits."""
    narrow = value.dtype.kind == "f" and value.dtype.itemsize < 8
    return value.astype(FLOAT64) if narrow and dtype_of(like) in _DOUBLE else value


_DOUBLE = (FLOAT64, np.dtype(complex))
_ARRAYS = (np.ndarray, TracedArray)


def pull_elementwise(op: Op, node: Any, ct: Any, sweep: Sweep) -> None:
    """The careful pull: broadcasting, other dtypes, complex values, absorbing zeros."""
    saved = node.saved
    info: Meta | None = saved[-1]
    slots = {need.name: value for need, value in zip(op.needs, saved, strict=False)}
    for k, parent in enumerate(node.inputs):
        if parent is None:
            continue
        rule = op.rules[k]
        if rule is None:
            no_rule(op, k, node)
            continue
        p = rule if type(rule) is int else partial_value(op, k, slots.__getitem__, ct)
        if info is not None and info.is_complex and not isinstance(p, int):
            p = p.conjugate()
        ct_k = absorb(ct, p) if sweep.careful else times(ct, p)
        if info is not None and info.types[k] is not None:
            ct_k = fit(ct_k, *info.types[k])
        sweep.add(parent, ct_k)


@by_type
def push_elementwise(op: Op, values: Sequence[Any], y: Any, tangents: Sequence[Any]) -> Any:
    """The tangent of the output: the sum over inputs of partial times tangent."""

    def find(name: str) -> Any:
        return y if name == "y" else values[op.inputs.index(name)]

    total = None
    for k, t in enumerate(tangents):
        if t is None:
            continue
        rule = op.rules[k]
        if type(rule) is int:
            part = times(t, rule)
        elif rule is not None and is_identity(rule.function):
            part = finite_product(t, find(rule.wants[0]))
        else:
            with np.errstate(all="ignore"):
                p = partial_value(op, k, find, t)
                if type(p) is np.ndarray and p.size >= 8192:
                    part = multiply_into(t, p, *values, y)
                    if not is_finite(part):
                        part = absorb(t, partial_value(op, k, find, t))
                else:
                    part = finite_product(t, p)
        total = part if total is None else total + part
    assert total is not None, "no operand has a tangent"
    plain = y.value if is_handle(y) else y
    if type(plain) in FLOATS and type(total) in FLOATS:
        return total
    kind = dtype_of(plain)
    if kind.kind != "c":
        total = real_part(total)  # a real function of complex numbers: t -> Re(p t)
    if kind.kind == "f" and dtype_of(total) != kind:
        total = total.astype(kind)  # a partial of Python numbers is made in double precision
    return spread(total, shape_of(plain))


_IDENTITY = (lambda v: v).__code__.co_code


def is_identity(function: Any) -> bool:
    """Whether a partial is just one residual (``lambda b: b``)."""
    code = getattr(function, "__code__", None)
    return code is not None and code.co_code == _IDENTITY and not code.co_consts[1:]


@by_type
def spread(tangent: Any, shape: tuple[int, ...]) -> Any:
    """A tangent broadcast to the shape of its output."""
    plain = tangent.value if is_handle(tangent) else tangent
    if shape_of(plain) == shape:
        return tangent
    if is_handle(tangent):
        if type(tangent.value) is not np.ndarray:
            return tangent * np.ones(shape, dtype_of(tangent.value))
        return read(tangent, ("broadcast", shape))
    return np.broadcast_to(tangent, shape)


# ---------------------------------------------------------------- linear


def push_linear(
    op: Op, values: Sequence[Any], y: Any, params: Sequence[Any], tangents: Sequence[Any], *, joint: bool
) -> Any:
    """The product rule: the operation itself on the tangent, one linear input at a time (or all together)."""
    if joint:
        operands = [
            (_zeros_like(v) if op.rules[k] is not None else v) if t is None else t
            for k, (v, t) in enumerate(zip(values, tangents, strict=True))
        ]
        return op.record(*operands, *params)
    total = None
    for k, t in enumerate(tangents):
        if t is None:
            continue
        if op.rules[k] is None:
            no_rule(op, k)
        operands = list(values)
        operands[k] = t
        part = op.record(*operands, *params)
        total = part if total is None else total + part
    return total


@by_type
def _zeros_like(value: Any) -> Any:
    plain = value.value if is_handle(value) else value
    return np.zeros(shape_of(plain), dtype_of(plain)) if type(plain) is np.ndarray else 0.0


def make_variadic(op: Op, *, joint: bool) -> None:
    """Give an operation of many operands its residuals and visitors."""
    rule = op.rules[0]

    def save_many(values: Sequence[Any], y: Any, params: Any, mask: Sequence[bool]) -> tuple[Any, ...]:
        active = sum(mask)
        kept = [v if not joint and active - bool(mask[k]) > 0 else None for k, v in enumerate(values)]
        return (*kept, tuple(map(shape_of, values)), meta(op, values, y, mask))

    def pull(node: Any, ct: Any, sweep: Sweep) -> None:
        *values, shapes, info = node.saved
        for k, parent in enumerate(node.inputs):
            if parent is not None:
                ct_k = rule(k, ct, values, shapes, *node.params)
                if info is not None:
                    ct_k = fit(ct_k, *info.types[k])
                sweep.add(parent, ct_k)

    def push(values: Sequence[Any], y: Any, params: Sequence[Any], tangents: Sequence[Any], mask: Any) -> Any:
        if joint:
            return op.record(
                [_zeros_like(v) if t is None else t for v, t in zip(values, tangents, strict=True)], *params
            )
        total = None
        for k, t in enumerate(tangents):
            if t is not None:
                part = op.record([t if i == k else v for i, v in enumerate(values)], *params)
                total = part if total is None else total + part
        return total

    op.save, op.pull, op.push = save_many, pull, push
    op.saved_from = lambda node: (*range(len(node.inputs)), None, None)


# ---------------------------------------------------------------- general


def _arguments(op: Op, rule: Rule, find: Callable[[str], Any], params: Sequence[Any], tangent: Any) -> list[Any]:
    known = dict(zip(op.params, params, strict=True))
    out = []
    for want in rule.wants:
        if want in known:
            out.append(known[want])
        elif want[0] == "d" and want not in op.inputs and want[1:] in op.inputs:
            out.append(tangent)
        else:
            out.append(find(want))
    return out


def push_general(op: Op, values: Sequence[Any], y: Any, params: Sequence[Any], tangents: Sequence[Any]) -> Any:
    """The author's JVPs, summed over the inputs that move."""

    def find(name: str) -> Any:
        return y if name == "y" else values[op.inputs.index(name)]

    total: Any = None
    for k, t in enumerate(tangents):
        if t is None:
            continue
        rule = op.rules[k]
        if rule is None:
            no_rule(op, k)
        part = rule.function(*_arguments(op, rule, find, params, t))
        if total is None:
            total = part
        elif op.outputs:
            total = tuple(b if a is None else a if b is None else a + b for a, b in zip(total, part, strict=True))
        else:
            total = total + part
    return total


def _moved(op: Op, rule: Rule, find: Callable[[str], Any], params: Sequence[Any], tangent: Any) -> Any:
    return rule.function(*_arguments(op, rule, find, params, tangent))


def pull_general(op: Op, node: Any, ct: Any, sweep: Sweep) -> None:
    """Record the JVP on a type-only tangent and sweep that back."""
    saved = node.saved
    info: Meta = saved[-1]
    slots = {need.name: value for need, value in zip(op.needs, saved, strict=False)}
    for k, parent in enumerate(node.inputs):
        if parent is None:
            continue
        rule = op.rules[k]
        if rule is None:
            no_rule(op, k, node)
            continue
        shape, dtype = info.types[k]
        push = partial(_moved, op, rule, slots.__getitem__, node.params)
        ct_k = transpose(push, ArrayType(shape, dtype), ct, sweep)
        if ct_k is not None:
            sweep.add(parent, fit(ct_k, shape, dtype))


def stub(kind: ArrayType) -> Any:
    """A value of a type that holds no data: zero strides."""
    zero = np.zeros((), kind.dtype)
    return np.broadcast_to(zero, kind.shape) if kind.shape else zero[()]


def transpose(function: Callable[[Any], Any], kind: ArrayType, ct: Any, sweep: Sweep) -> Any:
    """The transpose of a linear function of one argument at a cotangent; None when it is zero.

    ``ct`` is a list for a function with several outputs.
    """
    return transpose_many(lambda t: function(t[0]), [kind], ct, sweep)[0]


def transpose_many(
    function: Callable[[Sequence[Any]], Any], kinds: Sequence[ArrayType], ct: Any, sweep: Sweep
) -> list[Any]:
    """The transpose of a linear function of several arguments at a cotangent: one result per argument, None where zero.

    The function is recorded once, on dummies that have the types ``kinds`` and no data.
    """
    frame, token = context.enter(context.ABSTRACT)
    try:
        roots = []
        for _ in kinds:
            root = RichNode(context.next_seq(), ROOT, (), (), (), None)
            root.abstract = True
            roots.append(root)
        out = function([handle(stub(kind), root) for kind, root in zip(kinds, roots, strict=True)])
    finally:
        context.leave(frame, token)
    inner_sweep = Sweep(careful=sweep.careful, lifted=sweep.lifted)
    outputs = []
    pairs = zip(out, ct, strict=True) if type(out) is tuple else ((out, ct),)
    for o, c in pairs:
        if c is not None and is_handle(o) and o.node is not None:
            outputs.append(o.node)
            inner_sweep.add(o.node, c)
    if not outputs:
        return [None] * len(roots)
    order = reachable(outputs, roots, frame.start)
    if sweep.lifted:
        inner, outer = dependence(order, roots, frame.start)
        run_lifted(order, inner_sweep, inner, outer, frame.start)
    else:
        run(order, inner_sweep, keep=False)
    sweep.pulled += inner_sweep.pulled
    return [inner_sweep.cts.get(root) for root in roots]
