"""``t.data``, views made under ``no_grad``, hooks and kept gradients of Tensors that were written to or are gone.

The expected numbers are those that PyTorch gives, worked out by hand.
"""

from __future__ import annotations

import numpy as np
import pytest

import wengert as wg


def leaf(*values: float) -> wg.Tensor:
    return wg.tensor(list(values), requires_grad=True)


def test_writes_into_the_data_reach_the_tensor() -> None:
    w = leaf(1.0, 2.0, 3.0, 4.0)
    (w * w).sum().backward()
    w.grad.data.zero_()
    assert w.grad.tolist() == [0.0] * 4
    w.data[0] = 7.0
    w.data[1:].mul_(2)
    w.data.view(2, 2)[1, 1] = 1.5
    w.data -= 1.0
    assert w.tolist() == [6.0, 3.0, 5.0, 0.5]
    assert w.is_leaf
    assert w.requires_grad
    (w**2).sum().backward()
    assert w.grad.tolist() == [12.0, 6.0, 10.0, 1.0]


def test_data_sees_writes_into_the_tensor_and_has_no_history() -> None:
    w = leaf(1.0, 2.0)
    data, head = w.data, w.data[:1]
    with wg.no_grad():
        w.mul_(3)
        w[0] = 5.0
    assert data.tolist() == [5.0, 6.0]
    assert head.tolist() == [5.0]
    assert not data.requires_grad
    assert not head.requires_grad
    (data * w).sum().backward()
    assert w.grad.tolist() == [5.0, 6.0]


def test_data_of_a_result_changes_its_value_and_not_its_slope() -> None:
    x = leaf(1.0, 2.0)
    y = x * 2
    y.data.mul_(3)
    (y * x).sum().backward()  # y = 6x is taken for 2x: 2x + y
    assert x.grad.tolist() == [8.0, 16.0]


def test_a_history_written_into_data_is_an_error() -> None:
    w, x = leaf(1.0, 2.0), leaf(3.0, 4.0)
    with pytest.raises(wg.CutError, match=r"written into the data of another one[\s\S]*fix: write value\.detach\(\)"):
        w.data.mul_(x)
    with pytest.raises(wg.CutError, match="keeps no history"):
        w.data[0] = x[0]
    assert w.tolist() == [1.0, 2.0]
    w.data.copy_(x.detach())
    with wg.no_grad():
        w.data[0] = x[0] * 2
    assert w.tolist() == [6.0, 4.0]


def test_views_made_under_no_grad_are_constants() -> None:
    x = leaf(1.0, 2.0, 3.0)
    with wg.no_grad():
        part, column, first = x[1:], x.view(3, 1), x[0]
    assert not part.requires_grad
    assert not column.requires_grad
    assert not first.requires_grad
    ((part * x[1:]).sum() + (column[:, 0] * x).sum() + first * x[1]).backward()
    assert x.grad.tolist() == [1.0, 5.0, 6.0]


def test_views_of_results_made_under_no_grad_are_constants() -> None:
    x = leaf(1.0, 2.0, 3.0)
    y = x * 2
    with wg.no_grad():
        part = y[1:]
        part.mul_(10)
    (part * y[1:]).sum().backward()  # part = (40, 60), whose slope is not asked for
    assert x.grad.tolist() == [0.0, 80.0, 120.0]
    with pytest.raises(ValueError, match="made under no_grad is written to while recording"):
        part.mul_(x[1:])


def test_views_made_under_no_grad_of_a_constant_may_be_written_to_later() -> None:
    x = leaf(1.0, 2.0)
    y = wg.zeros(3)
    with wg.no_grad():
        part = y[1:]
    part.add_(x * x)
    (y * y).sum().backward()
    assert x.grad.tolist() == [4.0, 32.0]


def test_filling_writes_into_one_memory() -> None:
    x = leaf(1.0, 2.0, 3.0, 4.0)
    for recorded in (True, False):
        y = wg.zeros(4)
        with wg.enable_grad() if recorded else wg.no_grad():
            y[0] = x[0] * 2
            memory = y.mem.value
            for k in range(1, 4):
                y[k] = x[k] * 2
            assert y.mem.value is memory  # no copy of the whole for a write
        assert y.tolist() == [2.0, 4.0, 6.0, 8.0]
        assert y.requires_grad is recorded


