"""The laws of recording: types, batches, values under every trace, nodes, messages, printed forms.

As in `laws`. May import every room. Invariant: what a law compares with is computed without the
part of the system under test: a loop for a batch, the plain value for a traced one.
"""

from __future__ import annotations

import string
from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.api.gradients import jvp, vjp
from wengert.batch.rules import apply_batched
from wengert.core import context
from wengert.core.errors import WengertError
from wengert.core.handle import handle
from wengert.core.op import CONSTANT, CONTROL, ELEMENTWISE, LINEAR, Op
from wengert.core.structure import root
from wengert.core.types import ArrayType, dtype_of, shape_of
from wengert.ops.apply import special
from wengert.testing.programs import (
    LEADING_OPERANDS,
    Program,
    assert_close,
    assert_same,
    determined,
    evaluated,
    moving,
    parts,
    plain,
    random_like,
    subsets,
    tolerance,
)
from wengert.testing.registry import Rng, Values, law

TYPE_BY_VALUE = frozenset({"eig", "eigvals"})
"""NumPy makes their results real or complex as they turn out; the type rule holds both."""


@law
def type_is_the_values_type(op: Op, operands: Values, params: Values, rng: Rng) -> None:
    """The type rule foretells shape and dtype of the value."""
    if op.infer is None:
        assert op.kind not in {ELEMENTWISE, LINEAR}, f"{op.name} has no type rule"
        return
    y = evaluated(op, operands, params)
    wanted: Any = tuple(map(ArrayType.of, y)) if op.outputs else ArrayType.of(y)
    mixed = {dtype_of(v) for v in operands if dtype_of(v).kind in "fc"}
    weak = len(mixed) > 1 and any(type(v) in {float, complex} for v in operands)  # a type knows nothing of weak numbers
    found = op.infer([ArrayType.of(v) for v in operands], params)
    for got, want in zip(found if op.outputs else (found,), wanted if op.outputs else (wanted,), strict=True):
        assert tuple(got.shape) == want.shape, f"type rule gives {got}, the value is {want}"
        if op.name in TYPE_BY_VALUE:
            assert np.can_cast(want.dtype, got.dtype)
            continue
        assert weak or got.dtype == want.dtype, f"type rule gives {got}, the value is {want}"


@law
def batch_is_the_loop(op: Op, operands: Values, params: Values, rng: Rng) -> None:
    """On a batch the result is the stack of those on the rows, whichever operands are batched."""
    size = 3
    rows = [rows_of(op, operands, params, k, size) for k in range(len(operands))]
    # A Python int is a count (the order of a Bessel function): no batch has one per row.
    able = [k for k, v in enumerate(operands[: LEADING_OPERANDS.get(op.name)]) if type(v) is not int]
    for chosen in subsets(len(able)):
        mask = tuple(k in {able[i] for i in chosen} for k in range(len(operands)))
        points = [
            [rows[k][b] if m else v for k, (v, m) in enumerate(zip(operands, mask, strict=True))] for b in range(size)
        ]
        batched = [np.stack(rows[k]) if m else v for k, (v, m) in enumerate(zip(operands, mask, strict=True))]
        outs = [determined(op, evaluated(op, point, params)) for point in points]
        want = tuple(map(np.stack, zip(*outs, strict=True))) if op.outputs else np.stack(outs)
        with np.errstate(all="ignore"):
            got = determined(op, apply_batched(op, batched, mask, params, size))
        assert_batch(got, want, mask)
        which = tuple(k for k in moving(op, operands) if any(mask))
        if not which:
            continue
        leaves = [batched[k] for k in which]
        seen, pullback = vjp(_batched(op, batched, mask, params, size, which), *leaves)
        assert_batch(seen, want, mask)
        ct = random_like(seen, rng)
        found = pullback(ct)
        single = [
            vjp(Program(op, point, params, which), *(point[k] for k in which))[1](row_of(ct, b))
            for b, point in enumerate(points)
        ]
        for n, k in enumerate(which):
            each = [s[n] for s in single]
            rtol = tolerance(seen, *leaves, double=1e-10, single=1e-4)
            wanted = np.stack(each) if mask[k] else np.sum(each, axis=0)
            assert_close(found[n], wanted, rtol, f"cotangent of operand {k}, batched {mask}")


