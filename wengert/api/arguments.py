"""Which arguments are differentiated: by number or by name, taken apart into leaves, checked, and put back together.

Imports core. Invariant: the caller's own objects are never written to; what cannot be differentiated is refused before
the function runs.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.core.deferred import by_type, real
from wengert.core.errors import WengertIndexError, WengertTypeError, WengertValueError, error_at
from wengert.core.handle import is_handle
from wengert.core.tree import STANDINS, Structure, arrays, flatten, is_static
from wengert.core.types import dtype_of, shape_of
from wengert.numpy_api.reach import look


def name_of(fun: Any) -> str:
    """A function's name for messages."""
    return getattr(fun, "__name__", None) or type(fun).__name__


def require_function(fun: Any, transform: str) -> None:
    """Raise unless ``fun`` can be called: a common slip is to pass its value."""
    if not callable(fun):
        raise error_at(
            WengertTypeError,
            f"{transform} takes a function, got a {type(fun).__name__} ({fun!r:.60})",
            fix=f"pass the function itself: {transform}(f)(x), not {transform}(f(x))",
            depth=3,
        )
    look(fun)


class Selection:
    """The differentiated part of one call.

    ``leaves`` are the values to differentiate by; ``rebuild(handles)`` gives the arguments with handles in their place;
    ``arrange(results)`` gives results in the form the caller asked for: one tree, a tuple of trees, or a dict by name.
    """

    __slots__ = ("_alone", "_keys", "_many", "_places", "_spans", "_structures", "args", "kwargs", "leaves", "paths")

    def __init__(
        self, fun: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any], argnums: Any, argnames: Any
    ) -> None:
        self._keys: tuple[str, ...] | None = None
        self._many = False
        self._places: Sequence[Any]
        self.leaves: list[Any]
        self.paths: list[str]
        self._structures: list[Structure]
        self._spans: list[list[int]]
        if type(argnums) is int and argnames is None and not STANDINS and -len(args) <= argnums < len(args):
            key = argnums % len(args)
            value = args[key]
            if type(value) is float or (type(value) is np.ndarray and value.dtype.kind == "f"):  # what most calls are
                self.args, self.kwargs = args, kwargs
                self._places = (key,)
                self.leaves, self.paths = [value], [f"argument {key}"]
                self._structures, self._spans = [_LEAF], [[0]]
                self._alone = True
                return
        self._alone = False
        args, kwargs = arrays((tuple(args), kwargs))
        self.args = args
        self.kwargs = kwargs
        numbers: tuple[int, ...]
        if argnames is None:
            if type(argnums) is int:
                self._many, numbers = False, (argnums,)
            else:
                self._many, numbers = True, _numbers(argnums)
            keys: list[Any] = [_position(n, len(args), fun) for n in numbers]
        else:
            names = (argnames,) if isinstance(argnames, str) else _names(argnames)
            self._many, self._keys = True, names
            keys = [_named(fun, name, args, kwargs) for name in names]
        if not keys:
            raise error_at(
                WengertValueError,
                "argnums is empty: nothing to differentiate by"
                if args or kwargs
                else f"{name_of(fun)} was given no arguments: nothing to differentiate by",
                fix="give at least one argument number" if args or kwargs else "pass the point: vjp(f, x)",
            )
        if len(set(keys)) < len(keys):
            raise error_at(
                WengertValueError,
                f"the same argument is named twice: {argnums if argnames is None else argnames}",
                fix="name each argument once",
            )
        self._places = keys
        self.leaves, self.paths, self._structures, self._spans = [], [], [], []
        for key in keys:
            value = self.args[key] if isinstance(key, int) else kwargs[key]
            label = f"argument {key}" if isinstance(key, int) else f"argument {key!r}"
            self._take(value, label, fun)
        if not self.leaves:
            place = f"argument {keys[0]}" if len(keys) == 1 else "the chosen arguments"
            value = self.args[keys[0]] if isinstance(keys[0], int) else kwargs[keys[0]]
            held = "is None" if value is None else f"holds no floating point number ({type(value).__name__})"
            raise error_at(
                WengertTypeError,
                f"{place} of {name_of(fun)} {held}: there is no leaf to differentiate by",
                fix="choose an argument with floats or float arrays in it (argnums= or argnames=)",
            )

    def _take(self, value: Any, label: str, fun: Any) -> None:
        kind = type(value)
        if (kind is np.ndarray and value.dtype.kind == "f") or kind is float:  # the ordinary case
            self._structures.append(_LEAF)
            self._spans.append([len(self.leaves)])
            self.leaves.append(value)
            self.paths.append(label)
            return
        flat, structure = flatten(value)
        single = structure.container is None
        span: list[int] = []
        for leaf, path in zip(flat, [label] if single else structure.paths(label), strict=True):
            if not single and is_static(leaf):
                span.append(-1)
                continue
            span.append(len(self.leaves))
            self.leaves.append(checked(leaf, path, fun))
            self.paths.append(path)
        self._structures.append(structure)
        self._spans.append(span)

    def rebuild(self, handles: Sequence[Any]) -> tuple[list[Any], dict[str, Any]]:
        """The arguments with ``handles`` where the leaves were."""
        args = list(self.args)
        kwargs = dict(self.kwargs) if self.kwargs else {}
        if self._alone:
            args[self._places[0]] = handles[0]
            return args, kwargs
        for key, structure, span in zip(self._places, self._structures, self._spans, strict=True):
            if structure is _LEAF:
                made = handles[span[0]]
            else:
                old = flatten(args[key] if isinstance(key, int) else kwargs[key])[0]
                made = structure.unflatten([o if k < 0 else handles[k] for o, k in zip(old, span, strict=True)])
            if isinstance(key, int):
                args[key] = made
            else:
                kwargs[key] = made
        return args, kwargs

    def arrange(self, results: Sequence[Any]) -> Any:
        """Results per leaf as the caller wants them: static leaves come back as None."""
        if self._alone:
            return results[0]
        trees = [
            results[span[0]]
            if structure is _LEAF
            else structure.unflatten([None if k < 0 else results[k] for k in span])
            for structure, span in zip(self._structures, self._spans, strict=True)
        ]
        if self._keys is not None:
            return dict(zip(self._keys, trees, strict=True))
        return tuple(trees) if self._many else trees[0]


