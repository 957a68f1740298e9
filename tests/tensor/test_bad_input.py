"""Bad input to Tensors: an error that says what to do, and no gradient, value or graph half-updated."""

import threading

import numpy as np
import pytest

import wengert as wg
from wengert import optim


def leaf(*values):
    return wg.tensor(np.array(values), requires_grad=True)


@pytest.fixture
def full():
    """A leaf whose gradient must survive the error."""
    b = leaf(3.0, 4.0)
    b.grad = wg.tensor([7.0, 8.0])
    yield b
    assert b.grad.tolist() == [7.0, 8.0]
    assert b.tolist() == [3.0, 4.0]


@pytest.mark.parametrize(
    ("hook", "kind", "message"),
    [
        (lambda g: 1 / 0, ZeroDivisionError, "division"),
        (lambda g: 3.0, TypeError, r"a hook returned a float[\s\S]*fix: return a Tensor"),
        (lambda g: g[:1], ValueError, r"a gradient of shape \(1,\) for a Tensor of shape \(2,\)"),
        (lambda g: wg.tensor([1, 2]), TypeError, "a gradient of int64 for a Tensor of float64"),
        (lambda g: g * 1j, TypeError, "a gradient of complex128 for a Tensor of float64"),
    ],
)
@pytest.mark.parametrize("place", ["leaf", "result"])
def test_hooks_that_raise_or_return_something_else(full, hook, kind, message, place):
    a = leaf(1.0, 2.0)
    middle = a * 2.0
    (a if place == "leaf" else middle).register_hook(hook)
    kept = a * full
    kept.retain_grad()
    with pytest.raises(kind, match=message):
        (middle + kept).sum().backward()
    assert a.grad is None and kept.grad is None


def test_a_hook_may_return_another_precision_which_is_converted():
    a = wg.tensor(np.ones(2, np.float32), requires_grad=True)
    a.register_hook(lambda g: g.to(np.float64) * 3.0)
    (a * 2.0).sum().backward()
    assert a.grad.dtype == np.float32 and a.grad.tolist() == [6.0, 6.0]


@pytest.mark.parametrize(
    ("wrong", "kind", "message"),
    [
        (
            lambda a: (a * a).backward(),
            ValueError,
            r"needs to know what to differentiate[\s\S]*\.sum\(\)[\s\S]*gradient=",
        ),
        (lambda a: (a * a).backward(np.ones(3)), ValueError, r"gradient has shape \(3,\), the Tensor \(2,\)"),
        (lambda a: (a * a).backward(np.ones(2) * 1j), TypeError, "gradient has dtype complex128"),
        (lambda a: a.detach().backward(), ValueError, "neither requires gradients nor comes from one"),
        (lambda a: (a * a).sum().backward(inputs=[]), ValueError, "inputs is empty"),
        (lambda a: (a * a).sum().backward(inputs=[a.detach()]), ValueError, "input 0 does not require gradients"),
        (lambda a: wg.autograd.grad((a * a).sum(), leaf(1.0)), ValueError, "do not depend on input 0"),
        (lambda a: wg.tensor([1, 2], requires_grad=True), TypeError, "int64 cannot require gradients"),
        (lambda a: a.add_(1.0), ValueError, "a leaf Tensor that requires gradients is written to"),
        (lambda a: wg.tensor([1, 2]).add_(0.5), TypeError, "does not fit into a Tensor of int64"),
        (lambda a: setattr(a, "grad", wg.ones(3)), ValueError, "shape"),
        (lambda a: setattr(a, "grad", wg.tensor(np.ones(2, np.float32))), ValueError, "float32"),
        (lambda a: setattr(a, "grad", a), ValueError, "shares the memory"),
        (lambda a: a @ wg.ones(3), ValueError, "mismatch"),
        (lambda a: optim.SGD([a, a], 0.1), ValueError, "given twice"),
    ],
)
def test_wrong_arguments(full, wrong, kind, message):
    with pytest.raises(kind, match=message):
        wrong(full)


def test_a_graph_freed_twice_leaves_other_leaves_alone(full):
    a = leaf(1.0, 2.0)
    y = a.exp()
    y.sum().backward()
    first = a.grad.tolist()
    with pytest.raises(ValueError, match=r"a second time through exp[\s\S]*retain_graph=True"):
        (y * full).sum().backward()
    assert a.grad.tolist() == first
    (a * 2.0).sum().backward()  # new steps on the same leaf are a graph of their own
    assert np.allclose(a.grad, np.array(first) + 2.0)


