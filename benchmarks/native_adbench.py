"""Compiled derivatives of the ADBench problems against JAX and hand-written C.

May import wengert's public API, the `native_*` helpers and `adbench`. Invariant: the programs are those of `adbench`,
unchanged; only the choice of what is differentiated is made here.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

import wengert
from benchmarks import measure, native_c, native_jax, native_jax_adbench
from benchmarks.adbench import ba, gmm, hand, lstm
from benchmarks.native_table import Goal, Peer, Workload, table_of

MISSING = "The file of {} is not in `shared/data/adbench`: random numbers of its sizes."


REST_OF_MIXTURES = (
    "Beside them stand one subtraction for every two multiply-adds (a point's distance from a mean is formed in the "
    "block that uses it; stored beforehand it took longer) and the sums of outer products, which are read and written "
    "once for every 32 or 64 points, at K=50 beyond the second cache (64 points at K=25 take 8 % less time and a "
    "quarter more to compile). The goal was set against formulations of JAX that form (n, K, d) arrays; as one product "
    "over all components JAX is two to six times faster than those."
)


REST_OF_HANDS = (
    "The sums alone are one product of matrices: as `limit: product` they stand above, by the BLAS that NumPy has, and "
    "ours are part of the time of the whole. The chain of 22 bones with its 26 tangents took 28 us when timed alone. "
    "JAX is given the formulation that ours is written in, its fastest here."
)


def jax_peers(make: Callable[..., native_jax.Formulations], *arguments: Any, read: Any = native_jax.held) -> list[Peer]:
    """JAX's formulations as peers; none where JAX is missing.

    One that cuts the data into blocks by hand, the scheduling that a compiler should do, is of a kind of its own.
    """
    if native_jax.jax() is None:
        return []
    return [
        Peer("JAX in blocks" if "blocks" in name else "JAX", name, prepare, read)
        for name, prepare in make(*arguments).items()
    ]


def c_peers(source: str, name: str, *rest: Any, read: Any = lambda found: found, kind: str = "C") -> list[Peer]:
    """The hand-written C as a peer; none without a compiler."""
    driver = native_c.driver(source, name, *rest)
    return [] if driver is None else [Peer(kind, name, lambda: driver, read)]


def bounds(multiply_adds: int = 0, exponentials: int = 0, passes: int = 0) -> list[Peer]:
    """What none can do without, in C: so many multiply-adds at the peak of one core, so many exponentials, a pass that
    reads and writes so many numbers.

    They compute nothing of use: their times are lower bounds, those of arithmetic to be added up.
    """
    numbers = np.linspace(-20.0, 0.0, max(1024, passes))
    kinds: list[tuple[str, int, list[tuple[int, ...]]]] = [
        ("multiply_adds", multiply_adds, [()]),
        ("exponentials", exponentials, [(1024,)]),
        ("read_and_write", passes, [(passes,)]),
    ]
    return [
        peer
        for name, count, shapes in kinds
        if count
        for peer in c_peers("bounds", name, (count,), (numbers,), shapes, read=None, kind=f"bound: {name}")
    ]


def mixture(name: str, times_faster: float, notes: list[str]) -> Workload:
    """Value and gradient of a Gaussian mixture."""
    arguments, present = gmm.inputs(name)
    if not present:
        notes.append(MISSING.format(f"GMM {name}"))
    *moving, points, gamma, m = arguments
    count, dimension = points.shape
    freedom = dimension + m + 1
    log_gamma = dimension * (dimension - 1) / 4 * math.log(math.pi)
    log_gamma += sum(math.lgamma(0.5 * (freedom - j)) for j in range(dimension))
    normaliser = freedom * dimension * math.log(gamma / math.sqrt(2.0)) - log_gamma
    constant = -count * dimension * 0.5 * math.log(2.0 * math.pi) - len(moving[0]) * normaliser
    prior = np.array([gamma, m, constant])
    scores = count * len(moving[0])

    def objective(alphas: Any, means: Any, factors: Any, points: Any) -> Any:
        return gmm.objective(alphas, means, factors, points, gamma, m)

    return Workload(
        f"GMM {name.replace('_', ' ')}",
        objective,
        wengert.value_and_grad(objective, (0, 1, 2)),
        (*moving, points),
        [
            *jax_peers(native_jax_adbench.gmm, *arguments),
            *c_peers(
                "gmm",
                "gmm_gradient",
                (dimension, len(moving[0]), count),
                (*moving, points, prior),
                [(), *(value.shape for value in moving)],
                read=lambda found: (found[0], found[1:]),
            ),
            # A point's distance from each mean, and what it adds to the slope of each factor: triangles both.
            *bounds(multiply_adds=scores * dimension * (dimension + 1), exponentials=scores),
        ],
        [Goal("JAX", 1 / times_faster), Goal("JAX in blocks", 1.0)],
        remark=REST_OF_MIXTURES,
    )


def bundle(notes: list[str]) -> Workload:
    """The blocks of the sparse Jacobian of bundle adjustment."""
    arguments, present = ba.inputs()
    if not present:
        notes.append(MISSING.format("bundle adjustment"))
    *moving, features, camera_of, point_of = arguments
    count = len(features)
    arguments_of_c = (*moving, features, camera_of, point_of)

    def residuals(cameras: Any, points: Any, weights: Any, features: Any, camera_of: Any, point_of: Any) -> Any:
        parameters = ba.gathered(cameras, points, weights, camera_of, point_of)
        return wengert.vmap(ba.reprojection)(parameters, features), ba.weight_error(weights)

    def blocks(cameras: Any, points: Any, weights: Any, features: Any, camera_of: Any, point_of: Any) -> Any:
        parameters = ba.gathered(cameras, points, weights, camera_of, point_of)
        each = wengert.vmap(wengert.jacfwd(ba.reprojection))(parameters, features)
        return each, wengert.vmap(wengert.grad(ba.weight_error))(weights)

    return Workload(
        "BA Jacobian blocks, 31843 observations",
        residuals,
        blocks,
        arguments,
        [
            *jax_peers(native_jax_adbench.ba, *arguments, read=native_jax_adbench.ba_entries),
            *c_peers("ba", "ba_jacobian", (count,), arguments_of_c, [(count, 2, 15), (count,)]),
            *c_peers(
                "ba",
                "ba_matrix",
                (count, len(moving[0]), len(moving[1])),
                arguments_of_c,
                [],
                kind="C, sparse matrix",
                read=lambda _: native_c.matrix_blocks(count),
            ),
        ],
        [Goal("C, sparse matrix", 1 / 3), Goal("C", 1.0)],
        is_gradient=False,
    )


def characters(notes: list[str]) -> Workload:
    """Value and gradient of the character model, from a Python loop."""
    arguments, present = lstm.inputs()
    if not present:
        notes.append(MISSING.format("LSTM l2 c1024"))
    main, extra, state, sequence = arguments
    return Workload(
        "LSTM l2 c1024, Python loop",
        lstm.objective,
        wengert.value_and_grad(lstm.objective, (0, 1)),
        arguments,
        [
            *jax_peers(native_jax_adbench.lstm, *arguments),
            *c_peers(
                "lstm",
                "lstm_gradient",
                (len(state) // 2, len(sequence), sequence.shape[1]),
                arguments,
                [(), main.shape, extra.shape],
                read=lambda found: (found[0], found[1:]),
            ),
        ],
        [Goal("seconds", 1e-3), Goal("JAX", 1.0)],
    )


def _sums_alone(used: int, model: hand.Model) -> Callable[[], Any]:
    """The sums over bones and coordinates of every tangent, as one product by BLAS."""
    random = np.random.default_rng(3)
    inner = 4 * len(model.parents)
    left, right = random.standard_normal((used, inner)), random.standard_normal((inner, 3 * hand.ANGLES))
    return partial(np.dot, left, right, np.empty((used, 3 * hand.ANGLES)))


def tracking(variant: str, notes: list[str]) -> Workload:
    """The Jacobian of hand tracking: 26 columns, or the compressed 2 + 26 of the complicated variant.

    Ours is written as JAX's "weighted rest positions": one contraction over bones and coordinates, of wanted vertices.
    """
    arguments, present = hand.inputs(variant)
    if not present:
        notes.append(MISSING.format(f"hand tracking, {variant}"))
    barycentric, theta, model, correspondences, points = arguments if len(arguments) == 5 else (None, *arguments)
    peers = jax_peers(native_jax_adbench.hand, variant, barycentric, theta, model, correspondences, points)

    def simple(theta: Any, points: Any) -> Any:
        return hand.simple(theta, model, correspondences, points)

    def complicated(step: Any, barycentric: Any, theta: Any, points: Any) -> Any:
        return hand.seeded(step, barycentric, theta, model, correspondences, points)

    objective: Callable[..., Any] = simple if variant == "simple" else complicated
    given = (theta, points) if variant == "simple" else (np.zeros(2 + hand.ANGLES), barycentric, theta, points)
    used = len(points) if variant == "simple" else len(np.unique(model.triangles[correspondences]))
    # Every coordinate of every vertex, with its tangents, is a sum over bones and coordinates, then turned.
    sums = 3 * used * (1 + hand.ANGLES) * (4 * len(model.parents) + 3)
    return Workload(
        f"hand tracking, {variant}",
        objective,
        wengert.jacfwd(objective),
        given,
        [*peers, *bounds(multiply_adds=sums), Peer("limit", "product", lambda: _sums_alone(used, model), None)],
        [Goal("JAX", 1 / 3)],
        is_gradient=False,
        remark=REST_OF_HANDS,
    )


def measure_adbench(quick: bool, wanted: list[str]) -> measure.Table:
    """The seven rows."""
    notes = [native_c.described()]
    if native_jax.jax() is None:
        notes.append("JAX is not installed (`pip install jax`): no ratios to it.")
    works: list[Callable[[], Workload]] = [
        partial(mixture, "1k_d10_K25", 3.0, notes),
        partial(mixture, "1k_d20_K50", 3.0, notes),
        partial(mixture, "10k_d10_K25", 12.0, notes),
        partial(bundle, notes),
        partial(characters, notes),
        partial(tracking, "simple", notes),
        partial(tracking, "complicated", notes),
    ]
    return table_of("Compiled code: ADBench", works, quick, notes, wanted)


if __name__ == "__main__":
    measure.main("native_adbench", measure_adbench, choosing=True)
