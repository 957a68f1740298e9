"""JAX's side of the benchmarks of compiled code, part two: the four ADBench problems in several formulations each.

May import JAX inside functions, `native_jax` and NumPy. Invariant: the formulations of one problem compute the same
numbers; one follows the NumPy program, the others are laid out by hand for the compiler.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.native_jax import Formulations, jax, ready

BLOCK = 500


def gmm(alphas: Any, means: Any, factors: Any, points: Any, gamma: float, m: int) -> Formulations:
    """By einsum, by batched products with the components first, by one product of matrices, and in blocks of points."""
    module = jax()
    jnp, special = module.numpy, module.scipy.special
    dimension, components = points.shape[1], len(alphas)
    columns, rows = np.triu_indices(dimension, 1)
    diagonal = np.arange(dimension)

    def unpacked(factors: Any) -> Any:
        empty = jnp.zeros((components, dimension, dimension))
        lower = empty.at[:, rows, columns].set(factors[:, dimension:])
        return lower.at[:, diagonal, diagonal].set(jnp.exp(factors[:, :dimension]))

    def natural(means: Any, matrices: Any, points: Any) -> Any:
        scaled = jnp.einsum("kij,nkj->nki", matrices, points[:, None, :] - means)
        return jnp.sum(scaled**2, axis=2)

    def components_first(means: Any, matrices: Any, points: Any) -> Any:
        scaled = matrices @ (points.T[None] - means[:, :, None])
        return jnp.sum(scaled**2, axis=1).T

    def product_by_rows(means: Any, matrices: Any, points: Any) -> Any:
        shift = jnp.einsum("kij,kj->ki", matrices, means)
        scaled = points @ matrices.reshape(-1, dimension).T - shift.reshape(-1)
        return jnp.sum(scaled.reshape(-1, components, dimension) ** 2, axis=2)

    def product_by_columns(means: Any, matrices: Any, points: Any) -> Any:
        shift = jnp.einsum("kij,kj->ki", matrices, means)
        scaled = matrices.reshape(-1, dimension) @ points.T - shift.reshape(-1)[:, None]
        return jnp.sum(scaled.reshape(components, dimension, -1) ** 2, axis=1).T

    def likelihood(squares: Callable[..., Any], alphas: Any, means: Any, factors: Any, points: Any) -> Any:
        inner = alphas + jnp.sum(factors[:, :dimension], axis=1) - 0.5 * squares(means, unpacked(factors), points)
        return jnp.sum(special.logsumexp(inner, axis=1))

    def rest(alphas: Any, factors: Any, count: int) -> Any:
        freedom = dimension + m + 1
        logarithms = factors[:, :dimension]
        squared = jnp.sum(jnp.exp(logarithms) ** 2) + jnp.sum(factors[:, dimension:] ** 2)
        log_gamma = dimension * (dimension - 1) / 4 * math.log(math.pi)
        log_gamma += sum(math.lgamma(0.5 * (freedom - j)) for j in range(dimension))
        normaliser = freedom * dimension * math.log(gamma / math.sqrt(2.0)) - log_gamma
        prior = 0.5 * gamma**2 * squared - m * jnp.sum(logarithms) - components * normaliser
        return prior - count * special.logsumexp(alphas) - count * dimension * 0.5 * math.log(2.0 * math.pi)

    def whole(squares: Callable[..., Any]) -> Callable[..., Any]:
        def value(alphas: Any, means: Any, factors: Any, points: Any) -> Any:
            return likelihood(squares, alphas, means, factors, points) + rest(alphas, factors, len(points))

        return module.value_and_grad(value, (0, 1, 2))

    def in_blocks(alphas: Any, means: Any, factors: Any, points: Any) -> Any:
        part = module.value_and_grad(lambda *a: likelihood(product_by_columns, *a), (0, 1, 2))
        start = (0.0, (jnp.zeros_like(alphas), jnp.zeros_like(means), jnp.zeros_like(factors)))

        def body(sums: Any, block: Any) -> tuple[Any, None]:
            return module.tree.map(jnp.add, sums, part(alphas, means, factors, block)), None

        blocks = points.reshape(-1, BLOCK, dimension)
        value, (d_alphas, d_means, d_factors) = module.lax.scan(body, start, blocks)[0]
        prior, (by_alphas, by_factors) = module.value_and_grad(rest, (0, 1))(alphas, factors, len(points))
        return value + prior, (d_alphas + by_alphas, d_means, d_factors + by_factors)

    forms = {
        "einsum": natural,
        "components first": components_first,
        "one product, points first": product_by_rows,
        "one product, points last": product_by_columns,
    }
    arguments = alphas, means, factors, points
    found = {name: ready(lambda form=form: whole(form), *arguments) for name, form in forms.items()}
    if len(points) % BLOCK == 0:
        found[f"scan over blocks of {BLOCK} points"] = ready(lambda: in_blocks, *arguments)
    return found


def ba(cameras: Any, points: Any, weights: Any, features: Any, camera_of: Any, point_of: Any) -> Formulations:
    """Per observation forward and reverse, two gradients of sums, and the batch as the last axis."""
    module = jax()
    jnp = module.numpy

    def pixel(p: Any, stack: Callable[[Any, Any], Any], feature: Any) -> Any:
        """Components one by one: numbers under vmap, or arrays over the observations."""
        square = p[0] * p[0] + p[1] * p[1] + p[2] * p[2]
        turned = square > 0.0
        angle = jnp.sqrt(jnp.where(turned, square, 1.0))
        u = [p[i] / angle for i in range(3)]
        v = [p[11 + i] - p[3 + i] for i in range(3)]
        across = [u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]]
        straight = [p[1] * v[2] - p[2] * v[1], p[2] * v[0] - p[0] * v[2], p[0] * v[1] - p[1] * v[0]]
        c, s = jnp.cos(angle), jnp.sin(angle)
        along = (u[0] * v[0] + u[1] * v[1] + u[2] * v[2]) * (1.0 - c)
        seen = [jnp.where(turned, v[i] * c + across[i] * s + u[i] * along, v[i] + straight[i]) for i in range(3)]
        x, y = seen[0] / seen[2], seen[1] / seen[2]
        r = x * x + y * y
        scale = (1.0 + p[9] * r + p[10] * r * r) * p[6]
        return stack(p[14] * (x * scale + p[7] - feature[0]), p[14] * (y * scale + p[8] - feature[1]))

    def vectors(p: Any, feature: Any) -> Any:
        """Vector by vector, as the NumPy program."""
        axis, vector = p[:3], p[11:14] - p[3:6]
        square = jnp.sum(axis * axis)
        turned = square > 0.0
        angle = jnp.sqrt(jnp.where(turned, square, 1.0))
        unit = axis / angle
        c, s = jnp.cos(angle), jnp.sin(angle)
        general = vector * c + jnp.cross(unit, vector) * s + unit * (jnp.dot(unit, vector) * (1.0 - c))
        seen = jnp.where(turned, general, vector + jnp.cross(axis, vector))
        plane = seen[:2] / seen[2]
        r = jnp.sum(plane * plane)
        return p[14] * (plane * (1.0 + p[9] * r + p[10] * r * r) * p[6] + p[7:9] - feature)

    def numbers(p: Any, feature: Any) -> Any:
        return pixel(p, lambda x, y: jnp.stack([x, y]), feature)

    def gathered(cameras: Any, points: Any, weights: Any) -> Any:
        return jnp.concatenate((cameras[camera_of], points[point_of], weights[:, None]), axis=1)

    def each(transform: Any, one: Callable[..., Any]) -> Callable[..., Any]:
        def run(cameras: Any, points: Any, weights: Any, features: Any) -> Any:
            parameters = gathered(cameras, points, weights)
            return module.vmap(transform(one))(parameters, features), -2.0 * weights

        return run

    def two_sums(cameras: Any, points: Any, weights: Any, features: Any) -> Any:
        parameters = gathered(cameras, points, weights)
        rows = [
            module.grad(lambda p, row=row: jnp.sum(module.vmap(vectors)(p, features)[:, row]))(parameters)
            for row in (0, 1)
        ]
        return jnp.stack(rows, axis=1), -2.0 * weights

    def batch_last(cameras: Any, points: Any, weights: Any, features: Any) -> Any:
        parameters, transposed = gathered(cameras, points, weights).T, features.T
        rows = [
            module.grad(lambda p, row=row: jnp.sum(pixel(p, lambda x, y: (x, y), transposed)[row]))(list(parameters))
            for row in (0, 1)
        ]
        return jnp.stack([jnp.stack(row) for row in rows]), -2.0 * weights

    forms = {
        "vmap of jacrev": lambda: each(module.jacrev, vectors),
        "vmap of jacfwd": lambda: each(module.jacfwd, vectors),
        "vmap of jacrev, by components": lambda: each(module.jacrev, numbers),
        "vmap of jacfwd, by components": lambda: each(module.jacfwd, numbers),
        "two gradients of sums": lambda: two_sums,
        "two gradients of sums, batch last": lambda: batch_last,
    }
    return {name: ready(form, cameras, points, weights, features) for name, form in forms.items()}


def ba_entries(found: Any) -> Any:
    """Blocks as (p, 2, 15), whatever the formulation's layout."""
    blocks, weights = found
    blocks = np.asarray(blocks)
    return (blocks.transpose(2, 0, 1) if blocks.shape[0] == 2 else blocks), np.asarray(weights)


