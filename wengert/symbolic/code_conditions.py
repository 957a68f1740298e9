"""Conditions and choices as NumPy source.

Imports notation, form_kinds. Invariant: a condition is written as truth values where one is asked for, and as numbers
everywhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from wengert.symbolic.form_kinds import COMPARE, CONNECTED, one_number, spread_out
from wengert.symbolic.notation import Form, filling
from wengert.symbolic.writer import MUL


class ConditionCode:
    """The part of ``code.Code`` that writes them."""

    named: Mapping[Form, str]
    write: Callable[[Form], str]
    at: Callable[[Form, int], str]

    def choice(self, form: Form) -> str:
        """One of two values, entry by entry."""
        args = form.args
        c = self.asked(filling(args[0]))
        inside = c[1:-1] if c.startswith("(") and args[0].kind == "call" and args[0].value in COMPARE else c
        full = not form.rank or not all(map(spread_out, (args[0], args[2])))
        a = self.branch(one_number(args[1]) if full else filling(args[1]))
        full = not form.rank or not all(map(spread_out, args[:2]))
        b = self.branch(one_number(args[2]) if full else filling(args[2]))
        return f"np.where({inside}, {a}, {b})"

    def branch(self, form: Form) -> str:
        """What is chosen: a float where it is a number."""
        text = self.write(form)
        return f"{text}.0" if text.isdigit() else text

    def asked(self, form: Form) -> str:
        """A condition, as truth values."""
        if form in self.named or form.kind != "call" or (form.value not in CONNECTED and form.value not in COMPARE):
            return self.write(form)
        if form.value in CONNECTED:
            return f"{CONNECTED[form.value]}({', '.join(map(self.asked, form.args))})"
        a, b = form.args
        if form.rank and not spread_out(a):
            b = one_number(b)
        elif form.rank and not spread_out(b):
            a = one_number(a)
        return f"({self.at(a, MUL)} {COMPARE[form.value]} {self.at(b, MUL)})"
