"""wengert: exact derivatives of the NumPy programs people already have."""

from importlib import import_module as _import_module
from typing import TYPE_CHECKING, Any

from wengert.api.batching import vmap
from wengert.api.checkpoint import checkpoint, checkpoint_sequential
from wengert.api.closed_forms import D, closed_form, dims, from_sympy, function, parse, to_sympy, var
from wengert.api.compiling.compile import compile  # noqa: A004 the word of the field
from wengert.api.control import fori_loop, scan
from wengert.api.control_choices import cond, while_loop
from wengert.api.custom import custom_jvp, custom_vjp, stop_gradient
from wengert.api.gradients import grad, jvp, value_and_grad, vjp
from wengert.api.jacobians import (
    derivative,
    elementwise_grad,
    hessian,
    hvp,
    jacfwd,
    jacobian,
    jacrev,
)
from wengert.api.kinks import kinks, subgradient
from wengert.api.memory_report import memory_report
from wengert.api.tracing import Graph, linearize, trace
from wengert.core.errors import (
    ChangedError,
    CheckError,
    CompileWarning,
    CutError,
    KinkError,
    KinkWarning,
    LeakWarning,
    NoDependenceWarning,
    NoRuleError,
    TieError,
    VerificationError,
    WengertError,
    WengertWarning,
)
from wengert.numpy_api.load import install as _install
from wengert.numpy_api.reach import trace_into
from wengert.ops.gates import sigmoid, softplus
from wengert.ops.kinks import KinkReport
from wengert.ops.piecewise import relu
from wengert.tensor import autograd, methods
from wengert.tensor.make import from_dlpack, ones, tensor, zeros
from wengert.tensor.mode import enable_grad, is_grad_enabled, no_grad, pause, record
from wengert.tensor.tensor import Tensor

if TYPE_CHECKING:
    from wengert import numeric as numeric
    from wengert.api.checking import check_grads

_install()
methods.install()
del _install, methods


def __getattr__(name: str) -> Any:
    """What few programs need is loaded when it is asked for."""
    if name == "numeric":
        return _import_module("wengert.numeric")
    if name == "check_grads":
        return _import_module("wengert.api.checking").check_grads
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, "numeric"})


__version__ = "0.1.0"
__all__ = [
    "ChangedError",
    "CheckError",
    "CompileWarning",
    "CutError",
    "D",
    "Graph",
    "KinkError",
    "KinkReport",
    "KinkWarning",
    "LeakWarning",
    "NoDependenceWarning",
    "NoRuleError",
    "Tensor",
    "TieError",
    "VerificationError",
    "WengertError",
    "WengertWarning",
    "autograd",
    "check_grads",
    "checkpoint",
    "checkpoint_sequential",
    "closed_form",
    "compile",
    "cond",
    "custom_jvp",
    "custom_vjp",
    "derivative",
    "dims",
    "elementwise_grad",
    "enable_grad",
    "fori_loop",
    "from_dlpack",
    "from_sympy",
    "function",
    "grad",
    "hessian",
    "hvp",
    "is_grad_enabled",
    "jacfwd",
    "jacobian",
    "jacrev",
    "jvp",
    "kinks",
    "linearize",
    "memory_report",
    "no_grad",
    "ones",
    "parse",
    "pause",
    "record",
    "relu",
    "scan",
    "sigmoid",
    "softplus",
    "stop_gradient",
    "subgradient",
    "tensor",
    "to_sympy",
    "trace",
    "trace_into",
    "value_and_grad",
    "var",
    "vjp",
    "vmap",
    "while_loop",
    "zeros",
]
