"""The `wengert` command: derivatives of a function in a user's file, for people and for scripts.

Imports the standard library, NumPy and wengert's public API. Invariant: results go to standard
output, everything else to standard error, and no traceback appears unless --traceback asks for it.
"""

from __future__ import annotations

import argparse
import os
import sys
import traceback
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import wengert as wg
from wengert.cli.commands import COMMANDS, run_trace
from wengert.cli.derive import add_derive, run_derive
from wengert.cli.inputs import Target, listed, read_target
from wengert.cli.problems import CHECK_FAILED, FINE, Problem, described, note, one_line
from wengert.cli.results import printed, save

EXIT_CODES = "exit codes: 0 fine, 1 a check failed, 2 usage or input, 3 the function raised"
EXAMPLE = "example: wengert grad model.py:loss --args data.npz --wrt w --check"


def build_parser() -> argparse.ArgumentParser:
    """The parser of all commands; every command takes the same words for function and arguments."""
    parser = argparse.ArgumentParser(
        prog="wengert",
        description="Exact derivatives of a NumPy function in your file.",
        epilog=f"{EXAMPLE}\n{EXIT_CODES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    for name, (summary, _) in COMMANDS.items():
        command = add_command(commands, name, summary)
        command.add_argument("--out", metavar="FILE.npz", help="save the results instead of printing")
        command.add_argument("--full", action="store_true", help="print long arrays in full")
        command.add_argument("--check", action="store_true", help="compare with numeric differentiation as well")
        if name == "jacobian":
            command.add_argument("--mode", choices=("auto", "fwd", "rev"), default="auto")
        if name == "jvp":
            command.add_argument("--tangent", metavar="FILE.npz", help="direction; default: random")
        if name == "vjp":
            command.add_argument("--cotangent", metavar="FILE.npz", help="weights; default: random")
        if name in {"jvp", "vjp"}:
            command.add_argument("--seed", type=int, default=0, help="of the random direction")
    trace = add_command(commands, "trace", "the list of operations the function ran, with values")
    trace.add_argument("--out", metavar="FILE", help="write the text to a file")
    check = add_command(commands, "check", "compare both modes with numeric differentiation")
    check.add_argument("--order", type=int, choices=(1, 2), default=1)
    check.add_argument("--modes", default="fwd,rev", help="fwd, rev, or fwd,rev (default)")
    check.add_argument("--rtol", type=float, help="relative tolerance; default: by the dtype")
    add_derive(commands, EXIT_CODES)
    return parser


def add_command(commands: Any, name: str, summary: str) -> argparse.ArgumentParser:
    """One command with the words that all commands share."""
    command: argparse.ArgumentParser = commands.add_parser(
        name, help=summary, description=f"{name}: {summary}.", epilog=EXIT_CODES
    )
    command.add_argument("target", metavar="FILE.py:FUNCTION")
    command.add_argument("--args", action="append", default=[], metavar="FILE.npz", help="arrays, matched by name")
    command.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="one argument as a literal")
    command.add_argument("--wrt", action="append", default=[], metavar="NAMES", help="default: the first parameter")
    command.add_argument("--traceback", action="store_true", help="show Python's traceback too")
    return command


def check(target: Target, order: int, modes: tuple[str, ...], rtol: float | None) -> int:
    """Run `check_grads` and say the outcome; 0 or 1."""
    try:
        wg.check_grads(target.of_point(), (target.point,), order=order, modes=modes, rtol=rtol)
    except wg.CheckError as error:
        print(f"check FAILED: {error}")
        return CHECK_FAILED
    print(f"check passed: {', '.join(modes)}, order {order}, by {listed(target.wrt)}")
    return FINE


def execute(options: argparse.Namespace) -> int:
    """Run one command; problems are raised."""
    if options.command == "derive":
        return run_derive(options)
    target, unused = read_target(options.target, options.args, options.set, options.wrt)
    if unused:
        note(f"note: not a parameter of {target.name}, ignored: {listed(unused)}")
    try:
        if options.command == "check":
            modes = tuple(word.strip() for word in options.modes.split(","))
            if not set(modes) <= {"fwd", "rev"}:
                raise Problem(f"--modes {options.modes}: write fwd, rev, or fwd,rev")
            return check(target, options.order, modes, options.rtol)
        if options.command == "trace":
            text = run_trace(target, options)
            if options.out:
                write_text(options.out, text)
            else:
                print(text)
            return FINE
        pairs = COMMANDS[options.command][1](target, options)
        print(save(options.out, pairs) if options.out else printed(pairs, options.full))
        if options.check:
            order = 2 if options.command == "hessian" else 1
            return check(target, order, ("fwd", "rev"), None)
    except (Problem, BrokenPipeError):
        raise
    except Exception as error:
        raise described(error, target.file) from error
    return FINE


def write_text(path: str, text: str) -> None:
    """Save the text of `trace`."""
    try:
        Path(path).write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise Problem(f"--out {path}: {error.strerror or error}") from error
    print(f"wrote {path}")


@contextmanager
def warnings_in_one_line() -> Iterator[None]:
    """Show warnings as `warning: text` on standard error, without source lines."""
    with warnings.catch_warnings():
        warnings.simplefilter("default")

        def show(message: Warning | str, *_: Any, **__: Any) -> None:
            note(f"warning: {one_line(str(message))}")

        warnings.showwarning = show
        yield


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code.

    >>> main(["grad", "missing.py:loss"])  # prints to standard error: there is no file missing.py
    2
    """
    options = build_parser().parse_args(arguments)
    try:
        with warnings_in_one_line():
            code = execute(options)
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read the results (``| head``) has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FINE
    except Problem as problem:
        if options.traceback and problem.__cause__ is not None:
            traceback.print_exception(problem.__cause__)
        note(f"wengert {options.command}: {problem}")
        return problem.code
    return code
