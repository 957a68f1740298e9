"""memory_report: what each operation needs, and nothing else, is kept."""

import numpy as np
import pytest

import wengert as wg

x = np.linspace(0.1, 0.9, 1000)


@pytest.mark.parametrize(
    ("program", "arrays"),
    [
        (lambda x: np.sum(np.tanh(x)), 1),
        (lambda x: np.sum(x + x - 3.0 * x), 0),
        (lambda x: np.sum(x.reshape(10, 100).T), 0),
        (lambda x: np.sum(np.exp(np.sin(x))), 2),
        (lambda x: np.sum(np.sin(x) * x), 2),
        (lambda x: x @ x, 1),
    ],
)
def test_only_what_the_rule_needs_is_kept(program, arrays):
    report = wg.memory_report(program)(x)
    assert len(report) == arrays and report.total == arrays * x.nbytes


def test_relu_keeps_its_sign_only():
    report = wg.memory_report(lambda x: np.sum(wg.relu(x * 2.0)))(x)
    assert report.total == x.size  # a byte each


def test_relu_by_its_sign_has_the_slope_that_was_chosen():
    at = np.array([-1.0, 0.0, 2.0, np.nan])
    assert np.array_equal(wg.grad(lambda x: np.sum(wg.relu(x)))(at), [0.0, 0.0, 1.0, 0.0])
    with wg.subgradient(relu=0.25):
        assert np.array_equal(wg.grad(lambda x: np.sum(wg.relu(x)))(at), [0.0, 0.25, 1.0, 0.0])
    t = wg.tensor(at.astype(np.float32), requires_grad=True)
    y = t.relu().sum()
    with wg.subgradient(relu=0.25):
        y.backward(retain_graph=True)
    assert t.grad.numpy().dtype == np.float32 and np.array_equal(t.grad.numpy(), [0.0, 0.25, 1.0, 0.0])
    t.grad.zero_()
    y.backward()
    assert t.grad.numpy().dtype == np.float32 and np.array_equal(t.grad.numpy(), [0.0, 0.0, 1.0, 0.0])
    with wg.subgradient(relu=0.25):
        chosen = wg.trace(wg.grad(lambda x: np.sum(wg.relu(x) ** 2 + wg.relu(x))))(np.array([0.0, 2.0]))
    assert np.array_equal(chosen(np.array([3.0, 0.0])), [7.0, 0.25])
    square = wg.hessian(lambda x: np.sum(wg.relu(x) ** 3), mode="fwd-rev")(np.array([-1.0, 2.0]))
    assert np.array_equal(square, [[0.0, 0.0], [0.0, 12.0]])
    twice = wg.jacrev(wg.grad(lambda x: np.sum(wg.relu(x) ** 3)))(np.array([-1.0, 2.0]))
    assert np.array_equal(twice, [[0.0, 0.0], [0.0, 12.0]])
    replayed = wg.trace(wg.grad(lambda x: np.sum(wg.relu(x) ** 2)))(np.array([-1.0, 2.0]))
    assert np.array_equal(replayed(np.array([3.0, -2.0])), [6.0, 0.0])


def test_rows_name_the_line_and_checkpoints_what_they_keep():
    def program(x, w):
        return np.sum(np.tanh(np.tanh(x @ w) @ w))

    a, w = np.ones((50, 20)), np.eye(20)
    report = wg.memory_report(program)(a, w)
    assert {row.op for row in report} == {"matmul", "tanh"}
    assert all(row.file == __file__ and row.line == program.__code__.co_firstlineno + 1 for row in report)
    kept = wg.memory_report(wg.checkpoint(program, policy="cheap"))(a, w)
    assert [row.op for row in kept] == [
        "checkpoint",
        "checkpoint",
        "checkpoint: matmul",
        "checkpoint: matmul",
    ]
    assert "checkpoint: matmul" in str(kept) and "16 kB" not in repr(kept).split(":")[0]


def test_a_tensor_reports_its_own_graph():
    t = wg.tensor(x, requires_grad=True)
    y = (t + 1.0).tanh().exp().sum()
    assert [(row.op, row.bytes) for row in wg.memory_report(y)] == [("tanh", 8000), ("exp", 8000)]
    y.backward()
    assert wg.memory_report(y).total == 0
