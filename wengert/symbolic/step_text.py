"""Steps of recorded programs as NumPy text: a pattern for each operation of the core, by its name.

Imports core, ops.paths, code, graphs. Invariant: a line gives the value that the operation gives, and needs NumPy alone
(SciPy's special functions where NumPy has none); an operation without a pattern is refused by its name.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from wengert.core.errors import NoRuleError
from wengert.core.node import Const
from wengert.core.structure import ITEM
from wengert.ops.paths import Slot
from wengert.symbolic.dims import Dim
from wengert.symbolic.graphs import Arange, Held

INFIX: dict[Any, str] = {
    operator.add: "+",
    operator.sub: "-",
    operator.mul: "*",
    operator.truediv: "/",
    operator.pow: "**",
    operator.floordiv: "//",
    operator.mod: "%",
    np.matmul: "@",
    operator.lt: "<",
    operator.le: "<=",
    operator.gt: ">",
    operator.ge: ">=",
    operator.eq: "==",
    operator.ne: "!=",
    operator.and_: "&",
    operator.or_: "|",
    operator.xor: "^",
}
PREFIX: dict[Any, str] = {operator.neg: "-", operator.pos: "+", operator.invert: "~"}
REDUCTIONS = ("sum", "mean", "max", "min", "prod", "all", "any", "argmax", "argmin")
_OVER = "axis={axis}, keepdims={keepdims}"
PATTERNS: dict[str, str] = {
    **{
        name: f"np.{name}({{x}}, {_OVER})"
        for name in ["sum", "mean", "max", "min", "prod", "all", "any", "argmax", "argmin"]
    },
    **{name: f"np.{name}({{x}}, {_OVER}, ddof={{ddof}})" for name in ("var", "std")},
    "absolute": "abs({x})",
    "adjugate": "np.linalg.det({x})[..., None, None] * np.linalg.inv({x})",
    "angle": "np.angle({x})",
    "angle_of_real": "np.angle({x})",
    "argpartition": "np.argpartition({x}, {kth}, {axis})",
    "argsort": "np.argsort({x}, {axis}, {kind})",
    "astype": "np.asarray({x}).astype({dtype})",
    "bessel_i": "special.iv({n}, {x})",
    "cholesky": "np.linalg.cholesky({x}, upper={upper})",
    "clip": "np.clip({x}, {low}, {high})",
    "convolve": "np.convolve({a}, {b})",
    "cumprod": "np.cumprod({x}, {axis})",
    "cumsum": "np.cumsum({x}, {axis})",
    "det": "np.linalg.det({x})",
    "digamma": "special.psi({x})",
    "eigh": "np.linalg.eigh({x}, {uplo})",
    "eig": "np.linalg.eig({x})",
    "eigvals": "np.linalg.eigvals({x})",
    "eigvalsh": "np.linalg.eigvalsh({x}, {uplo})",
    "erf": "special.erf({x})",
    "erfc": "special.erfc({x})",
    "fft": "np.fft.fft({x}, {n}, {axis}, {norm})",
    "fma": "({a} * {b} + {c})",
    "fraction": "np.modf({x})[0]",
    "frobenius": "np.sqrt(np.sum({x}**2, axis={axis}, keepdims={keepdims}))",
    "gamma": "special.gamma({x})",
    "has_ties": "np.any(np.diff({y}, axis={axis}) == 0)",
    "ieee_remainder": "({a} - {b} * np.rint({a} / {b}))",
    "ifft": "np.fft.ifft({x}, {n}, {axis}, {norm})",
    "inner": "np.inner({a}, {b})",
    "inv": "np.linalg.inv({x})",
    "irfft": "np.fft.irfft({x}, {n}, {axis}, {norm})",
    "isclose": "np.isclose({a}, {b}, {rel_tol}, {abs_tol})",
    "ldexp": "({x} * 2.0**{i})",
    "length": "np.linalg.norm({x}, axis={axis}, keepdims={keepdims})",
    "lgamma": "special.gammaln({x})",
    "logaddexp2_reduce": "np.logaddexp2.reduce({x}, axis={axis}, keepdims={keepdims})",
    "logaddexp_reduce": "np.logaddexp.reduce({x}, axis={axis}, keepdims={keepdims})",
    "logistic": "(1 / (1 + np.exp(-{x})))",
    "lstsq": "np.linalg.lstsq({a}, {b}, rcond={rcond})",
    "masked_sum": "np.sum({x}, axis={axis}, keepdims={keepdims}, initial={initial}, where={mask})",
    "matrix_norm": "np.linalg.norm({x}, {order}, {axis}, {keepdims})",
    "partition": "np.partition({x}, {kth}, {axis})",
    "pinv": "np.linalg.pinv({x}, rcond={rcond}, hermitian={hermitian})",
    "point": "({r} * np.exp(1j * {phi}))",
    "polar": "(lambda s: s[0] @ s[2])(np.linalg.svd({x}, full_matrices=False))",
    "polygamma": "special.polygamma(int({n}), {x})",
    "power_log": "({a}**{b} * np.log({a})**{n})",
    "qr": "np.linalg.qr({x})",
    "qr_complete": "np.linalg.qr({x}, 'complete')",
    "relu": "np.where({x} > 0, {x}, 0.0)",
    "rfft": "np.fft.rfft({x}, {n}, {axis}, {norm})",
    "round": "np.round({x}, {decimals})",
    "searchsorted": "np.searchsorted({a}, {v}, {side})",
    "shift": "{x}",
    "sigmoid": "(1 / (1 + np.exp(-{x})))",
    "slogdet": "np.linalg.slogdet({x})",
    "softplus": "np.logaddexp(0, {x})",
    "solve": "np.linalg.solve({a}, {b})",
    "sort": "np.sort({x}, {axis})",
    "stop_gradient": "{x}",
    "sumprod": "np.sum({a} * {b})",
    "svd": "np.linalg.svd({x}, full_matrices=False)",
    "svd_full": "np.linalg.svd({x})",
    "svdvals": "np.linalg.svd({x}, compute_uv=False)",
    "tensordot": "np.tensordot({a}, {b}, {axes})",
    "unwrap": "np.unwrap({p}, {discont}, {axis}, period={period})",
    "vector_norm": "np.linalg.norm({x}, {order}, {axis}, {keepdims})",
    "where": "np.where({condition}, {a}, {b})",
}
"""What a step is in NumPy, with its operands and parameters in braces."""
PLAIN = frozenset(["cross", "dot", "outer", "vdot"])
"""Functions of NumPy by the operation's own name, besides the element-wise ones."""


