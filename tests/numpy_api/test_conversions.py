"""What Python asks of a number: text, truth, whole number, hash, copies; and what may not be asked.

Imports the public API. Invariant: an answer is that of the value; a refusal names the user's line
and what to write instead.
"""

from __future__ import annotations

import copy
import functools
import logging
import numbers
import traceback
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wengert as wg

from .differences import slope

X = np.array([0.7, 0.4, 1.3])


def inside(fun: Callable[[Any], Any], x: Any = X) -> Any:
    """What a function makes of a traced array."""
    seen = []

    def run(t):
        seen.append(fun(t))
        return t.sum()

    wg.grad(run)(x)
    return seen[0]


ANSWERS: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "percent": (lambda x: "%.2f|%s|%d" % (x[0], x[1], x[2]), "0.70|0.4|1"),  # noqa: UP031
    "format": (lambda x: f"{x[0]:.3e} {x[1]!s} {x}", "7.000e-01 0.4 [0.7 0.4 1.3]"),
    "join": (lambda x: ", ".join(map(str, x)), "0.7, 0.4, 1.3"),
    "log": (lambda x: logging.LogRecord("", 0, "", 0, "%.1f", (x[0],), None).getMessage(), "0.7"),
    "int": (lambda x: int(x[2] * 10), 13),
    "bool": (lambda x: (bool(x[0]), bool(x[0] - x[0])), (True, False)),
    "round": (lambda x: round(x[2]), 1),
    "trunc": (lambda x: (x[2].__trunc__(), x[2].__floor__(), x[2].__ceil__()), (1, 1, 2)),
    "astype": (lambda x: (x * 10).astype(int).tolist(), [7, 4, 13]),
    "hash": (lambda x: hash(x[0]) == hash(0.7), True),
    "same key": (lambda x: (lambda s: {s: 5}[s])(x[0]), 5),
    "other key": (lambda x: {0.5: 1}.get(x[0], "none"), "none"),
    "in": (lambda x: (0.4 in x, 2.0 in x, x[0] in [0.1, 0.7]), (True, False, True)),
    "order": (
        lambda x: (x[0] > x[1], min(x) is x[1] or min(x) == 0.4, np.argmax(x)),
        (True, True, 2),
    ),
    "range": (lambda x: list(range(int(x[2] * 2))), [0, 1]),
    "types": (
        lambda x: (
            isinstance(x, np.ndarray),
            isinstance(x[0], float),
            isinstance(x[0], numbers.Real),
            isinstance(x[0], np.floating),
            np.isscalar(x[0]),
            np.isscalar(x),
            callable(x),
            isinstance(x, float),
            isinstance(x[0], np.ndarray),
        ),
        (True, True, True, True, True, False, False, False, False),
    ),
    "complex types": (
        lambda x: (
            isinstance(1j * x[0], complex),
            isinstance(1j * x[0], float),
            isinstance(1j * x[0], numbers.Complex),
        ),
        (True, False, True),
    ),
    "shape": (
        lambda x: (x.shape, x.ndim, x.size, x.dtype, len(x), np.shape(x[0]), x.nbytes),
        ((3,), 1, 3, np.dtype(float), 3, (), 24),
    ),
    "scalar index": (
        lambda x: (x[0][()] == 0.7, x[0][None].shape, x[0][...].shape),
        (True, (1,), ()),
    ),
    "repr": (
        lambda x: (repr(x), repr(x[0] * 1.0)),
        ("TracedArray([0.7, 0.4, 1.3])", "TracedScalar(np.float64(0.7))"),
    ),
}


@pytest.mark.parametrize("name", sorted(ANSWERS))
def test_the_answer_is_that_of_the_value(name):
    ask, wanted = ANSWERS[name]
    assert inside(ask) == wanted


def test_copies_carry_the_derivative():
    def fun(x):
        y = x * x
        kept = [copy.copy(y), copy.deepcopy({"a": [y]})["a"][0], y.copy(), np.copy(y), np.array(y)]
        y[0] = 0.0
        return sum((k + 1) * part[0] for k, part in enumerate(kept)) + y.sum()

    np.testing.assert_allclose(wg.grad(fun)(X), slope(fun, X), rtol=1e-9)