def test_a_hook_is_called_when_its_tensor_is_gone() -> None:
    x = leaf(1.0, 2.0)

    def loss(x: wg.Tensor) -> wg.Tensor:
        y = x * 2
        y.register_hook(lambda grad: grad * 10)
        return (y * y).sum()

    loss(x).backward()
    assert x.grad.tolist() == [80.0, 160.0]


def test_a_hook_that_writes_to_its_argument() -> None:
    for returns in (True, False):
        x = leaf(1.0, 2.0)
        y = x * 2

        def clipped(grad: wg.Tensor, returns: bool = returns) -> wg.Tensor | None:
            grad.clamp_(-1, 1)
            return grad if returns else None

        y.register_hook(clipped)
        (y * y).sum().backward()
        assert x.grad.tolist() == [2.0, 2.0]


def test_hooks_belong_to_the_value_they_were_registered_on() -> None:
    x = leaf(1.0, 2.0)
    y = x * 2
    seen = []
    y.register_hook(lambda grad: seen.append(("before", grad.tolist())))
    y.mul_(3)
    y.register_hook(lambda grad: seen.append(("after", grad.tolist())))
    (y * y).sum().backward()
    assert seen == [("after", [12.0, 24.0]), ("before", [36.0, 72.0])]


def test_a_kept_gradient_is_that_of_the_latest_value() -> None:
    x = leaf(1.0, 2.0, 3.0)
    y = x * 2
    y.retain_grad()
    y.mul_(3)
    y[1:].mul_(2)
    (y * y).sum().backward()
    assert y.tolist() == [6.0, 24.0, 36.0]
    assert y.grad.tolist() == [12.0, 48.0, 72.0]
    assert x.grad.tolist() == [72.0, 576.0, 864.0]


def test_hooks_of_leaves_are_called_for_chosen_inputs_too() -> None:
    x = leaf(1.0, 2.0)
    x.register_hook(lambda grad: grad + 1)
    y = x * 2
    y.retain_grad()
    (found,) = wg.autograd.grad((y * y).sum(), x, retain_graph=True)
    assert found.tolist() == [9.0, 17.0]
    assert y.grad.tolist() == [4.0, 8.0]
    (y * y).sum().backward(inputs=[x])
    assert x.grad.tolist() == [9.0, 17.0]
    assert y.grad.tolist() == [8.0, 16.0]


def test_hooks_are_called_once_where_a_branch_not_taken_is_infinite() -> None:
    x = leaf(0.0, 4.0)
    calls = []
    y = x * 1.0
    y.register_hook(lambda grad: calls.append(grad.tolist()))
    root = y.sqrt()
    np.where(root > 0, root, 0.0).sum().backward()
    assert calls == [[0.0, 0.25]]


def test_views_of_a_gradient_see_what_is_accumulated() -> None:
    x = leaf(1.0, 2.0)
    (x * 3).sum().backward()
    flat = x.grad.view(-1)
    (x * 4).sum().backward()
    assert flat.tolist() == [7.0, 7.0]


def test_old_style_updates_are_compiled_alike() -> None:
    def run(compiled: bool) -> list[float]:
        w = leaf(1.0, 2.0, 3.0)
        w.view(3)

        def step(x: np.ndarray) -> float:
            loss = ((w * x) ** 2).sum()
            loss.backward()
            w.data -= 0.1 * w.grad.data
            w.grad.data.zero_()
            w.data[0] += 1.0
            with wg.no_grad():
                part = w[1:]
                part += 1.0
            return loss.item()

        used = wg.compile(step, backend="numpy") if compiled else step
        losses = [used(np.arange(3.0) + k) for k in range(4)]
        if compiled:
            assert len(used.paths) == 2
        return [*losses, *w.tolist(), *w.grad.tolist()]

    assert np.allclose(run(True), run(False), rtol=1e-14)


def test_a_view_stays_the_same_step_when_its_base_is_overwritten_without_one() -> None:
    x = leaf(1.0, 2.0)
    view = x[:1]
    view.retain_grad()
    before = view * 3
    x.data.mul_(2)
    (before + view * 5).sum().backward()
    assert view.grad.tolist() == [8.0]
    assert x.grad.tolist() == [8.0, 0.0]
