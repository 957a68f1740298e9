"""Digests of graphs: one for one program, another for anything that rewriting, lowering or scheduling could see."""

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import wengert
from wengert.backends.llvm.graph_digest import _Writer, digest
from wengert.core.graph import Guard, step

TABLE = np.arange(12.0).reshape(4, 3)
ONES = np.ones((4, 3))


def key_of(f, *args):
    found = digest(wengert.trace(f)(*args))
    return None if found is None else found[0]


def plain(x):
    return np.sum(np.exp(x) * TABLE, axis=0)


def choosing(x):
    return x * 2.0 if x[0, 0] > 0.0 else x


def test_a_program_traced_again_has_the_same_digest():
    one = key_of(plain, ONES)
    assert one is not None and one == key_of(plain, np.zeros((4, 3)))
    assert one == key_of(lambda y: np.sum(np.exp(y) * TABLE.copy(), axis=0), ONES)
    slope = wengert.grad(lambda x: np.sum(np.tanh(x @ TABLE.T) ** 2))
    assert key_of(slope, ONES) == key_of(slope, ONES * 0.5)


def changed_table(place, value):
    made = TABLE.copy()
    made.flat[place] = value
    return made


def with_table(table):
    return lambda x: np.sum(np.exp(x) * table, axis=0)


def nan(payload):
    return np.array([0x7FF8_0000_0000_0000 + payload], np.uint64).view(float)[0]


DIFFERENT = [
    plain,
    lambda x: np.sum(np.exp(x) * TABLE, axis=1),
    lambda x: np.sum(np.exp(x) * TABLE, axis=0, keepdims=True),
    lambda x: np.sum(np.expm1(x) * TABLE, axis=0),
    lambda x: np.max(np.exp(x) * TABLE, axis=0),
    lambda x: np.sum(TABLE * np.exp(x), axis=0),
    lambda x: (np.sum(np.exp(x) * TABLE, axis=0), x),
    lambda x: (x, np.sum(np.exp(x) * TABLE, axis=0)),
    with_table(TABLE + 1.0),
    with_table(changed_table(0, -0.0)),
    with_table(changed_table(5, math.nan)),
    with_table(changed_table(5, nan(1))),
    with_table(changed_table(5, np.nextafter(5.0, 6.0))),
    with_table(np.asfortranarray(TABLE)),
    with_table(np.float32(TABLE)),
    with_table(TABLE.astype(int)),
    with_table(TABLE.astype(">f8")),
    lambda x: x * 2.0,
    lambda x: x * 2,
    lambda x: x * np.float64(2.0),
    lambda x: x * np.float32(2.0),
    lambda x: x * 0.0,
    lambda x: x * -0.0,
    lambda x: x * math.nan,
    lambda x: x * math.inf,
    lambda x: x * True,
    lambda x: x**2.0,
    lambda x: np.power(x, 2.0),
    lambda x: x[1:],
    lambda x: x[:3],
    lambda x: x[:-1, None],
    lambda x: x[::-1],
    lambda x: x[[0, 1, 2, 3]],
    lambda x: x[[0, 1, 3, 2]],
    lambda x: x.T,
    lambda x: x.reshape(3, 4),
    lambda x: x.reshape(3, 4, order="F"),
    choosing,
    lambda x: x * 2.0 if x[0, 0] > 0.5 else x,
    lambda x: x * float(int(x[0, 0])),
    lambda x: x * math.sin(1.0) + math.sin(x[0, 0]),
    lambda x: x * math.sin(1.0) + np.sin(x[0, 0]),
    lambda x: np.sort(x, axis=0),
    lambda x: np.sort(x, axis=1),
    lambda x: np.linalg.inv(x.T @ x + np.eye(3)),
    lambda x: np.linalg.inv(x.T @ x + 2.0 * np.eye(3)),
    lambda x: np.sin(x) + np.sin(x),
    lambda x: wengert.scan(lambda c, row: (np.tanh(c + row), c * row), x[0], x)[1],
    lambda x: wengert.scan(lambda c, row: (np.tanh(c + row), c * row), x[0], x)[0],
    lambda x: wengert.scan(lambda c, row: (np.tanh(c - row), c * row), x[0], x)[1],
    lambda x: wengert.scan(lambda c, row: (np.tanh(c + row), c * row), x[0], x, reverse=True)[1],
    lambda x: wengert.scan(lambda c, row: (np.tanh(c + row), c * row), x[0], x[:3])[1],
    lambda x: wengert.cond(x[0, 0] > 0.0, lambda x: x * 2.0, lambda x: x * 3.0, x),
    lambda x: wengert.cond(x[0, 0] > 0.0, lambda x: x * 3.0, lambda x: x * 2.0, x),
    lambda x: wengert.cond(x[0, 0] > 0.0, lambda x: x * 2.0, lambda x: x * 4.0, x),
]