def test_an_integer_target_truncates():
    def fun(x):
        y = np.arange(3)
        y[0] = x[2] * 10
        flags = np.zeros(2, bool)
        flags[1] = x[0]
        return y.sum() * x[0] + flags.sum() * x[1]

    np.testing.assert_allclose(wg.grad(fun)(X), [16.0, 1.0, 0.0])
    assert fun(X) == 16 * 0.7 + 0.4


CUTS: dict[str, Callable[[Any], Any]] = {
    "float": lambda x: float(x[0]),
    "complex": lambda x: complex(x[0]),
    "float64": lambda x: np.float64(x[0]),
    "item of a constant": lambda x: X.copy().__setitem__(0, x[0]),
    "dot of a constant": lambda x: X.dot(x),
    "list to a ufunc": lambda x: np.sin([x[0], 1.0]),
    "index": lambda x: [1, 2, 3][x[0]],
    "range": lambda x: range(x[0]),
    "array index": lambda x: X[x[0]],
    "buffer interface": lambda x: x.tobytes(),
}


@pytest.mark.parametrize("name", sorted(CUTS))
def test_a_cut_names_line_and_fix(name):
    with pytest.raises(wg.WengertError) as caught:
        inside(CUTS[name])
    error = caught.value
    assert isinstance(error, TypeError)
    assert error.file == __file__
    assert error.line == CUTS[name].__code__.co_firstlineno
    assert error.fix


def test_a_library_between_does_not_take_the_blame():
    pytest.importorskip("scipy")
    from scipy import sparse

    matrix = sparse.csr_array(np.eye(3))
    with pytest.raises(wg.CutError) as caught:
        inside(lambda x: matrix.multiply(x))
    assert caught.value.file == __file__


@pytest.mark.parametrize(
    "ask",
    [
        lambda x: memoryview(x),
        lambda x: float.__add__(x[0], 1.0),
        lambda x: np.ndarray.sum(x),
        lambda x: bytearray(b"ab").extend(x),
    ],
)
def test_compiled_code_that_refuses_is_explained(ask):
    with pytest.raises(TypeError) as caught:
        inside(ask)
    told = "".join(traceback.format_exception_only(caught.value))
    assert "traced value" in told
    assert f"{__file__}:{ask.__code__.co_firstlineno}" in told


@pytest.mark.parametrize("kind", [KeyError, ValueError, TypeError])
def test_an_exception_of_the_program_itself_gets_no_note(kind):
    def fun(x):
        raise kind("mine")

    with pytest.raises(kind, match="mine") as caught:
        inside(fun)
    assert not getattr(caught.value, "__notes__", [])


def test_an_exception_raised_from_none_is_kept():
    def fun(x):
        try:
            return float(x[0])
        except TypeError:
            raise KeyError("mine") from None

    with pytest.raises(KeyError, match="mine"):
        inside(fun)


# ---------------------------------------------------------------- look-ups


@functools.lru_cache
def cached(value):
    return value * value


LOOKUPS: dict[str, Callable[[Any], Any]] = {
    "cache of a number": lambda x: (cached(0.5), cached(x[0]))[1],
    "cache of another": lambda x: cached(x[0]) + 3.0 * cached(x[1]),
    "dictionary": lambda x: {x[0]: 1.0}.get(x[1]),
    "dictionary of constants": lambda x: {0.5: 1.0}[x[0]],
    "set": lambda x: len({x[0], x[1]}),
}


@pytest.mark.parametrize("name", sorted(LOOKUPS))
def test_an_entry_of_another_quantity_is_refused(name):
    cached.cache_clear()
    with pytest.raises(wg.CutError, match="looked up") as caught:
        inside(LOOKUPS[name], np.array([0.5, 0.5]))
    assert caught.value.file == __file__


