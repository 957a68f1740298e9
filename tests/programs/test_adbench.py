"""The four ADBench problems, written as plain NumPy: against what hand-written C++ returns on the published inputs, and
against central differences on small random ones.

May import wengert's public API and the benchmarks' objectives. Invariant: every expected number comes from the
published table or from evaluating the objective itself, never from a derivative of ours.
"""

from itertools import pairwise

import numpy as np
import pytest

import wengert as wg
from benchmarks.adbench import ba, gmm, hand, lstm


def slope(f, step=1e-3):
    """f'(0) of a function of one number by central differences, extrapolated three times."""
    table = [(f(h) - f(-h)) / (2 * h) for h in (step, step / 2, step / 4, step / 8)]
    for k in (1, 2, 3):
        table = [(4**k * fine - coarse) / (4**k - 1) for coarse, fine in pairwise(table)]
    return table[0]


def directions(arrays, seed=3):
    random = np.random.default_rng(seed)
    return [random.standard_normal(a.shape) / np.sqrt(a.size) for a in arrays]


def along(f, arrays, moves):
    return slope(lambda h: f(*(a + h * m for a, m in zip(arrays, moves, strict=True))))


def check_gradient(f, arrays, rest):
    moves = directions(arrays)
    gradients = wg.grad(f, tuple(range(len(arrays))))(*arrays, *rest)
    ours = sum(np.sum(g * m) for g, m in zip(gradients, moves, strict=True))
    theirs = along(lambda *a: f(*a, *rest), arrays, moves)
    assert ours == pytest.approx(theirs, rel=1e-9, abs=1e-9)


def published(arguments, present):
    if not present:
        pytest.skip("the ADBench inputs are not beside the repository")
    return arguments


def check_published(entries, count, norm, first, last):
    entries = np.concatenate([np.ravel(part) for part in entries])
    assert entries.size == count
    assert np.linalg.norm(entries) == pytest.approx(norm, rel=1e-11)
    np.testing.assert_allclose(entries[:3], first, rtol=1e-8, atol=0)
    np.testing.assert_allclose(entries[-3:], last, rtol=1e-8, atol=0)


GMM = {
    "1k_d10_K25": (-25649.6526212, 1650, 2662.39860131, (48.34668342, -35.2755006, 32.10390116),
                   (3.763403249, 37.87785914, -6.026474121)),
    "1k_d20_K50": (-65629.5068713, 11550, 4951.81961219, (25.55549572, -33.09767127, -3.802028027),
                   (-6.238763246, -8.074448284, -13.51986215)),
    "10k_d10_K25": (-290193.387975, 1650, 25556.0824728, (381.2928227, -318.9055081, 463.5689589),
                    (-226.6328386, 144.2247585, -16.0240511)),
}  # fmt: skip


@pytest.mark.parametrize("name", GMM)
@pytest.mark.parametrize("objective", [gmm.objective, gmm.objective_in_loops])
def test_the_mixture_has_the_published_value_and_gradient(objective, name):
    arguments = published(*gmm.inputs(name))
    value, gradient = wg.value_and_grad(objective, (0, 1, 2))(*arguments)
    assert value == pytest.approx(GMM[name][0], rel=1e-11)
    check_published(gradient, *GMM[name][1:])


@pytest.mark.parametrize("objective", [gmm.objective, gmm.objective_in_loops])
def test_the_gradient_of_a_small_mixture(objective):
    *moving, points, _, _ = gmm.random_inputs(3, 4, 7)
    check_gradient(objective, moving, (points, 1.3, 2))


def test_the_packed_triangle_is_read_column_by_column():
    packed = np.array([[np.log(2.0), np.log(3.0), np.log(5.0), 10.0, 20.0, 21.0]])
    np.testing.assert_allclose(gmm.unpacked(packed, 3)[0], [[2, 0, 0], [10, 3, 0], [20, 21, 5]], rtol=1e-15)


def blocks(cameras, points, weights, features, camera_of, point_of):
    parameters = ba.gathered(cameras, points, weights, camera_of, point_of)
    return wg.vmap(wg.jacfwd(ba.reprojection))(parameters, features), wg.vmap(wg.grad(ba.weight_error))(weights)


def test_the_bundle_adjustment_blocks_have_the_published_entries():
    arguments = published(*ba.inputs())
    first, last = (-461.446321, 178.867928, -19.42391647), (-0.834044,) * 3
    check_published(blocks(*arguments), 987133, 473881.661423, first, last)


