"""Cutting graphs: convex segments, every step in one place, large products to BLAS, views to whom they serve."""

import numpy as np
import pytest

import wengert
from wengert.backends.llvm.segments import Segment, cut, extents, for_a_library, left_to_libraries
from wengert.core.node import Const, Node
from wengert.core.structure import ITEM
from wengert.ops.memory import GET


def cut_of(f, *args, refused=(), unasked=False):
    graph = wengert.trace(f)(*args)
    return cut(
        graph, lambda n: f"no {n.op.name}" if n.op.name in refused else None, lambda g: "no" if unasked else None
    )


def check(found):
    """What holds of every cut, found by walking its parts in order."""
    graph, known, places = found.graph, set(found.graph.inputs), {}
    for number, part in enumerate(found.order):
        nodes = part.nodes if isinstance(part, Segment) else (part,)
        before = set(known)
        for node in nodes:
            assert node not in places
            places[node] = number
            for a in node.args:
                assert isinstance(a, Const) or a in before or (a in nodes and a in known), "in order, and convex"
            known.add(node)
        if isinstance(part, Segment):
            assert set(part.inputs) <= before and set(part.outputs) <= set(nodes)
            assert not any(type(n.type) is tuple for n in (*part.inputs, *part.outputs))
            assert not any(n in found.reasons for n in nodes)
            assert len(part.graph.inputs) == len(part.inputs) and len(part.graph.outputs) == len(part.outputs)
        else:
            assert part in found.reasons
    assert set(places) == set(graph.nodes)
    needed = [o for o in graph.outputs if isinstance(o, Node)] + [a for n in graph.nodes for a in n.args]
    for a in needed:
        if isinstance(a, Node) and a in places and isinstance(found.order[places[a]], Segment):
            segment = found.order[places[a]]
            users = [n for n in graph.nodes if a in n.args and places[n] != places[a]]
            assert a in segment.outputs or (not users and a not in graph.outputs)
    return found


def names(part):
    return [n.op.name for n in part.nodes] if isinstance(part, Segment) else part.op.name


def test_a_graph_without_strangers_is_one_segment():
    found = check(cut_of(lambda x, y: (np.sin(x) * y, x + 1.0), 2.0, 3.0))
    assert found.whole and found.segments[0].graph is found.graph and not found.reasons


def chain(x, y):
    a = np.sin(x) * y + 1.0
    b = np.sort(a)
    c = np.exp(b) * a - y
    return np.sum(np.sort(c) * a * y * c)


def test_strangers_part_segments():
    found = check(cut_of(chain, np.ones(5), np.ones(5), refused=("sort",)))
    assert not found.whole and len(found.segments) == 3
    assert [isinstance(p, Segment) for p in found.order] == [True, False, True, False, True]
    assert all(r == "no sort" for r in found.reasons.values())


def test_a_detour_does_not_close_a_circle():
    def f(x):
        a = np.exp(x) * 2.0 + x
        b = np.sort(a)  # leaves the segment of a ...
        return a * b * np.cos(a) + np.sin(b)  # ... and comes back beside it

    found = check(cut_of(f, np.ones(4), refused=("sort",)))
    assert len(found.segments) == 2


def test_nothing_native_is_no_segment():
    found = check(cut_of(lambda x: np.sort(x), np.ones(4), refused=("sort",)))
    assert found.segments == () and len(found.order) == 1


def test_few_steps_beside_numpy_are_not_worth_a_kernel():
    def f(x):
        return np.sort(np.sort(x) * 2.0) + 1.0

    assert check(cut_of(f, np.ones(4), refused=("sort",))).segments == ()

    def g(x):
        return np.sort(np.tanh(np.sort(x)))

    assert len(check(cut_of(g, np.ones(5000), refused=("sort",))).segments) == 1
    assert len(check(cut_of(g, np.ones(10), refused=("sort",))).segments) == 0


def test_views_go_where_they_are_looked_at():
    def f(x):
        y = np.exp(x) * x + 1.0
        return np.sort(y.T) * 2.0, np.sum(y[1:] * y[:-1]) + 1.0 + np.sin(x).sum()

    found = check(cut_of(f, np.ones((3, 4)), refused=("sort",)))
    in_numpy = [n for n in found.reasons if n.op is GET]
    assert len(in_numpy) == 1 and in_numpy[0].type.shape == (4, 3)