def test_look_ups_of_different_values_and_of_the_same_quantity_work():
    cached.cache_clear()

    def fun(x):
        memo = {}
        total = 0.0
        for weight, value in zip((1.0, 2.0, 3.0), x, strict=True):
            memo[value] = weight * value**2
            total = total + memo[value]
        first = x[0]
        return total + cached(first) + cached(first)

    for _ in range(2):  # the second trace finds the first one's entries
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            np.testing.assert_allclose(wg.grad(fun)(X), slope(_uncached, X), rtol=1e-9)


def _uncached(x):
    return (np.array([1.0, 2.0, 3.0]) * x**2).sum() + 2 * x[0] ** 2


def test_user_comparisons_are_no_look_ups():
    def fun(x):
        hash(x[0])
        return x[0] * (x[0] == x[1]) + x[1] * (x[0] == 0.5) + x[1] * (x[1] in (0.5,))

    np.testing.assert_allclose(wg.grad(fun)(np.array([0.5, 0.5])), [1.0, 2.0])


# ---------------------------------------------------------------- sparse matrices


@pytest.mark.parametrize(
    "kind",
    [
        "csr_array",
        "csr_matrix",
        "csc_array",
        "coo_array",
        "bsr_array",
        "lil_array",
        "dok_matrix",
        "dia_array",
    ],
)
def test_products_with_constant_sparse_matrices(kind):
    sparse = pytest.importorskip("scipy.sparse")
    dense = np.array([[1.0, 0.0, 2.0], [0.0, 3.0, 0.0]])
    matrix = getattr(sparse, kind)(dense)
    w = np.array([1.0, -2.0])

    def fun(x):
        columns = x[:, None] * x
        return (
            ((matrix @ x) ** 2) @ w
            + (matrix.dot(x) ** 3).sum()
            + ((matrix.T @ x[:2]) ** 2).sum()
            + ((x[:2] @ matrix) ** 3).sum()
            + ((matrix @ columns) ** 2).sum()
            + ((columns[:2, :2] @ matrix) ** 2).sum()
        )

    def plain(x):
        columns = x[:, None] * x
        return (
            ((dense @ x) ** 2) @ w
            + ((dense @ x) ** 3).sum()
            + ((dense.T @ x[:2]) ** 2).sum()
            + ((x[:2] @ dense) ** 3).sum()
            + ((dense @ columns) ** 2).sum()
            + ((columns[:2, :2] @ dense) ** 2).sum()
        )

    np.testing.assert_allclose(wg.grad(fun)(X), slope(plain, X), rtol=1e-9)
    bent = wg.jvp(wg.grad(fun), (X,), (np.ones(3),))[1]
    h = 1e-4
    wanted = (slope(plain, X + h) - slope(plain, X - h)) / (2 * h)
    np.testing.assert_allclose(bent, wanted, rtol=1e-5)


def test_the_star_of_old_matrices_is_their_product():
    sparse = pytest.importorskip("scipy.sparse")
    dense = np.array([[1.0, 0.0, 2.0], [0.0, 3.0, 0.0]])
    np.testing.assert_allclose(
        wg.grad(lambda x: ((sparse.csr_matrix(dense) * x) ** 2).sum())(X), 2 * dense.T @ dense @ X
    )


def test_a_sparse_matrix_changed_after_its_product_does_not_change_the_derivative():
    sparse = pytest.importorskip("scipy.sparse")
    matrix = sparse.csr_array(np.eye(3))

    def fun(x):
        y = matrix @ x
        matrix.data[:] = 7.0
        return (y * y).sum()

    np.testing.assert_allclose(wg.grad(fun)(X), 2 * X)


def test_products_that_do_not_fit_are_value_errors():
    sparse = pytest.importorskip("scipy.sparse")
    matrix = sparse.csr_array(np.ones((2, 3)))
    for product in (lambda x: matrix @ x[:2], lambda x: x @ matrix):
        with pytest.raises(ValueError, match=r"mismatch|fit"):
            inside(product)