def test_every_difference_is_seen():
    found = [key_of(f, ONES) for f in DIFFERENT]
    assert None not in found
    assert len(set(found)) == len(found), [k for k, key in enumerate(found) if found.count(key) > 1]


def test_inputs_are_told_apart():
    values = [np.ones((4, 3)), np.ones((3, 4)), np.ones((4, 3), np.float32), np.ones((4, 3, 1)), np.ones(()), 1.0 + 0j]
    found = [key_of(lambda x: x * 2.0, v) for v in values]
    assert None not in found and len(set(found)) == len(values)


@settings(max_examples=60, deadline=None)
@given(place=st.integers(0, 11), bit=st.integers(0, 63))
def test_every_bit_of_a_constant_counts(place, bit):
    other = TABLE.copy()
    other.reshape(-1).view(np.uint64)[place] ^= np.uint64(1 << bit)
    assert key_of(with_table(other), ONES) != key_of(plain, ONES)


def _parts(graph):
    """Everything about a graph that can be changed by itself, as functions that give the changed graph."""
    steps, other = [*graph.nodes], graph.inputs[0]

    def step_with(k, **fields):
        n = steps[k]
        known = {"op": n.op, "args": n.args, "params": n.params, "kind": n.type, "evaluate": n.evaluate} | fields
        made = step(known["op"], known["args"], known["params"], known["kind"], n.where, evaluate=known["evaluate"])
        swap, nodes = {n: made}, [*steps[:k], made]
        for m in steps[k + 1 :]:
            args = [swap.get(a, a) for a in m.args]
            swap[m] = step(m.op, args, m.params, m.type, m.where, evaluate=m.evaluate)
            nodes.append(swap[m])
        guards = [g.of(swap.get(g.node, g.node)) for g in graph.guards]
        return graph.with_steps(nodes, [swap.get(o, o) for o in graph.outputs], guards)

    for k, n in enumerate(steps):
        if n.type.shape:
            yield f"type of {n.op.name}", step_with(k, kind=type(n.type)(n.type.shape, np.dtype(np.float32)))
            yield f"shape of {n.op.name}", step_with(k, kind=type(n.type)((*n.type.shape, 1), n.type.dtype))
            yield f"facts of {n.op.name}", step_with(k, kind=type(n.type)(n.type.shape, n.type.dtype, frozenset("a")))
        yield f"operation {n.op.name}", step_with(k, op=wengert.trace(np.arcsinh)(0.5).nodes[0].op)
        yield f"function of {n.op.name}", step_with(k, evaluate=np.arctan)
        yield f"parameters of {n.op.name}", step_with(k, params=(*n.params, 7))
        yield f"operands of {n.op.name}", step_with(k, args=[*n.args, other])
    yield "no guards", graph.with_steps(steps, graph.outputs, ())
    yield "other outputs", graph.with_steps(steps, (*graph.outputs, other))
    for g in graph.guards:
        for changed in (
            Guard("int", g.node, g.outcome, g.where, g.value),
            Guard(g.kind, g.node, not g.outcome, g.where, g.value),
            Guard(g.kind, other, g.outcome, g.where, g.value),
            Guard(g.kind, g.node, g.outcome, g.where, np.ones(2)),
        ):
            yield "a guard", graph.with_steps(steps, graph.outputs, (changed,))


def test_every_part_of_a_graph_counts():
    graph = wengert.trace(lambda x: np.tanh(x[1:] * 2.0) @ TABLE.T if np.sum(x) > 0.0 else x)(ONES)
    known, count = {digest(graph)[0]: "the graph"}, 0
    for what, changed in _parts(graph):
        assert digest(changed) is not None, what
        key = digest(changed)[0]
        assert key not in known, (what, known[key])
        known[key], count = what, count + 1
    assert count > 30


def user_function(x):
    return x


def test_a_function_with_a_rule_of_the_users_has_no_digest():
    @wengert.custom_jvp
    def double(x):
        return x * 2.0

    double.defjvp(lambda primals, tangents: (primals[0] * 2.0, tangents[0] * 2.0))
    graph = wengert.trace(lambda x: double(x) + 1.0)(ONES)
    assert "double" in [n.op.name for n in graph] and digest(graph) is None


def test_functions_and_objects_of_the_users_have_no_digest():
    graph = wengert.trace(np.tanh)(ONES)
    (node,) = graph.nodes
    for thing in (user_function, lambda x: x, object(), type("Own", (), {}), np.array([None]), wengert):
        node.evaluate, node.params = None, (thing,)
        assert digest(graph) is None, thing
        node.evaluate, node.params = thing, ()
        assert digest(graph) is None, thing


def test_two_functions_in_one_line_are_told_apart():
    first, second, other = (lambda x: x + 1.0), (lambda x: x + 2.0), (lambda x: x - 1.0)
    for f in (first, second, other):
        f.__module__ = "wengert.made"
    assert len({_Writer({}).function(f) for f in (first, second, other)}) == 3