_LEAF = flatten(1.0)[1]


def _names(argnames: Any) -> tuple[str, ...]:
    if isinstance(argnames, (tuple, list)) and all(isinstance(name, str) for name in argnames):
        return tuple(argnames)
    raise error_at(
        WengertTypeError,
        f"argnames must be a name or a tuple of names, got {argnames!r}",
        fix="argnames='w', or argnames=('w', 'b'), or argnums=0",
    )


def _numbers(argnums: Any) -> tuple[int, ...]:
    if isinstance(argnums, (int, np.integer)) and not isinstance(argnums, bool):
        return (int(argnums),)
    try:
        numbers = tuple(argnums)
        if all(isinstance(n, (int, np.integer)) and not isinstance(n, bool) for n in numbers):
            return tuple(map(int, numbers))
    except TypeError:
        pass
    raise error_at(
        WengertTypeError,
        f"argnums must be an int or a tuple of ints, got {argnums!r}",
        fix="argnums=0, or argnums=(0, 2), or argnames='w'",
    )


def _position(number: int, count: int, fun: Any) -> int:
    if not -count <= number < count:
        raise error_at(
            WengertIndexError,
            f"argnums={number}, but {name_of(fun)} was called with {count} positional argument{'s' * (count != 1)}",
            fix="pass that argument by position, or name it with argnames=",
        )
    return number % count


