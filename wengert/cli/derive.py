"""`wengert derive`: the closed form of a formula's or a function's derivative, as text, LaTeX, MathML or NumPy.

Imports NumPy, wengert's public API and this room. Invariant: shapes are taken from --shape, else from
the arrays of --args, else from annotations such as `X: "m n"`; a shape is never guessed.
"""

from __future__ import annotations

import argparse
import inspect
import re
from collections.abc import Callable
from typing import Any

import numpy as np

import wengert as wg
from wengert.cli.inputs import load_arrays, load_function
from wengert.cli.problems import FINE, Problem

LETTERS = "mnkldpqrstuv"


def add_derive(commands: Any, epilog: str) -> None:
    """The words of the command."""
    command = commands.add_parser(
        "derive",
        help="the derivative of a formula or function in closed form",
        description="derive: the derivative of a formula or a NumPy function in textbook notation.",
        epilog=epilog,
    )
    command.add_argument("target", metavar="FORMULA or FILE.py:FUNCTION")
    command.add_argument("--wrt", required=True, metavar="NAME", help="the variable")
    command.add_argument("--shape", nargs="+", default=[], metavar="X:m,n", help="dimensions of each name")
    command.add_argument("--args", action="append", default=[], metavar="FILE.npz", help="arrays to take shapes from")
    command.add_argument("--order", type=int, default=1)
    command.add_argument("--syntax", choices=("numpy", "hand"), default="numpy")
    command.add_argument("--layout", choices=("jacobian", "gradient", "numerator", "denominator"), default="jacobian")
    command.add_argument("--to", choices=("text", "latex", "mathml", "numpy", "source", "chain"), default="text")
    command.add_argument("--no-check", action="store_true", help="do not compare with a numeric derivative")
    command.add_argument("--traceback", action="store_true", help="show Python's traceback too")


def run_derive(options: argparse.Namespace) -> int:
    """Print the form; problems are raised."""
    shapes = read_shapes(options.shape)
    if not shapes and options.args:
        shapes = named_shapes({n: np.shape(a) for n, a in load_arrays(options.args).items()})
    common = {"order": options.order, "layout": options.layout, "check": not options.no_check}
    try:
        if re.search(r"\.py:[\w.]+$", options.target):
            function, _ = load_function(options.target)
            shapes = shapes or annotated(function)
            form = wg.closed_form(function, options.wrt, shapes=shapes, **common)
        else:
            form = wg.D(options.target, options.wrt, syntax=options.syntax, shapes=shapes, **common)
        writers: dict[str, Callable[[], str]] = {
            "text": lambda: f"{form}", "latex": form.latex, "mathml": form.mathml, "numpy": form.numpy_expression,
            "source": form.numpy_source, "chain": form.chain,
        }
        print(writers[options.to]().rstrip())
    except wg.WengertError as error:
        raise Problem(str(error)) from error
    if options.to == "text":
        print(f"shape ({', '.join(map(str, form.shape))}{',' if len(form.shape) == 1 else ''})")
        for condition in form.conditions:
            print(f"where {condition}")
    return FINE


def read_shapes(words: list[str]) -> dict[str, Any]:
    """`X:m,n w:n c:` as shapes by name."""
    found: dict[str, Any] = {}
    for word in words:
        name, colon, dims = word.partition(":")
        if not colon or not name.isidentifier():
            raise Problem(f"--shape {word}: write NAME:DIM,DIM, and NAME: for a number")
        found[name] = tuple(d for d in dims.split(",") if d)
    return found


def named_shapes(shapes: dict[str, tuple[int, ...]]) -> dict[str, Any]:
    """A letter for every size that occurs."""
    sizes = list(dict.fromkeys(d for s in shapes.values() for d in s))
    if len(sizes) > len(LETTERS):
        raise Problem("more different sizes than letters: give --shape")
    letter = dict(zip(sizes, LETTERS, strict=False))
    return {n: tuple(letter[d] for d in s) for n, s in shapes.items()}


def annotated(function: Any) -> dict[str, Any]:
    """Shapes from annotations that are texts, such as `X: "m n"`; a number is annotated with `float`."""
    found: dict[str, Any] = {}
    for name, parameter in inspect.signature(function).parameters.items():
        note = parameter.annotation
        if (
            isinstance(note, str)
            and re.fullmatch(r"[\"']?(\w+([ ,]+\w+)*)?[\"']?", note)
            and note not in ("float", "int", "Any")
        ):
            found[name] = note.strip("\"'")
        elif note in (float, "float"):
            found[name] = ()
        elif parameter.default is inspect.Parameter.empty:
            raise Problem(
                f"the shape of {name} is not known: give --shape {name}:m,n, or --args with arrays, "
                f'or annotate it as {name}: "m n"'
            )
    return found
