"""Arrays of equal extents, combined at random: axes that may be one, must be two, or are one already."""

import random

import numpy as np
import pytest

import wengert as wg
from tests.backends.llvm.segments_of import assert_native_part_agrees
from wengert.backends.llvm.lower.lower import can_lower

N = 3
LETTERS = "ijkl"


def contraction(rng, terms):
    """A random einsum of these operands: letters may repeat within one, and be summed or kept."""
    labels = ["".join(rng.choice(LETTERS) for _ in range(t.ndim)) for t in terms]
    present = sorted(set("".join(labels)))
    kept = rng.sample(present, rng.randint(0, min(3, len(present))))
    return np.einsum(f"{','.join(labels)}->{''.join(kept)}", *terms)


def step(rng, pool):
    """One more array of the pool, made of one to three of the others."""
    x, y, z = (rng.choice(pool) for _ in range(3))
    axis = rng.randrange(x.ndim) if x.ndim else None
    match rng.randrange(13):
        case 0:
            return x.T * y
        case 1:
            return x - np.transpose(y, rng.sample(range(y.ndim), y.ndim))
        case 2:
            return contraction(rng, [x, y]) * 0.5
        case 3:
            return contraction(rng, [x, y, z]) * 0.25
        case 4 if x.ndim:
            return np.sum(np.sin(x), axis=axis, keepdims=rng.random() < 0.5)
        case 5 if x.ndim > 1:
            return x[rng.choice([slice(None, None, -1), slice(None)])] * np.diagonal(x)
        case 6 if x.ndim:
            return x[np.argmax(y, axis=rng.randrange(y.ndim)) if y.ndim else 1] * 0.5
        case 7 if x.ndim > 1:
            return x[np.arange(N), np.argmin(x, axis=rng.choice([0, 1]))[..., :]] if x.ndim == 2 else x[0] * y
        case 8 if x.ndim:
            return np.where(x > 0.1, y, x[..., None] if x.ndim < 3 else x)
        case 9 if x.ndim and y.ndim:
            return np.tanh(x @ y) if x.ndim < 3 and y.ndim < 3 else x + y
        case 10 if 0 < x.ndim < 3:
            return (x[..., None] * x[None]).reshape(-1)[: N**x.ndim].reshape(x.shape)
        case 11 if x.ndim:
            made = np.zeros((N,) * x.ndim)
            made[rng.choice([0, slice(None), [0, 2], slice(None, None, 2)])] = y if y.ndim == 0 else 0.5
            made[[0, 2, 0]] += x[1]
            return made * x
        case _:
            return np.stack([x * 0.3, np.cos(x), x], axis=rng.randint(0, x.ndim)) if x.ndim < 3 else x.mean(axis=axis)


def random_program(seed):
    def program(v, m, t):
        rng = random.Random(seed)
        pool = [v, m, t]
        for _ in range(7):
            made = step(rng, pool)
            if made.ndim <= 3 and all(n == N for n in made.shape):
                pool.append(np.tanh(made))
        return sum(np.sum(x * (k + 1.0)) for k, x in enumerate(pool))

    return program


@pytest.mark.parametrize("seed", range(120))
def test_random_combinations(seed):
    generator = np.random.default_rng(seed)
    dtype = np.float32 if seed % 5 == 4 else np.float64
    args = tuple(generator.normal(size=(N,) * k).astype(dtype) for k in (1, 2, 3))
    program = random_program(seed)
    fun = program if seed % 3 == 0 else wg.value_and_grad(program, (0, 1, 2))
    graph = wg.trace(fun)(*args)
    assert not {n.op.name: why for n in graph.nodes if (why := can_lower(n)) is not None}
    assert assert_native_part_agrees(graph, graph.values) == len(graph.nodes)
