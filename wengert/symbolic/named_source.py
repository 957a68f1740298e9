"""Operations that are kept by name, as NumPy source: what they are, and their derivative operators along every entry.

Imports core, notation, named_steps, step_text. Invariant: a line here is a formula of the operation's own differential,
so the text needs NumPy alone (and SciPy's special functions); what has no line here, and what is of higher order, is
written from the steps that forward mode takes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from wengert.core.errors import NoRuleError
from wengert.symbolic import named_steps
from wengert.symbolic.complex_steps import Composite
from wengert.symbolic.dims import Dim
from wengert.symbolic.notation import Form
from wengert.symbolic.recover import form_of
from wengert.symbolic.step_text import StepText
from wengert.symbolic.terms import Abstract

Lines = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Source:
    """An operation in NumPy: ``value`` with its arguments and parameters in braces, the lines of its differential by
    each argument that it is differentiated by, and whether it is linear in each of them.
    """

    value: str
    along: Mapping[str, Lines] = field(default_factory=dict)
    linear: bool = False
    rank: int = 0
    """The rank that the first argument must have, 0 for any."""
    every: Lines = ()
    """The lines of the derivative of any order by the one argument, along ``directions``."""


_SYMMETRIC = "middle = (dx + dx.T) / 2"
_SVD = "u, s, vh = np.linalg.svd(x, full_matrices=False)"
_VALUES = (_SVD, "return np.einsum('ik,ij,kj->k', u, dx, vh)")
_TURNS = (
    _SVD,
    "inner = u.T @ dx @ vh.T",
    "gaps = s**2 - s[:, None]**2",
    "over = np.where(gaps == 0, 0.0, 1 / np.where(gaps == 0, 1.0, gaps))",
)
_QR = (
    "k = min(x.shape)",
    "q, r = np.linalg.qr(x)",
    "ratio = np.linalg.solve(r[:, :k].T, dx[:, :k].T).T",
    "inner = q.T @ ratio",
    "turn = np.tril(inner, -1) - np.tril(inner, -1).T",
    "dq = q @ (turn - inner) + ratio",
)
_LSTSQ = (
    "p = np.linalg.pinv(a)",
    "x = p @ b",
    "left = b - a @ x",
    "back = da.T @ (p.T @ x)",
    "return -p @ (da @ x) + p @ (p.T @ (da.T @ left)) + back - p @ (a @ back)",
)
_ORDER = ("order = np.argsort(x, {axis}, kind='stable')", "moved = np.take_along_axis(dx, order, {axis})")
SOURCES: dict[str, Source] = {
    "sort": Source("np.sort({x}, {axis})", {"x": (*_ORDER, "return moved")}),
    "partition": Source(
        "np.partition({x}, {kth}, {axis})",
        {
            "x": (
                *_ORDER,
                "places = np.argsort(np.argsort(np.partition(x, {kth}, {axis}), {axis}), {axis})",
                "return np.take_along_axis(moved, places, {axis})",
            )
        },
    ),
    "cumprod": Source(
        "np.cumprod({x}, {axis})",
        every=(  # the product rule, for the products of all subsets of the directions at once
            "rows = np.moveaxis(x, {axis}, 0)",
            "moved = [np.moveaxis(d, {axis}, 0) for d in directions]",
            "parts = [np.ones_like(rows[0])] + [np.zeros_like(rows[0])] * (2 ** len(moved) - 1)",
            "found = np.empty(rows.shape)",
            "for k in range(len(rows)):",
            "    parts = [",
            "        part * rows[k] + sum(parts[s - 2**i] * d[k] for i, d in enumerate(moved) if s >> i & 1)",
            "        for s, part in enumerate(parts)",
            "    ]",
            "    found[k] = parts[-1]",
            "return np.moveaxis(found, 0, {axis})",
        ),
    ),
    "interp": Source("np.interp({x}, {xp}, {fp}, {left}, {right})"),
    **{
        f"{name}.accumulate": Source(
            f"np.{name}.accumulate({{x}}, {{axis}})",
            {
                "x": (  # where entries are equal the slope is their mean, as that of the extreme of two
                    "rows, moved = np.moveaxis(x, {axis}, 0), np.moveaxis(dx, {axis}, 0)",
                    "value, slope, found = rows[0], moved[0], np.empty(rows.shape)",
                    "for k in range(len(rows)):",
                    "    slope = np.where(rows[k] == value, (slope + moved[k]) / 2, slope)",
                    f"    slope = np.where(rows[k] {sign} value, moved[k], slope)",
                    f"    value = np.{name}(value, rows[k])",
                    "    found[k] = slope",
                    "return np.moveaxis(found, 0, {axis})",
                )
            },
        )
        for name, sign in (("maximum", ">"), ("minimum", "<"), ("fmax", ">"), ("fmin", "<"))
    },
    "cholesky": Source(
        "np.linalg.cholesky({x}, upper={upper})",
        {
            "x": (  # dL = L Phi(L^-1 dX L^-T), Phi the lower triangle with half the diagonal (Seeger et al. 2017)
                "factor = np.linalg.cholesky(x)",
                "back = np.linalg.inv(factor)",
                _SYMMETRIC,
                "inner = back @ middle @ back.T",
                "found = factor @ (np.tril(inner) - np.diag(np.diag(inner)) / 2)",
                "return found.T if {upper} else found",
            )
        },
        rank=2,
    ),
    "eigvalsh": Source(
        "np.linalg.eigvalsh({x}, {uplo})",
        {"x": (_SYMMETRIC, "v = np.linalg.eigh(x, {uplo})[1]", "return np.einsum('ik,ij,jk->k', v, middle, v)")},
        rank=2,
    ),
    "eigh.eigenvalues": Source(
        "np.linalg.eigh({x}, {uplo})[0]",
        {"x": (_SYMMETRIC, "v = np.linalg.eigh(x, {uplo})[1]", "return np.einsum('ik,ij,jk->k', v, middle, v)")},
        rank=2,
    ),
    "eigh.eigenvectors": Source(
        "np.linalg.eigh({x}, {uplo})[1]",
        {
            "x": (  # dV = V (S / (w_j - w_i)), S = V' dX V (Giles 2008)
                _SYMMETRIC,
                "w, v = np.linalg.eigh(x, {uplo})",
                "gaps = w - w[:, None]",
                "over = np.where(gaps == 0, 0.0, 1 / np.where(gaps == 0, 1.0, gaps))",
                "return v @ (over * (v.T @ middle @ v))",
            )
        },
        rank=2,
    ),
    "svdvals": Source("np.linalg.svd({x}, compute_uv=False)", {"x": _VALUES}, rank=2),
    "svd.s": Source("np.linalg.svd({x}, compute_uv=False)", {"x": _VALUES}, rank=2),
    "svd.u": Source(
        "np.linalg.svd({x}, full_matrices=False)[0]",
        {
            "x": (
                *_TURNS,
                "rest = (dx - u @ (u.T @ dx)) @ vh.T / s",
                "return u @ (over * (inner * s + (inner * s).T)) + rest",
            )
        },
        rank=2,
    ),
    "svd.vh": Source(
        "np.linalg.svd({x}, full_matrices=False)[2]",
        {
            "x": (
                *_TURNS,
                "turn = over * (s[:, None] * inner + inner.T * s)",
                "return turn.T @ vh + (u.T @ dx - u.T @ dx @ vh.T @ vh) / s[:, None]",
            )
        },
        rank=2,
    ),
    "qr.q": Source("np.linalg.qr({x})[0]", {"x": (*_QR, "return dq")}, rank=2),
    "qr.r": Source(
        "np.linalg.qr({x})[1]",
        {"x": (*_QR, "dr = (inner - turn) @ r[:, :k]", "return np.hstack([dr, dq.T @ x[:, k:] + q.T @ dx[:, k:]])")},
        rank=2,
    ),
    "pinv": Source(
        "np.linalg.pinv({x}, rcond={rcond}, hermitian={hermitian})",
        {
            "x": (  # Golub and Pereyra (1973), eq. 4.12
                "p = np.linalg.pinv(x, rcond={rcond}, hermitian={hermitian})",
                "left, right = p @ p.T @ dx.T, dx.T @ p.T @ p",
                "return -p @ dx @ p + left - left @ x @ p + right - p @ x @ right",
            )
        },
        rank=2,
    ),
    "lstsq.x": Source(
        "np.linalg.lstsq({a}, {b}, rcond={rcond})[0]", {"a": _LSTSQ, "b": ("return np.linalg.pinv(a) @ db",)}, rank=2
    ),
    "matrix_norm": Source(
        "np.linalg.norm({x}, {order})",
        {
            "x": (
                _SVD,
                "largest = {order} == 2",
                "k = 0 if largest else -1",
                "return u[:, k] @ dx @ vh[k]",
            )
        },
        rank=2,
    ),
    "polar": Source(
        "polar",
        {
            "x": (  # in the bases of X = U S V': the skew part over s_i + s_j, what leaves the ranges over s_j
                _SVD,
                "inner = u.T @ dx @ vh.T",
                "turn = (inner - inner.T) / (s + s[:, None])",
                "outside = dx @ vh.T - u @ inner",
                "beside = u.T @ dx - inner @ vh",
                "return u @ turn @ vh + outside / s @ vh + u / s @ beside",
            )
        },
        rank=2,
        every=(  # X W with W = (X'X)^(-1/2), by Newton's steps, of which each makes one more derivative exact
            "turn = x.shape[0] < x.shape[1]",
            "given, moved = (x.T, [d.T for d in directions]) if turn else (x, directions)",
            "_, s, v = np.linalg.svd(given, full_matrices=False)",
            "subsets = range(2 ** len(moved))",
            "parts = [given] + [np.zeros_like(given)] * (len(subsets) - 1)",
            "for i, d in enumerate(moved):",
            "    parts[2**i] = d",
            "",
            "def times(a, b):",
            "    return [sum(a[t] @ b[s - t] for t in subsets if t & s == t) for s in subsets]",
            "",
            "gram = times([p.T for p in parts], parts)",
            "root = [(v.T / s) @ v] + [np.zeros((len(s), len(s)))] * (len(subsets) - 1)",
            "for _ in moved:",
            "    wrong = times(times(root, gram), root)",
            "    wrong[0] = wrong[0] - np.eye(len(s))",
            "    root = [w - v.T @ (v @ e @ v.T / (s[:, None] + s)) @ v for w, e in zip(root, wrong)]",
            "found = times(parts, root)[-1]",
            "return found.T if turn else found",
        ),
    ),
    "convolve": Source(
        "np.convolve({a}, {b})", {"a": ("return np.convolve(da, b)",), "b": ("return np.convolve(a, db)",)}, linear=True
    ),
    "cross": Source(
        "np.cross({a}, {b})", {"a": ("return np.cross(da, b)",), "b": ("return np.cross(a, db)",)}, linear=True
    ),
    "bessel_i": Source(
        "special.iv({n}, {x})", {"x": ("return dx * (special.iv(n - 1, x) + special.iv(n + 1, x)) / 2",)}
    ),
}
PREFIX = "d_"


def source_of(program: Any, args: Iterable[Any]) -> Source | None:
    """The lines of an operation for arguments of certain ranks; None where there are none."""
    name, params = program.name, program.options
    if isinstance(program, Composite):
        return None
    found = SOURCES.get(name)
    if found is None and program.is_constant and hasattr(np, name):
        options = ", ".join(f"{n}={{{n}}}" for n in params)
        inputs = ", ".join(f"{{{n}}}" for n in program.inputs)
        found = Source(f"np.{name}({inputs}{', ' * bool(options)}{options})")
    if name == "matrix_norm" and (params["order"] not in (2, -2) or params["axis"] != (0, 1) or params["keepdims"]):
        return None
    first = next(iter(args), None)
    return None if found is not None and found.rank and first is not None and first.rank != found.rank else found


def call(form: Form, write: Callable[[Form], str], dim: Callable[[Any], str], inline: bool = False) -> str:
    """The call of a named function, or of the function that ``definitions`` has for its derivative operator, which
    stands in its place when ``inline``.
    """
    name, slots, term = form.value
    program = term.program
    if program is None:
        raise NoRuleError(f"no NumPy source: {name} is an abstract function, known by name only")
    found = source_of(program, term.args)
    words = [_typed(write(a), kind) for a, kind in zip(form.args, program.kinds or "f" * len(form.args), strict=True)]
    params = {n: _literal(v, dim) for n, v in program.options.items()}
    if not slots:
        if found is not None:
            return found.value.format(**dict(zip(program.words(len(words)), words, strict=True)), **params)
        if isinstance(program, Composite):
            return program.text(words, dim, lambda held: write(form_of(held.term)))
        text = StepText({}, dim, str).known(program.op, words, program.params)
        if text is None:
            raise NoRuleError(f"no NumPy source: {name} is known by name only\n  fix: use evaluate, which computes it")
        return text if program.output is None else f"{text}[{program.output}]"
    has = found is not None and _has(found, term)
    if inline:
        try:
            return f"{named_steps.expression(term)}({', '.join(words)})"
        except NoRuleError:
            if not has:
                raise
            raise NoRuleError(f"the derivative of {name} is no single expression\n  fix: use numpy_source()") from None
    if not has:
        return f"{named_steps.helper_name(PREFIX, term)}({', '.join(words)})"
    return f"{_function(term)}({', '.join([*words, *params.values()])})"


def _typed(word: str, kind: str) -> str:
    """An argument of the dtype that the operation is given."""
    if kind == "b" and word.endswith(" * 1.0"):
        return word.removesuffix(" * 1.0")
    if kind == "b":
        return f"({word} != 0)"
    if kind in "iu":
        return word if word.isdigit() else f"np.asarray({word}).astype(int)"
    return word


def _literal(value: Any, dim: Callable[[Any], str]) -> str:
    if isinstance(value, tuple):
        return "(" + "".join(f"{_literal(v, dim)}, " for v in value).rstrip() + ")"
    return dim(value) if isinstance(value, Dim) else repr(value)


def _has(found: Source, term: Abstract) -> bool:
    """Whether there are lines for a derivative."""
    inputs = term.program.words(len(term.args))
    if term.program.kinds:
        return False
    if found.every or (len(term.slots) == 1 and inputs[term.slots[0]] in found.along):
        return True
    return found.linear and len(set(term.slots)) == len(term.slots) == 2


def _function(term: Abstract) -> str:
    inputs = term.program.inputs
    parts = [term.name.replace(".", "_"), *(inputs[k] for k in term.slots if len(inputs) > 1 or len(term.slots) > 1)]
    return PREFIX + "_".join(parts)


def definitions(form: Form) -> list[str]:
    """The functions in source that a form's derivative operators are, each once; they are written one after another."""
    found: dict[str, list[str]] = {}
    stack = [form]
    seen: set[Form] = set()
    while stack:
        inner = stack.pop()
        if inner in seen:
            continue
        seen.add(inner)
        stack.extend(inner.args)
        if inner.kind == "abstract" and inner.value[1]:
            term = inner.value[2]
            if term.program is None:
                continue
            source = source_of(term.program, term.args)
            if source is not None and _has(source, term):
                found[_function(term)] = _definition(term, source)
            else:
                name = named_steps.helper_name(PREFIX, term)
                if name not in found:
                    found[name] = named_steps.definition(name, term)
    return ["\n".join([*found[name], "", "", ""]) for name in sorted(found)]


