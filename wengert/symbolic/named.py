"""Operations of the core that have no closed form here: kept by name, with the derivative operator ∂name/∂argument.

Imports core, terms, dims; what differentiates an operation numerically is installed by the room that composes
(``install_jacobian``). Invariant: a named function evaluates to what the operation itself gives, its operator to what
automatic differentiation gives.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from wengert.core.errors import NoRuleError
from wengert.core.op import CONSTANT, CONTROL, LINEAR, Op
from wengert.symbolic.dims import Dim, sized
from wengert.symbolic.terms import Abstract, Term, intern

PIECEWISE = {"sort", "partition", "unwrap"}
"""Operations that take entries elsewhere: linear wherever they have a derivative."""
Jacobian = Callable[[Callable[..., Any], tuple[int, ...], Sequence[Any]], Any]
_jacobians: list[Jacobian] = []


def install_jacobian(jacobian: Jacobian) -> None:
    """Say what differentiates: ``jacobian(function, slots, values)`` is the derivative by the arguments ``slots``."""
    _jacobians[:] = [jacobian]


def differentiator() -> Jacobian | None:
    """What was installed, if anything was."""
    return _jacobians[0] if _jacobians else None


@dataclass(frozen=True, slots=True)
class Named:
    """Which operation a named function is: its parameters (sizes may be named), which of its outputs, and where it is
    called.
    """

    op: Op
    params: tuple[Any, ...]
    output: int | None = None
    where: Any = field(default=None, compare=False, repr=False)

    @property
    def name(self) -> str:
        """The operation's name, with that of the output where there are several."""
        if self.output is None or not self.op.outputs:
            return self.op.name
        return f"{self.op.name}.{self.op.outputs[self.output]}"

    @property
    def inputs(self) -> tuple[str, ...]:
        """The names of its arguments."""
        return tuple(self.op.inputs)

    @property
    def options(self) -> dict[str, Any]:
        """Its parameters by name."""
        return dict(zip(self.op.params, self.params, strict=True))

    @property
    def is_constant(self) -> bool:
        """Whether its derivative is zero wherever there is one."""
        return self.op.kind == CONSTANT

    def is_flat(self, slots: tuple[int, ...]) -> bool:
        """Whether the derivative by these arguments is zero: the second one by one argument of what is linear in it."""
        linear = self.op.kind == LINEAR or self.op.name in PIECEWISE
        return linear and (len(set(slots)) < len(slots) or (self.op.name in PIECEWISE and len(slots) > 1))

    def value(self, values: Sequence[Any], slots: tuple[int, ...], sizes: Mapping[str, int]) -> Any:
        """The value, or with ``slots`` the derivative by those arguments, at arrays."""
        params = [_sized(p, sizes) for p in self.params]

        def function(*given: Any) -> Any:
            found = self.op.record(*given, *params)
            return found if self.output is None else found[self.output]

        if not slots:
            return function(*values)
        if not _jacobians:
            raise NoRuleError(f"nothing is installed that differentiates {self.name}")
        return _jacobians[0](function, slots, values)


def named_term(named: Named, args: Sequence[Term], shape: tuple[Any, ...]) -> Term:
    """The named function of terms."""
    if named.op.kind == CONTROL or named.op.record is None:
        raise NoRuleError(f"no closed form is known for {named.op.name}")
    key = (named.name, named.op.name, repr(named.params), tuple(a.ident for a in args), ())
    found: Abstract = intern(Abstract, key, shape, name=named.name, args=tuple(args), slots=(), program=named)
    return found


def _sized(value: Any, sizes: Mapping[str, int]) -> Any:
    if isinstance(value, Dim):
        return sized(value, sizes)
    if isinstance(value, tuple):
        return tuple(_sized(v, sizes) for v in value)
    if isinstance(value, slice):
        return slice(*(_sized(v, sizes) for v in (value.start, value.stop, value.step)))
    return value


def evaluated(node: Abstract, values: Sequence[Any], sizes: Mapping[str, int]) -> Any:
    """The value of a named function or of its derivative operator; raises NoRuleError for a truly abstract one."""
    if node.program is None:
        raise NoRuleError(f"{node.name} is an abstract function: it has no value")
    plain = [np.asarray(v, dtype=float)[()] for v in values]
    try:
        found = node.program.value(plain, node.slots, sizes)
    except TypeError:
        raise NoRuleError(f"no closed form: {node.name} takes whole numbers or truth values") from None
    return np.asarray(found, dtype=float)[()]


__all__ = ["Named", "evaluated", "install_jacobian", "named_term"]
