"""Every dispatching function of NumPy with a traced value in every argument place: a handle, an
answer, or an error.

Imports the public API. Invariant: no floating-point number leaves a function that moves with the
traced argument.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import wengert as wg

from .test_identity import is_traced, numbers_in

V = np.array([0.7, 0.4, 1.3])
M = np.array([[2.0, 0.3, 0.1], [0.4, 1.5, 0.2], [0.1, 0.6, 1.8]])
S = 0.6
PLACES = np.array([0, 2, 1])
TEMPLATES: list[tuple[Any, ...]] = [
    (M,),
    (V,),
    (S,),
    (M, M),
    (M, V),
    (V, V),
    (V, S),
    (M, S),
    (S, V),
    (V, 1),
    (M, 1),
    (V, PLACES),
    (V > 0.5, V),
    (V, (3,)),
    (M, (9,)),
    (V, V, V),
    (V, S, S),
    (M, 0, 1),
    (S, S, 3),
    (V, PLACES, V),
    (V, V > 0.5, V),
    (V > 0.5, V, V),
    ("ij,jk->ik", M, M),
    ([V, V],),
    ([M, M],),
    (V, [V > 0.5], [2.0]),
    (PLACES, [V, V, V]),
    ([V > 0.5], [V]),
    ((V, V), S),
    (V, 1, S),
    (M, M, 1),
    (V, 2, 0.5, S),
    (M, [0]),
    (lambda row: row * 2.0, 0, M),
    (np.sum, M, [0]),
    (V, V, 1),
    (V, PLACES, V, 0),
    (np.stack([M, M, M]), 3),
    (V, np.float32),
    (V, 4, (S, 2.0)),
    (V, 4, (0.0, 2.0), None, V),
    (V, V, 3),
    (M, V, -1),
    (V, V, 0.1),
]


def dispatchers() -> dict[str, Any]:
    kind = type(np.sum)
    return {
        f"{module.__name__}.{name}": function
        for module in (np, np.linalg, np.fft)
        for name, function in vars(module).items()
        if type(function) is kind
    }


IGNORED = {
    "numpy.save",
    "numpy.savetxt",
    "numpy.savez",
    "numpy.savez_compressed",
}  # they write files
DISPATCHERS = {name: f for name, f in dispatchers().items() if name not in IGNORED}


def run(function: Any, args: tuple[Any, ...]) -> Any:
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return function(*args)


def fresh(args: tuple[Any, ...]) -> list[Any]:
    return [a.copy() if isinstance(a, np.ndarray) else a for a in args]


def places(args: tuple[Any, ...]) -> Iterator[tuple[int, Any]]:
    """The argument places that hold floating-point numbers, singly or in a list."""
    for place, a in enumerate(args):
        if isinstance(a, float) or (isinstance(a, np.ndarray) and a.dtype.kind == "f"):
            yield place, lambda t: t
        elif (
            isinstance(a, (list, tuple))
            and a
            and isinstance(a[0], np.ndarray)
            and a[0].dtype.kind == "f"
        ):
            yield place, lambda t, a=a: type(a)([t, *a[1:]])


def value_at(args: tuple[Any, ...], place: int) -> Any:
    a = args[place]
    return a[0] if isinstance(a, (list, tuple)) else a


def with_place(args: tuple[Any, ...], place: int, part: Any) -> tuple[Any, ...]:
    filled = fresh(args)
    filled[place] = part
    return tuple(filled)


def traced_result(
    function: Any, args: tuple[Any, ...], place: int, wrap: Any, forward: bool
) -> tuple[Any, list[Any]]:
    """The result with a handle in one place, and the plain arguments afterwards (a function may
    have written there).
    """
    seen: list[Any] = []
    x = value_at(args, place)

    def program(t: Any) -> Any:
        call = with_place(args, place, wrap(t))
        seen.append((run(function, call), [a for k, a in enumerate(call) if k != place]))
        return t if np.ndim(x) == 0 else t.ravel()[0]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if forward:
            wg.jvp(program, (x,), (np.ones_like(x) if np.ndim(x) else 1.0,))
        else:
            wg.grad(program)(x)
    return seen[0]


@pytest.mark.parametrize("name", sorted(DISPATCHERS))
def test_no_function_lets_plain_numbers_out(name):
    function = DISPATCHERS[name]
    tried = 0
    for args in TEMPLATES:
        try:
            run(function, tuple(fresh(args)))
        except Exception:  # noqa: BLE001
            continue
        for (place, wrap), forward in itertools.product(places(args), (False, True)):
            x = value_at(args, place)
            tried += 1
            try:
                result, others = traced_result(function, args, place, wrap, forward)
            except (
                wg.WengertError,
                TypeError,
                ValueError,
                IndexError,
                ArithmeticError,
                NotImplementedError,
            ):
                continue
            given = set(numbers_in([a for k, a in enumerate(args) if k != place]))
            call = with_place(args, place, wrap(x * (1.0 + 1e-7)))
            moved = set(numbers_in([run(function, call), list(call)]))
            plain = set(numbers_in([result, others])) - given
            assert plain <= moved | CONSTANTS, f"{name}{args} place {place}: {result!r}"
            if isinstance(result, np.ndarray) and not is_traced(result):
                assert result.dtype.kind in "iubOUfc"
    assert tried or name in UNTRIED, "no template fits: add one"


CONSTANTS = {0j, 1 + 0j, complex(np.nan)}
# These take types, dates and integers only.
UNTRIED = {
    f"numpy.{name}"
    for name in (
        "can_cast",
        "datetime_as_string",
        "packbits",
        "ravel_multi_index",
        "unpackbits",
        "unravel_index",
    )
}
