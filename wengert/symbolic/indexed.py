"""Entries of tensors of third and higher order.

Written with indices: ``δ_ki x_jl``, sums over repeated letters, and the legend. Imports notation, writer. Invariant:
every letter of an entry is either one of the result's or summed and named under a Σ.
"""

from __future__ import annotations

from typing import Any

from wengert.symbolic.notation import Form, unscaled

ALPHABET = "ijklmnabcdefgh"
SUMMED = "pqrstuvw"
ADD, MUL, POWER, ATOM = 1, 2, 3, 4


def letters_for(rank: int, outputs: int) -> str:
    """Letters of a derivative's axes: the variable's come first in the alphabet, the output's after them.

    >>> letters_for(4, 2)
    'klij'
    """
    inputs = rank - outputs
    if rank <= len(ALPHABET):
        return ALPHABET[inputs:rank] + ALPHABET[:inputs]
    return "".join(chr(0x3B1 + k) for k in range(rank))


def entry(writer: Any, form: Form, letters: str) -> tuple[str, int]:
    """The entry of a form at the letters, and how tightly it binds."""
    if form.rank == 0 and (form.kind != "einsum" or form in writer.named):
        return writer.text(form)
    if form in writer.named:
        return writer.index(writer.name(writer.named[form]), letters), ATOM
    kind = form.kind
    if kind == "einsum":
        return _einsum(writer, form, letters)
    if kind == "add":
        parts = []
        for k, a in enumerate(form.args):
            c, rest = unscaled(a)
            text = _coefficient(writer, abs(c), rest, letters)
            sign = (writer.negative if c < 0 else "") if k == 0 else writer.minus if c < 0 else writer.plus
            parts.append(sign + text)
        return "".join(parts), ADD
    if kind == "scale":
        sign = writer.negative if form.value < 0 else ""
        return sign + _coefficient(writer, abs(form.value), form.args[0], letters), ADD if sign else MUL
    if kind == "mul":
        return writer.join(
            [*(writer.at(a, POWER) for a in form.args[:-1]), _at(writer, form.args[-1], letters, MUL)]
        ), MUL
    if kind in ("ones", "filled"):
        return (writer.number(1)[0], ATOM) if kind == "ones" else writer.text(form.args[0])
    if kind == "zeros":
        return writer.number(0)[0], ATOM
    if kind == "eye":
        return writer.index(writer.name("delta"), letters), ATOM
    base = form.args[0] if kind == "pow" else form.args[-1] if kind == "div" and form.args[0].kind == "num" else None
    base = base.args[0] if base is not None and base.kind == "pow" else base
    plain = base is not None and (base.kind == "name" or base in writer.named)  # h² at k is h_k²
    if form.rank > 2 or kind in ("had", "outer", "diag") or plain:
        return _entrywise(writer, form, letters)
    return writer.index(writer.at(form, ATOM), letters), ATOM


def _at(writer: Any, form: Form, letters: str, level: int) -> str:
    text, own = entry(writer, form, letters)
    return text if own >= level else writer.paren(text)


def _coefficient(writer: Any, c: Any, rest: Form, letters: str) -> str:
    if rest.kind == "num":
        return writer.number(c)[0]
    text = _at(writer, rest, letters, MUL)
    return text if c == 1 else writer.join([writer.number(c)[0], text])


def _entrywise(writer: Any, form: Form, letters: str) -> tuple[str, int]:
    kind = form.kind
    if kind == "had":
        return writer.join([_at(writer, a, letters, MUL) for a in form.args]), MUL
    if kind == "outer":
        return writer.join(
            [_at(writer, form.args[0], letters[0], MUL), _at(writer, form.args[1], letters[1], MUL)]
        ), MUL
    if kind == "diag":
        return writer.join(
            [writer.index(writer.name("delta"), letters), _at(writer, form.args[0], letters[0], MUL)]
        ), MUL
    if kind == "div":
        bottom = entry(writer, form.args[1], letters)
        top = entry(writer, form.args[0], letters)
        return writer.fraction(top, bottom)
    if kind == "pow":
        return writer.superscript(_at(writer, form.args[0], letters, ATOM), writer.exponent(form.value)), POWER
    if kind == "call":
        return writer.call(form.value, ", ".join(entry(writer, a, letters)[0] for a in form.args)), ATOM
    return writer.index(writer.at(form, ATOM), letters), ATOM


def _einsum(writer: Any, form: Form, letters: str) -> tuple[str, int]:
    places, rank, sizes = form.value
    free = [c for c in SUMMED + ALPHABET if c not in letters and c not in writer.taken]
    name = dict(enumerate(letters[:rank]))
    summed = []
    for i in range(rank, len(sizes)):
        if any(i in idx for idx in places):
            name[i] = free.pop(0)
            summed.append(name[i])
    pieces = []
    order = (
        sorted(range(len(form.args)), key=lambda k: form.args[k].kind != "eye") if rank > 2 else range(len(form.args))
    )
    for k in order:
        f, idx = form.args[k], places[k]
        if f.kind == "ones":
            continue
        pieces.append(_at(writer, f, "".join(name[i] for i in idx), MUL))
    text = writer.join(pieces) if pieces else writer.number(1)[0]
    if summed:
        text = writer.summation("".join(summed), text)
    return text, MUL


def legend(letters: str, dims: tuple[Any, ...]) -> str:
    """Which letter runs over which dimension: ``k, i: m; l, j: n``."""
    found: dict[str, list[str]] = {}
    for letter, dim in zip(letters, dims, strict=True):
        found.setdefault(str(dim), []).append(letter)
    return "; ".join(f"{', '.join(v)}: {d}" for d, v in found.items())