def rows_of(op: Op, operands: tuple[Any, ...], params: tuple[Any, ...], k: int, size: int) -> list[Any]:
    """The rows of a batched operand: itself, and others as well conditioned as it is."""
    value = operands[k]
    if dtype_of(value).kind in "fc":
        kind = dtype_of(value).type  # a batch of Python numbers is an array, whose rows are NumPy's
        return [np.asarray(value * kind(1.0 - b / 16.0))[()] for b in range(size)]
    rolled = [np.roll(value, b, axis=-1) if np.ndim(value) else value for b in range(size)]
    try:
        for row in rolled:
            evaluated(op, [*operands[:k], row, *operands[k + 1 :]], params)
    except (ValueError, IndexError):
        return [value] * size
    return rolled


def row_of(value: Any, b: int) -> Any:
    """Row ``b`` of a batched value or of each of a tuple."""
    if isinstance(value, tuple):
        return tuple(row_of(v, b) for v in value)
    return None if value is None else value[b]


def assert_batch(got: Any, want: Any, mask: tuple[bool, ...]) -> None:
    """Assert shapes, dtypes and values of a batch."""
    for g, w in zip(
        got if isinstance(want, tuple) else (got,),
        want if isinstance(want, tuple) else (want,),
        strict=True,
    ):
        assert ArrayType.of(plain(g)) == ArrayType.of(w), (
            f"batched {mask}: {ArrayType.of(plain(g))}, the loop gives {ArrayType.of(w)}"
        )
        if not parts(w):
            assert_same(g, w, f"batched {mask}")
        else:
            assert_close(plain(g), w, tolerance(w, double=1e-12, single=1e-5), f"batched {mask}")


def _batched(op: Op, batched: Any, mask: Any, params: Any, size: int, which: Any) -> Any:
    def run(*leaves: Any) -> Any:
        full = list(batched)
        for k, leaf in zip(which, leaves, strict=True):
            full[k] = leaf
        return determined(op, apply_batched(op, full, mask, params, size))

    return run


@law
def every_trace_gives_the_plain_value(op: Op, operands: Values, params: Values, rng: Rng) -> None:
    """Under reverse, forward, full and nested traces the value is the untraced one, bit for bit."""
    want = evaluated(op, operands, params)
    if op.record is not None and op.kind != CONTROL:
        given = [operands] if op.inputs[:1] == ("*operands",) else operands
        with np.errstate(all="ignore"):
            assert_same(op.record(*given, *params), want, "untraced")
    which = tuple(k for k, v in enumerate(operands[: LEADING_OPERANDS.get(op.name)]) if dtype_of(v).kind in "fc")
    if not which:
        return
    run = Program(op, operands, params, which)
    want = determined(op, want)
    still = tuple(np.zeros(shape_of(v), dtype_of(v))[()] for v in run.leaves)
    traced: dict[str, Callable[..., Any]] = {
        "reverse": lambda *x: vjp(run, *x)[0],
        "full": lambda *x: _recorded(run, x),
    }
    if which == moving(op, operands) or op.kind == CONSTANT:
        traced["forward"] = lambda *x: jvp(run, x, still)[0]
        traced["forward in reverse"] = lambda *x: vjp(lambda *u: jvp(run, u, still)[0], *x)[0]
        traced["reverse in forward"] = lambda *x: jvp(lambda *u: vjp(run, *u)[0], x, still)[0]
    traced["reverse in reverse"] = lambda *x: vjp(lambda *u: vjp(run, *u)[0], *x)[0]
    with np.errstate(all="ignore"):
        for name, take in traced.items():
            assert_same(take(*run.leaves), want, name)


