"""The one place where operators, attributes and methods are attached to the two handle classes.

Imports core, ops and the other files of this room. Invariant: nothing else sets attributes on the handle classes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.core.deferred import by_type
from wengert.core.errors import WengertTypeError, error_at
from wengert.core.handle import Traced, TracedArray, TracedScalar, is_handle
from wengert.core.types import dtype_of, shape_of
from wengert.numpy_api import conversions as convert
from wengert.numpy_api import inplace, lookups, protocols
from wengert.numpy_api.scalar_attributes import NumPysOwn
from wengert.numpy_api.table import METHODS
from wengert.ops import arithmetic, compare, contract
from wengert.ops.generate import operator
from wengert.ops.items import getitem
from wengert.ops.join import zero_dimensional
from wengert.ops.memory import read, write

_BINARY = {
    "add": arithmetic.add, "sub": arithmetic.subtract, "mul": arithmetic.multiply, "truediv": arithmetic.divide,
    "mod": arithmetic.remainder, "pow": arithmetic.power, "floordiv": compare.floor_divide, "matmul": contract.matmul,
    "and": compare.bitwise_and, "or": compare.bitwise_or, "xor": compare.bitwise_xor,
    "lshift": compare.left_shift, "rshift": compare.right_shift,
}
_COMPARISONS = {
    "lt": compare.less,
    "le": compare.less_equal,
    "gt": compare.greater,
    "ge": compare.greater_equal,
    "eq": compare.equal,
    "ne": compare.not_equal,
}


def _inplace(record: Any, name: str) -> Any:
    def operate(self: Any, other: Any) -> Any:
        result = record(self, other)
        if result is NotImplemented or type(self) is not TracedArray:
            return result
        inplace.check_cast(name, result, self)
        write(self, ("index", Ellipsis), result)
        return self

    return operate


def _scalar_getitem(self: Any, index: Any) -> Any:
    """What NumPy's own scalars allow: ``s[()]``, ``s[...]``, ``s[None]``, ``s[s > 0]``."""
    if type(index) is tuple and not index:
        return self
    parts = index if type(index) is tuple else (index,)
    if all(p is None or p is Ellipsis or _is_truth_value(p) for p in parts):
        return read(zero_dimensional(self), ("index", index))
    raise IndexError("invalid index to scalar variable.")


def _is_truth_value(part: Any) -> bool:
    plain = part.value if is_handle(part) else part
    return isinstance(plain, bool | np.bool_) or (type(plain) is np.ndarray and plain.dtype == bool and not plain.ndim)


def _setitem(self: Any, index: Any, value: Any) -> None:
    if type(value) is list or type(value) is tuple:
        from wengert.ops.join import nested

        value = nested(value)
    write(self, ("index", index), value)


@by_type
def _len(self: Any) -> int:
    shape = self.value.shape
    if not shape:
        raise TypeError("len() of unsized object")
    return int(shape[0])


@by_type
def _iter(self: Any) -> Any:
    if not self.value.shape:
        raise TypeError("iteration over a 0-d array")
    return (self[i] for i in range(self.value.shape[0]))


def _divmod(self: Any, other: Any) -> Any:
    return self // other, self % other


def _rdivmod(self: Any, other: Any) -> Any:
    return other // self, other % self


@by_type
def _shape(self: Any) -> tuple[int, ...]:
    return shape_of(self.value)


def _set_shape(self: Any, shape: Any) -> None:
    raise error_at(
        WengertTypeError,
        f"the shape of a traced array was set in place, to {shape}",
        fix=f"name the view: y = y.reshape({shape})",
    )


def _transposed(self: Any) -> Any:
    return self if type(self) is TracedScalar else read(self, ("transpose", None))


def install() -> None:
    """Attach everything; called once, by ``wengert/__init__``."""
    for name, record in _BINARY.items():
        setattr(Traced, f"__{name}__", operator(record.op))
        setattr(Traced, f"__r{name}__", operator(record.op, reflected=True))
        setattr(Traced, f"__i{name}__", _inplace(operator(record.op), f"in-place {name}"))
    for name, record in _COMPARISONS.items():
        setattr(Traced, f"__{name}__", operator(record.op))
    Traced.__eq__ = lookups.comparing(Traced.__eq__)  # type: ignore[method-assign]
    attached: dict[str, Any] = {
        "__neg__": operator(arithmetic.negative.op),
        "__pos__": operator(arithmetic.positive.op),
        "__invert__": operator(compare.invert.op),
        "__divmod__": _divmod,
        "__rdivmod__": _rdivmod,
        "__pow__": operator(arithmetic.power.op),
        "__array_ufunc__": protocols.array_ufunc,
        "__array_function__": protocols.array_function,
        "__array__": convert.array,
        "__float__": convert.to_float,
        "__complex__": convert.to_complex,
        "__int__": convert.to_int,
        "__bool__": convert.to_bool,
        "__index__": convert.to_index,
        "__str__": convert.text,
        "__repr__": convert.representation,
        "__format__": convert.formatted,
        "__hash__": lookups.hashed,
        "__reduce_ex__": convert.refuse_pickle,
        "__array_priority__": 1e6,
        "shape": property(_shape, _set_shape),
        "ndim": property(by_type(lambda t: len(shape_of(t.value)))),
        "dtype": property(by_type(lambda t: dtype_of(t.value))),
        "size": property(by_type(lambda t: int(np.prod(shape_of(t.value))))),
        "itemsize": property(by_type(lambda t: dtype_of(t.value).itemsize)),
        "device": "cpu",
        "T": property(_transposed),
        "nbytes": property(by_type(lambda t: dtype_of(t.value).itemsize * t.size)),
    }
    for name, thing in attached.items():
        setattr(Traced, name, thing)
    for name, thing in {"__getitem__": getitem, "__setitem__": _setitem, "__len__": _len, "__iter__": _iter}.items():
        setattr(TracedArray, name, thing)
    # Without ``__iter__ = None`` Python would iterate by index and find nothing.
    for name, thing in {"__getitem__": _scalar_getitem, "__iter__": None}.items():
        setattr(TracedScalar, name, thing)
    for name, function in METHODS.items():
        of_numbers = hasattr(float, name) and not hasattr(np.ndarray, name)
        setattr(TracedScalar if of_numbers else Traced, name, function)
    for name, thing in list(vars(Traced).items()):
        if not (name.startswith("_") or name in Traced.__slots__ or (hasattr(float, name) and hasattr(complex, name))):
            setattr(TracedScalar, name, NumPysOwn(name, thing))
