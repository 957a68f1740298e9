"""Generated code: the recording function and the pull of an operation, as straight-line Python, made when first used.

Closures would do the same at +20 % recording and +50 % sweep time; a generic recorder costs three times as much.
Imports core, ``apply``, ``visit``. Invariant: the generated fast path and ``apply.special`` record the same node for
the same step.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable
from types import FunctionType
from typing import Any

import numpy as np

from wengert.core import columns, context, deferred, handle, node, record, types
from wengert.core.op import CONSTANT, ELEMENTWISE, LINEAR, OPS, Op
from wengert.ops import apply, differences, memory, products, python_numbers, residuals, squares, visit
from wengert.ops.python_numbers import RAISING
from wengert.ops.residuals import Rule

NAMESPACE: dict[str, Any] = {
    "__name__": "wengert.generated",
    "__builtins__": __builtins__,
    "S": context.SWITCH,
    "TA": handle.TracedArray,
    "TS": handle.TracedScalar,
    "ND": np.ndarray,
    "F64": types.FLOAT64,
    "FLOATS": types.FLOATS,
    "FLOAT": np.float64,
    "CONST": types.CONSTANTS,
    "KNOWN": types.CONSTANTS | handle.HANDLES,
    "SYNC": memory.sync,
    "KEEP": record.keep_constant,
    "Node": node.Node,
    "NEW": object.__new__,
    "SEQ": context.next_seq,
    "FRAME": sys._getframe,
    "USER": node.USER_FILES.get,
    "OUTSIDE": node.outside,
    "SPECIAL": apply.special,
    "OBJECTS": apply.objects_met,
    "FOREIGN": apply.foreign,
    "FOREIGN_OPERATOR": apply.foreign_operator,
    "PLAIN": record.plain,
    "META": residuals.meta_fast,
    "SIGN": residuals.sign_of,
    "SHAPE": types.shape_of,
    "PULL_E": visit.pull_elementwise,
    "NO_RULE": visit.no_rule,
    "FIT": memory.fit,
    "RECORD": record.record,
    "NODES": (),
    "np": np,
    "TRACING": context.tracing.get,
    "SCALARS": types.SCALARS,
    "Const": node.Const,
    "ListedNode": node.ListedNode,
    "TYPE": types.ArrayType.of,
    "STEPS": columns.Steps,
    "IDENT": threading.get_ident,
    "MET": types.MET.get,
    "SCALAR": types.ArrayType.of(1.0),
    "HERE": node.here,
    "ASK": python_numbers.ask,
    "LATE": apply.begin_late,
}


def _first_use(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    function, op, variant = _pending[name]
    function.__code__ = _compile(source(op, name, variant, inline=True), name)
    return function(*args, **kwargs)


_pending: dict[str, tuple[FunctionType, Op, str]] = {}
NAMESPACE["_first_use"] = _first_use


def _compile(source: str, name: str) -> Any:
    module = compile(source, f"<wengert {name}>", "exec")
    return next(c for c in module.co_consts if hasattr(c, "co_code"))


_STUB = _compile("def stub(*args, **kwargs):\n return _first_use(FRAME().f_code.co_name, args, kwargs)\n", "stub")


def _function(op: Op, name: str, variant: str) -> Any:
    made = FunctionType(_STUB.replace(co_name=name), NAMESPACE, op.name)
    defaults = tuple(op.params.values())
    made.__defaults__ = defaults or None
    made.__qualname__ = op.name
    made.__doc__ = op.doc
    made.__module__ = "wengert.ops"
    made.op = op  # type: ignore[attr-defined]
    _pending[name] = (made, op, variant)
    return made


def recorder(op: Op) -> Any:
    """The recording function of an operation; its ``op`` attribute is the operation."""
    safe = op.name.replace(".", "_")
    NAMESPACE[f"OP_{safe}"] = op
    NAMESPACE[f"EV_{safe}"] = op.evaluate
    for k, rule in enumerate(op.rules):
        if isinstance(rule, Rule):
            NAMESPACE[f"R_{safe}_{k}"] = rule.function
    op.record = _function(op, safe, "call")
    return op.record


def operator(op: Op, *, reflected: bool = False) -> Any:
    """The recording function in the form of an operator method: unknown operands get NotImplemented."""
    safe = op.name.replace(".", "_")
    variant = "reflected" if reflected else "operator"
    name = f"{variant}_{safe}"
    # One function per name: of two, only the last would ever leave its stub.
    return _pending[name][0] if name in _pending else _function(op, name, variant)


def evaluated_by(op: Op, evaluate: Callable[..., Any], tag: str) -> Any:
    """A recording function of ``op`` that computes with another function (``math.sin`` for the operation sin)."""
    name = f"{tag}_{op.name}".replace(".", "_")
    NAMESPACE[f"EV_{name}"] = evaluate
    return _function(op, name, "twin")


def hasten(ops: Iterable[Op]) -> None:
    """Write the recording functions of operations that full recordings use often again, with that case inline."""
    wanted = {op for op in ops if not op.outputs and not op.inputs[0].startswith("*")}
    for name, (function, op, variant) in list(_pending.items()):
        if op in wanted and name not in _hastened and function.__code__.co_filename != "<wengert stub>":
            _hastened.add(name)
            function.__code__ = _compile(source(op, name, variant, long=True, inline=True), name)


_hastened: set[str] = set()
apply.when_often.append(hasten)


def source(op: Op, name: str, variant: str, *, long: bool = False, inline: bool = False) -> str:
    """The text of a recording function; ``long`` has what ``apply.fully`` does inline, ``inline`` what the constructors
    of node and handle do."""
    safe = op.name.replace(".", "_")
    evaluation, other = (f"EV_{name}", f", EV_{name}") if variant == "twin" else (f"EV_{safe}", "")
    count = len(op.inputs)
    operands = [f"a{k}" for k in range(count)]
    arguments = list(reversed(operands)) if variant == "reflected" else operands
    params = list(op.params)
    tuple_of = "({}{})".format
    ops = tuple_of(", ".join(operands), "," if count else "")
    par = tuple_of(", ".join(params), "," if params else "")
    foreign = "FOREIGN" if variant in {"call", "twin"} else "FOREIGN_OPERATOR"
    out = [f"def {name}({', '.join([*arguments, *params])}):"]
    line = out.append
    line(
        f" if S.special: return SPECIAL(OP_{safe}, {ops}, {par}{other})"
        if foreign == "FOREIGN"
        else f" if S.special and {' and '.join(f'type({a}) in KNOWN' for a in operands)}: "
        f"return SPECIAL(OP_{safe}, {ops}, {par})"
    )
    values = ", ".join(f"x{k}" for k in range(count))
    expression = op.expression
    if expression and variant != "twin":
        for k, input_name in sorted(enumerate(op.inputs), key=lambda p: -len(p[1])):
            expression = expression.replace(input_name, f"\0{k}\0")
        for k in range(count):
            expression = expression.replace(f"\0{k}\0", f"x{k}")
    else:
        expression = f"{evaluation}({', '.join([*(f'x{k}' for k in range(count)), *params])})"
    if long:
        out[-1] = " if S.special:"
        out.extend(_fully(op, par, expression, evaluation if variant == "twin" else ""))
        known = f"if {' and '.join(f'type({a}) in KNOWN' for a in operands)}: " if foreign != "FOREIGN" else ""
        line(f"  {known}return SPECIAL(OP_{safe}, {ops}, {par}{other})")
    for k in range(count):
        line(f" t = type(a{k})")
        line(" if t is TA or t is TS:")
        line(f"  if a{k}.base is not None: SYNC(a{k})")
        line(f"  x{k} = a{k}.value; n{k} = a{k}.node")
        line(f" elif t in CONST: x{k} = a{k}; n{k} = None")
        line(f" else: return {foreign}(OP_{safe}, {ops}, {par}{other})")
    line(f" y = {expression}")
    if op.kind == CONSTANT:
        line(" if " + " or ".join(f"n{k} is not None" for k in range(count)) + ":")
        line(f"  f = FRAME(1); S.cut = ({op.name!r}, *OUTSIDE(f))")
        line(" if type(y) is not ND or (y.dtype is not F64 and y.dtype.kind not in 'fc'): return y")
        line(f" return PLAIN(y, {ops})")
        return "\n".join(out) + "\n"
    line(" if " + " and ".join(f"n{k} is None" for k in range(count)) + f": return PLAIN(y, {ops})")
    nodes = "({},)".format(", ".join(f"n{k}" for k in range(count)))
    if op.outputs:
        line(f" return RECORD(OP_{safe}, ({values},), {nodes}, {par}, y, None, {ops})")
        return "\n".join(out) + "\n"
    simple = " and ".join(f"(n{k} is None or {_plain_test(op, k)})" for k in range(count))
    if op.kind == ELEMENTWISE:
        # One complex input may give a real output (absolute): that step needs its conjugate pairing.
        real = " and type(x0) in FLOATS" if count == 1 else ""
        line(f" if type(y) in FLOATS{real}: m = None; H = TS")
        line(f" elif type(y) is ND and y.dtype is F64 and {simple}: m = None; H = TA")
    elif op.kind == LINEAR or op.lean:
        line(f" if (type(y) in FLOATS or (type(y) is ND and y.dtype is F64)) and {simple}:")
        line("  m = None; H = TA if type(y) is ND else TS")
    else:
        line(" if False: pass")
    line(
        f" elif type(y) is TS or type(y) is TA or (type(y) is ND and y.dtype.kind == 'O'): "
        f"return OBJECTS(OP_{safe}, {ops}, {par})"
    )
    line(f" else: m = META(OP_{safe}, ({values},), {nodes}, y); H = TA if type(y) is ND else TS")
    saved = ", ".join([*(_saved(op, need) for need in op.needs), "m"])
    line(" f = FRAME(1); c = f.f_code")
    where = "(c, f.f_lasti) if USER(c.co_filename) and S.where is None else OUTSIDE(f)"
    if inline:  # three quarters of the time of the two calls
        line(f" f_ = NEW(Node); f_.seq = SEQ(); f_.op = OP_{safe}; f_.inputs = {nodes}; f_.saved = ({saved},)")
        line(f" f_.params = {par}; f_.where = {where}")
        line(" c_ = NEW(H); c_.value = y; c_.node = f_; c_.base = None")
        line(" return c_")
    else:
        line(f" return H(y, Node(SEQ(), OP_{safe}, {nodes}, ({saved},), {par},")
        line(f"  {where}))")
    return "\n".join(out) + "\n"


def _fully(op: Op, par: str, expression: str, evaluation: str) -> list[str]:
    """What ``apply.fully`` does, where a frame lists its steps; what it does not do falls through."""
    count, safe = len(op.inputs), op.name.replace(".", "_")
    kind = f"KIND_{evaluation or safe}"
    NAMESPACE[kind] = columns.kind_of(op, NAMESPACE[evaluation] if evaluation else None, count)
    out = ["  while (F_ := TRACING()) is not None and (G_ := F_.steps) is not None and not F_.forwards:"]
    line = out.append
    for k in range(count):
        line(f"   t = type(a{k})")
        line("   if t is TS or t is TA:")
        line(f"    if a{k}.base is not None: SYNC(a{k})")
        line(f"    x{k} = a{k}.value; n{k} = a{k}.node")
        line(f"    if n{k} is None or (s{k} := n{k}.seq) < F_.start or n{k}.abstract: break")
        line(f"   elif t in SCALARS: x{k} = a{k}; s{k} = -1; n{k} = NEW(Const); n{k}.value = a{k}")
        line("   else: break")
    line(f"   if {' < 0 and '.join(f's{k}' for k in range(count))} < 0: break")
    line(f"   try: y = {expression}")
    line("   except Exception:")
    line("    if F_.met is not None: F_.met.raised = HERE(1)")
    line("    raise")
    if (NAMESPACE[evaluation] if evaluation else op.evaluate) in RAISING:
        operands, values = (", ".join(f"{letter}{k}" for k in range(count)) for letter in "ax")
        line(f"   if F_.met is not None: ASK({evaluation or f'EV_{safe}'}, ({operands},), ({values},))")
    # What the constructors of node and handle and ``Steps.append`` do, written out: most of the time of the whole.
    line("   if type(G_) is not STEPS: F_.steps = G_ = STEPS(G_)")
    line("   if IDENT() != G_.thread: G_.mixed = True")
    line("   f = FRAME(1); c = f.f_code; n_ = ListedNode()")
    line("   if S.where is not None: w_ = S.where")
    line("   elif c is G_.code: w_ = (c, f.f_lasti)")
    line("   elif USER(c.co_filename): G_.code = c; w_ = (c, f.f_lasti)")
    line("   else: w_ = OUTSIDE(f)")
    line(f"   n_.where = w_; n_.seq = s_ = SEQ(); n_.op = OP_{safe}; n_.inputs = n_.saved = (); n_.params = {par}")
    line(f"   n_.args = ({''.join(f'n{k}, ' for k in range(count))})")
    line(f"   n_.tangents = None; n_.abstract = False; n_.evaluate = {evaluation or 'None'}")
    line("   if type(y) is ND: n_.type = t = MET((y.shape, y.dtype)) or TYPE(y); c_ = NEW(TA)")
    line("   else: n_.type = t = SCALAR if type(y) in FLOATS else TYPE(y); c_ = NEW(TS)")
    line(f"   G_.nodes.append(n_); G_.kinds.append({kind}); G_.wheres.append(w_)")
    line("   G_.types.append(t); G_.seqs.append(s_)")
    for k in range(count):
        line(f"   G_.operands.append(s{k})")
        line(f"   if s{k} < 0: G_.constants.append(a{k})")
    line("   c_.value = y; c_.node = n_; c_.base = None")
    line(f"   if type(y) is ND and y.nbytes >= {deferred.ENORMOUS}: LATE(F_)")
    line("   return c_")
    return out


def _plain_test(op: Op, k: int) -> str:
    same = f" and x{k}.shape == y.shape" if op.kind == ELEMENTWISE else ""
    if op.kind == ELEMENTWISE:
        return f"(type(x{k}) is ND and x{k}.dtype is F64{same})"
    return f"(type(x{k}) in FLOATS or (type(x{k}) is ND and x{k}.dtype is F64))"


def _saved(op: Op, need: Any) -> str:
    every = len(op.inputs)
    if need.origin is None:
        value = f"SHAPE(x{need.shape_of})"
    elif need.origin < 0:
        value = "y"
    else:
        k = need.origin
        value = f"(x{k} if n{k} is not None or type(x{k}) is not ND else KEEP(x{k}))"
        if every == 1:
            value = f"SIGN(x{k})" if op.name in residuals.BY_SIGN else f"x{k}"
    if len(set(need.users)) == every:
        return value
    condition = " or ".join(f"n{k} is not None" for k in need.users)
    return f"({value} if {condition} else None)"


NAMESPACE.update(INTO=products.multiply_into, OWN=products.own, TIMES=products.multiply_owned, MINUS=differences.minus)
NAMESPACE.update(SQUARE=squares.in_place, WIDE=visit.as_wide, AR=(np.ndarray, handle.TracedArray))


def pull_function(op: Op) -> Callable[..., None]:
    """Generate the pull of an element-wise or linear operation."""
    safe = op.name.replace(".", "_")
    slots = [f"s{i}" for i in range(len(op.needs))]
    where = {need.name: slot for need, slot in zip(op.needs, slots, strict=True)}
    out = [f"def pull_{safe}(n, ct, sw):"]
    line = out.append
    if op.name in squares.NAMES:  # asked before anything else here holds the residuals
        line(f" if type(ct) is ND and ct.size >= {squares.LARGE} and sw.final and SQUARE(n, ct, sw): return")
    line(f" {', '.join([*slots, 'm'])}{'' if slots else ','} = n.saved")
    if op.kind == ELEMENTWISE:
        fitted = all(rule is not None for rule in op.rules)
        unusual = "(m is not None and m.is_complex)" if fitted else "m is not None"
        line(f" if sw.careful or {unusual}: return PULL_E(OP_{safe}, n, ct, sw)")
    line(f" {', '.join(f'a{k}' for k in range(len(op.inputs)))}, = n.inputs")
    if op.params:
        line(f" {', '.join(f'p_{p}' for p in op.params)}, = n.params")
    line(" cts = sw.cts")
    single = len(op.inputs) == 1
    for k, rule in enumerate(op.rules):
        pad = " " if single and op.kind == ELEMENTWISE else "  "
        if pad == "  ":
            line(f" if a{k} is not None:")
        out.extend(pad + text for text in _contribution(op, k, rule, where, safe))
        if op.kind == ELEMENTWISE and fitted:  # what was broadcast is summed
            line(f"{pad}if m is not None and m.types[{k}] is not None: c = FIT(c, *m.types[{k}])")
        line(f"{pad}o = cts.get(a{k})")
        alone = " and ".join(f"a{j} is None" for j in range(len(op.rules)) if j != k) or "True"
        line(f"{pad}if o is None:")
        line(f"{pad} cts[a{k}] = c")
        line(f"{pad} if type(c) is ND and c.size >= 8192: OWN(sw, n, a{k}, c, ct, {alone})")
        line(f"{pad}elif type(o) is FLOAT: cts[a{k}] = o + c")
        line(f"{pad}else: sw.add(a{k}, c)")
    return FunctionType(_compile("\n".join(out) + "\n", f"pull_{safe}"), NAMESPACE)


def _contribution(op: Op, k: int, rule: Any, where: dict[str, str], safe: str) -> list[str]:
    if rule is None:
        return [f"c = NO_RULE(OP_{safe}, {k}, n)"]
    if isinstance(rule, int):
        negative = f"c = -ct if m is not None or type(ct) is not ND or ct.size < 8192 else MINUS(sw, a{k}, ct)"
        return [{1: "c = ct", -1: negative}.get(rule, f"c = ct * {rule}")]
    arguments = ", ".join("ct" if w == "ct" else f"p_{w}" if w in op.params else where[w] for w in rule.wants)
    call = f"R_{safe}_{k}({arguments})"
    if op.kind == LINEAR:
        return [f"c = {call}", f"if m is not None and m.types[{k}] is not None: c = FIT(c, *m.types[{k}])"]
    if visit.is_identity(rule.function):
        # The cotangent itself may be overwritten when no later input needs it and no earlier one was handed it.
        rivals = [j for j, other in enumerate(op.rules) if j > k or (j < k and other == 1)]
        last = " and ".join(f"a{j} is None" for j in rivals) or "True"
        return [
            (
                f"c = ct * {arguments} if type(ct) is not ND or ct.size < 8192 or not ({last}) "
                f"else TIMES(sw, n, ct, {arguments})"
            )
        ]
    several = len(op.inputs) > 1  # beside an operand that moves there may be a constant of a shorter type
    guards = "; ".join(
        f"{where[w]} = np.float64({where[w]}) if type({where[w]}) is float else {where[w]}"
        + (f" if type({where[w]}) not in AR or {where[w]}.dtype is F64 else WIDE({where[w]}, ct)" if several else "")
        for w in dict.fromkeys(rule.wants)
    )
    return [guards, f"p = {call}", f"c = ct * p if type(ct) is not ND or ct.size < 8192 else INTO(ct, p, {arguments})"]


__all__ = ["NAMESPACE", "OPS", "operator", "pull_function", "recorder"]