def test_lists_that_contain_themselves():
    cycle = [leaf(1.0)]
    cycle.append(cycle)
    with pytest.raises(ValueError, match="contains itself"):
        wg.checkpoint(lambda parts: parts[0] * 2.0)(cycle)
    with pytest.raises(ValueError, match="contains itself"):
        wg.tensor(cycle[1:])


@pytest.mark.parametrize("policy", [None, "cheap"])
def test_an_exception_in_the_second_run(full, policy):
    calls = []

    def layer(h):
        calls.append(1)
        if len(calls) > 1:
            raise RuntimeError("boom")
        return h.tanh() * h

    a = leaf(1.0, 2.0)
    out = wg.checkpoint(layer, policy=policy)(a * 2.0) + full
    if policy is None:
        with pytest.raises(RuntimeError, match="boom"):
            out.sum().backward()
        assert a.grad is None
    assert wg.autograd.grad((full * full).sum(), full)[0].tolist() == [6.0, 8.0]  # nothing is left running


def test_one_element_that_differs_in_the_second_run_is_seen_by_verify(full):
    count = []

    def drifting(h):
        count.append(1)
        change = np.zeros(50_000)
        change[777] = len(count)
        return h * (1.0 + change)

    a = wg.tensor(np.ones(50_000), requires_grad=True)
    out = wg.checkpoint(drifting, verify=True)(a).sum() + full.sum()
    with pytest.raises(wg.VerificationError, match="does not repeat itself"):
        out.backward()
    assert a.grad is None


def test_verify_means_the_same_where_the_step_is_compiled():
    count = []

    def drifting(h):
        return h * float(len(count))

    @wg.compile
    def step(h):
        return wg.grad(lambda v: np.sum(drift(v)))(h)

    drift = wg.checkpoint(lambda v: (count.append(1), drifting(v))[1], verify=True)
    with pytest.warns(wg.CompileWarning), pytest.raises(wg.VerificationError):
        step(np.ones(3))

    sound = wg.compile(lambda h: wg.grad(lambda v: np.sum(wg.checkpoint(np.sin, verify=True)(v)))(h))
    with pytest.warns(wg.CompileWarning, match=r"verify=True.* compares two runs"):
        assert np.allclose(sound(np.ones(3)), np.cos(1.0))


def test_threads_meet_an_error_while_a_step_is_recorded():
    w = leaf(1.0, 2.0)
    w.grad = wg.tensor([5.0, 5.0])
    reached, done = threading.Lock(), threading.Lock()  # (setting an Event is an effect: such a step is not recorded)
    reached.acquire()
    done.acquire()
    found = {}

    def attempts():
        reached.acquire(timeout=10)
        tries = {
            "arithmetic": lambda: (w * 2.0).sum(),
            "NumPy": lambda: np.sin(w),
            "index": lambda: w[0],
            "item": lambda: w.sum().item(),
            "array": lambda: w.detach().numpy(),
            "backward": lambda: (w * 3.0).sum().backward(),
            "write": lambda: write(w),
            "grad": lambda: setattr(w, "grad", None),
        }
        for name, attempt in tries.items():
            try:
                found[name] = attempt()
            except ValueError as problem:
                found[name] = problem
        found["text"] = repr(w)
        own = leaf(1.0, 2.0)
        (own * own).sum().backward()
        found["own"] = own.grad.tolist()
        done.release()

    def write(t):
        with wg.no_grad():
            t += 100.0

    def wait():
        reached.release()
        assert done.acquire(timeout=10)

    def step(x):
        loss = ((x * w) ** 2).sum()
        loss.backward()
        with wg.no_grad():
            w.sub_(0.1 * w.grad)
        wait()
        return loss.item()

    thread = threading.Thread(target=attempts)
    thread.start()
    wg.compile(step, backend="numpy")(wg.tensor([1.0, 1.0]))
    thread.join()
    text, own = found.pop("text"), found.pop("own")
    assert text.startswith("tensor([") and own == [2.0, 4.0]
    for name, problem in found.items():
        assert isinstance(problem, ValueError), (name, problem)
        assert "another thread records a compiled function" in str(problem), (name, problem)
    assert np.allclose(w.grad, [7.0, 9.0]) and np.allclose(w.detach(), [0.3, 1.1])


def test_threads_may_use_tensors_of_their_own_and_read_the_same(full):
    errors = []

    def work(seed):
        try:
            own = wg.tensor(np.random.default_rng(seed).random(20), requires_grad=True)
            for _ in range(30):
                own.grad = None
                (own * own * full.detach().sum()).sum().backward()
                assert np.allclose(own.grad, 14.0 * own.detach().numpy())
        except (ValueError, AssertionError) as problem:
            errors.append(problem)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not errors