@pytest.mark.parametrize("axis", ["general", "zero"])
def test_the_blocks_of_a_small_bundle_are_its_dense_jacobian(axis):
    cameras, points, weights, features, camera_of, point_of = ba.random_inputs(3, 4, 6)
    if axis == "zero":
        cameras[1, :3] = 0.0
    rest = (features, camera_of, point_of)
    reprojection, weight = blocks(cameras, points, weights, *rest)
    dense = wg.jacobian(ba.residuals_in_a_loop, (0, 1, 2))(cameras, points, weights, *rest)
    for i in range(6):
        rows = slice(2 * i, 2 * i + 2)
        np.testing.assert_allclose(reprojection[i, :, :11], dense[0][rows, camera_of[i]], rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(reprojection[i, :, 11:14], dense[1][rows, point_of[i]], rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(reprojection[i, :, 14], dense[2][rows, i], rtol=1e-12)
        assert weight[i] == dense[2][12 + i, i] == -2 * weights[i]
    if axis == "zero":
        return  # the formula is only of first order there: its differences are not those of the rotation
    moves = directions((cameras, points, weights))
    ours = sum(np.sum(j * m, axis=tuple(range(1, j.ndim))) for j, m in zip(dense, moves, strict=True))
    theirs = along(lambda *a: ba.residuals_in_a_loop(*a, *rest), (cameras, points, weights), moves)
    np.testing.assert_allclose(ours, theirs, rtol=1e-8, atol=1e-7)


def test_the_rotation_turns_as_it_should():
    quarter = np.array([0.0, 0.0, np.pi / 2])
    np.testing.assert_allclose(ba.rotated(quarter, np.array([1.0, 0.0, 2.0])), [0.0, 1.0, 2.0], atol=1e-15)
    np.testing.assert_allclose(hand.rotation(quarter) @ [1.0, 0.0, 2.0], [0.0, 1.0, 2.0], atol=1e-15)


def test_the_lstm_has_the_published_value_and_gradient():
    arguments = published(*lstm.inputs())
    value, gradient = wg.value_and_grad(lstm.objective, (0, 1))(*arguments)
    assert value == pytest.approx(0.666665179559, rel=1e-11)
    last = (-0.01793162852, -0.007731671065, -0.02002256909)
    check_published(gradient, 266, 0.0947413801145, (3.14387025e-06, 0, 0), last)


def test_the_gradient_of_a_small_lstm():
    *moving, sequence = lstm.random_inputs(2, 6, 4)
    check_gradient(lstm.objective, moving, (sequence,))


def test_the_simple_hand_has_the_published_jacobian():
    arguments = published(*hand.inputs("simple"))
    jacobian = wg.jacfwd(hand.simple)(*arguments)
    entries = jacobian.reshape(-1, hand.ANGLES).T  # column by column, as the table has them
    check_published([entries], 31200, 34.8246011513, (-0.02254927229, 0.01419655472, 0.1152139652), (0, 0, 0))


def test_the_complicated_hand_has_the_published_jacobian():
    arguments = published(*hand.inputs("complicated"))
    jacobian = wg.jacfwd(hand.seeded)(np.zeros(2 + hand.ANGLES), *arguments)
    entries = jacobian.reshape(-1, 2 + hand.ANGLES).T
    check_published([entries], 33600, 34.8180567938, (0.006551999154, 0.02252841721, 0.02095444018), (0, 0, 0))


def test_the_jacobians_of_a_random_hand():
    barycentric, theta, *rest = hand.random_inputs(5)
    (move,) = directions([theta])
    np.testing.assert_allclose(
        wg.jacfwd(hand.simple)(theta, *rest) @ move,
        along(lambda t: hand.simple(t, *rest), [theta], [move]),
        rtol=1e-8,
        atol=1e-9,
    )
    (move,) = directions([np.zeros(28)])
    np.testing.assert_allclose(
        wg.jacfwd(hand.seeded)(np.zeros(28), barycentric, theta, *rest) @ move,
        along(lambda s: hand.seeded(s, barycentric, theta, *rest), [np.zeros(28)], [move]),
        rtol=1e-8,
        atol=1e-9,
    )


@pytest.mark.parametrize(
    ("ours", "sizes"),
    [
        (gmm.random_inputs(10, 25, 1000), [(25,), (25, 10), (25, 55), (1000, 10)]),
        (ba.random_inputs(*ba.SIZES), [(49, 11), (7776, 3), (31843,), (31843, 2), (31843,), (31843,)]),
        (lstm.random_inputs(*lstm.SIZES), [(4, 4, 14), (3, 14), (4, 14), (1024, 14)]),
    ],
)
def test_random_inputs_have_the_sizes_of_the_files(ours, sizes):
    assert [a.shape for a in ours[: len(sizes)]] == sizes