def test_what_only_the_end_needs_waits_for_it():
    def f(x, y):
        late = np.exp(y) * y  # of an input alone: no use to have it wait
        return np.sum(np.sort(np.sin(x) * np.cos(x) + x) * late * late)

    found = check(cut_of(f, np.ones(50), np.ones(50), refused=("sort",)))
    assert [sorted(set(names(p))) for p in found.segments] == [
        ["add", "cos", "multiply", "sin"], ["exp", "multiply", "sum"],
    ]  # fmt: skip


def test_several_results_stay_with_their_step():
    def f(a):
        w, v = np.linalg.eigh(a)
        return np.sum(np.exp(w) * np.sin(w) * w) + np.sum(np.tanh(v) * v * 3.0)

    found = check(cut_of(f, np.eye(3), refused=("eigh",)))
    assert {n.op.name for n in found.reasons} == {"eigh", "item"}
    assert all(n.op is not ITEM for s in found.segments for n in s.nodes)


def test_guards_go_with_their_values():
    def f(x):
        y = np.exp(x) * x - 1.0
        if y[0] > 0.0 and np.sort(y * 2.0 + x)[0] < 1e9:
            return np.sin(y) * y * x
        return y

    found = check(cut_of(f, np.ones(3), refused=("sort",)))
    taken = [k for s in found.segments for k in s.guards]
    assert taken == sorted(set(taken)) and 0 in taken
    assert all(len(s.guards) == len(s.graph.guards) for s in found.segments)
    none = check(cut_of(f, np.ones(3), refused=("sort",), unasked=True))
    assert not any(s.guards for s in none.segments)
    asked = {g.node for g in none.graph.guards}
    assert all(n in s.outputs for s in none.segments for n in s.nodes if n in asked)


@pytest.mark.parametrize(
    ("f", "shapes", "want"),
    [
        (lambda a, b: a @ b, [(3, 4), (4, 5)], (1, 3, 5, 4)),
        (lambda a, b: a @ b, [(7, 3, 4), (4, 5)], (7, 3, 5, 4)),
        (lambda a, b: a @ b, [(4,), (4, 5)], (1, 1, 5, 4)),
        (lambda a, b: a @ b, [(3, 4), (4,)], (1, 3, 1, 4)),
        (lambda a, b: a @ b, [(4,), (4,)], (1, 1, 1, 4)),
        (lambda a, b: np.dot(a, b), [(2, 3, 4), (5, 4, 6)], (1, 6, 30, 4)),
        (lambda a, b: np.inner(a, b), [(2, 4), (5, 4)], (1, 2, 5, 4)),
        (lambda a, b: np.tensordot(a, b, ((0, 1), (1, 0))), [(3, 4, 5), (4, 3, 6)], (1, 5, 6, 12)),
        (lambda a, b: np.einsum("kij,kjn->kin", a, b), [(7, 3, 4), (7, 4, 5)], (7, 3, 5, 4)),
        (lambda a, b: np.einsum("ij,jn->in", a, b), [(3, 4), (4, 5)], (1, 3, 5, 4)),
        (lambda a, b: a * b, [(3, 4), (3, 4)], None),
    ],
)
def test_the_extents_of_products(f, shapes, want):
    graph = wengert.trace(f)(*(np.ones(s) for s in shapes))
    assert extents(graph.nodes[-1]) == want


@pytest.mark.parametrize(
    ("shapes", "large"),
    [
        ([(64, 64), (64, 64)], True),
        ([(64, 63), (63, 64)], False),
        ([(10000, 100), (100,)], False),
        ([(128, 784), (784, 256)], True),
        ([(128, 128), (128, 10)], False),
        ([(25, 100, 100), (25, 100, 100)], False),
        ([(3, 128, 128), (3, 128, 128)], True),
    ],
)
def test_large_products_are_for_a_library(shapes, large):
    graph = wengert.trace(lambda a, b: a @ b)(*(np.ones(s) for s in shapes))
    assert (for_a_library(graph.nodes[-1]) is not None) is large


@pytest.mark.parametrize("path", [False, True])
def test_a_large_einsum_is_for_a_library_only_where_numpy_asks_one(path):
    a, b = np.random.default_rng(1).standard_normal((2, 90, 80))
    f = lambda a, b: np.einsum("ik,jk->ij", a, b, optimize=path)
    assert (for_a_library(wengert.trace(f)(a, b).nodes[-1]) is not None) is path
    np.testing.assert_allclose(wengert.compile(f, backend="native")(a, b), a @ b.T, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("rows", "native"), [(512, True), (80, False)])
