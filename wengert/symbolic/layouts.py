"""Layouts: which axes of a derivative stand where. The core result is output axes, then input axes.

Numerator layout appends the input's axes reversed, so that the chain rule multiplies neighbours; denominator layout
is its full transpose (Magnus & Neudecker; the table is in docs/closed_forms.md). Imports build. Invariant: a layout
only permutes axes and adds ones.
"""

from __future__ import annotations

from dataclasses import dataclass

from wengert.core.errors import WengertValueError
from wengert.symbolic.build import permute
from wengert.symbolic.dims import Size
from wengert.symbolic.terms import Term

LAYOUTS = ("jacobian", "gradient", "numerator", "denominator")


@dataclass(frozen=True, slots=True)
class Laid:
    """A derivative in a layout: the term without axes of length one, how it stands, its printed shape.

    The permutation made.
    """

    term: Term
    stands: str
    shape: tuple[Size, ...]
    axes: tuple[int, ...]


def lay_out(term: Term, outputs: int, inputs: int, layout: str, order: int = 1) -> Laid:
    """The derivative (``outputs`` axes, then ``inputs`` axes ``order`` times) in a layout.

    Raises WengertValueError for an unknown layout, and for ``gradient`` of what is no scalar.
    """
    if layout not in LAYOUTS:
        raise WengertValueError(f"layout {layout!r}: choose one of {', '.join(LAYOUTS)}")
    if layout == "gradient" and outputs:
        raise WengertValueError(
            "layout='gradient' is for a scalar: this expression has "
            f"{outputs} ax{'is' if outputs == 1 else 'es'}; choose 'jacobian', 'numerator' or 'denominator'"
        )
    plain = tuple(range(term.rank))
    if layout in ("jacobian", "gradient"):
        return Laid(term, "plain", term.shape, plain)
    last = term.rank - inputs
    axes = (*range(last), *reversed(range(last, term.rank)))
    if layout == "denominator":
        axes = tuple(reversed(axes))
    if order > 1 and not outputs and inputs == 1:
        axes = plain
    moved = permute(term, axes)
    if term.rank == 1 and order == 1:
        row = (layout == "numerator") == (inputs == 1)
        return Laid(moved, "row" if row else "column", (1, *moved.shape) if row else (*moved.shape, 1), axes)
    return Laid(moved, "plain", moved.shape, axes)
