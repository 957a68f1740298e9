"""Names for parts that occur more than once: "where h = tanh(Wx)".

Imports notation. Invariant: a definition uses only names defined before it, and no name hides a variable.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from wengert.symbolic.notation import Form, size

FAVOURITES = {"tanh": "hgq", "softmax": "psq", "sigmoid": "spq", "exp": "eEq", "add": "rqs", "inv": "KGM", "mat": "vuz"}
ANY = ("q", "s", "t", "c", "d", "g", "v", "u", "r", "z")


def shared(
    form: Form,
    taken: Iterable[str],
    wanted: Callable[[Form], bool],
    most: int = 8,
    always: Callable[[Form], bool] = lambda form: False,
) -> list[tuple[str, Form]]:
    """Parts to be named, in an order in which they can be defined: what occurs twice and is wanted, or always is."""
    used = set(taken)
    named: dict[Form, str] = {}
    for _ in range(most):
        counts: dict[Form, int] = {}
        for root in (form, *named):
            _count(root, root, named, counts)
        found = [f for f, c in counts.items() if (c > 1 and wanted(f)) or always(f)]
        if not found:
            break
        best = max(found, key=size)
        word = best.value if best.kind == "call" else best.value[0] if best.kind == "reduce" else best.kind
        options = [*FAVOURITES.get(str(word), ""), *ANY, *(f"t{k}" for k in range(1, 20))]
        name = next(o for o in options if o not in used)
        used.add(name)
        named[best] = name
    return [(name, f) for f, name in sorted(named.items(), key=lambda item: size(item[0]))]


def _count(form: Form, root: Form, named: dict[Form, str], counts: dict[Form, int]) -> None:
    if form is not root or form not in named:
        if form in named:
            return
        if form is not root:
            counts[form] = counts.get(form, 0) + 1
    for a in form.args:
        _count(a, root, named, counts)


def worth_a_word(form: Form) -> bool:
    """Whether a repeated part is named in a printed formula: functions of something composed, and long parts."""
    if form.kind in ("call", "reduce"):
        return size(form) >= 3 and form.args[0].kind != "num"
    return form.kind in ("add", "inv", "mat", "matrix") and size(form) >= 12


def worth_a_line(form: Form) -> bool:
    """Whether a repeated part is computed once in a program."""
    return form.kind not in (
        "num",
        "name",
        "eye",
        "ones",
        "zeros",
        "dim",
        "T",
        "norm2sq",
        "scale",
        "row",
        "column",
        "constant",
        "array",
        "diag",
    ) and (size(form) >= 3 or form.kind in ("call", "inv", "matrix", "norm", "reduce"))
