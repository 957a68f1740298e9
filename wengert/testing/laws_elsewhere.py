"""The law of recordings: what was recorded at some values holds at others.

As in `laws`. May import every room. Invariant: what a recording gives is compared with the
operation and its rules run anew at the same values.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from wengert.api.gradients import jvp, vjp
from wengert.api.tracing import trace
from wengert.core.errors import WengertError
from wengert.core.op import CONSTANT, Op
from wengert.core.types import dtype_of
from wengert.testing.programs import Program, assert_close, joined, parts, programs, random_like, tolerance
from wengert.testing.registry import Rng, Values, law


@law
def a_recording_holds_elsewhere(op: Op, operands: Values, params: Values, rng: Rng) -> None:
    """Value, pull and push, recorded at the sample, are those of other values, or the recording says that they are not:
    nothing that a rule decides by values may be fixed."""
    if op.kind != CONSTANT:
        with np.errstate(all="ignore"):
            _holds(programs(op, operands, params)[:1], rng)


def _holds(runs: list[Program], rng: Rng) -> None:
    for run in runs:
        ct, tangents = random_like(run(*run.leaves), rng), run.tangents(rng)

        def derivatives(*leaves: Any, run: Program = run, ct: Any = ct, tangents: Any = tangents) -> Any:
            value, back = vjp(run, *leaves)
            return joined(value), joined(back(ct)), joined(jvp(run, leaves, tangents)[1])

        try:
            here = derivatives(*run.leaves)
            recorded = trace(derivatives)(*run.leaves)
        except WengertError:
            continue  # on a kink, or without a derivative there
        for leaves in _elsewhere(run.leaves, rng):
            try:
                want = derivatives(*leaves)
            except (WengertError, ArithmeticError, ValueError):
                continue
            if [dtype_of(w) for w in want] != [dtype_of(h) for h in here]:
                continue  # Python's numbers become complex as they like
            try:
                got = recorded(*leaves)
            except WengertError:
                continue  # it was asked, and goes another way
            rtol = tolerance(*leaves, *parts(got), double=1e-9, single=1e-3)
            for what, g, w in zip(("value", "pull", "push"), got, want, strict=True):
                finite = np.isfinite(w)
                assert g.dtype == w.dtype, f"{what} elsewhere has dtype {g.dtype}, not {w.dtype}"
                assert_close(np.where(finite, g, 0.0), np.where(finite, w, 0.0), rtol, f"{what} elsewhere")


def _elsewhere(leaves: Values, rng: Rng) -> Iterator[tuple[Any, ...]]:
    """Nearby, and with the elements in another order and of another sign."""
    yield tuple(_like(np.asarray(v) * (1.0 + 0.05 * rng.normal(size=np.shape(v))), v) for v in leaves)
    yield tuple(_like(-np.flip(v, axis=-1) if np.ndim(v) else np.multiply(v, -0.9), v) for v in leaves)


def _like(moved: Any, value: Any) -> Any:
    moved = np.asarray(moved).astype(dtype_of(value))
    return moved if type(value) is np.ndarray else moved[()] if isinstance(value, np.generic) else type(value)(moved)
