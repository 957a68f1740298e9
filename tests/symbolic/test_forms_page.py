"""The page of thirty forms shows each with its LaTeX rendered, and no notation prints what its reader cannot take.

Invariant: every row is derived anew, and its picture is parsed, not only found.
"""

from __future__ import annotations

import importlib.util
import itertools
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

import wengert as wg

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "closed_forms.md").read_text()
SVG = "{http://www.w3.org/2000/svg}"
MATHML = "{http://www.w3.org/1998/Math/MathML}"


def _tool():
    spec = importlib.util.spec_from_file_location("forms_page", ROOT / "tools" / "forms_page.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


TOOL = _tool()


def test_there_are_thirty():
    assert len(TOOL.FORMS) >= 30
    assert len({row[:3] for row in TOOL.FORMS}) == len(TOOL.FORMS)


@pytest.mark.parametrize(
    ("number", "row"), list(enumerate(TOOL.FORMS, 1)), ids=[f"{r[0]} by {r[1]}" for r in TOOL.FORMS]
)
def test_a_row_shows_the_form_and_its_picture_is_of_its_latex(number, row):
    form = TOOL.derived(row)
    assert TOOL.line(number, row, form) in PAGE
    picture = ET.parse(ROOT / "docs" / "forms" / f"{number:02}.svg").getroot()
    assert picture.find(f"{SVG}title").text == form.latex()
    drawn = picture.find(f"{SVG}path").get("d")
    marks = len(re.findall(r"[A-Za-z0-9]", re.sub(r"\\[A-Za-z]+", "x", form.latex())))
    assert drawn.count("M") >= marks  # every letter and digit is an outline at least
    width, height = float(picture.get("width")), float(picture.get("height"))
    numbers = [float(v) for v in re.findall(r"-?[0-9]+\.[0-9]+", drawn)]
    xs, ys = numbers[::2], numbers[1::2]
    assert len(xs) == len(ys) and min(xs) >= 0 and max(xs) <= width + 1 and min(ys) >= 0 and max(ys) <= height + 1


def not_valid(element):
    """What a browser would not show: text outside of token elements, and elements with the wrong number of parts."""
    tag = element.tag.replace(MATHML, "")
    if tag in ("mi", "mn", "mo", "mtext"):
        return [] if element.text and not len(element) else [f"an empty {tag}"]
    texts = [element.text, *(child.tail for child in element)]
    found = [t for t in texts if t and t.strip()]
    wanted = {"mfrac": 2, "msup": 2, "msub": 2, "munder": 2}.get(tag)
    if wanted and len(element) != wanted:
        found.append(f"{tag} of {len(element)} parts")
    return found + list(itertools.chain.from_iterable(map(not_valid, element)))


SHAPES = {
    "X": ("m", "n"),
    "Y": ("m", "n"),
    "x": "n",
    "y": "n",
    "A": ("n", "n"),
    "t": (),
    "x_long": "n",
    "w1": "n",
    "θ": "n",
    "αβ": (),
}


@pytest.mark.parametrize(
    ("text", "wrt", "order"),
    [
        ("norm(X, 'nuc')", "X", 2),
        ("norm(X + t*Y, 'nuc')", "t", 3),
        ("max(x)", "x", 1),
        ("max(X, axis=1)", "X", 1),
        ("x[1:] @ x[:-1]", "x", 1),
        ("x[2] * x[-1]", "x", 1),
        ("x[::-1]", "x", 1),
        ("where(x > 0, x**2, -x)", "x", 1),
        ("softmax(X, axis=1) @ x", "X", 1),
        ("mean(X, axis=0) @ x", "X", 1),
        ("(x @ y)**3", "x", 2),
        ("gammaln(x)", "x", 3),
        ("relu(x) @ y", "x", 1),
        ("x_long @ w1 * αβ", "x_long", 1),
        ("θ @ A @ θ", "θ", 1),
        ("arctan2(x, y)", "x", 1),
        ("sum(abs(x)**1.5)", "x", 2),
        ("einsum('ij,jk,ki->', A, A, A)", "A", 2),
    ],
)
def test_latex_and_mathml_hold_nothing_bare(text, wrt, order):
    form = wg.D(text, wrt, order, shapes=SHAPES)
    latex = form.latex()
    assert latex.isascii()
    assert latex.count("{") == latex.count("}") and latex.count(r"\left") == latex.count(r"\right")
    assert form._repr_latex_() == f"$\\displaystyle {latex}$"
    assert not not_valid(ET.fromstring(form.mathml()))


def test_names_in_latex():
    assert wg.D("x_long @ w1 * t", "x_long", shapes=SHAPES).latex() == "t w_{1}"
    assert wg.D("long_name_2**2", "long_name_2").latex() == r"2 \mathrm{long\_name\_2}"
    assert wg.D("αβ**2", "αβ", shapes=SHAPES).latex() == r"2 \mathrm{{\alpha}{\beta}}"
    assert wg.D("x_0**2", "x_0").latex() == "2 x_{0}"
