"""Layers, losses and optimisers against SciPy, closed forms and loops written out."""

import numpy as np
import pytest
from scipy.optimize import rosen
from scipy.signal import correlate2d
from scipy.special import log_softmax, softmax

import wengert as wg
from wengert import nn, optim
from wengert.numeric import gradient as differences

rng = np.random.default_rng(0)


def check(program, *data):
    """The gradients with Tensors and with grad agree with differences."""
    leaves = [wg.tensor(d, requires_grad=True) for d in data]
    out = program(*leaves)
    out.backward()
    found = wg.grad(program, tuple(range(len(data))))(*data)
    for k, (t, g) in enumerate(zip(leaves, found, strict=True)):
        moved = lambda v, k=k: float(program(*data[:k], v, *data[k + 1 :]))
        expected = differences(moved, data[k])
        expected = np.asarray(getattr(expected, "value", expected))
        assert np.allclose(t.grad.numpy(), expected, rtol=1e-6, atol=1e-8)
        assert np.allclose(g, expected, rtol=1e-6, atol=1e-8)


def test_linear_and_normalisation():
    x, w, b = rng.standard_normal((4, 3)), rng.standard_normal((3, 2)), rng.standard_normal(2)
    assert np.allclose(nn.linear(x, w, b), x @ w + b)
    check(lambda x, w, b: np.sum(np.tanh(nn.layer_norm(nn.linear(x, w, b), b, b))), x, w, b)
    y = nn.layer_norm(x, epsilon=0.0)
    assert np.allclose(y.mean(1), 0) and np.allclose(y.var(1), 1)
    with pytest.raises(ValueError, match="features"):
        nn.linear(x, b[:, None])


@pytest.mark.parametrize(("stride", "padding"), [(1, 0), (1, 1), (2, 1), (3, 2)])
def test_convolution(stride, padding):
    x, w, b = rng.standard_normal((2, 3, 6, 5)), rng.standard_normal((4, 3, 3, 2)), rng.standard_normal(4)
    found = nn.conv2d(x, w, b, stride=stride, padding=padding)
    padded = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    expected = np.array(
        [
            [
                sum(correlate2d(i[c], k[c], "valid") for c in range(3))[::stride, ::stride] + a
                for k, a in zip(w, b, strict=True)
            ]
            for i in padded
        ]
    )
    assert np.allclose(found, expected)
    check(lambda x, w, b: np.sum(np.sin(nn.conv2d(x, w, b, stride=stride, padding=padding))), x[:1], w, b)


def test_pooling_takes_the_largest():
    x = rng.permutation(48.0 * np.arange(1, 61) / 60)[:50].reshape(1, 2, 5, 5)
    expected = np.array(
        [
            [
                [[x[0, c, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2].max() for j in range(2)] for i in range(2)]
                for c in range(2)
            ]
        ]
    )
    assert np.array_equal(nn.max_pool2d(x), expected)
    check(lambda x: np.sum(nn.max_pool2d(x) ** 2), x)


def test_softmax_and_cross_entropy():
    z = rng.standard_normal((5, 4)) * 30
    labels = np.array([0, 3, 1, 2, 0])
    assert np.allclose(nn.softmax(z), softmax(z, axis=1)) and np.allclose(nn.log_softmax(z), log_softmax(z, axis=1))
    assert np.isclose(nn.cross_entropy(z, labels), -log_softmax(z, axis=1)[np.arange(5), labels].mean())
    t = wg.tensor(z, requires_grad=True)
    nn.cross_entropy(t, labels).backward()
    assert np.allclose(t.grad.numpy(), (softmax(z, axis=1) - np.eye(4)[labels]) / 5)
    check(lambda z: nn.mean_squared_error(nn.gelu(z), 1.0), z / 30)
    with pytest.raises(ValueError, match="one label"):
        nn.cross_entropy(z, labels[:2])
    assert nn.accuracy(np.eye(4), np.array([0, 1, 2, 0])) == 0.75


def test_attention_and_embedding():
    q, k, v = rng.standard_normal((2, 3, 4)), rng.standard_normal((2, 5, 4)), rng.standard_normal((2, 5, 2))
    mask = np.tril(np.ones((3, 5), bool))
    scores = np.where(mask, np.einsum("bnd,bmd->bnm", q, k) / 2.0, -np.inf)
    assert np.allclose(nn.attention(q, k, v, mask=mask), softmax(scores, axis=-1) @ v)
    check(lambda q, k, v: np.sum(nn.attention(q, k, v, mask=mask) ** 2), q, k, v)
    table = rng.standard_normal((6, 3))
    check(lambda t: np.sum(np.sin(nn.embedding(t, np.array([[1, 1], [5, 0]])))), table)
    with pytest.raises(IndexError):
        nn.embedding(table, np.array([6]))


