"""Marks of large constants: what tells that their content changed."""

import numpy as np

from wengert.core.constants import is_unchanged, mark_of


def test_the_mark_of_what_is_spread_sees_its_few_numbers():
    for shape, axis in (((300_000,), None), ((400, 700), 0), ((400, 700), 1)):
        base = np.arange(1.0, 701.0)[: shape[-1]] if axis != 1 else np.arange(1.0, 401.0)[:, None]
        base = base[:1].copy() if axis is None else base.copy()
        spread = np.broadcast_to(base, shape)
        for whole in (True, False):
            mark = mark_of(spread, whole=whole)
            assert is_unchanged(spread, mark)
            base.flat[-1] += 1.0
            assert not is_unchanged(spread, mark)
