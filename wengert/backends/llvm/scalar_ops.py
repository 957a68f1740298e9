"""The vocabulary of a kernel: every scalar function as LLVM text, at any vector width.

``Vocabulary`` gives the lines of one application: instructions for simple functions (``scalar_rules``), a call of a
function of the module for mathematical ones (``vector_math``), whose definitions it collects. May import NumPy.
Invariant: results are NumPy's, bit for bit for simple functions, within the units of docs/native_functions.md else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.backends.llvm import scalar_rules
from wengert.backends.llvm.vector_math import table as vector_math
from wengert.backends.llvm.vector_text import FLOATING, KINDS, Body, Value, kind_of, name_of, splat, vector


def supports(function: str, arg_dtypes: Sequence[Any], dtype: Any, literals: Sequence[Any] | None = None) -> bool:
    """Whether there is a native form of ``function`` for arguments of these types with results of ``dtype``.

    ``literals`` has the number for each argument that is one, else None: some functions (whole powers of integers,
    which NumPy refuses to raise to less than 0) exist for known arguments only.

    >>> supports("exp", [np.float64], np.float64), supports("exp", [np.complex128], np.complex128)
    (True, False)
    """
    names = [name_of(d) for d in (*arg_dtypes, dtype)]
    if any(name not in KINDS for name in names):
        return False
    *args, result = (KINDS[name] for name in names)
    name, chosen = _resolved(function, literals, len(args))
    known = vector_math.FUNCTIONS.get(name)
    if known is not None and result in FLOATING and [args[k] for k in chosen] == [result] * known.arity:
        return True
    return scalar_rules.supports(function, args, result, literals)


def _resolved(function: str, literals: Sequence[Any] | None, count: int) -> tuple[str, range]:
    # The function of the table for an operation with an order among its operands, and which operands remain.
    order = None if not literals else literals[-1] if function == "power_log" else literals[0]
    if (function == "sinc" and count == 2) or function == "polygamma":
        known = "sinc" if function == "sinc" else "digamma"
        return (known if order == 0 else "", range(1, 2))
    if function == "power_log" and order is not None:
        return f"power_log_{int(order)}", range(2)
    return function, range(count)


class Vocabulary:
    """The scalar functions of one kernel.

    ``fresh`` draws SSA names (``%v17``); ``fma`` says whether the machine has a fused multiply-add: without, most
    mathematical functions are calls of the mathematical library; ``contract`` lets LLVM join sums and products of the
    simple functions. ``definitions()`` goes once into the module, outside all functions, and ``external`` names the
    symbols that must be found when it is linked.

    >>> import itertools
    >>> numbers = itertools.count()
    >>> words = Vocabulary(lambda: f"%v{next(numbers)}")
    >>> words.emit("add", ["%a", "%b"], [np.float64, np.float64], np.float64, 4)
    (['%v0 = fadd <4 x double> %a, %b'], '%v0')
    """

    def __init__(self, fresh: Callable[[], str], *, fma: bool = True, contract: bool = False) -> None:
        self.fresh, self.fma, self.contract = fresh, fma, contract
        self._definitions: dict[str, str] = {}
        self._external: dict[str, str] = {}

    def emit(
        self,
        function: str,
        args: Sequence[str],
        arg_dtypes: Sequence[Any],
        dtype: Any,
        width: int,
        literals: Sequence[Any] | None = None,
    ) -> tuple[list[str], str]:
        """The lines that apply ``function``, and the name of the result.

        ``args`` are operands of ``<width x T>`` (scalars at width 1; ``constant`` writes numbers), bool as ``i1``;
        ``literals`` gives the number for each argument that is one, for which shorter or only then exact forms
        exist. Raises ValueError for what ``supports`` denies."""
        if not supports(function, arg_dtypes, dtype, literals):
            types = ", ".join(np.dtype(d).name for d in arg_dtypes)
            raise ValueError(
                f"{function} of ({types}) giving {np.dtype(dtype).name} has no native form; "
                "ask scalar_ops.supports before lowering it"
            )
        b = Body(width, self.fresh, fma=self.fma, contract=self.contract)
        values = [Value(b, kind_of(d), text) for text, d in zip(args, arg_dtypes, strict=True)]
        result = scalar_rules.apply(b, function, values, kind_of(dtype), literals)
        if result is None:
            name, chosen = _resolved(function, literals, len(values))
            result = self._call(b, name, [values[k] for k in chosen], kind_of(dtype))
        self._external |= b.external
        self._definitions |= b.internal
        return b.lines, result.text

    def _call(self, b: Body, function: str, values: list[Value], kind: str) -> Value:
        known = vector_math.definition(function, kind, b.width, self.fma)
        self._external |= dict(known.external)
        self._definitions |= dict(known.internal)
        self._definitions[known.symbol] = known.text
        return b.call(kind, known.symbol, values)

    @staticmethod
    def constant(value: Any, dtype: Any, width: int) -> str:
        """The operand that holds a number in every lane.

        >>> Vocabulary.constant(1, np.float64, 2)
        'splat (double 0x3FF0000000000000)'
        """
        return splat(kind_of(dtype), value, width)

    @staticmethod
    def register(dtype: Any, width: int) -> str:
        """The LLVM type of a value in registers.

        >>> Vocabulary.register(bool, 4)
        '<4 x i1>'
        """
        return vector(kind_of(dtype), width)

    def definitions(self) -> str:
        """All that the lines emitted so far need in the module: declarations and internal functions. Intrinsics are
        not declared: LLVM knows them."""
        return "\n".join([*self._external.values(), *self._definitions.values()])

    @property
    def external(self) -> tuple[str, ...]:
        """The symbols from outside, in alphabetical order."""
        return tuple(sorted(self._external))


__all__ = ["Vocabulary", "supports"]