def test_dropout_keeps_the_mean_and_is_repeated_by_checkpoint():
    x = np.ones(20_000)
    out = nn.dropout(x, 0.25, np.random.default_rng(0))
    assert set(np.unique(out)) == {0.0, 1 / 0.75} and abs(out.mean() - 1) < 0.02
    assert nn.dropout(x, 0.25, np.random.default_rng(0), training=False) is x

    def slopes(wrap):
        source = np.random.default_rng(1)
        return wg.grad(lambda x: np.sum(wrap(lambda y: nn.dropout(y, 0.5, source) ** 2)(x)))(x)

    assert np.array_equal(slopes(lambda f: f), slopes(wg.checkpoint))
    with pytest.raises(ValueError, match="rate"):
        nn.dropout(x, 1.0, np.random.default_rng(0))


def test_adam_by_hand_for_tensors_and_for_arrays():
    def gradient(w):
        return np.array([2 * w[0], 20 * w[1] ** 3])

    w, m, v = np.array([1.0, -2.0]), np.zeros(2), np.zeros(2)
    t = wg.tensor(w, requires_grad=True)
    adam, adamw = optim.Adam([t], learning_rate=0.1), optim.AdamW(learning_rate=0.1, weight_decay=0.0)
    params = {"w": w.copy()}
    state = adamw.init(params)
    for k in range(1, 6):
        g = gradient(w)
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        w = w - 0.1 * (m / (1 - 0.9**k)) / (np.sqrt(v / (1 - 0.999**k)) + 1e-8)
        adam.zero_grad()
        (t[0] ** 2 + 5 * t[1] ** 4).backward()
        adam.step()
        params, state = adamw.update(params, {"w": gradient(params["w"])}, state)
    assert np.allclose(t.detach().numpy(), w, rtol=1e-12) and np.allclose(params["w"], w, rtol=1e-12)


def test_momentum_by_hand():
    w, v = 3.0, 0.0
    t = wg.tensor(3.0, requires_grad=True)
    sgd = optim.SGD([t], learning_rate=0.1, momentum=0.9, weight_decay=0.01)
    for _ in range(4):
        v = 0.9 * v + (2 * w + 0.01 * w)
        w -= 0.1 * v
        sgd.zero_grad()
        (t * t).backward()
        sgd.step()
    assert t.item() == pytest.approx(w, rel=1e-14)
    with pytest.raises(TypeError, match="no leaf Tensor"):
        optim.SGD([np.ones(2)])


def test_lbfgs_finds_the_valley():
    found, result = optim.lbfgs(
        lambda p: 100.0 * np.sum((p["rest"] - p["first"] ** 2) ** 2) + (1.0 - p["first"]) ** 2,
        {"first": -1.2, "rest": wg.tensor([1.0])},
        maxiter=200,
    )
    assert result.fun < 1e-10 and np.isclose(found["first"], 1.0, atol=1e-4)
    assert rosen([found["first"], found["rest"][0]]) < 1e-10


def test_parameters_are_saved_without_code(tmp_path):
    params = {"layers": [nn.linear_parameters(rng, 3, 2), nn.linear_parameters(rng, 2, 1)], "scale": wg.tensor([2.0])}
    path = tmp_path / "model.safetensors"
    nn.save(path, params)
    found = nn.load(path, like=params)
    assert np.array_equal(found["layers"][1]["weight"], params["layers"][1]["weight"]) and found["scale"][0] == 2.0
    with pytest.raises(ValueError, match="lacks"):
        nn.load(path, like={"other": np.zeros(2)})
    with pytest.raises(ValueError, match="in the file"):
        nn.load(path, like={**params, "scale": np.zeros(3)})


def test_tensors_that_require_gradients_are_saved_and_minimised_by_their_values(tmp_path):
    pytest.importorskip("safetensors")
    params = [{"w": wg.tensor([1.0, 2.0], requires_grad=True)}]
    nn.save(tmp_path / "p.safetensors", params)
    assert nn.load(tmp_path / "p.safetensors", like=params)[0]["w"].tolist() == [1.0, 2.0]
    found, _ = optim.lbfgs(lambda p: np.sum((p[0]["w"] - 3.0) ** 2), params)
    assert np.allclose(found[0]["w"], 3.0) and params[0]["w"].requires_grad