def _definition(term: Abstract, found: Source) -> list[str]:
    inputs, plain = term.program.inputs, {n: n for n in term.program.options}
    takes = ", ".join([*inputs, *plain])
    by = [inputs[k] for k in term.slots]
    head = [f"def {_function(term)}({takes}):"]
    what = f'    """The derivative of {term.name}: the axes of its value, then those of {" and ".join(by)}."""'
    taken = [f"d{n}" for n in by] if len(set(by)) == len(by) else [f"d{k + 1}" for k in range(len(by))]
    rows = f"along({', '.join(taken)})"
    for direction, name in reversed(list(zip(taken, by, strict=True))):
        rows = f"[{rows} for {direction} in units({name})]"
    if found.every and (len(by) > 1 or by[0] not in found.along):
        inside, taken = [line.format(**plain) if "{" in line else line for line in found.every], ["*directions"]
    elif len(by) == 2:
        value = found.value.format(**{n: f"d{n}" for n in inputs}, **plain)
        inside = [f"return {value}"]
    else:
        inside = [line.format(**plain) if "{" in line else line for line in found.along[by[0]]]
    axes = " + ".join(f"np.shape({n})" for n in by)
    return [
        *head,
        what,
        "",
        "    def units(array):",
        "        return np.eye(np.size(array)).reshape(-1, *np.shape(array))",
        "",
        f"    def along({', '.join(taken)}):",
        *(f"        {line}" for line in inside),
        "",
        f"    found = np.array({rows})",
        f"    value = found.shape[{len(by)}:]",
        f"    moved = np.moveaxis(found, {list(range(len(by)))}, {list(range(-len(by), 0))})",
        f"    return moved.reshape(value + {axes})",
    ]


__all__ = ["SOURCES", "call", "definitions"]
