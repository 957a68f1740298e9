"""Random NumPy functions over arrays of a few extents, for comparing native code with the meaning of its program.

Run as a program it compares for as long as it is told: ``python -m tests.backends.llvm.random_programs 600 [seed]``."""

import sys
import time

import numpy as np

UNARY = [
    np.sin,
    np.tanh,
    np.abs,
    np.negative,
    np.cos,
    lambda x: np.exp(-np.abs(x)),
    lambda x: np.sqrt(np.abs(x) + 0.5),
    lambda x: np.log1p(x * x),
    lambda x: x * x,
    lambda x: 1.0 / (1.0 + np.exp(-x)),
    lambda x: x.T,
    lambda x: x.ravel(),
    lambda x: x[::-1],
    lambda x: x[1:],
    lambda x: x[..., :-1],
    lambda x: x[::2],
    lambda x: np.concatenate([x, x[:1]]),
    lambda x: np.concatenate([x[1:], np.zeros_like(x[:1])]),
    lambda x: np.pad(x, 1),
    lambda x: np.cumsum(x, axis=0),
    lambda x: np.repeat(x, 2, axis=0),
    lambda x: x.reshape((-1, *x.shape[2:])) if x.ndim > 1 else x[:, None],
    lambda x: x.reshape(2, -1) if x.size % 2 == 0 else x.reshape(1, -1),
    lambda x: np.where(x > 0.1, x, 0.5 * x),
    lambda x: x[0],
    lambda x: np.roll(x, 1, axis=0),
    lambda x: np.diagonal(x) if x.ndim == 2 else x,
    lambda x: np.sort(x, axis=0) if x.shape[0] < 2 else x,
]
REDUCE = [np.sum, np.mean, np.max, np.min, np.sum, np.sum]
BINARY = [
    np.add,
    np.multiply,
    np.subtract,
    np.maximum,
    lambda a, b: a / (2.0 + b * b),
    lambda a, b: np.where(a < b, a, b),
]


def function_of(seed):
    """A random function of two arrays, and arguments for it; it raises ValueError where its draw makes no sense."""
    shapes = np.random.default_rng(seed)
    extents = [int(e) for e in shapes.choice([1, 2, 3, 5, 7, 8, 13, 17, 33, 70, 130, 200], 3)]
    first = tuple(extents[: shapes.integers(1, 4)])
    second = tuple(extents[int(shapes.integers(0, 3)) :])
    arrays = [shapes.standard_normal(first), shapes.standard_normal(second)]
    steps = int(shapes.integers(2, 12))

    def f(x, y):
        draw = np.random.default_rng(seed + 1)
        pool = [x, y]
        for _ in range(steps):
            kind, a = draw.random(), pool[int(draw.integers(len(pool)))]
            b = pool[int(draw.integers(len(pool)))]
            if a.ndim == 0 or a.size == 0 or a.size > 20000:
                made = np.tanh(a) if a.size and a.size <= 20000 else x
            elif kind < 0.45:
                made = UNARY[int(draw.integers(len(UNARY)))](a)
            elif kind < 0.6:
                axis = int(draw.integers(-1, a.ndim))
                keep = bool(draw.integers(2))
                made = REDUCE[int(draw.integers(len(REDUCE)))](a, axis=None if axis < 0 else axis, keepdims=keep)
            elif kind < 0.67:
                made = a[draw.integers(0, a.shape[0], int(draw.integers(1, 9)))]
            elif kind < 0.72:
                made = np.zeros(a.shape[0] + 2)
                np.add.at(made, draw.integers(0, a.shape[0] + 2, a.shape[0]), a.reshape(a.shape[0], -1)[:, 0])
            elif kind < 0.8 and a.ndim and b.ndim and a.shape[-1] == b.shape[0]:
                made = a @ b
            elif kind < 0.84 and a.ndim == 2:
                made = np.einsum("ij,ik->jk", a, np.cos(a))
            else:
                try:
                    np.broadcast_shapes(a.shape, b.shape)
                except ValueError:
                    b = np.sum(b)
                made = BINARY[int(draw.integers(len(BINARY)))](a, b)
            if made.size:
                pool.append(made)
        return (*pool[-2:], np.sum(pool[-1]))

    return f, arrays


def compare(seed, *, gradient, everywhere, bits):
    """Compare one random program; whether there was something to compare."""
    import wengert
    from tests.backends.llvm.emitted import agree, agree_everywhere
    from wengert.backends.llvm.lower.builder import Refused
    from wengert.backends.llvm.lower.lower import lower

    f, arrays = function_of(seed)
    taken = wengert.value_and_grad(lambda x, y: f(x, y)[-1], (0, 1)) if gradient else f
    try:
        with np.errstate(all="ignore"):
            program = lower(wengert.trace(taken)(*arrays))
    except (Refused, ValueError, wengert.WengertError):
        return False
    (agree_everywhere if everywhere else agree)(program, arrays[: len(program.inputs)], bits, 1e-9)
    return True


def main(seconds, seed):
    """Compare until the time is over; print the seeds that fail."""
    end, done, failed = time.monotonic() + seconds, 0, 0
    while time.monotonic() < end:
        options = {"gradient": seed % 2 == 1, "everywhere": seed % 5 == 0, "bits": (512, 256, 128)[seed % 3]}
        try:
            done += compare(seed, **options)
        except Exception as error:  # noqa: BLE001 whatever goes wrong is what is looked for
            failed += 1
            print(f"seed {seed}: {type(error).__name__}: {str(error).strip()[:200]}", flush=True)
        seed += 1
    print(f"{done} programs compared, {failed} failed, next seed {seed}")


if __name__ == "__main__":
    main(float(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0)
