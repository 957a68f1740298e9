"""What tests of steps that are put off have in common: who counts them, and how results are compared.

Imports wengert's parts. Invariant: memory that is to be filled holds NaN until it is, so that it shows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from wengert.core import deferred


class Seen:
    """What a block put off, and what of it was computed by steps all the same."""

    def __init__(self) -> None:
        self.steps = self.computed = 0


@contextmanager
def watched(monkeypatch: pytest.MonkeyPatch) -> Iterator[Seen]:
    """Count the steps that a block puts off; none may be left of them."""
    found = Seen()
    put, fill = deferred.Late.put_off, deferred._fill

    def noted(self: Any, like: Any, function: Any, operands: Any) -> Any:
        found.steps += 1
        if type(like) is np.ndarray and like.flags.writeable:
            like.fill(np.nan if like.dtype.kind in "fc" else 1)
        return put(self, like, function, operands)

    def filled(step: Any) -> None:
        found.computed += 1
        fill(step)

    monkeypatch.setattr(deferred.Late, "put_off", noted)
    monkeypatch.setattr(deferred, "_fill", filled)
    yield found
    assert not deferred._steps
    assert not deferred._numbers
    assert not deferred._Count.running


def same(found: Any, expected: Any) -> None:
    """Assert that results are of one type, shape and dtype, and near each other."""
    if isinstance(expected, tuple):
        assert type(found) is tuple
        for a, b in zip(found, expected, strict=True):
            same(a, b)
        return
    assert type(found) is type(expected)
    assert np.asarray(found).dtype == np.asarray(expected).dtype
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-12)


__all__ = ["Seen", "same", "watched"]