class StepText:
    """Writes steps; ``names`` has the words of inputs and steps, ``dim`` writes sizes, ``array`` constant terms."""

    def __init__(self, names: Mapping[Any, str], dim: Callable[[Any], str], term: Callable[[Any], str]) -> None:
        self.names = names
        self.dim = dim
        self.term = term

    def expression(self, node: Any) -> str:
        """The value of a step; raises NoRuleError for an operation that has no pattern."""
        op, words = node.op, [self.operand(a) for a in node.args]
        if op is ITEM:
            return f"{words[0]}[{node.params[0]}]"
        found = self.known(op, words, node.params)
        if found is None:
            raise NoRuleError(f"no NumPy source: the derivative takes a step of {op.name}, which has no line")
        return found

    def known(self, op: Any, words: Sequence[str], params: Sequence[Any]) -> str | None:
        """An operation of operands that are written already; None where it has no pattern."""
        options = dict(zip(op.params, params, strict=True))
        if op.name == "get":
            return self.view(words[0], options["path"], words[1:])
        if op.name in ("update", "add_at"):
            return self.written(words, options["path"], op.name == "add_at")
        if op.name in ("concatenate", "stack"):
            return f"np.{op.name}([{', '.join(words)}], axis={self.literal(options['axis'])})"
        if op.name == "einsum":
            return f"np.einsum({', '.join([self.literal(options['subscripts']), *words])})"
        if op.name in PATTERNS:
            written = {name: self.literal(value) for name, value in options.items()}
            return PATTERNS[op.name].format(**dict(zip(op.inputs, words, strict=True)), **written)
        if params:
            return None
        if op.evaluate in INFIX:
            return f"({words[0]} {INFIX[op.evaluate]} {words[1]})"
        if op.evaluate in PREFIX:
            return f"({PREFIX[op.evaluate]}{words[0]})"
        if isinstance(op.evaluate, np.ufunc) or op.name in PLAIN:
            return f"np.{op.evaluate.__name__}({', '.join(words)})"
        return None

    def operand(self, value: Any) -> str:
        """An operand: the word of a step, or a constant."""
        if type(value) is not Const:
            return self.names[value]
        given = value.value
        if isinstance(given, (Held, Dim)):
            return f"({self.term(given)})"
        text = self.literal(given)
        return f"({text})" if text.startswith("-") else text

    def literal(self, value: Any) -> str:
        """A parameter or constant."""
        if isinstance(value, Dim):
            return self.dim(value)
        if isinstance(value, Held):
            return self.term(value)
        if isinstance(value, Arange):
            text = f"np.arange({self.dim(value.size)})"
            text = text if not value.start else f"({value.start} + {text})"
            text = text if value.each == 1 else f"np.repeat({text}, {value.each})"
            return text if value.place is None else f"np.reshape({text}, {self.literal(value.laid(-1))})"
        if isinstance(value, (tuple, list)):
            return "(" + "".join(f"{self.literal(v)}, " for v in value).rstrip() + ")"
        if isinstance(value, np.ndarray) and value.ndim:
            return f"np.array({value.tolist()!r})".replace("inf", "np.inf").replace("nan", "np.nan")
        if isinstance(value, (np.generic, np.ndarray)):
            return self.literal(value.item())
        if isinstance(value, (np.dtype, type)):
            return repr(np.dtype(value).name)
        if isinstance(value, float) and value - value != 0:
            return f"float({str(value)!r})"
        if value is None or isinstance(value, (bool, int, float, complex, str)):
            return repr(value)
        raise NoRuleError(f"no NumPy source: a parameter of type {type(value).__name__} has no text")

    def view(self, text: str, path: Any, dynamic: Sequence[str]) -> str | None:
        """A part or another arrangement of an array."""
        for kind, argument in path:
            if kind == "index":
                text = f"{text}[{self.index(argument, dynamic)}]"
            elif kind == "reshape":
                text = f"np.reshape({text}, {self.literal(argument[0])}, order={argument[1]!r})"
            elif kind == "transpose":
                text = f"np.transpose({text}, {self.literal(argument)})"
            elif kind == "diagonal":
                text = f"np.diagonal({text}, {', '.join(map(self.literal, argument))})"
            elif kind == "einsum_diagonal":
                text = f"np.einsum('...ii->...i', {text})"
            elif kind == "broadcast":
                text = f"np.broadcast_to({text}, {self.literal(argument)})"
            elif kind in ("real", "imag"):
                text = f"np.{kind}({text})"
            else:
                return None
        return text

    def written(self, words: Sequence[str], path: Any, add: bool) -> str | None:
        """An array with other values in some of its places, or with values added there."""
        if len(path) != 1 or path[0][0] != "index":
            return None
        at = f"np.s_[{self.index(path[0][1], words[2:])}]"
        change = f"np.add.at(a, {at}, {words[1]})" if add else f"a.__setitem__({at}, {words[1]})"
        return f"(lambda a: ({change}, a)[1])(np.array({words[0]}, dtype=float))"

    def index(self, index: Any, dynamic: Sequence[str]) -> str:
        """An index expression; steps that stand in it are taken from ``dynamic``."""
        if isinstance(index, Slot):
            return dynamic[index.number]
        if isinstance(index, tuple):
            return ", ".join(self.index(part, dynamic) for part in index) + ("," if len(index) == 1 else "")
        if isinstance(index, slice):
            ends = ["" if p is None else self.index(p, dynamic) for p in (index.start, index.stop, index.step)]
            return ":".join(ends if ends[2] else ends[:2])
        return "..." if index is Ellipsis else self.literal(index)


__all__ = ["StepText"]