def lstm(main: Any, extra: Any, state: Any, sequence: Any) -> Formulations:
    """Scan over the characters: gate by gate, unrolled by 4, and the gates computed together."""
    module = jax()
    jnp, nn = module.numpy, module.nn
    count = (len(sequence) - 1) * sequence.shape[1]

    def by_gates(w: Any, b: Any, hidden: Any, cell: Any, x: Any) -> Any:
        forget, admit = nn.sigmoid(x * w[0] + b[0]), nn.sigmoid(hidden * w[1] + b[1])
        emit, change = nn.sigmoid(x * w[2] + b[2]), jnp.tanh(hidden * w[3] + b[3])
        cell = cell * forget + admit * change
        return emit * jnp.tanh(cell), cell

    def together(w: Any, b: Any, hidden: Any, cell: Any, x: Any) -> Any:
        z = jnp.stack((x, hidden, x, hidden)) * w + b
        gates = nn.sigmoid(z[:3])
        cell = cell * gates[0] + gates[1] * jnp.tanh(z[3])
        return gates[2] * jnp.tanh(cell), cell

    def loss(layer: Callable[..., Any], unroll: int) -> Callable[..., Any]:
        def run(main: Any, extra: Any, state: Any, sequence: Any) -> Any:
            def body(states: Any, pair: Any) -> Any:
                x, following = pair[0] * extra[0], pair[1]
                new = []
                for i in range(0, len(main), 2):
                    hidden, cell = layer(main[i], main[i + 1], states[i], states[i + 1], x)
                    new += [hidden, cell]
                    x = hidden
                scores = x * extra[1] + extra[2]
                return new, jnp.sum(following * (scores - jnp.log(jnp.sum(jnp.exp(scores)) + 2.0)))

            pairs = sequence[:-1], sequence[1:]
            return -jnp.sum(module.lax.scan(body, list(state), pairs, unroll=unroll)[1]) / count

        return module.value_and_grad(run, (0, 1))

    arguments = main, extra, state, sequence
    return {
        "scan": ready(lambda: loss(by_gates, 1), *arguments),
        "scan unrolled by 4": ready(lambda: loss(by_gates, 4), *arguments),
        "scan, gates together": ready(lambda: loss(together, 1), *arguments),
    }


