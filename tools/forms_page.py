"""Writes the thirty forms of docs/closed_forms.md: derives each, renders its LaTeX as a picture in docs/forms
(`python tools/forms_page.py`; needs matplotlib, whose mathtext sets the formulas)."""

import re
import sys
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

Row = tuple[str, str, int, dict[str, Any]]
ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import wengert as wg  # noqa: E402

PAGE = ROOT / "docs" / "closed_forms.md"
PICTURES = PAGE.parent / "forms"
HEAD = "| | formula | by | shape | derivative | its LaTeX |\n|---|---|---|---|---|---|\n"
BEGIN = "<!-- forms: written by tools/forms_page.py -->\n"
END = "<!-- forms end -->\n"
VECTORS = {**dict.fromkeys("abxzw", "n"), "mu": "n", "y": "m", "lam": ()}
MATRICES = {**dict.fromkeys("ABS", ("n", "n")), "X": ("m", "n"), "W": ("n", "k"), "Y": ("m", "k")}
SHAPES = {**VECTORS, **MATRICES, "T": ("m", "n"), "U": ("m", "k"), "V": ("n", "k")}
CHAIN = {"A": ("n", "n"), "X": ("n", "k")}
SANDWICH = {"A": ("p", "m"), "X": ("m", "n"), "B": ("n", "p")}
NETWORK = {"a": "k", "W": ("k", "n"), "x": "n"}
BLOCKS = {"A": ("m", "p"), "X": ("n", "k")}
FIT = {"A": ("m", "n"), "b": "m", "x": "n"}
CROSS_ENTROPY = "sum(log(sum(exp(X @ W), axis=1)) - sum(Y*(X @ W), axis=1))"
MARGINS = "sum(log(1 + exp(-y*(X @ w))))"
FORMS = (
    ("a @ x", "x", 1, {}),
    ("x @ x", "x", 1, {}),
    ("x @ A @ x", "x", 1, {}),
    ("x @ A @ x", "x", 2, {}),
    ("x @ A @ x", "A", 1, {}),
    ("norm(x)", "x", 1, {}),
    ("norm(x)", "x", 2, {}),
    ("norm(A @ x - b)**2", "x", 1, FIT),
    ("(x @ A @ x)/(x @ x)", "x", 1, {}),
    ("exp(-(x @ A @ x)/2)", "x", 1, {}),
    ("sum(x*log(x))", "x", 1, {}),
    ("trace(A @ X @ B)", "X", 1, SANDWICH),
    ("trace(X.T @ A @ X)", "X", 1, CHAIN),
    ("det(A)", "A", 1, {}),
    ("logdet(A)", "A", 1, {}),
    ("logdet(X.T @ X)", "X", 1, {}),
    ("trace(inv(A))", "A", 1, {}),
    ("a @ inv(A) @ b", "A", 1, {}),
    ("inv(A)", "A", 1, {}),
    ("mean((X @ w - y)**2)", "w", 1, {}),
    ("norm(X @ w - y)**2 + lam*norm(w)**2", "w", 2, {}),
    (MARGINS, "w", 1, {}),
    (MARGINS, "w", 2, {}),
    ("log(sum(exp(z)))", "z", 1, {}),
    ("exp(z)/sum(exp(z))", "z", 1, {}),
    (CROSS_ENTROPY, "W", 1, {}),
    ("a @ tanh(W @ x)", "W", 1, NETWORK),
    ("a @ tanh(W @ x)", "x", 2, NETWORK),
    ("norm(T - U @ V.T)**2", "U", 1, {}),
    ("norm(T - U @ V.T)**2", "U", 2, {}),
    ("norm(kron(A, X))**2", "X", 1, BLOCKS),
    ("logdet(S) + (x - mu) @ inv(S) @ (x - mu)", "S", 1, {}),
)


def derived(row: Row) -> Any:
    """The form of a row; only the names of its formula are declared."""
    text, wrt, order, own = row
    shapes = {name: shape for name, shape in {**SHAPES, **own}.items() if re.search(rf"\b{name}\b", text)}
    return wg.D(text, wrt, order, shapes=shapes)


def line(number: int, row: Row, form: Any) -> str:
    """A row of the table."""
    text, wrt, order, _ = row
    by = f"`{wrt}`" + {1: "", 2: ", twice"}[order]
    shape = ", ".join(map(str, form.shape)) + ("," if len(form.shape) == 1 else "")
    said = str(form).replace("|", "‖").replace("[", "(").replace("]", ")")
    source = form.latex().replace("|", r"\|")  # a bar would end the cell
    return f"| {number} | `{text}` | {by} | ({shape}) | ![{said}](forms/{number:02}.svg) | `{source}` |\n"


def table(forms: list[Any]) -> str:
    """The table of the page."""
    return HEAD + "".join(line(k, row, form) for k, (row, form) in enumerate(zip(FORMS, forms, strict=True), 1))


def fitted(latex: str) -> str:
    """The source with what mathtext sets less well than TeX made plain: brackets around one line, a first fraction."""
    while (
        pair := re.search(r"\\left(\\\||[(|])((?:(?!\\left|\\right|\\frac).)*)\\right(\\\||[)|])", latex)
    ) is not None:
        latex = latex.replace(pair[0], f"{pair[1]}{pair[2]}{pair[3]}")
    return re.sub(r"\\top(?![a-z])", r"\\mathregular{⊤}", latex.replace(r"\frac", r"\dfrac"))


def picture(latex: str) -> str:
    """A formula as a drawing that carries its source; it is white where the reader's page is dark."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextPath

    path = TextPath((0, 0), f"${fitted(latex)}$", size=18, prop=FontProperties(math_fontfamily="cm"))
    box = path.get_extents()
    words = {1: "M", 2: "L", 3: "Q", 4: "C", 79: "Z"}
    drawn = []
    for points, code in path.iter_segments(simplify=False, curves=True):
        numbers = " ".join(f"{x - box.x0 + 2:.1f} {box.y1 - y + 2:.1f}" for x, y in points.reshape(-1, 2))
        drawn.append("Z" if code == 79 else words[int(code)] + numbers)
    width, height = box.width + 4, box.height + 4
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {width:.1f} {height:.1f}">\n<title>{escape(latex)}</title>\n'
        "<style>@media (prefers-color-scheme: dark) { path { fill: #fff } }</style>\n"
        f'<path d="{"".join(drawn)}"/>\n</svg>\n'
    )


def main() -> None:
    """Write pictures and table."""
    forms = [derived(row) for row in FORMS]
    PICTURES.mkdir(exist_ok=True)
    for k, form in enumerate(forms, 1):
        (PICTURES / f"{k:02}.svg").write_text(picture(form.latex()))
    before, rest = PAGE.read_text().split(BEGIN)
    PAGE.write_text(before + BEGIN + "\n" + table(forms) + "\n" + END + rest.split(END)[1])


if __name__ == "__main__":
    main()
