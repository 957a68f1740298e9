"""The columns of recorded steps against a walk over the steps themselves."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

from wengert.core.columns import CONSTANT, FOREIGN, Steps, columns_of
from wengert.core.node import Const, RichNode

SPREAD = pytest.mark.parametrize("spread", [1, 3, 1000], ids=["dense", "sparse", "far apart"])


def recorded(seed: int, spread: int) -> tuple[list[Any], list[Any], list[Any]]:
    """Inputs, steps, and nodes from elsewhere; sequence numbers up to ``spread`` apart."""
    random = np.random.default_rng(seed)
    seqs = iter(np.cumsum(random.integers(1, spread + 1, 200)).tolist())

    def node(args: tuple[Any, ...]) -> RichNode:
        made = RichNode(next(seqs), None, (), (), (), None)
        made.args = args
        return made

    inputs = [node(()) for _ in range(3)]
    elsewhere = [node(()) for _ in range(2)]
    steps: list[Any] = []
    for _ in range(60):
        known = [*inputs, *steps, *(elsewhere if random.random() < 0.1 else ())]
        args = [
            Const(float(k)) if random.random() < 0.3 else known[random.integers(len(known))]
            for k in range(random.integers(0, 4))
        ]
        steps.append(node(tuple(args)))
    return inputs, steps, elsewhere


@SPREAD
@pytest.mark.parametrize("seed", range(5))
def test_numbers_are_places(seed: int, spread: int):
    inputs, steps, elsewhere = recorded(seed, spread)
    columns = columns_of(inputs, Steps(steps))
    everything = [*inputs, *steps]
    starts = columns.starts().tolist()
    for k, step in enumerate(steps):
        found = columns.numbers[starts[k] : starts[k + 1]].tolist()
        assert len(found) == len(step.args)
        for number, a in zip(found, step.args, strict=True):
            if type(a) is Const:
                assert number == CONSTANT
            elif a in elsewhere:
                assert number == FOREIGN
            else:
                assert everything[number] is a
    assert [columns.number(n) for n in everything] == list(range(len(everything)))
    assert all(columns.number(n) == FOREIGN for n in elsewhere)
    assert columns.steps.constants == [a.value for step in steps for a in step.args if type(a) is Const]


@SPREAD
@pytest.mark.parametrize("seed", range(5))
def test_needed_steps_are_those_that_a_walk_from_the_ends_meets(seed: int, spread: int):
    inputs, steps, _ = recorded(seed, spread)
    ends = [steps[-1], steps[30], inputs[1]]
    met: set[Any] = set()
    waiting = list(ends)
    while waiting:
        node = waiting.pop()
        if node not in met:
            met.add(node)
            waiting.extend(a for a in node.args if type(a) is not Const)
    columns = columns_of(inputs, Steps(steps))
    alive = columns.needed([columns.number(e) for e in ends])
    assert alive is not None
    assert alive.tolist() == [step in met for step in steps]

    kept = [step for step in steps if step in met]
    left, anew = columns.only(alive), columns_of(inputs, Steps(kept))
    assert left.numbers.tolist() == anew.numbers.tolist()
    assert left.lengths.tolist() == anew.lengths.tolist()
    for name in ("nodes", "kinds", "wheres", "types", "seqs", "operands", "constants"):
        found, expected = (list(getattr(columns.steps, name)) for columns in (left, anew))
        if name == "kinds":
            found, expected = ([(k.op, k.function, k.arity) for k in kinds] for kinds in (found, expected))
        assert found == expected
    assert [left.number(n) for n in (*inputs, *steps)] == [anew.number(n) for n in (*inputs, *steps)]


def test_nothing_is_dead_where_the_last_step_needs_all():
    inputs, _, _ = recorded(0, 1)
    steps: list[Any] = []
    for k in range(20):
        made = RichNode(1000 + k, None, (), (), (), None)
        made.args = (steps[-1] if steps else inputs[0], Const(2.0))
        steps.append(made)
    columns = columns_of(inputs, Steps(steps))
    assert columns.needed([columns.number(steps[-1])]) is None


@pytest.mark.parametrize("column", ["kinds", "wheres", "types", "seqs", "operands", "constants"])
def test_steps_that_an_interrupt_left_half_noted_are_noted_again(column: str):
    inputs, recorded_steps, _ = recorded(3, 1)
    steps = Steps(recorded_steps)
    assert steps.whole()
    del getattr(steps, column)[7]
    assert not steps.whole()
    found, expected = columns_of(inputs, steps), columns_of(inputs, Steps(recorded_steps))
    assert found.numbers.tolist() == expected.numbers.tolist()
    assert found.lengths.tolist() == expected.lengths.tolist()
    assert found.steps.constants == expected.steps.constants


def test_steps_of_two_threads_are_noted_in_one_order():
    """The other thread notes a step of its own between two columns of this one's."""
    inputs, recorded_steps, _ = recorded(3, 1)
    steps = Steps(recorded_steps[:7])
    mine, others = recorded_steps[7], recorded_steps[8]

    class Interrupted(list):
        def append(self, kind: Any) -> None:
            if len(self) == 7:
                thread = threading.Thread(target=steps.append, args=(others,))
                super().append(None)  # so that it is not asked again
                thread.start()
                thread.join()
                self.remove(None)
            super().append(kind)

    steps.kinds = Interrupted(steps.kinds)
    steps.append(mine)
    assert steps.nodes[7:] == [mine, others]
    found, expected = columns_of(inputs, steps), columns_of(inputs, Steps(recorded_steps[:9]))
    assert found.numbers.tolist() == expected.numbers.tolist()
    assert found.lengths.tolist() == expected.lengths.tolist()
    assert found.steps.constants == expected.steps.constants