def hand(variant: str, barycentric: Any, theta: Any, model: Any, correspondences: Any, points: Any) -> Formulations:
    """Forward mode by jacfwd: bone after bone, all bones at once; of the needed vertices alone, blended transforms and
    one contraction of transforms with weighted rest positions."""
    module = jax()
    jnp = module.numpy
    bones = len(model.parents)
    places, sources = _angle_places()

    def rotation(axis: Any) -> Any:
        angle = jnp.sqrt(jnp.sum(axis * axis))
        x, y, z = axis / angle
        c, s = jnp.cos(angle), jnp.sin(angle)
        outer = jnp.array([[x * x, x * y, x * z], [x * y, y * y, y * z], [x * z, y * z, z * z]])
        skew = jnp.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
        return outer * (1.0 - c) + c * jnp.eye(3) + s * skew

    def turned(angles: Any) -> Any:
        cx, cz, cy = jnp.cos(angles)
        sx, sz, sy = jnp.sin(angles)
        about_x = jnp.array([[1.0, 0.0, 0.0], [0.0, cx, -sx], [0.0, sx, cx]])
        about_y = jnp.array([[cy, 0.0, sy], [0.0, 1.0, 0.0], [-sy, 0.0, cy]])
        about_z = jnp.array([[cz, -sz, 0.0], [sz, cz, 0.0], [0.0, 0.0, 1.0]])
        return jnp.eye(4).at[:3, :3].set(about_z @ about_y @ about_x)

    def transforms(theta: Any, at_once: bool) -> list[Any]:
        angles = jnp.zeros(3 * bones).at[places].set(theta[sources]).reshape(bones, 3)
        matrices = module.vmap(turned)(angles) if at_once else [turned(angles[b]) for b in range(bones)]
        absolutes: list[Any] = []
        for b, parent in enumerate(model.parents):
            own = model.relatives[b] @ matrices[b]
            absolutes.append(own if parent < 0 else absolutes[parent] @ own)
        return [absolute @ inverse for absolute, inverse in zip(absolutes, model.inverses, strict=True)]

    def bone_by_bone(theta: Any, wanted: Any) -> Any:
        total = 0.0
        for b, transform in enumerate(transforms(theta, at_once=False)):
            total = total + model.weights[b][:, None] * (model.vertices @ transform[:3].T)
        return (total @ rotation(theta[:3]).T + theta[3:6])[wanted]

    def all_at_once(theta: Any, wanted: Any) -> Any:
        matrices = jnp.stack(transforms(theta, at_once=True))[:, :3]
        moved = jnp.einsum("bij,vj->bvi", matrices, model.vertices)
        skinned = jnp.einsum("bv,bvi->vi", model.weights, moved)
        return (skinned @ rotation(theta[:3]).T + theta[3:6])[wanted]

    def blended(theta: Any, wanted: Any) -> Any:
        needed, back = np.unique(wanted, return_inverse=True)
        matrices = jnp.stack(transforms(theta, at_once=True))[:, :3].reshape(bones, 12)
        blend = (model.weights[:, needed].T @ matrices).reshape(-1, 3, 4)
        skinned = jnp.sum(blend * model.vertices[needed][:, None, :], axis=2)
        return (skinned @ rotation(theta[:3]).T + theta[3:6])[back.reshape(wanted.shape)]

    def weighted(at_once: bool) -> Callable[..., Any]:
        def positions(theta: Any, wanted: Any) -> Any:
            needed, back = np.unique(wanted, return_inverse=True)
            shares = model.weights[:, needed, None] * model.vertices[needed]
            matrices = jnp.stack(transforms(theta, at_once))[:, :3]
            skinned = jnp.einsum("bvj,bij->vi", shares, matrices)
            return (skinned @ rotation(theta[:3]).T + theta[3:6])[back.reshape(wanted.shape)]

        return positions

    def jacobian(positions: Callable[..., Any]) -> Callable[..., Any]:
        if variant == "simple":
            return module.jacfwd(lambda theta, points: points - positions(theta, correspondences))

        def residuals(step: Any, barycentric: Any, theta: Any, points: Any) -> Any:
            corners = positions(theta + step[2:], model.triangles[correspondences])
            u, v = barycentric[:, 0:1] + step[0], barycentric[:, 1:2] + step[1]
            return points - (u * corners[:, 0] + v * corners[:, 1] + (1.0 - u - v) * corners[:, 2])

        return module.jacfwd(residuals)

    simple = (theta, points)
    arguments = simple if variant == "simple" else (np.zeros(2 + len(theta)), barycentric, *simple)
    forms = {
        "bone by bone": bone_by_bone,
        "all bones at once": all_at_once,
        "blended transforms": blended,
        "weighted rest positions": weighted(at_once=True),
        "weighted rest positions, bone by bone": weighted(at_once=False),
    }
    return {name: ready(lambda form=form: jacobian(form), *arguments) for name, form in forms.items()}


def _angle_places() -> tuple[Any, Any]:
    """Where in the flat (22, 3) angles the entries of theta go, and which entries these are."""
    places = []
    for finger in range(5):
        first = 2 + 4 * finger
        places += [3 * first, 3 * first + 1, 3 * (first + 1), 3 * (first + 2)]
    return np.array(places), np.arange(6, 26)
