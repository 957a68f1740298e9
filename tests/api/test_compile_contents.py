"""Programs that know the content of integer arrays: other contents in the same memory are other contents."""

import numpy as np
import pytest

import wengert
from wengert.api.compiling.reads import content, digest


@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.uint8, bool])
@pytest.mark.parametrize("size", [100, 8192, 1 << 18])
def test_a_digest_follows_its_array(dtype, size):
    array = np.zeros(size, dtype)
    for place in (0, size // 2, size - 1):
        before = content(array)
        assert before == content(array) == digest(array)
        array[place] = 1
        assert content(array) == digest(array) != before
    other = array.reshape(2, -1)[:, ::2]
    assert content(other) == digest(other)


def test_indices_changed_in_place_are_seen():
    x, places = np.arange(2000.0), np.arange(2000)
    compiled = wengert.compile(lambda x, places: x[places] * 2.0)
    for shift in (0, 0, 1, 1, 7, 7):
        places[:] = np.roll(np.arange(2000), shift)
        np.testing.assert_array_equal(compiled(x, places), np.roll(x, shift) * 2.0)
