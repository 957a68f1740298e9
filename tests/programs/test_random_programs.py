"""Random programs of writes, views, copies and reads, each an ordinary function of one array.

Imports the public API and the oracle. A program is fixed by its seed: every choice comes from
Python's generator, never from the values. All steps are analytic, so the complex step gives the
gradient to the last digits without any use of the library.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wengert as wg

from . import oracle
from .harness import SECOND_TOLERANCE, irregular

SEEDS = range(200)
LENGTH = 8


def part(rng: random.Random, size: int) -> Any:
    """A random basic index of an axis that keeps at least two entries where it can."""
    start = rng.randrange(0, max(1, size // 2))
    stop = rng.randrange(start + 1, size + 1)
    return rng.choice(
        [slice(start, stop), slice(None, None, 2), slice(None, None, -1), slice(None)]
    )


def step(rng: random.Random, pool: list[Any]) -> None:
    """Do one random thing to the arrays of the pool, in place or by adding an array to it."""
    v, w = rng.choice(pool), rng.choice(pool)
    common = min(len(v), len(w))
    i, j = rng.randrange(len(v)), rng.randrange(len(w))
    action = rng.randrange(16)
    if action == 0:
        v[i] = np.sin(w[j]) + 0.5 * v[i]
    elif action == 1:
        v[:common] *= 0.5 + 0.3 * w[:common]
    elif action == 2:
        v[1:] += 0.4 * v[:-1]
    elif action == 3:
        v[:common] = w[len(w) - common :][::-1]
    elif action == 4:
        pool.append(v[part(rng, len(v))])
    elif action == 5:
        pool.append(v * 0.7 + np.sin(v))
    elif action == 6:
        pool.append(v.copy())
    elif action == 7 and len(v) >= 4:
        grid = v[: len(v) // 2 * 2].reshape(2, -1).T
        grid[0] = grid[1] * 0.6
        grid[:, 1] -= 0.2 * grid[:, 0]
    elif action == 8:
        places = [rng.randrange(len(v)) for _ in range(3)]
        v[places] = np.cos(w[[j, 0, j]])
    elif action == 9:
        np.add.at(v, [i, i, 0], 0.3 * w[[j, 0, j]])
    elif action == 10:
        np.multiply(v[:common], w[:common], out=v[:common])
    elif action == 11:
        mask = np.array([rng.random() < 0.5 for _ in range(len(v))])
        v[mask] = 0.8 * v[mask] + 0.1
    elif action == 12:
        v[[i, 0]] = v[[0, i]]
    elif action == 13:
        buffer = np.zeros(len(v) + 2, dtype=v.dtype)
        buffer[1:-1] = v
        pool.append(buffer[rng.choice([0, 1]) : -1])
    elif action == 14:
        row = v[None, :]
        row[0, i:] /= 1.5 + w[j] ** 2
    else:
        v -= np.sum(w[:common] * v[:common]) * 0.1


def random_program(seed: int) -> Callable[[Any], Any]:
    """An ordinary function of an array of length 8 that takes 14 random steps."""

    def program(x):
        rng = random.Random(seed)
        pool = [x if rng.random() < 0.2 else x * 1.0]
        total = 0.0
        for _ in range(14):
            step(rng, pool)
            if rng.random() < 0.3:
                kept = rng.choice(pool)
                total = total + np.sum(kept * kept) * rng.choice(pool)[0]
        return total + sum(np.sum(np.sin(v) * (k + 1)) for k, v in enumerate(pool))

    return program


def point(seed: int) -> np.ndarray:
    """A point of moderate size, different for every seed."""
    return irregular(LENGTH, 0.1 * seed) * 0.8


@pytest.mark.parametrize("seed", SEEDS)
def test_value_gradient_and_tangent(seed):
    program, at = random_program(seed), point(seed)
    wanted_value = program(at.copy())
    wanted = oracle.complex_step(lambda z: program(z.copy()), at.astype(complex))
    scale = max(1.0, np.abs(wanted).max())
    given = at.copy()
    value, gradient = wg.value_and_grad(program)(given)
    assert np.asarray(value).tobytes() == np.asarray(wanted_value).tobytes()
    assert given.tobytes() == at.tobytes()
    np.testing.assert_allclose(gradient, wanted, rtol=0, atol=1e-12 * scale)
    direction = irregular(LENGTH, 0.5)
    value, tangent = wg.jvp(program, (given,), (direction,))
    assert np.asarray(value).tobytes() == np.asarray(wanted_value).tobytes()
    assert given.tobytes() == at.tobytes()
    np.testing.assert_allclose(tangent, wanted @ direction, rtol=0, atol=1e-11 * scale)


@pytest.mark.parametrize("seed", SEEDS)
def test_second_derivatives(seed):
    program, at = random_program(seed), point(seed)
    direction = irregular(LENGTH, 0.9)
    wanted, error = oracle.hessian_vector(lambda v: program(v.copy()), at, direction)
    scale = max(1.0, np.abs(wanted).max())
    assert np.all(error < 0.1 * SECOND_TOLERANCE * scale)
    _, product = wg.hvp(program, (at,), (direction,))
    np.testing.assert_allclose(product, wanted, rtol=0, atol=SECOND_TOLERANCE * scale)
    twice = wg.grad(lambda x: np.sum(direction * wg.grad(program)(x)))(at)
    np.testing.assert_allclose(twice, wanted, rtol=0, atol=SECOND_TOLERANCE * scale)
