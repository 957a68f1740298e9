"""``y += t`` and ``out=y`` where ``y`` is a plain array made outside the trace's sight.

Imports core. Invariant: a traced value never enters plain memory; a handle takes the place of the
plain array only where Python is about to bind it to the one name that held the array, and nobody
else can see that array.
"""

from __future__ import annotations

import dis
import sys
from types import FrameType
from typing import Any

import numpy as np

from wengert.core.deferred import held
from wengert.core.errors import CutError, WengertTypeError, error_at
from wengert.core.handle import TracedArray, buffer, is_handle
from wengert.core.node import is_user_file
from wengert.core.types import dtype_of

_OPERATORS: list[tuple[str, str]] = dis._nb_ops  # type: ignore[attr-defined]
_INPLACE = frozenset(k for k, (_, symbol) in enumerate(_OPERATORS) if symbol.endswith("="))
_BINARY_OP = dis.opmap["BINARY_OP"]
_baseline: int | None = None
_probing: list[int] | None = None


def references(out: Any) -> int:
    """How many refer to the array that an operation is about to write; asked before the operation
    keeps anything of it.
    """
    count = sys.getrefcount(out)
    if _probing is not None:
        _probing.append(count)
    return count


def check_cast(name: str, result: Any, out: Any, casting: str = "same_kind") -> None:
    """Refuse what NumPy refuses: a result that the memory it is to be written to cannot hold (``y += 1j * t``)."""
    have, want = _dtype(result), _dtype(out)
    if have is not want and not np.can_cast(have, want, casting):  # type: ignore[arg-type]
        raise error_at(
            WengertTypeError,
            f"the output of {name} is {have}, which an array of {want} cannot hold with casting rule {casting!r}",
            fix="make a new array: y = y + t in place of y += t, or give the array that dtype from the start",
        )


def _dtype(t: Any) -> Any:
    return dtype_of(held(t) if is_handle(t) else t)


def bind(result: Any, out: Any, held: int = 0) -> Any:
    """What an operation with ``out`` returns: the result itself after ``y += t`` on an array nobody
    else sees; else this raises.

    ``held`` is what ``references`` said.
    """
    if type(out) is np.ndarray and not (is_handle(result) and result.node is not None):
        out[...] = result.value if is_handle(result) else result
        return out
    if held and _is_sole(result, out) and _is_inplace(_caller()) and held == _sole_count():
        return result
    raise error_at(
        CutError,
        f"a traced value is written into a plain array of shape {getattr(out, 'shape', None)} "
        "made outside the trace",
        fix="make it inside the function with np.zeros, or copy it there: y = np.array(y)",
    )


def _is_sole(result: Any, out: Any) -> bool:
    return (
        type(out) is np.ndarray
        and type(result) is TracedArray
        and out.base is None
        and out.flags.owndata
        and out.dtype == result.value.dtype
        and out.shape == result.value.shape
    )


def _caller() -> FrameType | None:
    """The first frame outside wengert: NumPy calls the protocol straight from the instruction that
    stands there.
    """
    frame: FrameType | None = sys._getframe(2)
    while frame is not None and not is_user_file(frame.f_code.co_filename):
        frame = frame.f_back
    return frame


def _is_inplace(frame: FrameType | None) -> bool:
    """Whether the caller's instruction is ``+=`` and its like: only those bind what the protocol
    returns to the same name.
    """
    if frame is None or frame.f_lasti < 0:
        return False
    code = frame.f_code.co_code
    return code[frame.f_lasti] == _BINARY_OP and code[frame.f_lasti + 1] in _INPLACE


def _sole_count() -> int:
    """What ``references`` says of an array that one local variable alone holds: measured once,
    through ``y += t`` itself.
    """
    global _baseline, _probing  # noqa: PLW0603
    if _baseline is None:
        _probing = []
        try:
            y: Any = np.zeros(1)
            y += buffer(np.ones(1))
            _baseline = _probing[-1]
        finally:
            _probing = None
    return _baseline
