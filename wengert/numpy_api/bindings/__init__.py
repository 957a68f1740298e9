"""Rebinding in place: how a trace reaches the NumPy names that NumPy's protocols cannot see.

While a trace runs, the names held by admitted modules point to twins; NumPy, math and SciPy
themselves are never touched. May import ``core`` only. Invariant: after the last running trace
every name is what it was, or what the user made of it.
"""

from wengert.numpy_api.bindings.admitted import Admission
from wengert.numpy_api.bindings.swap import Bindings, Token
from wengert.numpy_api.bindings.twins import Twin, TwinTable, make_twin

__all__ = ["Admission", "Bindings", "Token", "Twin", "TwinTable", "make_twin"]
