"""Random numbers that Tensors draw by themselves: compiled steps draw anew, checkpoints draw the same again."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import wengert as wg
from wengert.compat import torch


@pytest.mark.parametrize(
    "draw",
    [
        lambda x: torch.nn.functional.dropout(x, 0.5),
        lambda x: x * torch.randn(200),
        lambda x: x * torch.rand(200),
    ],
)
def test_a_compiled_function_draws_anew_at_every_call(draw) -> None:
    x = torch.ones(200)
    compiled = wg.compile(lambda x: draw(x).sum(), backend="numpy")
    torch.manual_seed(3)
    with pytest.warns(wg.CompileWarning, match="it changes the random numbers of Tensors"):
        found = [compiled(x).item() for _ in range(4)]
    torch.manual_seed(3)
    assert found == [draw(x).sum().item() for _ in range(4)]
    assert len(set(found)) > 1


def test_a_compiled_function_may_be_called_between_draws() -> None:
    compiled = wg.compile(lambda x: (x * x).sum(), backend="numpy")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = [compiled(torch.full((3,), k)).item() for k in (1.0, 2.0, 3.0) if torch.rand(1) is not None]
    assert found == [3.0, 12.0, 27.0]


def test_a_checkpoint_draws_the_same_again() -> None:
    x = wg.tensor(np.ones(100), requires_grad=True)
    run = wg.checkpoint(lambda x: (torch.nn.functional.dropout(x, 0.5) * x).sum())
    value = run(x)
    after = torch.rand(3).tolist()
    value.backward()
    assert x.grad.sum().item() == 2 * value.item()  # each x^2 that was kept counts 2 x
    torch.manual_seed(5)
    run(x)
    ahead = torch.rand(3).tolist()
    torch.manual_seed(5)
    run(x).backward()
    assert torch.rand(3).tolist() == ahead != after
