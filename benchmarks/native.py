"""Compiled derivatives of smaller programs against JAX, hand-written C, NumPy by hand and BLAS.

May import wengert's public API, `programs` and the `native_*` helpers. Invariant: a row differentiates the function as
a user wrote it; who computes by hand computes the same numbers from the same data.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np

import wengert
from benchmarks import measure, native_c, native_jax, native_programs, programs
from benchmarks.native_adbench import bounds, c_peers, jax_peers
from benchmarks.native_table import Goal, Peer, Workload, table_of

ROSENBROCK = {10: 1.2e-6, 1000: 2e-6, 10**6: 330e-6}
"""Seconds per call at most, by size."""
OVER_C = 1.3
STEPS = 1000


def by_hand(function: Callable[..., Any], *arguments: Any) -> Peer:
    """A derivative written by hand in Python or NumPy."""
    return Peer("by hand", function.__name__, lambda: partial(function, *arguments))


def value_and_gradient(found: Any) -> Any:
    """The two outputs of a C driver as `value_and_grad` of one argument gives them."""
    return found[0], found[1]


def scalar() -> Workload:
    """Both derivatives of a function of two Python numbers."""
    x, y = 0.7, 1.3
    return Workload(
        "scalar function of two floats",
        native_programs.scalar,
        wengert.value_and_grad(native_programs.scalar, (0, 1)),
        (x, y),
        [
            *jax_peers(native_jax.scalar, x, y),
            *c_peers("small", "scalar_gradient", (2,), (np.array([x, y]),), [(), (2,)], read=_scalar_answer),
            by_hand(native_programs.scalar_by_hand, x, y),
        ],
        [Goal("seconds", 1e-6)],
    )


def _scalar_answer(found: Any) -> Any:
    return found[0], (found[1][0], found[1][1])


def rosenbrock(size: int) -> Workload:
    """Rosenbrock's function of many variables."""
    x = np.random.default_rng(7).standard_normal(size)
    return Workload(
        f"Rosenbrock n={size}",
        programs.rosenbrock,
        wengert.value_and_grad(programs.rosenbrock),
        (x,),
        [
            *jax_peers(native_jax.rosenbrock, x),
            *c_peers("small", "rosenbrock_gradient", (size,), (x,), [(), (size,)], read=value_and_gradient),
            by_hand(native_programs.rosenbrock_by_hand, x),
            *bounds(passes=size),
        ],
        [Goal("seconds", ROSENBROCK[size])],
    )


def logistic(order: str) -> Workload:
    """Logistic regression 10000x100: gradient, Hessian times a vector, Hessian."""
    random = np.random.default_rng(7)
    rows, columns = 10000, 100
    table = random.standard_normal((rows, columns))
    sign = np.where(random.standard_normal(rows) > 0, 1.0, -1.0)
    w, v = random.standard_normal(columns) / columns, random.standard_normal(columns)
    loss = programs.logistic
    peers = jax_peers(native_jax.logistic, order, w, v, table, sign)
    title, given = f"logistic regression 10000x100, {order}", (w, table, sign)
    if order == "gradient":
        peers += c_peers(
            "logistic", "logistic_gradient", (rows, columns), given, [(), (columns,)], read=value_and_gradient
        )
        peers.append(by_hand(native_programs.logistic_by_hand, *given))
        goals = [Goal("C", OVER_C)]
        return Workload(title, loss, wengert.value_and_grad(loss), given, peers, goals)
    if order == "hessian":
        peers.append(Peer("limit", "syrk", lambda: partial(native_programs.logistic_hessian_by_hand, *given)))
        goals = [Goal("limit", OVER_C)]
        return Workload(title, loss, wengert.hessian(loss), given, peers, goals, is_gradient=False)

    def product(w: Any, v: Any, table: Any, sign: Any) -> Any:
        return wengert.hvp(lambda w: loss(w, table, sign), (w,), (v,))[1]

    everything = (w, v, table, sign)
    driver = native_c.driver("logistic", "logistic_product", (rows, columns), (w, table, sign, v), [(columns,)])
    if driver is not None:
        peers.append(Peer("C", "fused", lambda: driver, lambda found: found[0]))
    peers.append(by_hand(native_programs.logistic_product_by_hand, *everything))
    goals = [Goal("C", OVER_C)]
    return Workload(title, loss, product, everything, peers, goals, is_gradient=False, objective_arguments=given)


def chain() -> Workload:
    """A million elements through a chain of functions."""
    size = 10**6
    x = np.random.default_rng(7).standard_normal(size)
    return Workload(
        "sum(tanh(sin x exp(-x^2) + log1p(x^2))), n=1e6",
        native_programs.chain,
        wengert.value_and_grad(native_programs.chain),
        (x,),
        [
            *jax_peers(native_jax.chain, x),
            *c_peers("small", "chain_gradient", (size,), (x,), [(), (size,)], read=value_and_gradient),
            by_hand(native_programs.chain_by_hand, x),
        ],
        [Goal("seconds", 6.5e-3)],
        arrays=(x.nbytes, 2.0),
    )


def network() -> Workload:
    """A network 784-256-128-10 in float32 with a batch of 128."""
    random = np.random.default_rng(7)
    single = np.float32
    layers = [
        ((random.standard_normal((a, b)) / math.sqrt(a)).astype(single), 0.1 * random.standard_normal(b).astype(single))
        for a, b in pairwise((784, 256, 128, 10))
    ]
    images = random.random((128, 784)).astype(single)
    one_hot = np.eye(10, dtype=single)[random.integers(0, 10, 128)]
    given = (layers, images, one_hot)
    return Workload(
        "network 784-256-128-10, batch 128, float32",
        programs.network_tanh,
        wengert.value_and_grad(programs.network_tanh),
        given,
        [
            *jax_peers(native_jax.network, *given),
            by_hand(native_programs.network_by_hand, *given),
            Peer("limit", "products", lambda: native_programs.products_alone(layers, images), None),
        ],
        [Goal("limit", 1.1)],
        agreement=1e-4,
    )


def lotka_volterra() -> Workload:
    """A thousand steps of a Python loop over two numbers, derivatives by four parameters."""
    parameters, start = np.array([1.1, 0.4, 0.4, 0.1]), np.array([10.0, 5.0])

    def objective(parameters: Any, start: Any) -> Any:
        return native_programs.lotka_volterra(parameters, start, STEPS)

    inputs = (parameters, start, np.array([native_programs.STEP]))
    return Workload(
        f"Lotka-Volterra RK4, Python loop of {STEPS} steps",
        objective,
        wengert.value_and_grad(objective),
        (parameters, start),
        [
            *jax_peers(native_jax.lotka_volterra, parameters, start, STEPS, native_programs.STEP),
            *c_peers("small", "lotka_gradient", (STEPS,), inputs, [(), (4,)], read=value_and_gradient),
        ],
        [Goal("seconds", 0.05e-3)],
    )


def measure_native(quick: bool, wanted: list[str]) -> measure.Table:
    """The rows of smaller programs."""
    notes = [native_c.described()]
    if native_jax.jax() is None:
        notes.append("JAX is not installed (`pip install jax`): no ratios to it.")
    works: list[Callable[[], Workload]] = [
        scalar,
        *(partial(rosenbrock, size) for size in ROSENBROCK),
        *(partial(logistic, order) for order in ("gradient", "product", "hessian")),
        chain,
        network,
        lotka_volterra,
    ]
    return table_of("Compiled code: smaller programs", works, quick, notes, wanted)


if __name__ == "__main__":
    measure.main("native", measure_native, choosing=True)
