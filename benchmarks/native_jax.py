"""JAX's side of the benchmarks of compiled code, part one: the tool itself and the smaller programs.

May import JAX inside functions, the standard library and NumPy. Invariant: every formulation keeps its arrays on JAX's
side (nothing is converted in the timed call) and waits for its result.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import Any

import numpy as np

Formulations = dict[str, Callable[[], Callable[[], Any]]]
"""By name, what traces and compiles anew and gives the call that is timed."""


@functools.cache
def jax() -> Any:
    """The module with float64 and one thread, its engine started; None where it is not installed."""
    flags = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {flags}".strip()
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    try:
        import jax as module
    except ImportError:
        return None
    module.config.update("jax_enable_x64", True)
    module.block_until_ready(module.jit(lambda x: x + 1.0)(1.0))
    return module


def ready(make: Callable[[], Callable[..., Any]], *arguments: Any) -> Callable[[], Callable[[], Any]]:
    """What compiles `make()` with `jit` and binds arrays that already lie on JAX's side."""

    def prepare() -> Callable[[], Any]:
        module = jax()
        held = module.tree.map(module.numpy.asarray, arguments)
        compiled = module.jit(make())

        def call() -> Any:
            return module.block_until_ready(compiled(*held))

        def memory() -> float:
            needs = compiled.lower(*held).compile().memory_analysis()
            return float(needs.temp_size_in_bytes + needs.output_size_in_bytes)

        call.peak_bytes = memory  # type: ignore[attr-defined]
        return call

    return prepare


def scalar(x: float, y: float) -> Formulations:
    """The function of two numbers: Python's numbers given, or arrays of JAX."""
    module = jax()
    jnp = module.numpy

    def value(x: Any, y: Any) -> Any:
        return jnp.sin(x) * jnp.exp(-y) + x * y / (1.0 + x * x)

    def from_numbers() -> Callable[[], Any]:
        compiled = module.jit(module.value_and_grad(value, (0, 1)))
        return lambda: module.block_until_ready(compiled(x, y))

    return {"floats in": from_numbers, "arrays in": ready(lambda: module.value_and_grad(value, (0, 1)), x, y)}


def rosenbrock(x: Any) -> Formulations:
    """Rosenbrock's function by slices, and with the second array rolled."""
    module = jax()
    jnp = module.numpy

    def slices(x: Any) -> Any:
        return jnp.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)

    def rolled(x: Any) -> Any:
        terms = 100.0 * (jnp.roll(x, -1) - x**2) ** 2 + (1.0 - x) ** 2
        return jnp.sum(jnp.where(jnp.arange(x.size) < x.size - 1, terms, 0.0))

    return {
        "slices": ready(lambda: module.value_and_grad(slices), x),
        "rolled": ready(lambda: module.value_and_grad(rolled), x),
    }


def chain(x: Any) -> Formulations:
    """The element-wise chain, reverse; and by vmap of the derivative of one element."""
    module = jax()
    jnp = module.numpy

    def one(x: Any) -> Any:
        return jnp.tanh(jnp.sin(x) * jnp.exp(-(x**2)) + jnp.log1p(x**2))

    def by_element(x: Any) -> Any:
        values, slopes = module.vmap(module.value_and_grad(one))(x)
        return jnp.sum(values), slopes

    return {
        "reverse": ready(lambda: module.value_and_grad(lambda x: jnp.sum(one(x))), x),
        "per element": ready(lambda: by_element, x),
    }


def logistic(order: str, w: Any, v: Any, table: Any, sign: Any) -> Formulations:
    """Logistic regression: `order` is gradient, product or hessian; with logaddexp and with softplus."""
    module = jax()
    jnp = module.numpy

    def loss(act: Callable[[Any], Any]) -> Callable[..., Any]:
        return lambda w, table, sign: jnp.mean(act(-(sign * (table @ w)))) + 0.01 * jnp.sum(w * w)

    def product(act: Callable[[Any], Any], outer: str) -> Callable[..., Any]:
        def run(w: Any, v: Any, table: Any, sign: Any) -> Any:
            def slope(w: Any) -> Any:
                return module.grad(loss(act))(w, table, sign)

            if outer == "forward":
                return module.jvp(slope, (w,), (v,))[1]
            return module.vjp(slope, w)[1](v)[0]

        return run

    acts = {"logaddexp": lambda x: jnp.logaddexp(0.0, x), "softplus": module.nn.softplus}
    found: Formulations = {}
    for name, act in acts.items():
        if order == "gradient":
            found[name] = ready(lambda act=act: module.value_and_grad(loss(act)), w, table, sign)
        elif order == "hessian":
            found[f"{name}, hessian"] = ready(lambda act=act: module.hessian(loss(act)), w, table, sign)
            found[f"{name}, reverse twice"] = ready(
                lambda act=act: module.jacrev(module.jacrev(loss(act))), w, table, sign
            )
        else:
            for outer in ("forward", "reverse"):
                found[f"{name}, {outer} over reverse"] = ready(
                    lambda act=act, outer=outer: product(act, outer), w, v, table, sign
                )
    return found