def _recorded(run: Program, leaves: tuple[Any, ...]) -> Any:
    frame, token = context.enter(context.FULL)
    try:
        out = run(*(root(v, None, rich=True) for v in leaves))
    finally:
        context.leave(frame, token)
    return tuple(map(plain, out)) if isinstance(out, tuple) else plain(out)


@law
def both_recorders_make_the_same_node(op: Op, operands: Values, params: Values, rng: Rng) -> None:
    """The generated fast path notes what the general one does: op, parents, params, residuals."""
    if op.kind in {CONSTANT, CONTROL} or op.name in LEADING_OPERANDS or op.inputs[:1] == ("*operands",):
        return
    active = moving(op, operands)
    for chosen in subsets(len(active)):
        which = {active[k] for k in chosen}
        frame, token = context.enter(context.REVERSE)
        try:
            given = [handle(v, root(v, None).node) if k in which else v for k, v in enumerate(operands)]
            with np.errstate(all="ignore"):
                fast, general = op.record(*given, *params), special(op, given, params)
        finally:
            context.leave(frame, token)
        assert_same(
            _values(fast),
            _values(general),
            "value of the fast path, against the general recorder's",
        )
        a, b = (_step(out[0] if isinstance(out, tuple) else out) for out in (fast, general))
        assert a.op is b.op is op and a.inputs == b.inputs, f"{a} of {a.inputs}, against {b} of {b.inputs}"
        assert_same(tuple(a.params), tuple(b.params), "parameters")
        *fast_saved, fast_meta = a.saved
        *saved, meta = b.saved
        assert_same(tuple(fast_saved), tuple(saved), f"residuals when operands {sorted(which)} move")
        if fast_meta != meta:  # the fast path may leave out what changes nothing: scalars of one shape, none complex
            assert fast_meta is None and not meta.is_complex, f"types {fast_meta}, wanted {meta}"
            assert all(t is None or t[0] == shape_of(_values(general)) == () for t in meta.types), (
                f"no types, wanted {meta}"
            )


def _values(out: Any) -> Any:
    return tuple(map(plain, out)) if isinstance(out, tuple) else plain(out)


def _step(out: Any) -> Any:
    node = out.node
    return node.inputs[0] if node.op.name == "item" else node


@law
def bad_types_raise_our_error(op: Op, operands: Values, params: Values, rng: Rng) -> None:
    """An operand that is no number raises a WengertError, beside traced operands and alone."""
    if op.record is None:
        return
    listed = op.inputs[:1] == ("*operands",)

    def with_bad(k: int, bad: Any) -> Callable[..., Any]:
        def run(x: Any) -> Any:
            mixed = [bad if i == k else x if dtype_of(v).kind in "fc" else v for i, v in enumerate(operands)]
            return op.record(mixed, *params) if listed else op.record(*mixed, *params)

        return run

    for k in range(len(operands)):
        for bad in (object(), None, "text"):
            try:
                vjp(with_bad(k, bad), 1.5)
            except WengertError:
                continue
            raise AssertionError(f"operand {k} = {bad!r} raised nothing")


@law
def it_says_what_it_is(op: Op, operands: Values, params: Values, rng: Rng) -> None:
    """There is a sentence about the operation, and its printed forms show every input."""
    assert op.doc and op.doc.strip(), f"{op.name} has no doc"
    for form in (op.text, op.latex):
        if form is None:
            continue
        assert isinstance(form, str) and form.strip(), f"an empty printed form: {form!r}"
        fields = {name for _, name, _, _ in string.Formatter().parse(form) if name}
        assert fields <= set(op.inputs) | set(op.params), f"{form!r} asks for {fields - set(op.inputs)}"
        assert fields >= set(op.inputs), f"{form!r} leaves out {set(op.inputs) - fields}"
        shown = form.format(**{name: f"<{name}>" for name in (*op.inputs, *op.params)})
        assert all(f"<{name}>" in shown for name in op.inputs)
