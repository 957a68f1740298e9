"""Tokens of steps: stretches that are compared as wholes give what step by step comparison gives."""

from __future__ import annotations

import numpy as np
import pytest

from wengert.core.columns import Kind
from wengert.core.types import ArrayType
from wengert.rewrite.loops.tables import Tables
from wengert.rewrite.loops.tokens import _alike, _constants


def one_by_one(columns):
    """For every step the first that is equal in all columns."""
    first = {}
    return [first.setdefault(key, k) for k, key in enumerate(zip(*columns, strict=True))]


def code(number):
    """A code object of its own."""
    return compile(f"{number} + x", f"file {number}", "eval")


KINDS = [Kind(f"op {k}", None, 2) for k in range(5)]
TYPES = [ArrayType(()), ArrayType((3,))]
CODES = [code(k) for k in range(3)]


def columns_of(tokens):
    """Columns of steps: equal numbers make equal steps, whose places are other tuples each time."""
    return [
        [KINDS[t % 5] for t in tokens],
        [(CODES[t % 3], 1000 + t) for t in tokens],
        [TYPES[t % 2] for t in tokens],
        [t // 7 for t in tokens],
    ]


@pytest.mark.parametrize("seed", range(20))
def test_stretches_are_found_as_single_steps_are(seed):
    random = np.random.default_rng(seed)
    tokens = []
    for _ in range(12):
        body = random.integers(0, 60, random.integers(1, 70)).tolist()
        times = int(random.choice([1, 2, 3, 30]))
        for _ in range(times):
            tokens += body
            if random.random() < 0.1:  # an odd iteration
                tokens += random.integers(0, 60, random.integers(1, 4)).tolist()
    columns = columns_of(tokens)
    assert _alike(columns).tolist() == one_by_one(columns)


def test_steps_without_repetition_are_all_their_own():
    columns = columns_of(range(500))
    assert _alike(columns).tolist() == one_by_one(columns) == list(range(500))


def test_loops_in_loops():
    tokens = []
    for _ in range(6):
        tokens += [1, 2]
        for _ in range(9):
            tokens += [3, 4, 5]
            for _ in range(4):
                tokens += [6, 7, 8, 9, 10]
    columns = columns_of(tokens)
    assert _alike(columns).tolist() == one_by_one(columns)


@pytest.mark.parametrize(
    "values",
    [
        [0.5, -0.0, 0.0, float("nan"), 0.5, -0.0, float("inf"), 2.0],
        [0.5, 2, 2.0, True, 1, 1.0, 0.5, np.float64(0.5), -0.0, 0.0, 0],
    ],
    ids=["floats", "several types"],
)
def test_constants_have_one_number_where_bits_and_type_are_equal(values):
    tables = Tables()
    numbers = [*map(int, _constants(values, tables))]
    for value, number in zip(values, numbers, strict=True):
        for other, another in zip(values, numbers, strict=True):
            same = type(value) is type(other) and np.array(value).tobytes() == np.array(other).tobytes()
            assert (number == another) == same
        found = tables.value(number)
        assert type(found) is type(value)
        assert np.array(found).tobytes() == np.array(value).tobytes()