def network(layers: Any, images: Any, one_hot: Any) -> Formulations:
    """The network of `programs.network_tanh`, its cross entropy spelled out or by JAX's own function."""
    module = jax()
    jnp = module.numpy

    def loss(entropy: Callable[[Any, Any], Any]) -> Callable[..., Any]:
        def run(layers: Any, images: Any, one_hot: Any) -> Any:
            hidden = images
            for weight, bias in layers[:-1]:
                hidden = jnp.tanh(hidden @ weight + bias)
            return jnp.mean(entropy(hidden @ layers[-1][0] + layers[-1][1], one_hot))

        return run

    def spelled(scores: Any, one_hot: Any) -> Any:
        top = jnp.max(scores, axis=1, keepdims=True)
        return jnp.log(jnp.sum(jnp.exp(scores - top), axis=1)) + top[:, 0] - jnp.sum(scores * one_hot, axis=1)

    def built_in(scores: Any, one_hot: Any) -> Any:
        return -jnp.sum(module.nn.log_softmax(scores) * one_hot, axis=1)

    return {
        "spelled out": ready(lambda: module.value_and_grad(loss(spelled)), layers, images, one_hot),
        "log_softmax": ready(lambda: module.value_and_grad(loss(built_in)), layers, images, one_hot),
    }


def lotka_volterra(parameters: Any, start: Any, steps: int, size: float) -> Formulations:
    """Runge and Kutta's method by scan and by fori_loop, forward and reverse."""
    module = jax()
    lax = module.lax

    def step(parameters: Any, state: Any) -> Any:
        a, b, c, d = parameters

        def rates(x: Any, y: Any) -> tuple[Any, Any]:
            return a * x - b * x * y, d * x * y - c * y

        x, y = state
        x1, y1 = rates(x, y)
        x2, y2 = rates(x + 0.5 * size * x1, y + 0.5 * size * y1)
        x3, y3 = rates(x + 0.5 * size * x2, y + 0.5 * size * y2)
        x4, y4 = rates(x + size * x3, y + size * y3)
        return x + size * (x1 + 2 * x2 + 2 * x3 + x4) / 6, y + size * (y1 + 2 * y2 + 2 * y3 + y4) / 6

    def final(state: Any) -> Any:
        return state[0] + state[1] * state[1]

    def by_scan(unroll: int) -> Callable[..., Any]:
        def run(parameters: Any, start: Any) -> Any:
            def body(state: Any, _: None) -> Any:
                return step(parameters, state), None

            return final(lax.scan(body, (start[0], start[1]), None, length=steps, unroll=unroll)[0])

        return run

    def by_fori(parameters: Any, start: Any) -> Any:
        return final(lax.fori_loop(0, steps, lambda _, s: step(parameters, s), (start[0], start[1])))

    def forward(f: Callable[..., Any]) -> Callable[..., Any]:
        def run(parameters: Any, start: Any) -> Any:
            def with_value(p: Any) -> Any:
                value = f(p, start)
                return value, value

            gradient, value = module.jacfwd(with_value, has_aux=True)(parameters)
            return value, gradient

        return run

    return {
        "scan, reverse": ready(lambda: module.value_and_grad(by_scan(1)), parameters, start),
        "scan, forward": ready(lambda: forward(by_scan(1)), parameters, start),
        "scan unrolled by 2, forward": ready(lambda: forward(by_scan(2)), parameters, start),
        "fori_loop, forward": ready(lambda: forward(by_fori), parameters, start),
    }


def held(values: Any) -> Any:
    """Arrays of JAX as arrays of NumPy."""
    return jax().tree.map(np.asarray, values)
