"""Hand tracking: a mesh skinned by a skeleton is compared with measured points (Srajer et al. 2018, 3.3).

May import NumPy and `files`. Invariant: `theta` (26,) holds the global rotation 3, the translation 3 and for each of
five fingers four angles; residuals (N, 3) are in the order of the data.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.adbench import files

ANGLES = 26
POINTS = 400


@dataclass
class Model:
    """A skeleton of B bones and a mesh of V vertices and F triangles."""

    parents: list[int]
    relatives: Any  # (B, 4, 4): rest pose of a bone in its parent's frame
    inverses: Any  # (B, 4, 4): from the rest pose to the bone's frame
    vertices: Any  # (V, 4): homogeneous rest positions
    weights: Any  # (B, V): share of a bone in a vertex
    triangles: Any  # (F, 3)


def turned(first: Any, second: Any, third: Any) -> Any:
    """Rotation by Euler angles: about x, then y by `third`, then z by `second`; as a 4x4 matrix."""
    cx, sx, cy, sy, cz, sz = (
        np.cos(first),
        np.sin(first),
        np.cos(third),
        np.sin(third),
        np.cos(second),
        np.sin(second),
    )
    about_x = np.array([[1.0, 0.0, 0.0, 0.0], [0.0, cx, -sx, 0.0], [0.0, sx, cx, 0.0], [0.0, 0.0, 0.0, 1.0]])
    about_y = np.array([[cy, 0.0, sy, 0.0], [0.0, 1.0, 0.0, 0.0], [-sy, 0.0, cy, 0.0], [0.0, 0.0, 0.0, 1.0]])
    about_z = np.array([[cz, -sz, 0.0, 0.0], [sz, cz, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0], [0.0, 0.0, 0.0, 1.0]])
    return about_z @ about_y @ about_x


def rotation(axis: Any) -> Any:
    """The 3x3 rotation by the angle |axis| about `axis`."""
    angle = np.sqrt(np.sum(axis * axis))
    if angle < 0.0001:
        return np.eye(3)
    x, y, z = axis / angle
    c, s = np.cos(angle), np.sin(angle)
    return np.array(
        [
            [x * x + (1.0 - x * x) * c, x * y * (1.0 - c) - z * s, x * z * (1.0 - c) + y * s],
            [x * y * (1.0 - c) + z * s, y * y + (1.0 - y * y) * c, y * z * (1.0 - c) - x * s],
            [x * z * (1.0 - c) - y * s, z * y * (1.0 - c) + x * s, z * z + (1.0 - z * z) * c],
        ]
    )


def bone_angles(theta: Any, bones: int) -> Any:
    """(B, 3) Euler angles: each finger bends at three joints and spreads at the first of them."""
    angles = np.zeros((bones, 3))
    place = 6
    for finger in range(5):
        for joint in range(3):
            bone = 2 + 4 * finger + joint
            angles[bone, 0] = theta[place]
            place += 1
            if joint == 0:
                angles[bone, 1] = theta[place]
                place += 1
    return angles


def transforms(theta: Any, model: Model) -> Any:
    """(B, 3, 4): where each bone takes what stands in its rest frame."""
    angles = bone_angles(theta, len(model.parents))
    absolutes: list[Any] = []
    for bone, parent in enumerate(model.parents):
        own = model.relatives[bone] @ turned(*angles[bone])
        absolutes.append(own if parent < 0 else absolutes[parent] @ own)
    return (np.stack(absolutes) @ model.inverses)[:, :3]


def positions(theta: Any, model: Model, wanted: Any) -> Any:
    """The wanted vertices (N, 3) of the posed mesh: sum over bones of weight times transform times rest position."""
    shares = model.weights[:, wanted, None] * model.vertices[wanted]
    skinned = np.einsum("bvj,bij->vi", shares, transforms(theta, model))
    return skinned @ rotation(theta[:3]).T + theta[3:6]


def simple(theta: Any, model: Model, correspondences: Any, points: Any) -> Any:
    """Residuals (N, 3) against one vertex each."""
    return points - positions(theta, model, correspondences)


def complicated(barycentric: Any, theta: Any, model: Model, correspondences: Any, points: Any) -> Any:
    """Residuals (N, 3) against a place in one triangle each; barycentric (N, 2)."""
    needed, back = np.unique(model.triangles[correspondences], return_inverse=True)
    corners = positions(theta, model, needed)[back.reshape(-1, 3)]
    u, v = barycentric[:, 0:1], barycentric[:, 1:2]
    return points - (u * corners[:, 0] + v * corners[:, 1] + (1.0 - u - v) * corners[:, 2])


def seeded(step: Any, barycentric: Any, theta: Any, model: Model, correspondences: Any, points: Any) -> Any:
    """`complicated` as a function of (28,): a shift common to all barycentric pairs, then one of theta.

    Point i depends on pair i alone, so its Jacobian at zero is the compressed one, 2 + 26 columns.
    """
    return complicated(barycentric + step[:2], theta + step[2:], model, correspondences, points)


def read_model() -> Model | None:
    """The model of the files, or None when they are missing."""
    paths = [files.found("hand", "model", f"{name}.txt") for name in ("bones", "vertices", "triangles")]
    if None in paths:
        return None
    bones, vertices, triangles = (
        [line.split(":") for line in path.read_text().split("\n") if line] for path in paths if path is not None
    )
    weights = np.zeros((len(bones), len(vertices)))
    for number, fields in enumerate(vertices):
        for k in range(int(fields[8])):
            weights[int(fields[9 + 2 * k]), number] = float(fields[10 + 2 * k])
    matrices = np.array([fields[2:] for fields in bones], dtype=float).reshape(len(bones), 2, 4, 4)
    return Model(
        [int(fields[1]) for fields in bones],
        matrices[:, 0].copy(),
        matrices[:, 1].copy(),
        np.array([[*map(float, fields[:3]), 1.0] for fields in vertices]),
        weights,
        np.array(triangles, dtype=int),
    )


def random_model(vertices: int = 544, triangles: int = 1084, seed: int = 9) -> Model:
    """A skeleton of 22 bones with the fingers of the real one, and a random mesh around it."""
    random = np.random.default_rng(seed)
    parents = [-1, 0, *(0 if i % 4 == 0 else i + 1 for i in range(20))]
    relatives = np.tile(np.eye(4), (22, 1, 1))
    for bone in range(22):
        relatives[bone] = turned(*random.standard_normal(3))
        relatives[bone, :3, 3] = 0.1 * random.standard_normal(3)
    absolutes = list(relatives)
    for bone, parent in enumerate(parents):
        if parent >= 0:
            absolutes[bone] = absolutes[parent] @ relatives[bone]
    weights = random.random((22, vertices)) ** 8
    corners = np.array([random.choice(vertices, 3, replace=False) for _ in range(triangles)])
    mesh = np.concatenate((random.standard_normal((vertices, 3)), np.ones((vertices, 1))), axis=1)
    return Model(parents, relatives, np.linalg.inv(np.array(absolutes)), mesh, weights / weights.sum(0), corners)


def random_inputs(count: int = POINTS, seed: int = 10) -> tuple[Any, ...]:
    """Arguments of `complicated` at random."""
    random = np.random.default_rng(seed)
    model = random_model()
    return (
        random.random((count, 2)) / 2,
        random.standard_normal(ANGLES),
        model,
        random.integers(0, len(model.vertices), count),
        random.standard_normal((count, 3)),
    )


def inputs(variant: str) -> tuple[tuple[Any, ...], bool]:
    """Arguments of `simple` or `complicated`, from the files or at random; and whether there were files."""
    path = files.found("hand", f"{variant}_small", "hand4_t26_c400.txt")
    model = read_model()
    if path is None or model is None:
        arguments, present = random_inputs(), False
    else:
        shapes = [(2,), (POINTS, 4), *([(POINTS, 2)] if variant == "complicated" else []), (ANGLES,)]
        sizes, table, *pairs, theta, _ = files.cut(files.numbers(path), *shapes)
        assert tuple(sizes) == (POINTS, ANGLES)
        arguments = (pairs[0] if pairs else None, theta, model, table[:, 0].astype(int), table[:, 1:].copy())
        present = True
    return (arguments if variant == "complicated" else arguments[1:]), present