def test_a_long_sum_is_native_and_a_short_one_is_not(rows, native):
    found = check(cut_of(lambda x, y: np.sum(x @ y), np.ones((rows, 70)), np.ones((70, 80))))
    assert ["sum"] in [names(s) for s in found.segments] if native else not found.segments
    strided = check(cut_of(lambda x, y: np.sum((x @ y)[:, ::2]), np.ones((rows, 70)), np.ones((70, 300))))
    assert not strided.segments  # it would be copied first


@pytest.mark.parametrize(("shape", "left"), [((40,), False), ((5000,), True), ((1000, 5), False), ((1000, 30), True)])
def test_long_sorts_are_numpys_where_nobody_asks_for_the_order(shape, left):
    x = np.linspace(0.0, 1.0, int(np.prod(shape))).reshape(shape)
    graph = wengert.trace(lambda x: np.sort(x, axis=-1))(x)
    assert bool(left_to_libraries(graph)) is left
    both = wengert.trace(lambda x: (np.sort(x, axis=-1), np.argsort(x, axis=-1, kind="stable")))(x)
    assert not left_to_libraries(both)


def ragged(x, count=14):
    """A loop whose slices grow: no two iterations are alike, so nothing folds."""
    total = 0.0
    for k in range(1, count):
        total = total + np.sum(x[:k] ** 2) * np.sin(x[k]) ** 2
        if total > 1e9:
            total = total * 0.5
    return total


@pytest.mark.parametrize("f", [ragged, wengert.grad(ragged), wengert.value_and_grad(ragged)], ids=["f", "grad", "both"])
def test_long_segments_are_parted(f, monkeypatch):
    pytest.importorskip("llvmlite")
    from wengert.backends.llvm import segments, stages

    monkeypatch.setenv("WENGERT_CACHE", "0")  # the limits are no part of a plan's name
    monkeypatch.setattr(segments, "LONGEST", 20)
    monkeypatch.setattr(segments, "PIECE", 12)
    monkeypatch.setattr(stages, "LONGEST", 20)
    x = np.linspace(0.2, 1.3, 14)
    graph = wengert.trace(f)(x)
    found = check(cut(graph, lambda n: None, lambda g: None))
    assert len(found.segments) > 2
    assert all(len(part.nodes) <= 20 for part in found.segments)
    assert sorted(k for part in found.segments for k in part.guards) == list(range(len(graph.guards)))
    compiled = wengert.compile(f, backend="native")
    compiled(x)
    (path,) = compiled.paths
    assert len(path.native.cut.segments) > 2 and path.native.fallen == 0
    for other in (x * 0.9, x[::-1].copy(), x * 1e6):  # the last takes another path
        got, wanted = compiled(other), f(other)
        for a, b in zip(*(v if type(v) is tuple else (v,) for v in (got, wanted)), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-12)
    assert len(compiled.paths) > 1


def test_what_crosses_between_pieces_is_little(monkeypatch):
    from wengert.backends.llvm import segments

    monkeypatch.setattr(segments, "LONGEST", 30)
    monkeypatch.setattr(segments, "PIECE", 20)

    def f(x):
        total = 0.0
        for k in range(12):  # between two of its rounds nothing but a number is alive
            total = total + np.sum(np.cos(np.sin(x * (k + total)) + np.exp(x)) * x)
        return total

    found = check(cut(wengert.trace(f)(np.linspace(0.0, 1.0, 500)), lambda n: None, lambda g: None))
    assert len(found.segments) > 2
    for part in found.segments[1:]:
        assert sum(n.type.shape != () for n in part.inputs) <= 2  # the array, and what all rounds may share


def test_a_step_of_several_results_stays_with_their_readers(monkeypatch):
    from wengert.backends.llvm import segments

    monkeypatch.setattr(segments, "LONGEST", 16)
    monkeypatch.setattr(segments, "PIECE", 8)

    def f(x):
        total = x
        for k in range(8):
            found = np.linalg.eigh(np.outer(total, total) + (k + 1.0) * np.eye(3))
            total = found[1] @ (np.sin(found[0]) + total) * 0.1
        return total

    check(cut(wengert.trace(f)(np.array([0.1, 0.2, 0.4])), lambda n: None, lambda g: None))