def _named(fun: Any, name: str, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    if name in kwargs:
        return name
    try:
        parameters = list(inspect.signature(fun).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    positional = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    if name in positional and positional.index(name) < len(args):
        return positional.index(name)
    if any(p.name == name for p in parameters):
        raise error_at(
            WengertValueError,
            f"argnames={name!r}, but {name_of(fun)} was called without {name!r}",
            fix=f"pass {name}=... in the call",
        )
    known = ", ".join(p.name for p in parameters) or "none"
    raise error_at(
        WengertValueError,
        f"argnames={name!r}, but {name_of(fun)} has no such parameter (it has: {known})",
        fix="use one of those names",
    )


def checked(leaf: Any, path: str, fun: Any = None) -> Any:
    """A leaf that can be differentiated by, or a TypeError saying what it is and what to do."""
    if is_handle(leaf):
        if dtype_of(leaf.value).kind in "fc":
            return leaf
    elif type(leaf) is int:
        return float(leaf)
    elif type(leaf) is bool or isinstance(leaf, np.bool_):
        raise error_at(
            WengertTypeError,
            f"{path} is a boolean ({leaf}), which has no derivative",
            fix="differentiate by a float argument",
        )
    elif isinstance(leaf, (float, complex, np.floating, np.complexfloating)):
        return leaf
    elif isinstance(leaf, np.ndarray):
        if type(leaf) is not np.ndarray:
            raise error_at(
                WengertTypeError,
                f"{path} is a {type(leaf).__name__}, not a plain array",
                fix="pass np.asarray(...) of it",
            )
        if leaf.dtype.kind in "fc":
            return leaf
    dtype = getattr(leaf, "dtype", None)
    if dtype is not None and getattr(dtype, "kind", "O") in "iub":
        raise error_at(
            WengertTypeError,
            f"{path} of {name_of(fun)} has dtype {dtype}, by which nothing can be differentiated",
            fix="pass it as floating point: x.astype(float)",
        )
    what = f"an array of dtype {dtype}" if dtype is not None else f"a {type(leaf).__name__} ({leaf!r:.60})"
    raise error_at(
        WengertTypeError,
        f"{path} of {name_of(fun)} is {what}, by which nothing can be differentiated",
        fix="differentiate by floats, float arrays, or containers of them (argnums= or argnames= chooses the argument)",
    )


@by_type
def scalar_output(out: Any, fun: Any, holomorphic: bool) -> Any:
    """The output of a function to take the gradient of: a real scalar, or an error that says what came instead."""
    plain = out.value if is_handle(out) else out
    name = name_of(fun)
    kind = type(plain)
    if kind is float or kind is np.float64:
        return out
    if plain is None:
        raise error_at(
            WengertTypeError, f"{name} returned None", fix="let it return the value: is there a `return` missing?"
        )
    if isinstance(plain, (list, tuple, dict)):
        raise error_at(
            WengertTypeError,
            f"grad needs a function that returns one real number; {name} returned a {kind.__name__}",
            fix="return one number, use has_aux=True for (value, extras), or jacobian for several outputs",
        )
    if not isinstance(plain, (float, int, complex, np.number, np.ndarray, np.bool_)):
        raise error_at(
            WengertTypeError,
            f"grad needs a function that returns one real number; {name} returned a {kind.__name__}",
            fix="return a float",
        )
    shape = np.shape(plain)
    if shape != ():
        raise error_at(
            WengertTypeError,
            f"grad needs a function that returns one real number; {name} returned an array of shape {shape}",
            fix="sum it (.sum()), or use jacobian (all derivatives) or vjp (a weighted sum of them)",
        )
    if dtype_of(plain).kind == "c" and not holomorphic:
        raise error_at(
            WengertTypeError,
            f"grad needs a real output; {name} returned the complex number {real(plain)}",
            fix="return its real part or modulus, or use holomorphic=True for the complex derivative",
        )
    return out


def match(structure: Structure, outputs: Sequence[Any], given: Any, name: str) -> list[Any]:
    """Tangents or cotangents checked against the values they belong to: same structure, shapes and kinds of numbers."""
    parts = structure.flatten_like(given, name)
    paths = structure.paths() if structure.size > 1 else [""]
    made: list[Any] = []
    for value, part, path in zip(outputs, parts, paths, strict=True):
        plain = value.value if is_handle(value) else value
        if part is None:
            made.append(None)
            continue
        if plain is None or not isinstance(plain, (float, int, complex, np.ndarray, np.generic)):
            made.append(None)
            continue
        got = part.value if is_handle(part) else part
        if isinstance(got, (str, bytes)):
            raise error_at(
                WengertTypeError, f"the {name}{path} is a {type(got).__name__}", fix="give floating point numbers"
            )
        if not isinstance(got, (np.ndarray, np.generic, float, int, complex)):
            got = part = np.asarray(part)
        if shape_of(got) != shape_of(plain):
            raise error_at(
                WengertValueError,
                f"the {name}{path} has shape {shape_of(got)}, the value it belongs to {shape_of(plain)}",
                fix=f"give a {name} of the value's shape",
            )
        if dtype_of(got).kind not in "fciub":
            raise error_at(
                WengertTypeError, f"the {name}{path} has dtype {dtype_of(got)}", fix="give floating point numbers"
            )
        if dtype_of(got).kind == "c" and dtype_of(plain).kind != "c":
            raise error_at(
                WengertTypeError,
                f"the {name}{path} is complex, the value it belongs to is real",
                fix=f"give a real {name}",
            )
        if not is_handle(part):
            part = _promoted(got, plain)
        made.append(part)
    return made


def _promoted(got: Any, plain: Any) -> Any:
    dtype = dtype_of(plain) if dtype_of(plain).kind in "fc" else np.dtype(float)
    if type(got) is np.ndarray:
        return got.astype(dtype)
    return dtype.type(got)
