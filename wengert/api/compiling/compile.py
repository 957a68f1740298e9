"""compile: a function that records its paths once and replays them as plans.

Imports the other ``compiling`` files. Invariant: a compiled function returns what the function returns."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, overload

from wengert.api.arguments import require_function
from wengert.backends.guards import MISS
from wengert.core.context import SWITCH
from wengert.core.errors import WengertTypeError, WengertValueError, error_at

BACKENDS = ("auto", "native", "numpy")
CHECKS = ("sample", "full", "none")


if TYPE_CHECKING:
    from wengert.api.compiling.calls import Calls
    from wengert.api.compiling.path import Path


class Paths(Sequence["Path"]):
    """The paths of a compiled function, as they are now."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def __len__(self) -> int:
        return len(self._calls.paths)

    @overload
    def __getitem__(self, index: int) -> Path: ...
    @overload
    def __getitem__(self, index: slice) -> list[Path]: ...
    def __getitem__(self, index: Any) -> Any:
        return self._calls.paths[index]

    def __iter__(self) -> Iterator[Path]:
        return iter(self._calls.paths)

    def __repr__(self) -> str:
        return f"<{len(self)} paths of {self._calls.name}>"


def compile(  # noqa: A001 it is the name that users know
    fun: Callable[..., Any] | None = None,
    *,
    backend: str = "auto",
    threads: int | str = 1,
    wait: bool = True,
    check: str = "sample",
) -> Any:
    """Return a function that does what ``fun`` does, from recorded paths instead of Python code.

    The first call with arguments of some structure, shapes and dtypes runs ``fun`` and records it; later ones replay
    the recorded steps. What the program decided on values (``if``, ``while``, an index) is asked again at every call:
    where a decision falls otherwise, that path is recorded too and kept beside the others. Works on any function and
    any transform of one: ``compile(grad(f))``, ``compile(vmap(jacfwd(f)))``; as a decorator with and without options.

    Floats, complex numbers and floating point arrays of any shape, also in containers, are the inputs; all other
    leaves are fixed: another value is another path. Tensors, among the arguments and outside, are state in and out.
    What ``fun`` reads from outside is checked at each call (numbers and functions by value and identity, arrays by
    identity and, with ``check="sample"``, by some 128 spread elements, with "full" by all of them, with "none" not
    at all); a difference records anew. A program that cannot be replayed (it draws random numbers, changes a
    global, takes ever new paths) runs as it is, and a ``CompileWarning`` says why once. Texts are printed and
    warnings given while a path is recorded, not when it is replayed.

    ``backend``: "native" compiles to machine code (needs llvmlite), "numpy" to a plan of NumPy calls, "auto" takes
    the faster. ``threads`` is the most threads that a long native loop is split among (element-wise, batched, sums over
    rows; "auto": the processors that this process may use); results are the same bits for any number. The
    interpreter's lock is released where native code runs long. ``wait=False`` makes native code beside the running
    program, which is answered by NumPy meanwhile. The results are fresh arrays, and so are those that ``fun`` returns
    as it got them. Raises WengertTypeError for what is no function, WengertValueError for an unknown option.

    ``f.explain()`` says what was made of the function, ``f.source(kind)`` shows it ("python", "loops", "llvm",
    "asm"), ``f.paths`` are the paths, ``f.clear()`` forgets them.

    >>> import numpy as np
    >>> import wengert
    >>> @wengert.compile(backend="numpy")
    ... def energy(x):
    ...     return np.sum(x ** 2) if x[0] > 0 else -np.sum(x)
    >>> float(energy(np.array([1.0, 2.0]))), float(energy(np.array([3.0, 4.0])))
    (5.0, 25.0)
    >>> float(energy(np.array([-1.0, 2.0]))), len(energy.paths)
    (-1.0, 2)
    >>> slope = wengert.compile(wengert.grad(energy), backend="numpy")
    >>> slope(np.array([1.0, 2.0])), slope(np.array([5.0, 1.0]))
    (array([2., 4.]), array([10.,  2.]))
    """
    if fun is None:
        return functools.partial(compile, backend=backend, threads=threads, wait=wait, check=check)
    from wengert.api.compiling.calls import Calls

    require_function(fun, "compile")
    _one_of("backend", backend, BACKENDS)
    _one_of("check", check, CHECKS)
    _one_of("wait", wait, (True, False))
    threads = _number_of_threads(threads)
    if backend == "native":
        _require_native()
    calls = Calls(fun, backend=backend, threads=threads, wait=wait, check=check)

    @functools.wraps(fun)
    def compiled(*args: Any, **kwargs: Any) -> Any:
        if not kwargs and not SWITCH.live:
            try:
                out = calls.hot(args)
            except Exception:  # noqa: BLE001 the slow way finds out what it was
                out = MISS
            if out is not MISS:
                return out
        return calls(args, kwargs)

    shown: Any = compiled
    shown.paths = Paths(calls)
    shown.clear = calls.clear
    shown.explain = functools.partial(_explain, calls)
    shown.source = functools.partial(_source, calls)
    return compiled


def _one_of(option: str, value: Any, known: Sequence[Any]) -> None:
    if value not in known:
        raise error_at(
            WengertValueError,
            f"{option}={value!r} is not known to compile",
            fix=f"one of {', '.join(map(repr, known))}",
            depth=3,
        )


def _number_of_threads(threads: Any) -> int:
    if isinstance(threads, str) and threads == "auto":
        from wengert.backends.llvm.threads.pool import processors

        return processors()
    fix = 'threads=1, a larger number, or threads="auto" for all processors that this process may use'
    if isinstance(threads, bool) or not hasattr(type(threads), "__index__"):
        raise error_at(WengertTypeError, f"threads={threads!r} is not a number of threads", fix=fix, depth=3)
    number = operator.index(threads)
    if number < 1:
        raise error_at(WengertValueError, f"threads={threads!r}: a call runs on one thread at least", fix=fix, depth=3)
    return number


def _require_native() -> None:
    from wengert.api.compiling.passes import has_llvmlite

    if not has_llvmlite():
        raise error_at(
            WengertValueError,
            'backend="native" needs llvmlite, which is not installed',
            fix='pip install wengert[native], or backend="numpy"',
            depth=3,
        )


def _explain(calls: Calls, *args: Any, **kwargs: Any) -> str:
    from wengert.api.compiling.text import explain

    return explain(calls, args, kwargs)


def _source(calls: Calls, kind: str = "") -> str:
    from wengert.api.compiling.text import source

    return source(calls, kind)


__all__ = ["compile"]
