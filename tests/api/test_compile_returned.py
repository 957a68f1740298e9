"""Compiled functions that return what may hold numbers of one run: functions, methods, classes, slices, keys."""

import numpy as np
import pytest

import wengert as wg
from wengert.core.errors import CompileWarning

FIRST, SECOND = np.array([1.0, 2.0]), np.array([3.0, 4.0])


def double(x):
    return 2.0 * x


class Plain:
    pass


def with_attribute(x):
    def scaled(v):
        return v * scaled.by

    scaled.by = float(x.sum())
    return scaled


HOLDING = {
    "default": (lambda x: lambda v, s=x.sum(): v * s, lambda made: made(2.0)),  # noqa: B008
    "keyword default": (lambda x: lambda v, *, s=x.sum(): v * s, lambda made: made(2.0)),  # noqa: B008
    "closure": (lambda x: lambda v: v * x.sum(), lambda made: made(2.0)),
    "method of a list": (lambda x: [x.sum()].copy, lambda made: made()[0]),
    "class": (lambda x: type("Made", (), {"v": x.sum()}), lambda made: made.v),
    "slice": (lambda x: slice(x.sum(), None), lambda made: made.start),
    "key": (lambda x: {x[0]: 1.0}, lambda made: next(iter(made))),
    "inner key": (lambda x: {"a": {x[0]: x}}, lambda made: next(iter(made["a"]))),
}


@pytest.mark.parametrize(("f", "value"), HOLDING.values(), ids=HOLDING)
def test_what_may_hold_numbers_of_the_run_is_made_anew_by_each_call(f, value):
    compiled = wg.compile(f)
    with pytest.warns(CompileWarning, match="it returns"):
        got = [value(compiled(FIRST))]
    got += [value(compiled(x)) for x in (SECOND, SECOND, FIRST)]
    assert got == [value(f(x)) for x in (FIRST, SECOND, SECOND, FIRST)]
    assert not any(type(v).__module__.startswith("wengert") for v in got)


@pytest.mark.parametrize(
    "f",
    [
        lambda x: (double, 2.0 * x),
        lambda x: (Plain, np.float64, x),
        lambda x: (slice(0, 3), len, np.sin, x),
        lambda x: {"a": x, 3: 2.0 * x},
    ],
)
def test_what_holds_none_is_returned_by_a_replay(f):
    compiled = wg.compile(f)
    for x in (FIRST, SECOND, SECOND):
        got, want = compiled(x), f(x)
        parts = zip(got.values(), want.values(), strict=True) if isinstance(want, dict) else zip(got, want, strict=True)
        for one, other in parts:
            assert one is other or np.array_equal(one, other) or one == other
    assert "runs uncompiled" not in compiled.explain()
