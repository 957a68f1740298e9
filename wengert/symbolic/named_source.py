"""Operations that are kept by name, as NumPy source: what they are, and their derivative operators along every entry.

Imports core, notation, terms. Invariant: a line here is a formula of the operation's own differential, so the text
needs NumPy alone (and SciPy's Bessel functions); what has no line here is refused by its name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from wengert.core.errors import NoRuleError
from wengert.symbolic.dims import Dim
from wengert.symbolic.notation import Form
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
        {
            "x": (
                "rows, moved = np.moveaxis(x, {axis}, 0), np.moveaxis(dx, {axis}, 0)",
                "value, slope, found = np.ones_like(rows[0]), np.zeros_like(rows[0]), np.empty(rows.shape)",
                "for k in range(len(rows)):",
                "    slope = slope * rows[k] + value * moved[k]",
                "    value = value * rows[k]",
                "    found[k] = slope",
                "return np.moveaxis(found, 0, {axis})",
            )
        },
    ),
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


def source_of(program: Any, args: Iterable[Form]) -> Source:
    """The NumPy lines of an operation; raises NoRuleError, naming it, where there are none."""
    name, params = program.name, program.options
    found = SOURCES.get(name)
    if found is None and program.is_constant:
        options = ", ".join(f"{n}={{{n}}}" for n in params)
        inputs = ", ".join(f"{{{n}}}" for n in program.inputs)
        found = Source(f"np.{name}({inputs}{', ' * bool(options)}{options})")
    known = name != "matrix_norm" or (
        params["order"] in (2, -2) and params["axis"] == (0, 1) and not params["keepdims"]
    )
    first = next(iter(args), None)
    if found is None or not known or (found.rank and first is not None and first.rank != found.rank):
        raise _unknown(name)
    return found


def _unknown(name: str, what: str = "") -> NoRuleError:
    return NoRuleError(
        f"no NumPy source: {what}{name} is known by name only\n  fix: use evaluate, which differentiates it"
    )


def call(form: Form, write: Callable[[Form], str], dim: Callable[[Any], str]) -> str:
    """The call of a named function, or of the function that ``definitions`` has for its derivative operator."""
    name, slots, term = form.value
    if term.program is None:
        raise _unknown(name)
    found = source_of(term.program, form.args)
    inputs = term.program.inputs
    words = [write(a) for a in form.args]
    params = {n: _literal(v, dim) for n, v in term.program.options.items()}
    if not slots:
        return found.value.format(**dict(zip(inputs, words, strict=True)), **params)
    _checked(found, term)
    return f"{_function(term)}({', '.join([*words, *params.values()])})"


def _literal(value: Any, dim: Callable[[Any], str]) -> str:
    if isinstance(value, tuple):
        return "(" + "".join(f"{_literal(v, dim)}, " for v in value).rstrip() + ")"
    return dim(value) if isinstance(value, Dim) else repr(value)


def _checked(found: Source, term: Abstract) -> None:
    """Raise NoRuleError for an order that the lines do not have."""
    inputs = term.program.inputs
    if any(inputs[k] not in found.along for k in term.slots) or (
        len(term.slots) > 1 and not (found.linear and len(set(term.slots)) == len(term.slots) == 2)
    ):
        order = {2: "second", 3: "third"}.get(len(term.slots), f"{len(term.slots)}th")
        raise _unknown(term.name, f"the {order} derivative of " if len(term.slots) > 1 else "the derivative of ")


def _function(term: Abstract) -> str:
    inputs = term.program.inputs
    parts = [term.name.replace(".", "_"), *(inputs[k] for k in term.slots if len(inputs) > 1)]
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
            found[_function(term)] = _definition(term, source_of(term.program, inner.args))
    return ["\n".join([*found[name], "", "", ""]) for name in sorted(found)]


def _definition(term: Abstract, found: Source) -> list[str]:
    inputs, plain = term.program.inputs, {n: n for n in term.program.options}
    takes = ", ".join([*inputs, *plain])
    by = [inputs[k] for k in term.slots]
    head = [f"def {_function(term)}({takes}):"]
    what = f'    """The derivative of {term.name}: the axes of its value, then those of {" and ".join(by)}."""'
    if len(by) == 2:
        value = found.value.format(**{n: f"d{n}" for n in inputs}, **plain)
        inside = [f"return {value}"]
        rows = f"[[along(d{by[0]}, d{by[1]}) for d{by[1]} in units({by[1]})] for d{by[0]} in units({by[0]})]"
        taken = ", ".join(f"d{n}" for n in by)
    else:
        inside = [line.format(**plain) if "{" in line else line for line in found.along[by[0]]]
        rows, taken = f"[along(d{by[0]}) for d{by[0]} in units({by[0]})]", f"d{by[0]}"
    axes = " + ".join(f"np.shape({n})" for n in by)
    return [
        *head,
        what,
        "",
        "    def units(array):",
        "        return np.eye(np.size(array)).reshape(-1, *np.shape(array))",
        "",
        f"    def along({taken}):",
        *(f"        {line}" for line in inside),
        "",
        f"    found = np.array({rows})",
        f"    value = found.shape[{len(by)}:]",
        f"    moved = np.moveaxis(found, {list(range(len(by)))}, {list(range(-len(by), 0))})",
        f"    return moved.reshape(value + {axes})",
    ]


__all__ = ["SOURCES", "call", "definitions"]
