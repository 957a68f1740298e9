"""Bundle adjustment: reprojection errors of points seen by cameras, and the blocks of its sparse Jacobian (3.2).

May import NumPy and `files`. Invariant: `reprojection` is one observation, a function of 15 parameters (camera 11,
point 3, weight 1) in the order of the Jacobian's columns; batching it is the caller's affair.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.adbench import files

SIZES = (49, 7776, 31843)
"""Cameras, points and observations of the file."""


def rotated(axis: Any, vector: Any) -> Any:
    """Rodrigues' rotation of a 3-vector by the angle |axis| about `axis`; to first order where the angle is zero."""
    square = np.sum(axis * axis)
    turned = square > 0.0
    angle = np.sqrt(np.where(turned, square, 1.0))
    unit = axis / angle
    across = np.cross(unit, vector)
    cosine, sine = np.cos(angle), np.sin(angle)
    general = vector * cosine + across * sine + unit * (np.dot(unit, vector) * (1.0 - cosine))
    return np.where(turned, general, vector + np.cross(axis, vector))


def projected(camera: Any, point: Any) -> Any:
    """Pixel (2,) of a point: rotation 3, centre 3, focal length 1, principal point 2, radial distortion 2."""
    seen = rotated(camera[:3], point - camera[3:6])
    plane = seen[:2] / seen[2]
    square = np.sum(plane * plane)
    distortion = 1.0 + camera[9] * square + camera[10] * square * square
    return plane * distortion * camera[6] + camera[7:9]


def reprojection(parameters: Any, feature: Any) -> Any:
    """Weighted error (2,) of one observation; parameters (15,), feature (2,)."""
    return parameters[14] * (projected(parameters[:11], parameters[11:14]) - feature)


def weight_error(weight: Any) -> Any:
    """1 - w^2, elementwise."""
    return 1.0 - weight**2


def gathered(cameras: Any, points: Any, weights: Any, camera_of: Any, point_of: Any) -> Any:
    """The 15 parameters of every observation, (p, 15)."""
    return np.concatenate((cameras[camera_of], points[point_of], weights[:, None]), axis=1)


def residuals_in_a_loop(cameras: Any, points: Any, weights: Any, features: Any, camera_of: Any, point_of: Any) -> Any:
    """All 3 p residuals, one observation after the other written in place: for small inputs."""
    count = len(weights)
    errors = np.empty(3 * count)
    for i in range(count):
        pixel = projected(cameras[camera_of[i]], points[point_of[i]])
        errors[2 * i : 2 * i + 2] = weights[i] * (pixel - features[i])
        errors[2 * count + i] = 1.0 - weights[i] ** 2
    return errors


def random_inputs(cameras: int, points: int, count: int, seed: int = 6) -> tuple[Any, ...]:
    """Arguments of `residuals_in_a_loop`; points lie in front of their cameras."""
    random = np.random.default_rng(seed)
    camera = np.array([-0.758, -1.11, -0.846, 34.6, 39.7, 53.9, 419.0, 5.86, -8.52, 0.0878, 0.00274])
    return (
        camera * (1.0 + 0.01 * random.standard_normal((cameras, 11))),
        np.array([7.2, 0.0, 3.0]) * (1.0 + 0.01 * random.standard_normal((points, 3))),
        random.random(count) + 0.1,
        np.array([271.8, 834.2]) * (1.0 + 0.01 * random.standard_normal((count, 2))),
        np.arange(count) % cameras,
        np.arange(count) % points,
    )


def inputs() -> tuple[tuple[Any, ...], bool]:
    """Arguments of `residuals_in_a_loop` from the file, or random ones of its sizes; and whether the file was there."""
    cameras, points, count = SIZES
    path = files.found("ba", "ba1_n49_m7776_p31843.txt")
    if path is None:
        return random_inputs(cameras, points, count), False
    sizes, camera, point, weight, feature, _ = files.cut(files.numbers(path), (3,), (11,), (3,), (1,), (2,))
    assert tuple(sizes) == (cameras, points, count)
    return (
        np.tile(camera, (cameras, 1)),
        np.tile(point, (points, 1)),
        np.tile(weight, count),
        np.tile(feature, (count, 1)),
        np.arange(count) % cameras,
        np.arange(count) % points,
    ), True
