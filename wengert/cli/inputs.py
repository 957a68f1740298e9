"""From the words of the command line to a function and its arguments.

Imports the standard library, NumPy and this room. Invariant: an argument is taken from --set, else
from the --args files, else from the function's default; a missing name is never guessed.
"""

from __future__ import annotations

import ast
import importlib.util
import inspect
import sys
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from wengert.cli.problems import Problem, described


@dataclass(frozen=True)
class Target:
    """The user's function, the file it lives in, and the value of every argument by name."""

    function: Callable[..., Any]
    file: Path
    arguments: dict[str, Any]
    wrt: tuple[str, ...]

    @property
    def name(self) -> str:
        """What messages call the function."""
        return getattr(self.function, "__name__", "function")

    @property
    def point(self) -> dict[str, Any]:
        """The arguments that derivatives are taken with respect to."""
        return {name: self.arguments[name] for name in self.wrt}

    def of_point(self) -> Callable[[dict[str, Any]], Any]:
        """The function of those arguments alone, as one dict."""
        signature = inspect.signature(self.function)

        def restricted(point: dict[str, Any]) -> Any:
            bound = signature.bind_partial()
            extra = {}
            for name, value in {**self.arguments, **point}.items():
                if name in signature.parameters:
                    bound.arguments[name] = value
                else:
                    extra[name] = value
            ordered = {n: bound.arguments[n] for n in signature.parameters if n in bound.arguments}
            complete = inspect.BoundArguments(signature, ordered)
            return self.function(*complete.args, **complete.kwargs, **extra)

        restricted.__name__ = self.name
        restricted.__wrapped__ = self.function  # type: ignore[attr-defined]
        return restricted


def load_function(text: str) -> tuple[Callable[..., Any], Path]:
    """The function named by `path/to/model.py:name`; a dotted name reaches into classes."""
    path_text, colon, name = text.rpartition(":")
    if not colon or not name or not path_text.endswith(".py"):
        raise Problem(f"'{text}' does not name a function: write FILE.py:FUNCTION")
    file = Path(path_text).resolve()
    if not file.is_file():
        raise Problem(f"there is no file {path_text}")
    module_name = file.stem if file.stem not in sys.modules else f"{file.stem}_of_command_line"
    spec = importlib.util.spec_from_file_location(module_name, file)
    if spec is None or spec.loader is None:
        raise Problem(f"{path_text} cannot be imported")
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    sys.path.insert(0, str(file.parent))
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise described(error, file) from error
    function: Any = module
    for part in name.split("."):
        if not hasattr(function, part):
            known = [n for n, v in vars(module).items() if inspect.isfunction(v)]
            raise Problem(f"{file.name} has no {name}; its functions are: {listed(known)}")
        function = getattr(function, part)
    if not callable(function):
        raise Problem(f"{name} in {file.name} is a {type(function).__name__}, not a function")
    return function, file


def load_arrays(paths: Sequence[str]) -> dict[str, Any]:
    """All arrays of the .npz files, 0-d arrays as scalars; later files override earlier ones."""
    found: dict[str, Any] = {}
    for path in paths:
        if not Path(path).is_file():
            raise Problem(f"there is no file {path}")
        try:
            with np.load(path, allow_pickle=False) as archive:
                if not isinstance(archive, np.lib.npyio.NpzFile):
                    raise Problem(f"{path} holds one unnamed array; save with np.savez(name=...)")
                found |= {name: archive[name][()] for name in archive.files}
        except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
            raise Problem(f"{path} is not a readable .npz file: {error}") from error
    return found


def parse_settings(settings: Sequence[str]) -> dict[str, Any]:
    """`name=value` pairs; a value is a Python literal (0.5, 3, True, 'text', (1, 2), None)."""
    found = {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals or not name.isidentifier():
            raise Problem(f"--set {setting}: write --set NAME=VALUE")
        try:
            found[name] = ast.literal_eval(text.strip())
        except (ValueError, SyntaxError) as error:
            raise Problem(
                f"--set {setting}: {text!r} is not a literal; write a number, True, None, "
                "a tuple, or a quoted text"
            ) from error
    return found


def match(
    function: Callable[..., Any], arrays: dict[str, Any], settings: dict[str, Any]
) -> tuple[dict[str, Any], list[str]]:
    """The arguments by name, and which of the arrays the function has no use for."""
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError) as error:
        raise Problem("the function has no readable signature; wrap it in a def") from error
    given = {**arrays, **settings}
    kinds = {parameter.kind for parameter in parameters.values()}
    takes_all = inspect.Parameter.VAR_KEYWORD in kinds
    starred = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
    named = {name: p for name, p in parameters.items() if p.kind not in starred}
    unknown = [name for name in settings if name not in named and not takes_all]
    if unknown:
        raise Problem(f"--set {unknown[0]}: the function has no such parameter: {listed(named)}")
    values: dict[str, Any] = {}
    missing = []
    for name, parameter in named.items():
        if name in given:
            values[name] = given[name]
        elif parameter.default is not inspect.Parameter.empty:
            values[name] = parameter.default
        else:
            missing.append(name)
    if missing:
        raise Problem(
            f"no value for the parameter {listed(missing)}: neither in --args "
            f"(which holds {listed(arrays)}) nor in --set, and there is no default"
        )
    rest = [name for name in given if name not in named]
    if takes_all:
        values |= {name: given[name] for name in rest}
        rest = []
    return values, rest


def differentiable(name: str, value: Any) -> Any:
    """The value as a float or complex scalar or array; anything else is refused with its reason."""
    if isinstance(value, (bool, np.bool_)) or value is None or isinstance(value, (str, bytes)):
        raise Problem(f"--wrt {name}: a {type(value).__name__} has no derivative")
    if isinstance(value, int):
        return float(value)
    if isinstance(value, (list, tuple)):
        try:
            value = np.array(value, dtype=float)
        except (TypeError, ValueError) as error:
            raise Problem(f"--wrt {name}: {value!r} is not an array of numbers") from error
    kind = getattr(np.asarray(value), "dtype", np.dtype(object)).kind
    if kind not in "fc":
        raise Problem(
            f"--wrt {name}: it holds {np.asarray(value).dtype}; derivatives need floats: "
            f"save it with {name}.astype(float)"
        )
    return value


def choose_wrt(words: Sequence[str], arguments: dict[str, Any]) -> tuple[str, ...]:
    """The names given by --wrt (repeated or with commas), else the first parameter."""
    names = [name.strip() for word in words for name in word.split(",") if name.strip()]
    if not names:
        if not arguments:
            raise Problem("the function has no parameters")
        names = [next(iter(arguments))]
    for name in names:
        if name not in arguments:
            raise Problem(f"--wrt {name}: the function has no such parameter: {listed(arguments)}")
    if len(set(names)) < len(names):
        raise Problem(f"--wrt names the same parameter twice: {listed(names)}")
    return tuple(names)


def read_target(
    text: str, paths: Sequence[str], settings: Sequence[str], wrt: Sequence[str]
) -> tuple[Target, list[str]]:
    """Everything a command needs, and the names in the files that are not used."""
    function, file = load_function(text)
    arguments, unused = match(function, load_arrays(paths), parse_settings(settings))
    chosen = choose_wrt(wrt, arguments)
    for name in chosen:
        arguments[name] = differentiable(name, arguments[name])
    return Target(function, file, arguments, chosen), unused


def listed(names: Any) -> str:
    """Names for a message: `a, b, c`, or `nothing`."""
    return ", ".join(map(str, names)) or "nothing"
