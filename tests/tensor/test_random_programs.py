"""Random programs of writes into views, in any order: values and gradients against plain NumPy and its complex step."""

import numpy as np
import pytest

import wengert as wg


def program(x, seed, clone):
    """Twelve random steps: views are taken, written to, and read."""
    random = np.random.default_rng(seed)
    y = clone(x)
    views = [y]
    total = 0.0
    for _ in range(12):
        step, v = random.integers(0, 8), views[random.integers(0, len(views))]
        matrix = len(v.shape) == 2
        if step == 0 and matrix:
            views.append(v[random.integers(0, v.shape[0])])
        elif step == 1:
            views.append(v.T)
        elif step == 2:
            v += np.sin(views[0][0, 0] * 1.0)
        elif step == 3:
            v *= 0.5
        elif step == 4 and matrix:
            v[0] = v[1] * v[0]
        elif step == 5:
            total = total + (v * v).sum()
        elif step == 6 and matrix:
            views.append(v.reshape(-1)[::2])
        elif step == 7 and not matrix:
            v[1:] = v[:-1] * 2
    return total + (y * y).sum() + sum((v * 1.5).sum() for v in views)


@pytest.mark.parametrize("seed", range(60))
def test_gradients_follow_every_write(seed):
    start = np.random.default_rng(1000 + seed).standard_normal((3, 3))
    t = wg.tensor(start, requires_grad=True)
    out = program(t, seed, lambda a: a.clone())
    (slope,) = wg.autograd.grad(out, t, create_graph=True)
    expected = np.zeros((3, 3))
    for k in np.ndindex(3, 3):
        moved = start.astype(complex)
        moved[k] += 1e-30j
        expected[k] = program(moved, seed, lambda a: a.copy()).imag / 1e-30
    assert np.isclose(out.item(), program(start, seed, lambda a: a.copy()), rtol=1e-13)
    assert np.allclose(slope.detach().numpy(), expected, rtol=1e-10, atol=1e-12)
    way = np.random.default_rng(seed).standard_normal((3, 3))
    (curved,) = wg.autograd.grad((slope * way).sum(), t)

    def along(step):
        return wg.grad(lambda x: program(x, seed, lambda a: a.copy()))(start + step * way)

    numeric = (along(1e-5) - along(-1e-5)) / 2e-5
    assert np.allclose(curved.numpy(), numeric, rtol=1e-5, atol=1e-6)
