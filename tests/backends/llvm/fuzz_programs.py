"""Random NumPy programs as lists of steps, which can be printed, run, and made smaller.

Imports NumPy, and wengert for the loops that are said outright. Invariant: a program is determined by its seed, and
its steps take their operands by number, so that steps can be left out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

Draw = Callable[[np.random.Generator, list[Any]], Any]


@dataclass(frozen=True)
class Step:
    """``name`` of the vocabulary applied to earlier values, and parameters."""

    name: str
    args: tuple[int, ...]
    params: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Program:
    """Arrays to begin with, steps, and the numbers of the values that are returned."""

    inputs: tuple[Any, ...]
    steps: tuple[Step, ...]
    outputs: tuple[int, ...]
    otherwise: bool = False
    """Whether words that can be said in another way are said in that way."""

    @property
    def has_otherwise(self) -> bool:
        """Whether there are such words."""
        return any(step.name in OTHERWISE for step in self.steps)

    def __call__(self, *inputs: Any) -> Any:
        """The outputs at other arrays, as a tuple."""
        values = list(inputs)
        for step in self.steps:
            word = OTHERWISE.get(step.name) if self.otherwise else None
            values.append((word or WORDS[step.name][0])(*(values[k] for k in step.args), *step.params))
        return tuple(values[k] for k in self.outputs)

    def __str__(self) -> str:
        lines = [f"v{k} = {np.asarray(x).dtype}{np.shape(x)}" for k, x in enumerate(self.inputs)]
        for k, step in enumerate(self.steps, len(self.inputs)):
            operands = [f"v{a}" for a in step.args] + [repr(p).replace("\n", "") for p in step.params]
            lines.append(f"v{k} = {step.name}({', '.join(operands)})")
        return "\n".join([*lines, f"return {', '.join(f'v{k}' for k in self.outputs)}"])

    def smaller(self) -> list[Program]:
        """Programs with one output less, a step taken away or an operand exchanged for an earlier value."""
        found = [replace(self, outputs=(k,)) for k in self.outputs if len(self.outputs) > 1]
        found += [replace(self, outputs=self.outputs[:k] + self.outputs[k + 1 :]) for k in range(len(self.outputs))]
        first = len(self.inputs)
        for k in reversed(range(len(self.steps))):
            for other in (*self.steps[k].args, *range(first)):
                steps = tuple(
                    replace(s, args=tuple(other if a == first + k else a for a in s.args)) for s in self.steps
                )
                outputs = tuple(other if a == first + k else a for a in self.outputs)
                found.append(replace(self, steps=steps, outputs=outputs))
        return [p.pruned() for p in found if p.outputs]

    def pruned(self) -> Program:
        """Without the steps that nothing needs."""
        first, needed = len(self.inputs), set(self.outputs)
        for k in reversed(range(len(self.steps))):
            if first + k in needed:
                needed.update(self.steps[k].args)
        kept = [k for k in range(len(self.steps)) if first + k in needed]
        number = {k: k for k in range(first)} | {first + k: first + n for n, k in enumerate(kept)}
        steps = tuple(replace(self.steps[k], args=tuple(number[a] for a in self.steps[k].args)) for k in kept)
        return replace(self, steps=steps, outputs=tuple(number[k] for k in self.outputs))


# ---------------------------------------------------------------- drawing operands

WORDS: dict[str, tuple[Callable[..., Any], Draw]] = {}
"""The vocabulary: what a step does, and how its operands and parameters are drawn (None: there are none)."""

OTHERWISE: dict[str, Callable[..., Any]] = {}
"""The same mathematics in other steps, with their own cancellation: right answers may be as far apart as the two."""


def is_float(x: Any) -> bool:
    """Whether a value can be differentiated."""
    return np.asarray(x).dtype.kind == "f"


def pick(rng: np.random.Generator, pool: list[Any], fits: Callable[[Any], bool] = lambda x: True) -> int | None:
    """A value that fits, late ones first."""
    fitting = [k for k, x in enumerate(pool) if fits(x)]
    if not fitting:
        return None
    return fitting[-1 - int(rng.integers(len(fitting)) * rng.random())]


def of_one(fits: Callable[[Any], bool], *params: Callable[[np.random.Generator, Any], Any]) -> Draw:
    """One operand, and parameters drawn for it."""

    def draw(rng: np.random.Generator, pool: list[Any]) -> Any:
        k = pick(rng, pool, fits)
        return None if k is None else ((k,), tuple(p(rng, pool[k]) for p in params))

    return draw


def of_two(fits: Callable[[Any], bool], match: Callable[[Any, Any], bool], *params: Any) -> Draw:
    """Two operands that match, and parameters drawn for them."""

    def draw(rng: np.random.Generator, pool: list[Any]) -> Any:
        first = pick(rng, pool, fits)
        second = None if first is None else pick(rng, pool, lambda y: fits(y) and match(pool[first], y))
        if second == first:
            second = pick(rng, pool, lambda y: fits(y) and match(pool[first], y))
        if second is None:
            return None
        return (first, second), tuple(p(rng, pool[first], pool[second]) for p in params)

    return draw


def broadcasts(x: Any, y: Any) -> bool:
    """Whether shapes go together into nothing huge."""
    try:
        return int(np.prod(np.broadcast_shapes(np.shape(x), np.shape(y)))) <= LARGEST
    except ValueError:
        return False


LARGEST = 40000


def an_array(x: Any) -> bool:
    """An array with at least one axis."""
    return np.ndim(x) > 0


def full(x: Any) -> bool:
    """An array with axes, and elements."""
    return np.ndim(x) > 0 and np.size(x) > 0


def float_array(x: Any) -> bool:
    """An array of floats with elements."""
    return full(x) and is_float(x)


def axis_of(rng: np.random.Generator, x: Any) -> int:
    """One of its axes, sometimes counted from the end."""
    return int(rng.integers(-np.ndim(x), np.ndim(x)))


def axes_of(rng: np.random.Generator, x: Any) -> Any:
    """No axis, one, or several."""
    if rng.random() < 0.2:
        return None
    if rng.random() < 0.7:
        return axis_of(rng, x)
    return tuple(sorted(rng.choice(np.ndim(x), int(rng.integers(1, np.ndim(x) + 1)), replace=False).tolist()))


def flag(rng: np.random.Generator, *_: Any) -> bool:
    """True or False."""
    return bool(rng.integers(2))


def region(rng: np.random.Generator, x: Any) -> tuple[Any, ...]:
    """A basic index: slices with all kinds of steps, numbers, new axes, an ellipsis."""
    index: list[Any] = []
    for n in np.shape(x):
        r = rng.random()
        if r < 0.15 and n:
            index.append(int(rng.integers(-n, n)))
        elif r < 0.4:
            index.append(slice(None))
        else:
            step = int(rng.choice([1, 1, 2, 3, -1, -2]))
            low, high = sorted(int(v) for v in rng.integers(0, n + 1, 2))
            if low == high and n and rng.random() < 0.9:
                low, high = 0, n
            index.append(slice(low, high, step) if step > 0 else slice(high - 1 if high else None, None, step))
    while index and rng.random() < 0.2:
        index.pop()
    if rng.random() < 0.15:
        index.insert(int(rng.integers(len(index) + 1)), None)
    return tuple(index)


def places(rng: np.random.Generator, x: Any) -> Any:
    """Whole numbers that index the first axis, of one or two dimensions, with repetitions."""
    n = np.shape(x)[0]
    shape = (int(rng.integers(1, 9)),) if rng.random() < 0.7 else (int(rng.integers(1, 4)), int(rng.integers(1, 4)))
    return rng.integers(-n, n, shape)


def new_shape(rng: np.random.Generator, x: Any) -> tuple[int, ...]:
    """Another shape for as many elements."""
    rest, shape = np.size(x), []
    for p in (2, 3, 5, 7, 1):
        if rest and rest % p == 0 and rng.random() < 0.5:
            shape.append(p)
            rest //= p
    shape.insert(int(rng.integers(len(shape) + 1)), rest)
    return tuple(shape)


# ---------------------------------------------------------------- drawing programs

EXTENTS = [1, 1, 2, 3, 4, 5, 7, 8, 9, 11, 13, 15, 16, 17, 23, 29, 31, 32, 33]


def shape_of(rng: np.random.Generator, extents: list[int]) -> tuple[int, ...]:
    """A shape of few extents; seldom a long axis, seldom none, seldom one without elements."""
    r = rng.random()
    if r < 0.06:
        return ()
    if r < 0.14:
        return (int(rng.integers(900, 5000)),)
    if r < 0.2:
        return (int(rng.integers(34, 400)), int(rng.choice(extents)))
    if r < 0.23:
        return (0, int(rng.choice(extents)))[: int(rng.integers(1, 3))]
    return tuple(int(n) for n in rng.choice(extents, int(rng.integers(1, 4))))


SPECIAL = [0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, 5e-324, -1e-310, 1e-40, 1e300, -1e38, 0.5, 2.0, 750.0, -750.0]


def array_of(rng: np.random.Generator, shape: tuple[int, ...], dtype: Any, special: bool = False) -> Any:
    """Random numbers of a type, special ones among them if wanted."""
    kind = np.dtype(dtype).kind
    if kind == "b":
        return rng.random(shape) < 0.5
    if kind in "iu":
        return rng.integers(-6 if kind == "i" else 0, 7, shape).astype(dtype)
    x = rng.standard_normal(shape)
    if special:
        with np.errstate(over="ignore"):
            x = np.where(rng.random(shape) < 0.5, x, rng.choice(SPECIAL, shape))
    with np.errstate(all="ignore"):
        return np.asarray(x).astype(dtype)


def random_program(seed: int, *, special: bool = False) -> Program:
    """The program of a seed; with ``special`` its arrays hold infinities, NaN, zeros of both signs, tiny numbers."""
    from tests.backends.llvm import (  # noqa: F401 they fill the vocabulary
        fuzz_words,
        fuzz_words_arrays,
        fuzz_words_more,
        fuzz_words_order,
        fuzz_words_rare,
    )

    rng = np.random.default_rng(seed)
    extents = [int(e) for e in rng.choice(EXTENTS, 3)]
    single = rng.random() < 0.3
    inputs = []
    for _ in range(int(rng.integers(1, 4))):
        r = rng.random()
        dtype: Any = np.float32 if single and r < 0.7 else np.float64
        if inputs and r > 0.9:
            dtype = rng.choice([np.int64, np.int64, np.int32, np.int32, np.bool_, np.bool_, np.int16, np.uint8])
        if inputs and rng.random() < 0.3:
            shape = np.shape(inputs[-1])[int(rng.integers(0, 2)) :]
        else:
            shape = shape_of(rng, extents)
        inputs.append(array_of(rng, shape, dtype, special))
    pool, steps = list(inputs), []
    names = sorted(WORDS)  # one order, whichever of their files was loaded first
    for _ in range(int(rng.integers(2, 18))):
        name = names[int(rng.integers(len(names)))]
        apply, draw = WORDS[name]
        drawn = draw(rng, pool)
        if drawn is None:
            continue
        try:
            with np.errstate(all="ignore"):
                made = apply(*(pool[k] for k in drawn[0]), *drawn[1])
        except (ValueError, IndexError, ZeroDivisionError, TypeError):
            continue
        if np.asarray(made).dtype.kind not in "fiubc" or np.size(made) > LARGEST:
            continue
        tame = np.all(np.isfinite(made)) and np.max(np.abs(np.asarray(made) * 1.0), initial=0.0) < 1e4
        if not tame and not special and rng.random() < 0.95:
            continue
        pool.append(made)
        steps.append(Step(name, *drawn))
    count = len(pool)
    outputs = [count - 1, *(int(k) for k in rng.integers(len(inputs), max(count, len(inputs) + 1), 2) if k < count)]
    if not any(is_float(pool[k]) for k in outputs):
        outputs.append(0)
    return Program(tuple(inputs), tuple(steps), tuple(dict.fromkeys(outputs))).pruned()
