"""Which modules are the user's: the only ones whose names a running trace may point to twins.

Imports the standard library and ``core.errors``. Invariant: wengert, NumPy and SciPy (but for a
fixed list of pure-Python modules measured to be right) are never admitted by themselves, nor is a
package with compiled parts.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from importlib.machinery import EXTENSION_SUFFIXES, ExtensionFileLoader, ModuleSpec
from types import ModuleType
from typing import Any

from wengert.core.errors import WengertTypeError, WengertValueError

# Traced through as if the user had written them; see "SciPy modules" in the coverage notes.
SCIPY_MODULES = (
    "scipy.integrate._ivp",
    "scipy.stats._distn_infrastructure",
    "scipy.stats._continuous_distns",
)
_STANDARD = frozenset(sys.stdlib_module_names) | frozenset(sys.builtin_module_names)
_STANDARD_FOLDER = os.path.dirname(os.__file__) + os.sep  # noqa: PTH120
_SUFFIXES = tuple(EXTENSION_SUFFIXES)


def names_of(module: Any) -> dict[str, Any] | None:
    """The dictionary of a module, or None for other things that people put into ``sys.modules``.

    Read through ``object``, so that a lazily loaded module is not loaded by the question.
    """
    if not isinstance(type(module), type) or not issubclass(type(module), ModuleType):
        return None
    found = object.__getattribute__(module, "__dict__")
    return found if type(found) is dict else None


def is_compiled(names: dict[str, Any]) -> bool:
    """Whether a module's dictionary belongs to an extension module loaded from a file."""
    spec = names.get("__spec__")
    if type(spec) is ModuleSpec and isinstance(spec.loader, ExtensionFileLoader):
        return True
    file = names.get("__file__")
    return type(file) is str and file.endswith(_SUFFIXES)


def is_loading(names: dict[str, Any]) -> bool:
    """Whether the body of a module is still running its import."""
    spec = names.get("__spec__")
    return type(spec) is ModuleSpec and bool(getattr(spec, "_initializing", False))


def is_module_dict(names: dict[str, Any]) -> bool:
    """Whether these globals are those of the module they name (not of a doctest or of exec'd
    code).
    """
    name = names.get("__name__")
    return type(name) is str and names_of(sys.modules.get(name)) is names


# Packages that wrap NumPy's functions by identity, or move and show arrays without computing: twins
# among their names would only cost time at every trace.
_LEFT_ALONE = frozenset(
    {"wengert", "numpy", "autograd", "jax", "mygrad", "tangent", "joblib", "narwhals", "IPython"}
    | {"ipykernel", "pytest", "_pytest", "hypothesis", "threadpoolctl", "dask", "distributed"}
)


def _within(name: str, roots: Any) -> bool:
    return any(name == root or name.startswith(root + ".") for root in roots)


def _is_standard(top: str) -> bool:
    """Whether a top-level name is the standard library's (and not a user's file of the same
    name).
    """
    if top not in _STANDARD:
        return False
    names = names_of(sys.modules.get(top))
    file = names.get("__file__") if names is not None else None
    return type(file) is not str or file.startswith(_STANDARD_FOLDER)


class Admission:
    """The answer to "may a trace rebind names in this module?"."""

    def __init__(self) -> None:
        self._compiled: set[str] = set()
        self._asked: set[str] = set()

    def note(self, name: str, names: dict[str, Any]) -> bool:
        """Learn from a loaded module; True when its package turns out to have a compiled part."""
        top = name.partition(".")[0]
        if top in self._compiled or not is_compiled(names):
            return False
        self._compiled.add(top)
        return True

    def admits(self, name: str) -> bool:
        """Whether every trace may rebind names in the module called ``name``."""
        if _within(name, self._asked):
            return True
        return self.admits_traced(name) and name.partition(".")[0] not in self._compiled

    def admits_traced(self, name: str) -> bool:
        """Whether a trace of one of its functions may: compiled parts elsewhere in the package do
        not matter.
        """
        if _within(name, self._asked):
            return True
        top = name.partition(".")[0]
        if top in _LEFT_ALONE:
            return False
        if top == "scipy":
            return _within(name, SCIPY_MODULES)
        return not _is_standard(top)

    def admits_globals(self, names: dict[str, Any]) -> bool:
        """``admits_traced`` for the globals of a function: those of no module are always the
        user's.
        """
        name = names.get("__name__")
        if type(name) is not str or not is_module_dict(names):
            return True
        return self.admits_traced(name)

    def ask(self, package: str | ModuleType) -> str:
        """Admit a module or a package with all its modules; returns its name.

        Raises WengertTypeError for something that is neither, WengertValueError for a name that
        cannot be admitted or that no module has.
        """
        if isinstance(package, ModuleType):
            package = package.__name__
        if not isinstance(package, str):
            raise WengertTypeError(
                f"trace_into needs the name of a module or package, got {type(package).__name__}\n"
                '  fix: trace_into("mypackage")'
            )
        top = package.partition(".")[0]
        if top in {"wengert", "numpy"} or package == "scipy":
            advice = "name one of its modules" if top == "scipy" else "it is reached as it is"
            raise WengertValueError(f"trace_into cannot admit {package!r}: {advice}")
        if package not in sys.modules and (
            not all(part.isidentifier() for part in package.split("."))
            or (top not in sys.modules and importlib.util.find_spec(top) is None)
        ):
            raise WengertValueError(
                f"trace_into found no module named {package!r}\n"
                "  fix: give the name as an import statement has it"
            )
        self._asked.add(package)
        return package
