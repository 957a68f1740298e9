"""What each command computes: a list of named values, through wengert's public functions alone.

Imports NumPy, wengert's public API and this room. Invariant: a command returns its results and
prints nothing; the seed of a random draw goes to
standard error.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import numpy as np

import wengert as wg
from wengert.cli.inputs import Target, listed, load_arrays
from wengert.cli.problems import Problem, note
from wengert.cli.results import Named, mapped, named


def run_grad(target: Target, options: argparse.Namespace) -> Named:
    """Value and gradient, in one reverse sweep."""
    value, gradient = wg.value_and_grad(target.of_point())(target.point)
    return [("value", value), *named("grad", gradient)]


def run_jacobian(target: Target, options: argparse.Namespace) -> Named:
    """The Jacobian by every chosen input; shapes are output + input."""
    jacobian = wg.jacobian(target.of_point(), mode=options.mode)(target.point)
    return named("jacobian", jacobian)


def run_hessian(target: Target, options: argparse.Namespace) -> Named:
    """Second derivatives, one block for every pair of inputs."""
    return named("hessian", wg.hessian(target.of_point())(target.point))


def run_jvp(target: Target, options: argparse.Namespace) -> Named:
    """Value and derivative along --tangent."""
    direction = chosen(target.point, options.tangent, options.seed, "tangent")
    value, tangent = wg.jvp(target.of_point(), (target.point,), (direction,))
    return [*named("value", value), *named("tangent", tangent)]


def run_vjp(target: Target, options: argparse.Namespace) -> Named:
    """Value and the pullback of --cotangent."""
    value, pullback = wg.vjp(target.of_point(), target.point)
    weights = chosen(value, options.cotangent, options.seed, "cotangent")
    (cotangent,) = pullback(weights)
    return [*named("value", value), *named("cotangent", cotangent)]


def run_trace(target: Target, options: argparse.Namespace) -> str:
    """The Wengert list as text."""
    return str(wg.trace(target.of_point())(target.point))


def chosen(like: Any, path: str | None, seed: int, what: str) -> Any:
    """A direction with the shapes of `like`: from the file, else drawn from a normal law."""
    if path is None:
        random = np.random.default_rng(seed)
        note(f"{what}: random, --seed {seed}")

        def draw(_: str, leaf: Any) -> Any:
            array = np.asarray(leaf)
            drawn: Any = random.standard_normal(array.shape)
            if array.dtype.kind == "c":
                drawn = drawn + 1j * random.standard_normal(array.shape)
            return drawn.astype(array.dtype)[()] if array.dtype.kind in "fc" else leaf

        return mapped(draw, like)
    arrays = load_arrays([path])
    if len(arrays) == 1 and not isinstance(like, (dict, tuple, list)):
        arrays = {"": next(iter(arrays.values()))}

    def take(name: str, leaf: Any) -> Any:
        if name not in arrays:
            raise Problem(f"--{what} {path}: no array '{name or 'out'}'; it holds {listed(arrays)}")
        got, wanted = np.shape(arrays[name]), np.shape(leaf)
        if got != wanted:
            raise Problem(f"--{what} {path}: '{name or 'out'}' has shape {got}, not {wanted}")
        return np.asarray(arrays[name]).astype(np.asarray(leaf).dtype)[()]

    return mapped(take, like)


COMMANDS: dict[str, tuple[str, Callable[[Target, argparse.Namespace], Named]]] = {
    "grad": ("value and gradient of a function with one real output", run_grad),
    "jacobian": ("every output by every input", run_jacobian),
    "hessian": ("second derivatives of a function with one real output", run_hessian),
    "jvp": ("value and derivative along a direction (forward mode)", run_jvp),
    "vjp": ("value and weighted sum of the outputs' gradients (reverse mode)", run_vjp),
}
