"""Scans as they are before they are scheduled, against NumPy's own loops."""

import numpy as np
import pytest

import wengert
from wengert.backends.llvm.emit.emit import emit
from wengert.backends.llvm.indexed import ScanOutput
from wengert.backends.llvm.lower.lower import lower
from wengert.backends.llvm.scan_forms import settled, updated_in_place

pytest.importorskip("llvmlite")

from tests.backends.llvm.emitted import agree

random = np.random.default_rng(81)
START = random.standard_normal((70, 3))
ROWS = random.standard_normal((5, 3))
TABLE = random.standard_normal((70, 4))


def scan_of(program):
    """The only scan of a program."""
    scans = {id(v.scan): v.scan for v in program.values() if isinstance(v, ScanOutput)}
    return next(iter(scans.values()))


def program_of(f, *arguments):
    """The program of a function, its scans settled, and what native code gives for it."""
    program = lower(wengert.trace(f)(*arguments))
    found = agree(program, list(arguments))
    return settled(program), found


def test_a_state_that_nobody_asks_for_is_left_out():
    def f(start, rows):
        def step(carry, row):
            before, now, forgotten = carry
            return (now, now + row, np.sin(forgotten) * before), before

        carry, _ = wengert.scan(step, (start, start, start), rows)
        return carry[1]

    program, found = program_of(f, START, ROWS)
    assert len(scan_of(program).initial) == 1 and len(scan_of(program).body.stores) == 1
    np.testing.assert_allclose(found[0], START + ROWS.sum(0), rtol=1e-13)


def test_what_a_kept_state_reads_is_kept():
    def f(start, rows):
        def step(carry, row):
            first, second, third = carry
            return (first + second, second * third, third + np.sum(row)), third

        return wengert.scan(step, (start, start, start), rows)[0][0]

    program, found = program_of(f, START, ROWS)
    assert len(scan_of(program).initial) == 3 and len(scan_of(program).body.stores) == 3
    a, b, c = START, START, START
    for row in ROWS:
        a, b, c = a + b, b * c, c + row.sum()
    np.testing.assert_allclose(found[0], a, rtol=1e-12)


def test_short_dimensions_of_a_state_go_first():
    def f(start, rows):
        return wengert.scan(lambda x, row: (x @ np.outer(row, row) + np.cos(x[::-1]), x[3]), start, rows)

    program, found = program_of(f, START, ROWS)
    assert scan_of(program).body.inputs[0].shape == (3, 70) == scan_of(program).body.stores[0].slot.shape
    x, ys = START, []
    for row in ROWS:
        ys.append(x[3])
        x = x @ np.outer(row, row) + np.cos(x[::-1])
    np.testing.assert_allclose(found[0], x, rtol=1e-12)
    np.testing.assert_allclose(found[1], ys, rtol=1e-12)


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (lambda x, y, row: (x * 0.5 + np.sum(row), y), True),
        (lambda x, y, row: (x * 0.5 + x * x * np.cos(y), y), True),
        (lambda x, y, row: (x[::-1] + np.sum(row), y), False),
        (lambda x, y, row: (x - np.mean(x) + row, y), False),
        (lambda x, y, row: (x + row, x - y), False),
        (lambda x, y, row: (y, x), False),
        (lambda x, y, row: (x + x[:, ::-1], y), False),
    ],
)
def test_a_state_is_written_over_only_where_nothing_else_reads_it(step, expected):
    def f(start, rows):
        return wengert.scan(lambda c, row: (step(*c, row), np.sum(row)), (start, 2.0 * start), rows)

    program, found = program_of(f, START, ROWS)
    assert updated_in_place(scan_of(program).body, 0) is expected
    x, y = START, 2.0 * START
    for row in ROWS:
        x, y = step(x, y, row)
    np.testing.assert_allclose(found[0], x, rtol=1e-11)
    np.testing.assert_allclose(found[1], y, rtol=1e-11)


def test_scans_in_scans_with_constants_of_their_own():
    def f(start, rows):
        def inner(x, row):
            return x + TABLE @ (TABLE.T @ x) * 1e-2 + row, x[0]

        def outer(x, row):
            x, firsts = wengert.scan(inner, x, np.stack([row, 2.0 * row]))
            return np.sin(x), np.sum(firsts, 0)

        return wengert.scan(outer, start, rows)

    _, found = program_of(f, START, ROWS)
    x, ys = START, []
    for row in ROWS:
        total = 0.0
        for k in (1.0, 2.0):
            total, x = total + x[0], x + TABLE @ (TABLE.T @ x) * 1e-2 + k * row
        ys.append(total)
        x = np.sin(x)
    np.testing.assert_allclose(found[0], x, rtol=1e-11)
    np.testing.assert_allclose(found[1], ys, rtol=1e-11)


def test_constants_lie_as_the_lanes_read_them():
    def f(x):
        return np.tanh(TABLE * x) @ np.ones(4)

    program = lower(wengert.trace(f)(START[0, 0]))
    shapes = {s.shape for s in emit(program, width_bits=512, fma=True).slots if s.kind == "constant"}
    assert (4, 70) in shapes and (70, 4) not in shapes
    np.testing.assert_allclose(agree(program, [START[0, 0]])[0], np.tanh(TABLE * START[0, 0]).sum(1), rtol=1e-13)


def test_identities_stay_as_they_are():
    seeds = np.eye(70, 3)

    def f(x):
        return seeds * x

    program = lower(wengert.trace(f)(START))
    assert {s.shape for s in settled(program).constants} == {(70, 3)}
    np.testing.assert_array_equal(agree(program, [START])[0], seeds * START)
