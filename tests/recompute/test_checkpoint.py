"""checkpoint: the same derivatives with less memory, and errors where a second run would differ.

Gradients are compared with those of the function itself where equality bit for bit is promised, and
with closed forms and complex steps where a derivative is to be right.
"""

import tracemalloc

import numpy as np
import pytest

import wengert as wg

POLICIES = [None, "cheap", "elementwise", "linear", ("tanh", "matmul"), lambda op: op.name == "exp"]
rng = np.random.default_rng(0)
X, W = rng.standard_normal((5, 4)), rng.standard_normal((4, 4)) / 2


def network(x, w):
    for _ in range(3):
        z = x @ w
        x = 0.5 * z * (1.0 + np.tanh(z + 0.04 * z * z * z)) + np.exp(-z * z)
    return x


def loss(f):
    return lambda x, w: np.sum(np.sin(f(x, w)))


def complex_step(f, x):
    out = np.empty_like(x)
    for k in np.ndindex(x.shape):
        moved = x.astype(complex)
        moved[k] += 1e-30j
        out[k] = f(moved).imag / 1e-30
    return out


@pytest.mark.parametrize("policy", POLICIES)
def test_gradients_are_those_of_the_function_bit_for_bit(policy):
    expected = wg.grad(loss(network), (0, 1))(X, W)
    found = wg.grad(loss(wg.checkpoint(network, policy=policy)), (0, 1))(X, W)
    for a, b in zip(expected, found, strict=True):
        assert np.array_equal(a, b)
    assert np.allclose(found[0], complex_step(lambda x: loss(network)(x, W), X), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("policy", POLICIES)
def test_traced_values_closed_over_get_their_gradient(policy):
    def closing(x, w):
        return np.sum(wg.checkpoint(lambda h: network(h, w), policy=policy)(x))

    found = wg.grad(closing, (0, 1))(X, W)
    assert np.allclose(found[1], complex_step(lambda w: np.sum(network(X, w)), W), rtol=1e-12, atol=1e-13)
    only = wg.grad(lambda w: np.sum(wg.checkpoint(lambda h: network(h, w), policy=policy)(X)))(W)
    assert np.array_equal(only, found[1])


@pytest.mark.parametrize("policy", POLICIES)
def test_third_derivatives_have_their_closed_form(policy):
    kept = wg.checkpoint(lambda t: np.sin(t) * np.exp(t), policy=policy)
    third = wg.grad(wg.grad(wg.grad(kept)))
    t = 0.7
    assert third(t) == pytest.approx(2 * np.exp(t) * (np.cos(t) - np.sin(t)), rel=1e-13)


@pytest.mark.parametrize("policy", POLICIES)
def test_products_with_the_hessian_by_both_orders_agree_with_the_complex_step(policy):
    kept = loss(wg.checkpoint(network, policy=policy))
    v = rng.standard_normal(X.shape)
    moved = wg.grad(lambda x: kept(x, W))
    numeric = (moved(X + 1e-5 * v) - moved(X - 1e-5 * v)) / 2e-5
    forward = wg.hvp(lambda x: kept(x, W), (X,), (v,))[1]
    reverse = wg.grad(lambda x: np.sum(moved(x) * v))(X)
    assert np.allclose(forward, numeric, atol=1e-7) and np.allclose(reverse, forward, rtol=1e-12, atol=1e-13)


def test_pullbacks_may_be_called_again_and_after_the_trace_has_ended():
    for policy in POLICIES:
        _, pullback = wg.vjp(lambda x, w, policy=policy: wg.checkpoint(lambda h: network(h, w), policy=policy)(x), X, W)
        first, second = pullback(np.ones_like(X)), pullback(np.ones_like(X))
        expected = wg.grad(lambda x, w: np.sum(network(x, w)), (0, 1))(X, W)
        for a, b, c in zip(first, second, expected, strict=True):
            assert np.allclose(a, c, rtol=1e-14) and np.array_equal(a, b)


def test_containers_constants_and_numbers_pass_through():
    @wg.checkpoint
    def body(params, n, *, name):
        assert name == "x"
        return {"y": [params["a"] * n, np.sum(params["b"])], "n": n, "note": None}

    def f(p):
        out = body(p, 3, name="x")
        assert out["n"] == 3 and out["note"] is None
        return out["y"][0] * out["y"][1]

    found = wg.grad(f)({"a": 2.0, "b": np.ones(3)})
    assert float(found["a"]) == 9.0 and np.array_equal(found["b"], np.full(3, 6.0))


def test_nested_checkpoints_and_segments():
    layers = [lambda x, k=k: np.tanh(x * (1 + 0.1 * k)) for k in range(9)]

    def plain(x):
        for layer in layers:
            x = layer(x)
        return np.sum(x)

    expected = wg.grad(plain)(X)
    for segments in (1, 2, 3, 4, 9, 50, "sqrt"):
        assert np.array_equal(
            wg.grad(lambda x, s=segments: np.sum(wg.checkpoint_sequential(layers, x, s)))(X),
            expected,
        )
    inner = wg.checkpoint(lambda x: wg.checkpoint_sequential(layers, x, 3))
    assert np.array_equal(wg.grad(lambda x: np.sum(inner(x)))(X), expected)
    assert np.array_equal(wg.checkpoint_sequential([], X), X)


def test_layers_run_at_most_twice():
    calls = []

    def layer(x):
        calls.append(1)
        return np.tanh(x)

    wg.grad(lambda x: np.sum(wg.checkpoint_sequential([layer] * 16, x, 4)))(X)
    assert len(calls) == 16 + 9  # of three stretches the last layer is not run again


@pytest.mark.parametrize("source", ["global", "argument", "closure"])
def test_random_draws_are_repeated(source):
    def run(wrap):
        generator = np.random.default_rng(7)
        np.random.seed(3)
        if source == "global":
            layer = wrap(lambda x: x * (np.random.random(x.shape) < 0.5))
        elif source == "argument":
            inner = wrap(lambda x, g: x * (g.random(x.shape) < 0.5))
            layer = lambda x: inner(x, generator)
        else:
            layer = wrap(lambda x: x * (generator.random(x.shape) < 0.5))
        gradient = wg.grad(lambda x: np.sum(layer(layer(x)) ** 2))(X)
        return gradient, generator.random(), np.random.random()

    for a, b in zip(run(lambda f: f), run(wg.checkpoint), strict=True):
        assert np.array_equal(a, b)


@pytest.mark.parametrize("policy", [None, "cheap"])
def test_writes_to_arguments_raise_and_writes_to_copies_are_right(policy):
    def body(x):
        x[0] = 0.0
        x *= 2.0
        return x

    def f(x, body):
        y = wg.checkpoint(body, policy=policy)(x)
        return np.sum(y * x)

    x = np.array([3.0, 5.0])
    with pytest.raises(ValueError, match=r"writes to its argument[\s\S]*x\.copy\(\)"):
        wg.grad(lambda x: f(x, body))(x)
    with pytest.raises(ValueError, match="writes to its argument"):
        wg.grad(lambda x: f(x, lambda v: np.sum(body(v[:1]))))(x)
    t = wg.tensor(x, requires_grad=True)
    with pytest.raises(ValueError, match="writes to its argument"):
        wg.checkpoint(body, policy=policy)(t * 1.0)
    with pytest.raises(ValueError, match="writes to its argument"):
        wg.checkpoint(lambda v: v.mul_(2.0), policy=policy)(t * 1.0)
    found = wg.grad(lambda x: f(x, lambda v: body(v.copy())))(x)
    assert np.array_equal(found, [0.0, 20.0]) and np.array_equal(x, [3.0, 5.0])
    f(t, lambda v: body(v.clone())).backward()
    assert np.array_equal(t.grad, found)


def test_layers_of_a_chain_may_write_to_what_they_are_given_but_for_the_first():
    def doubled(h):
        h *= 2.0
        return h * h

    x = np.array([0.3, 0.2])
    for segments in (1, 2, 4):
        found = wg.grad(lambda x, s=segments: np.sum(wg.checkpoint_sequential([np.sin] + [doubled] * 3, x, s)))(x)
        assert np.allclose(found, 8.0 * 4.0**7 * np.sin(x) ** 7 * np.cos(x))
    with pytest.raises(ValueError, match="writes to its argument"):
        wg.grad(lambda x: np.sum(wg.checkpoint_sequential([doubled] * 4, x * 1.0, 2)))(x)


@pytest.mark.parametrize("policy", [None, "cheap"])
def test_zero_cotangents_absorb_infinities(policy):
    body = wg.checkpoint(lambda x: np.where(x > 0, np.sqrt(x), 0.0), policy=policy)
    assert np.array_equal(wg.grad(lambda x: np.sum(body(x)))(np.array([0.0, 4.0])), [0.0, 0.25])


def test_a_function_that_differs_is_detected():
    state = {"factor": 2.0}

    @wg.checkpoint
    def body(x):
        state["factor"] += 1.0
        return x * state["factor"]

    with pytest.raises(wg.VerificationError, match="does not repeat itself"):
        wg.grad(lambda x: np.sum(body(x)))(X)
    flag = []

    def branching(x):
        flag.append(1)
        return np.sin(x) if len(flag) == 1 else np.tan(x)

    with pytest.raises(wg.VerificationError, match="the first step that differs is tan, it was sin"):
        wg.grad(lambda x: np.sum(wg.checkpoint(branching, verify=True)(x)))(X)
    nudge = [0.0]

    def rounding(x):
        nudge[0] += 1e-16
        return x + nudge[0] * np.ones(5000)

    with pytest.raises(wg.VerificationError):
        wg.grad(lambda x: np.sum(wg.checkpoint(rounding, verify=True)(x)))(np.zeros(5000))


def test_an_exception_in_the_second_run_comes_out_and_leaves_nothing_behind():
    calls = []

    @wg.checkpoint
    def body(x):
        calls.append(1)
        if len(calls) == 2:
            raise KeyError("gone")
        return np.sin(x)

    with pytest.raises(KeyError, match="gone"):
        wg.grad(body)(0.5)
    assert float(wg.grad(np.sin)(0.5)) == np.cos(0.5)
    from wengert.core.context import SWITCH

    assert not SWITCH.live


def test_rebound_values_closed_over_raise():
    def f(x):
        a = x * 1.0
        body = wg.checkpoint(lambda t: t * a)
        y = body(x)
        a[0] = 5.0
        return np.sum(y) + np.sum(a)

    with pytest.raises((wg.ChangedError, wg.VerificationError)):
        wg.grad(f)(X)


def test_bad_arguments():
    with pytest.raises(TypeError, match="takes a function"):
        wg.checkpoint(3.0)
    with pytest.raises(ValueError, match="no operation is called 'tanhh'"):
        wg.checkpoint(np.sin, policy="tanhh")
    with pytest.raises(ValueError, match="segments"):
        wg.checkpoint_sequential([np.sin], X, 0)
    with pytest.raises(TypeError, match="layer 1"):
        wg.checkpoint_sequential([np.sin, 2], X)


def test_other_transformations_see_the_function_itself():
    body = wg.checkpoint(lambda x: np.sin(x) * x)
    x = np.linspace(0.0, 1.0, 5)
    assert np.allclose(wg.vmap(wg.grad(body))(x), np.sin(x) + x * np.cos(x))
    assert wg.jvp(body, (0.5,), (1.0,))[1] == pytest.approx(np.sin(0.5) + 0.5 * np.cos(0.5))
    assert len(wg.trace(body)(0.5)) == 2
    assert body(0.5) == np.sin(0.5) * 0.5


def peak(call):
    call()
    tracemalloc.start()
    call()
    found = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return found


def test_memory_grows_like_the_square_root_of_the_depth():
    x = np.ones(40_000)
    layers = [np.tanh] * 64
    stored = peak(lambda: wg.grad(lambda x: np.sum(wg.checkpoint(lambda y: chain(layers, y))(x)))(x)) / x.nbytes
    saved = peak(lambda: wg.grad(lambda x: np.sum(wg.checkpoint_sequential(layers, x, 8)))(x)) / x.nbytes
    assert 64 <= stored <= 68 and saved <= 18.5
    four = peak(lambda: wg.grad(lambda x: np.sum(wg.checkpoint_sequential(layers * 4, x)))(x)) / x.nbytes
    assert four <= 2.02 * saved  # the root of four, and the bookkeeping of four times the layers


def chain(layers, x):
    for layer in layers:
        x = layer(x)
    return x


def test_the_cheap_policy_keeps_one_result_a_layer():
    x, weights = (
        rng.standard_normal((256, 64)),
        [rng.standard_normal((64, 64)) / 8 for _ in range(16)],
    )

    def gelu(weights):
        h = x
        for w in weights:
            z = h @ w
            h = 0.5 * z * (1.0 + np.tanh(0.8 * (z + 0.044715 * z * z * z)))
        return np.sum(h)

    assert peak(lambda: wg.grad(gelu)(weights)) > 90 * x.nbytes
    assert peak(lambda: wg.grad(wg.checkpoint(gelu, policy="cheap"))(weights)) < 24 * x.nbytes


@pytest.mark.parametrize("policy", [None, "cheap", "elementwise"])
@pytest.mark.parametrize("size", [2, 10_000])
def test_an_operand_that_is_returned_as_it_is(policy, size):
    f = wg.checkpoint(lambda v, w: (v, np.sin(v) * w, w), policy=policy)

    def total(x, y):
        a, b, c = f(x, y)
        return np.sum(a * b * c * x * y)

    x, y = np.linspace(0.5, 1.5, size), np.linspace(1.0, 3.0, size)
    by_x, by_y = wg.grad(total, (0, 1))(x, y)
    np.testing.assert_allclose(by_x, y**3 * (2.0 * x * np.sin(x) + x**2 * np.cos(x)), rtol=1e-13)
    np.testing.assert_allclose(by_y, 3.0 * y**2 * x**2 * np.sin(x), rtol=1e-13)
