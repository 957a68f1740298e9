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

from wengert.core.errors import NoRuleError, WengertValueError
from wengert.core.op import CONSTANT, CONTROL, LINEAR, Op
from wengert.ops.steps import run_step
from wengert.symbolic.dims import Dim, sized
from wengert.symbolic.terms import Abstract, Term, exact, intern

PIECEWISE = {"sort", "partition", "unwrap", *(f"{n}.accumulate" for n in ("maximum", "minimum", "fmax", "fmin"))}
"""Operations that take entries elsewhere: linear wherever they have a derivative."""
Jacobian = Callable[[Callable[..., Any], tuple[int, ...], Sequence[Any]], Any]
STEPS: dict[str, Callable[..., Any]] = {}
"""Functions that look at values, composed of such that do not: what source is written from."""
REGIONS = {"get", "update", "add_at"}
"""Operations on parts of an array, which indexing records."""
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
    kinds: str = ""
    """The kind of each argument's dtype where one is no float: ``"fb"`` for an array and a mask."""
    where: Any = field(default=None, compare=False, repr=False)

    @property
    def name(self) -> str:
        """The operation's name, with that of the output where there are several."""
        if self.op.name in REGIONS:
            return {"get": "part", "update": "written", "add_at": "added"}[self.op.name]
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

    def words(self, count: int) -> list[str]:
        """Names for that many arguments."""
        if self.op.inputs and self.op.inputs[-1].startswith("*"):
            return [f"x{k}" for k in range(count)]
        more = [f"i{k}" for k in range(count - len(self.op.inputs))]  # whole numbers that an index has
        return [*self.op.inputs[:count], *more]

    def dtypes(self, count: int) -> list[np.dtype[Any]]:
        """The dtype that each argument is given in."""
        return [np.dtype({"b": bool, "i": int, "u": int}.get(k, float)) for k in self.kinds or "f" * count]

    def function(self, sizes: Mapping[str, int]) -> Callable[..., Any]:
        """The operation as a function of its arguments."""
        params = [sized_parameter(p, sizes) for p in self.params]

        def function(*given: Any) -> Any:
            if self.op.record is None:  # parts that are read and written
                found = run_step(self.op, given, tuple(params))
            else:
                found = self.op.record(*given, *params)
            return found if self.output is None else found[self.output]

        return function

    def steps(self, sizes: Mapping[str, int]) -> Callable[..., Any]:
        """The same function, in a spelling that looks at no value where there is one."""
        composed = STEPS.get(self.op.name)
        if composed is None:
            return self.function(sizes)
        params = [sized_parameter(p, sizes) for p in self.params]
        return lambda *given: composed(*given, *params)

    def value(self, values: Sequence[Any], slots: tuple[int, ...], sizes: Mapping[str, int]) -> Any:
        """The value, or with ``slots`` the derivative by those arguments, at arrays."""
        function = self.function(sizes)
        if not slots:
            return function(*values)
        if not _jacobians:
            raise NoRuleError(f"nothing is installed that differentiates {self.name}")
        return _jacobians[0](function, slots, values)


def named_term(named: Named, args: Sequence[Term], shape: tuple[Any, ...]) -> Term:
    """The named function of terms."""
    if named.op.kind == CONTROL or (named.op.record is None and named.op.name not in REGIONS):
        raise NoRuleError(f"no closed form is known for {named.op.name}")
    if (open_ := _undetermined(named, args)) is not None:
        raise NoRuleError(open_)
    key = (named.name, named.op.name, exact(named.params), tuple(a.ident for a in args), ())
    found: Abstract = intern(Abstract, key, shape, name=named.name, args=tuple(args), slots=(), program=named)
    return found


def _undetermined(named: Named, args: Sequence[Term]) -> str | None:
    """Why an output has no derivative: columns that complete a basis may be any."""
    rows, columns = args[0].shape[-2:] if args and args[0].rank >= 2 else (1, 1)
    gap = rows - columns
    if named.name in ("svd_full.u", "qr_complete.q") and (isinstance(gap, Dim) or gap > 0):
        what, word = "the last columns of U" if named.op.name == "svd_full" else "the last columns of Q", "columns"
    elif named.name == "svd_full.vh" and (isinstance(gap, Dim) or gap < 0):
        what, word = "the last rows of V'", "rows"
    else:
        return None
    fix = "full_matrices=False" if named.op.name == "svd_full" else "mode='reduced'"
    return f"{what} complete a basis and may be any {word}: they have no derivative (write {fix})"


def sized_parameter(value: Any, sizes: Mapping[str, int]) -> Any:
    """A parameter with numbers for the names of sizes."""
    if isinstance(value, Dim):
        return sized(value, sizes)
    if isinstance(value, tuple):
        return tuple(sized_parameter(v, sizes) for v in value)
    if isinstance(value, slice):
        return slice(*(sized_parameter(v, sizes) for v in (value.start, value.stop, value.step)))
    return value.at(sizes) if callable(getattr(value, "at", None)) else value


def evaluated(node: Abstract, values: Sequence[Any], sizes: Mapping[str, int]) -> Any:
    """The value of a named function or of its derivative operator; raises NoRuleError for a truly abstract one."""
    if node.program is None:
        raise NoRuleError(f"{node.name} is an abstract function: it has no value")
    plain = [
        np.asarray(v, dtype=float).astype(d)[()] for v, d in zip(values, node.program.dtypes(len(values)), strict=True)
    ]
    try:
        found = node.program.value(plain, node.slots, sizes)
    except TypeError:
        raise NoRuleError(f"no closed form: {node.name} takes whole numbers or truth values") from None
    if np.iscomplexobj(found):
        if np.any(np.imag(found)):
            raise WengertValueError(
                f"{node.name} gives complex numbers here, and formulas are of real ones\n  fix: use wengert.jacobian"
            )
        found = np.real(found)
    return np.asarray(found, dtype=float)[()]


__all__ = ["Named", "evaluated", "install_jacobian", "named_term"]
