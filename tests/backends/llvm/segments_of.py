"""What the tests of the index form share: the native part of any graph, and the values of all its steps."""

import numpy as np

from wengert.backends.llvm.interpret import interpret
from wengert.backends.llvm.lower.lower import can_ask, can_lower, lower
from wengert.core.graph import Graph, copy_step, input_node
from wengert.core.node import Const
from wengert.core.structure import ITEM
from wengert.core.types import ArrayType

NATIVE = {np.dtype(t) for t in (np.float64, np.float32, np.int64, np.int32, np.bool_)}


def native_part(graph):
    """The steps of a graph that can be lowered, as a graph of its own, and what it needs: inputs are those of the
    graph and the results of the other steps; outputs are the results of all steps that have one array as result."""
    known, sources, inputs, nodes = {}, [], [], []

    def taken(node):
        """An input for a value that comes from outside; None where native code has no such values."""
        if node not in known:
            kind = node.type
            if not isinstance(kind, ArrayType) or kind.dtype not in NATIVE or 0 in kind.shape:
                return None
            known[node] = input_node(kind)
            sources.append(node)
            inputs.append(known[node])
        return known[node]

    native = []
    for node in graph.nodes:
        if can_lower(node) is not None:
            continue
        args = [a if isinstance(a, Const) else taken(a) for a in node.args]
        assert all(a is not None for a in args), f"{node.op.name} was said to be native"
        known[node] = copy_step(node, args)
        nodes.append(known[node])
        native.append(node)
    guards = []
    for guard in graph.guards:
        if can_ask(guard) is None and (asked := taken(guard.node)) is not None:
            guards.append(guard.of(asked))
    compared = [n for n in native if isinstance(n.type, ArrayType)]
    part = Graph(
        inputs=tuple(inputs), nodes=tuple(nodes), outputs=tuple(known[n] for n in compared), guards=tuple(guards)
    )
    return part, sources, compared


def assert_native_part_agrees(graph, values, rtol=1e-11):
    """Every native step of a graph has, in index form, the value that NumPy gives it. Returns how many there are."""
    part, sources, compared = native_part(graph)
    wanted = [*sources, *compared]
    every = graph.with_steps(graph.nodes, wanted, graph.guards).evaluate(values)
    found, guards = interpret(lower(part), every[: len(sources)])
    assert all(guards)
    loose = 1e5 if any(n.type.dtype == np.float32 for n in (*sources, *compared)) else 1.0
    for node, got, want in zip(compared, found, every[len(sources) :], strict=True):
        want = np.asarray(want)
        assert got.dtype == want.dtype and got.shape == want.shape, node.op.name
        scale = np.abs(want[np.isfinite(want)]).max(initial=0.0) if want.dtype.kind == "f" else 0.0
        np.testing.assert_allclose(
            got, want, rtol=rtol * loose, atol=rtol * loose * max(1.0, scale), err_msg=node.op.name
        )
    return sum(n.op is not ITEM for n in compared)


__all__ = ["assert_native_part_agrees", "native_part"]
