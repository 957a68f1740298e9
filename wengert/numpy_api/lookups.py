"""Traced scalars as keys of dictionaries, sets and caches: by value, as numbers are, but never
another quantity's entry.

Imports core and ``conversions``. Invariant: a look-up that would answer a traced value with what is
stored for another quantity of equal value raises; what it gave away would have the other's
derivative, or none.
"""

from __future__ import annotations

import dis
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

from wengert.core.context import SWITCH
from wengert.core.errors import CutError, error_at
from wengert.core.handle import TracedScalar, is_handle
from wengert.core.node import is_user_file
from wengert.numpy_api.conversions import is_cut, is_flat, note, peek

_COMPARE_OP = dis.opmap["COMPARE_OP"]
# The number of the step whose value was hashed last: a look-up hashes first and compares then.
_last = 0


def hashed(t: Any) -> int:
    """``hash(t)``: that of the number."""
    global _last  # noqa: PLW0603
    if type(t) is not TracedScalar:
        raise TypeError("unhashable type: 'numpy.ndarray'")
    if t.node is not None:
        _last = t.node.seq
        if SWITCH.special:
            note(t, "hash", t.value)  # what it finds, or does not, is decided by the value
    return hash(t.value)


def comparing(equal: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """``==`` of handles, which looks closer when it is asked by a dictionary."""

    def compared(self: Any, other: Any) -> Any:
        if (
            _last
            and type(self) is TracedScalar
            and _last in (_number(self), _number(other))
            and _is_lookup(sys._getframe(1))
        ):
            return _found(self, other)
        result = equal(self, other)
        cut = SWITCH.cut
        if cut is not None and not is_user_file(cut[1].co_filename):
            frame = sys._getframe(1)
            SWITCH.cut = (cut[0], frame.f_code, frame.f_lasti)
        return result

    return compared


def _number(x: Any) -> int:
    return x.node.seq if is_handle(x) and x.node is not None else -1


def _is_lookup(frame: FrameType) -> bool:
    return frame.f_lasti >= 0 and frame.f_code.co_code[frame.f_lasti] != _COMPARE_OP


def _found(self: Any, other: Any) -> Any:
    key = peek(other) if is_handle(other) else other
    try:
        same = bool(peek(self) == key)
    except (TypeError, ValueError):
        return NotImplemented
    if not same or (is_handle(other) and other.node is self.node):
        return same
    for t in (self, other):
        if is_handle(t) and t.node is not None and not is_cut(t):
            return False  # a key left behind by a trace that is over
        if SWITCH.special and is_cut(t) and is_flat(t):
            return True
    if not any(is_cut(t) for t in (self, other)):
        return True
    raise error_at(
        CutError,
        "a traced value was looked up in a dictionary, set or cache and met another entry of "
        f"equal value ({peek(self)}), "
        "whose derivative is another",
        fix="key by something else than the number (an index, a name); call a cached function "
        "without its cache "
        "(fun.__wrapped__(t)); or look up wengert.stop_gradient(t)",
    )
