"""What a traced value becomes on every road out of our sight: a handle, an answer, or an error at
the user's line.

Imports the public API and the table of consumers. Invariant: never plain floating-point data.
"""

from __future__ import annotations

import array
import traceback
import warnings
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wengert as wg

from . import consumers

X = np.array([0.7, 0.4, 1.3])


def is_traced(value: Any) -> bool:
    """Asked of the type itself: handles answer for NumPy's classes."""
    return type(value).__name__ in {"TracedArray", "TracedScalar"}


def numbers_in(value: Any) -> list[float]:
    """All floating-point numbers of a result that are not behind a handle."""
    if is_traced(value) or isinstance(
        value, (str, bytes, bool, int, type(None), np.integer, np.bool_)
    ):
        return []
    if isinstance(value, (float, complex, np.inexact)):
        return [complex(value)]
    if isinstance(value, memoryview):
        return [complex(x) for x in value]
    if type(value).__module__.startswith("scipy.sparse"):
        value = value.toarray()
    if isinstance(value, np.ma.MaskedArray):
        value = value.data
    if isinstance(value, np.ndarray) and value.dtype.kind == "V":
        value = value[value.dtype.names[0]]
    if isinstance(value, np.ndarray) and value.dtype.kind in "fc":
        return [complex(x) for x in value.ravel()]
    if isinstance(value, np.ndarray) and value.dtype == object:
        value = value.ravel().tolist()
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple, array.array, deque)):
        return [number for part in value for number in numbers_in(part)]
    return []


def lost(fun: Callable[[Any], Any], x: np.ndarray, got: Any) -> bool:
    """Whether a traced run gave away numbers that move with the input: the derivative went missing.

    What rounds, counts or compares gives plain numbers too; those stay when the input moves a
    little.
    """
    here = numbers_in(got)
    if not here:
        return False
    moved = numbers_in(fun(x * (1.0 + 1e-7)))
    # A mixture of handles and constants counts its constants; untraced all of them are numbers.
    return not set(here) <= set(moved)


def outcome(fun: consumers.Consumer, mode: str) -> Any:
    """What the consumer gives inside a trace, or the error it raises."""
    seen: list[Any] = []

    def run(x: Any) -> Any:
        seen.append(fun(x, x[0]))
        return x[0]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            if mode == "reverse":
                wg.grad(run)(X.copy())
            else:
                wg.jvp(run, (X.copy(),), (np.ones(3),))
        except Exception as error:  # noqa: BLE001
            return error
    return seen[0]


def untraced_fails(fun: consumers.Consumer) -> bool:
    """Whether the program is an error of NumPy's own."""
    try:
        fun(X.copy(), X.copy()[0])
    except Exception:  # noqa: BLE001
        return True
    return False


def check(name: str, fun: consumers.Consumer, mode: str) -> None:
    got = outcome(fun, mode)
    if isinstance(got, Exception):
        told = "".join(traceback.format_exception_only(got))
        if untraced_fails(fun):
            return
        assert isinstance(got, wg.WengertError) or "traced" in told, told
        assert "consumers.py" in told, told
        return
    assert not lost(lambda x: fun(x, x[0]), X, got), f"plain data: {got!r}"


@pytest.mark.parametrize("mode", ["reverse", "forward"])
@pytest.mark.parametrize("name", sorted(consumers.CONSUMERS))
def test_a_consumer_is_handled_or_refused(name, mode):
    check(name, consumers.CONSUMERS[name], mode)


@pytest.mark.parametrize("mode", ["reverse", "forward"])
def test_compiled_code_of_scipy_is_handled_or_refused(mode):
    pytest.importorskip("scipy")
    for name, fun in consumers.scipy_consumers().items():
        try:
            check(name, fun, mode)
        except AssertionError as problem:
            raise AssertionError(f"{name}: {problem}") from problem


REFUSED = {
    "Written into memory that no twin has made.": """
        write_add_at write_add_item write_array_array write_complex write_copyto write_ctypes
        write_ellipsis write_fancy write_fill write_fill_diagonal write_flat write_flat_item
        write_float32 write_item write_itemset write_list write_mask write_masked
        write_memoryview write_np_put write_out write_out_clip write_out_concatenate
        write_out_cumsum write_out_dot write_out_einsum write_out_position write_out_stack
        write_out_take write_place write_put write_put_along write_putmask write_real
        write_setfield write_slice write_slice_number write_structured write_view
        nan_to_num_in_place ix_
    """,
    "Asked for the number or the bytes themselves.": """
        array_array array_from_array array_index array_struct bytes_of c_double complex128_of
        complex_of ctypes_pointer data decimal_of dlpack float32_of float64_of float_of
        float_of_array fraction_of hex_of index_of interface json_dumps memory_view pickle_array
        pickle_number range_of ratio_of save savetxt shape_of statistics_normal struct_pack
        text_array tobytes unwrapped_view
    """,
    "Methods of plain arrays, and classes that are arrays.": """
        as_strided broadcast_object chebyshev_class float_add_unbound masked_class matrix_class
        nd_choose nd_clip nd_dot nd_repeat nd_searchsorted nd_sum_unbound nd_take ndarray_class
        nditer object_astype object_sin polynomial_class random_made_outside recarray_class
        ufunc_of_list add_of_lists
    """,
}


def test_what_is_refused_is_known():
    """A longer list would mean that something stopped working."""
    known = set(" ".join(REFUSED.values()).split())
    refused = {
        name
        for name, fun in consumers.CONSUMERS.items()
        if isinstance(outcome(fun, "reverse"), Exception)
    }
    assert not refused - known, sorted(refused - known)
