"""wengert: exact derivatives of the NumPy programs people already have."""

from wengert.api.gradients import grad, jvp, value_and_grad, vjp
from wengert.core.errors import (
    ChangedError,
    CheckError,
    CutError,
    KinkError,
    KinkWarning,
    LeakWarning,
    NoDependenceWarning,
    NoRuleError,
    VerificationError,
    WengertError,
    WengertWarning,
)
from wengert.numpy_api.load import install as _install

_install()
del _install

__version__ = "0.1.0"
__all__ = [
    "ChangedError",
    "CheckError",
    "CutError",
    "KinkError",
    "KinkWarning",
    "LeakWarning",
    "NoDependenceWarning",
    "NoRuleError",
    "VerificationError",
    "WengertError",
    "WengertWarning",
    "grad",
    "jvp",
    "value_and_grad",
    "vjp",
]
