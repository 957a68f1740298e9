"""What is printed can be read: the text of a form, parsed as hand notation, has the value of the form."""

import re

import numpy as np
import pytest

import wengert as wg
from tests.symbolic.test_cases import CASES, values_of

# A bare 1 for a vector of ones, a bare I, unit vectors and selections have no size of their own.
SIZELESS = re.compile(r"I|(?<!\d)1|e_|\[|H\(|_F|^12x")
GREEK = {"μ": "mu", "λ": "lam"}


def readable(case):
    return case.order == 1 and "erf" not in case.text


@pytest.mark.parametrize("case", [c for c in CASES if readable(c)], ids=lambda c: f"{c.text} by {c.wrt}")
def test_the_printed_text_has_the_value_of_the_form(case):
    shapes = dict(case.shapes or {})
    if case.facts:
        name, fact = case.facts.split(": ")
        shapes[name] = wg.var(name, shapes[name], **{fact.replace(" ", "_"): True})
    form = wg.D(case.text, case.wrt, case.order, shapes=shapes)
    text, _, where = str(form).partition(", where ")
    if len(form.shape) > 2 or SIZELESS.search(re.sub(r"\(1 [−+]", "(", str(form))):
        pytest.skip("has a part whose size stands in no name")
    values = values_of(case, 3)
    known = dict(case.shapes or dict.fromkeys(form.free, ()))
    for letter, word in GREEK.items():
        if word in known:
            known[letter], values[letter] = known[word], values[word]
    for part in re.split(r", (?=\w = )", where) if where else []:
        name, inner = part.split(" = ", 1)
        read = wg.parse(inner, "hand", **known)
        values[name] = read.evaluate(**values)
        known[name] = tuple(map(str, read.shape))
    got = wg.parse(text, "hand", **known).evaluate(**values)
    want = form.evaluate(**{n: v for n, v in values.items() if n in form.free})
    np.testing.assert_allclose(np.broadcast_to(got, np.shape(want)), want, rtol=1e-9, atol=1e-12)


def test_a_power_of_entries_is_told_from_a_matrix_power():
    assert str(wg.D("sum(X**3)", "X", X=("n", "n"))) == "3X∘²"
    assert str(wg.D("trace(X @ X @ X)", "X", X=("n", "n"))) == "3(Xᵀ)²"
    assert wg.D("sum(X**3)", "X", X=("n", "n")).latex() == r"3 X^{\circ 2}"
