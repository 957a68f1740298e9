"""A character model of l LSTM layers whose gates see diagonal weights only (ADBench's variant): a Python loop in time.

May import NumPy and `files`. Invariant: main (2 l, 4, b) holds the weights and biases of the four gates of each layer,
extra (3, b) input scale, output scale and output bias, state (2 l, b) hidden and cell of each layer.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.adbench import files

SIZES = (2, 1024, 14)
"""Layers, characters and width of the file."""


def sigmoid(x: Any) -> Any:
    """The logistic function as one writes it."""
    return 1.0 / (1.0 + np.exp(-x))


def layer(weights: Any, biases: Any, hidden: Any, cell: Any, x: Any) -> tuple[Any, Any]:
    """One layer, one character: the new hidden state and cell."""
    forget = sigmoid(x * weights[0] + biases[0])
    admit = sigmoid(hidden * weights[1] + biases[1])
    emit = sigmoid(x * weights[2] + biases[2])
    change = np.tanh(hidden * weights[3] + biases[3])
    cell = cell * forget + admit * change
    return emit * np.tanh(cell), cell


def objective(main: Any, extra: Any, state: Any, sequence: Any) -> Any:
    """Mean negative log likelihood of each character given those before it; sequence (c, b)."""
    state = np.array(state)
    total = 0.0
    for t in range(len(sequence) - 1):
        x = sequence[t] * extra[0]
        for i in range(0, len(main), 2):
            state[i], state[i + 1] = layer(main[i], main[i + 1], state[i], state[i + 1], x)
            x = state[i]
        scores = x * extra[1] + extra[2]
        normed = scores - np.log(np.sum(np.exp(scores)) + 2.0)
        total = total + np.sum(sequence[t + 1] * normed)
    return -total / ((len(sequence) - 1) * sequence.shape[1])


def random_inputs(layers: int, characters: int, width: int, seed: int = 8) -> tuple[Any, ...]:
    """Arguments of `objective`; the sequence is one-hot like text."""
    random = np.random.default_rng(seed)
    return (
        random.random((2 * layers, 4, width)),
        random.random((3, width)),
        random.random((2 * layers, width)),
        np.eye(width)[random.integers(0, width, characters)],
    )


def inputs() -> tuple[tuple[Any, ...], bool]:
    """Arguments of `objective` from the file, or random ones of its sizes; and whether the file was there."""
    layers, characters, width = SIZES
    path = files.found("lstm", "lstm_l2_c1024.txt")
    if path is None:
        return random_inputs(*SIZES), False
    shapes = (3,), (2 * layers, 4, width), (3, width), (2 * layers, width), (characters, width)
    sizes, main, extra, state, sequence, _ = files.cut(files.numbers(path), *shapes)
    assert tuple(sizes) == SIZES
    return (main, extra, state, sequence), True
