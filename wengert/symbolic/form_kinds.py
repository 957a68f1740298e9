"""What kind of thing a form is: the same along an axis, a truth value, one entry of a vector.

Imports notation. Invariant: a form is only looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from wengert.symbolic.notation import Form, chain, filling, unscaled

COMPARE = {"greater": ">", "greater_equal": ">=", "equal": "==", "not_equal": "!="}
QUESTIONS = {"isnan", "isinf", "isfinite", "signbit", "any", "all", "isclose", "logical_xor", "has_ties"}
"""Functions known by name whose values are truth values."""
CONNECTED = {"and": "np.logical_and", "or": "np.logical_or", "not": "np.logical_not"}


def is_truth(form: Form) -> bool:
    """Whether a named function gives truth values: it asks something, or is a product of truth values."""
    name, _, term = form.value
    return name in QUESTIONS or set(term.program.kinds) == {"b"}


def broadcasts(form: Form) -> bool:
    """Whether NumPy spreads a form, which is the same along some axis."""
    _, rest = unscaled(form)
    return (
        rest.kind in ("ones", "filled")
        or (rest.kind == "outer" and any(a.kind == "ones" for a in rest.args))
        or (rest.kind in ("mul", "div") and any(broadcasts(a) for a in rest.args if a.rank))
    )


def spread_out(form: Form) -> bool:
    """Whether NumPy has to be told the shape."""
    return form.kind == "zeros" or broadcasts(form)


def one_number(form: Form) -> Form:
    """What is the same everywhere as a number."""
    return Form("num", value=Fraction(0)) if form.kind == "zeros" else filling(form)


def fills(parts: Sequence[Form]) -> bool:
    """Whether the parts of a sum have its shape together: one has it, or there are a column and a row."""
    if not all(map(broadcasts, parts)):
        return True
    cores = [unscaled(p)[1] for p in parts]
    ones = [[a.kind == "ones" for a in c.args] for c in cores if c.kind == "outer"]
    return [True, False] in ones and [False, True] in ones


def entry_of(form: Form) -> tuple[Form, tuple[Any, ...]] | None:
    """The array and the places of a product that is one entry of a vector, or of a matrix that has a name."""
    if form.kind != "mat" or form.rank:
        return None
    if len(form.args) == 2:
        for vector, unit in (form.args, form.args[::-1]):
            if unit.kind == "unit" and vector.kind != "unit":
                return vector, (unit.value[1],)
    if len(form.args) == 3 and form.args[1].kind == "name":
        first, matrix, last = form.args
        if first.kind == last.kind == "unit":
            places = (first.value[1], last.value[1])
            return matrix, places[::-1] if form.value[1] else places
    return None


def gram(form: Form) -> Form | None:
    """u where a form is the chain u'u of more than two factors: Ax for x'A'Ax."""
    count = len(form.args)
    if form.kind != "mat" or form.rank or count < 4 or count % 2 or form.args != form.args[::-1]:
        return None
    flags = form.value
    inner = range(1, count // 2)
    if any(form.args[k].rank != 2 or flags[k] == flags[-1 - k] for k in inner):
        return None
    return chain(list(zip(form.args, flags, strict=True))[count // 2 :])
