"""Programs of derivatives for speed with NumPy alone: every part once, few calls, half of a symmetric product.

Imports dense, code_quick. Invariant: the lines compute what the printed program computes, with ``code_kernels``.
"""

from __future__ import annotations

from wengert.symbolic.code import Code
from wengert.symbolic.code_quick import QuickCode
from wengert.symbolic.dense import Filling, Style, softmax_lines
from wengert.symbolic.grams import peeled, times
from wengert.symbolic.names import worth_a_line
from wengert.symbolic.notation import Form, chain, mul, turned

Part = tuple[Form, bool]


def halves(inner: Form) -> tuple[Form, Form | None] | None:
    """M and v of a chain M' diag(v) M or M' M, which is the same read from behind; None for others."""
    if inner.kind != "mat" or inner.rank != 2 or len(inner.args) < 3:
        return None
    parts: list[Part] = list(zip(inner.args, inner.value, strict=True))
    half = len(parts) // 2
    if not all(map(_mirrored, parts[:half], reversed(parts))):
        return None
    middle = parts[half][0] if len(parts) % 2 else None
    if middle is not None and middle.kind != "diag":
        return None
    return chain(parts[-half:]), None if middle is None else middle.args[0]


def _mirrored(first: Part, last: Part) -> bool:
    """Whether the second is the transpose of the first."""
    (f, flag), (g, back) = first, last
    if f.rank != 2 or g.rank != 2:
        return False
    if f == g:
        return f.kind == "diag" or flag != back
    return flag == back and turned(f) == g


def worth_a_step(form: Form) -> bool:
    """Whether a repeated part is computed once where calls count: reductions and multiples of a name, too."""
    return (
        worth_a_line(form)
        or form.kind in ("sum", "mean", "norm2sq", "rowsum")
        or (form.kind == "scale" and form.rank > 0)
    )


class QuickFilling(Filling):
    """The lines that fill a result with the fewest calls."""

    floats = True

    def write(self, word: str, target: str = "filled") -> None:
        if not self.started or self.blank or not target.endswith("]"):
            super().write(word, target)
            return
        self.lines.append(f"part = {target.removesuffix('[...]')}")  # an item that is added to is written twice
        super().write(word, "part")

    def view(self, letters: str, axes: str, cut: str) -> str:
        return "diagonal(filled)[...]" if (letters, cut) == ("ii", "filled") else super().view(letters, axes, cut)

    def _gram(self, form: Form) -> str:
        scalars, inner = peeled(form)
        found = halves(inner)
        assert found is not None
        matrix, weights = found
        word = self.code.write(matrix)
        if weights is None:
            return times(scalars, f"gram({word})", self.code)
        return f"weighted_gram({word}, {self.code.write(mul(scalars, weights))})"


def quick_softmax(name: str, form: Form, code: Code) -> list[str] | None:
    """The lines of a softmax, as ``dense.softmax_lines`` with the reductions of ufuncs."""
    if softmax_lines(name, form, code) is None:
        return None
    _, axes, rank = form.value
    along = "" if rank == 1 else f", {axes[0] if len(axes) == 1 else axes}, keepdims=True"
    return [
        f"{name} = {code.write(form.args[0])}",
        f"{name} = np.exp({name} - largest({name}{along}))",
        f"{name} /= total({name}{along})",
    ]


QUICK = Style(
    QuickCode,
    QuickFilling,
    worth=worth_a_step,
    most=24,
    softmax=quick_softmax,
    is_gram=lambda inner: halves(inner) is not None,
    grams=9,
)

__all__ = ["QUICK", "halves"]
