"""Constant arrays that sizes decide, as NumPy source: triangles of ones, the numbers 0, 1, 2, ...

Imports notation. Invariant: the text has the shape of the form and names no variable but through its sizes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.symbolic.notation import Form
from wengert.symbolic.writer import ATOM, Text


class PatternCode:
    """The part of ``code.Code`` that writes them."""

    dim: Callable[[Any], Text]

    def _tri(self, form: Form) -> Text:
        rows, columns, k = form.value
        words = [self.dim(rows)[0]]
        if columns != rows or k:
            words.append(self.dim(columns)[0])
        if k:
            words.append(str(k))
        return f"np.tri({', '.join(words)})", ATOM

    def _array(self, form: Form) -> Text:
        shape, entries = form.value
        text = repr(np.reshape(entries, shape).tolist())
        for word in ("inf", "nan"):
            text = text.replace(word, f"np.{word}")
        return f"np.array({text})", ATOM

    def _arange(self, form: Form) -> Text:
        return f"np.arange({self.dim(form.value[0])[0]})", ATOM

    @staticmethod
    def running(inner: str, turned: bool) -> Text:
        """A square triangle of ones times something: sums that run along its rows, from the end when turned."""
        inside = inner if inner.isidentifier() else f"({inner})"
        return (f"np.cumsum({inside}[::-1], axis=0)[::-1]" if turned else f"np.cumsum({inner}, axis=0)"), ATOM
