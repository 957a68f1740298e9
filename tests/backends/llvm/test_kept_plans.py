"""Plans on disk: one key for one graph, another for anything that could make another plan, and right answers."""

import math
import os
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import wengert
from tests.backends.llvm.kernels import fresh_python
from wengert.backends.guards import GuardFailed
from wengert.backends.llvm import kept_plans
from wengert.backends.llvm.cache import Cache
from wengert.backends.llvm.graph_digest import digest
from wengert.core import sources
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


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """A folder of our own, and sources that nobody changes meanwhile."""
    monkeypatch.setenv("WENGERT_CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("WENGERT_NATIVE_STRICT", "1")
    monkeypatch.setattr(sources, "stamp", lambda: "a stamp")
    return tmp_path


def test_a_name_covers_machine_versions_sources_and_threads(kept, monkeypatch):
    graph = wengert.trace(plain)(ONES)
    found = [kept_plans.name_of(graph, "machine", split=False), kept_plans.name_of(graph, "machine", split=True)]
    found.append(kept_plans.name_of(graph, "another", split=False))
    for module in map(pytest.importorskip, ("numpy", "scipy", "llvmlite")):
        monkeypatch.setattr(module, "__version__", "0.0.1")
        found.append(kept_plans.name_of(graph, "machine", split=False))
        monkeypatch.undo()
        monkeypatch.setattr(sources, "stamp", lambda: "a stamp")
    monkeypatch.setattr(sources, "stamp", lambda: "another stamp")
    found.append(kept_plans.name_of(graph, "machine", split=False))
    assert len({n.key for n in found}) == len(found)
    monkeypatch.setattr(sources, "stamp", lambda: None)
    assert kept_plans.name_of(graph, "machine", split=False) is None


def planned(graph, **options):
    pytest.importorskip("llvmlite")
    from wengert.backends.llvm.program import NativePlan

    return NativePlan(graph, **options)


def from_disk(plan):
    return [k.facts.whole for k in plan.kernels.values()]


@pytest.mark.parametrize(
    "f",
    [
        plain,
        choosing,
        wengert.grad(lambda x: np.sum(np.tanh(x @ TABLE.T) ** 2)),
        wengert.value_and_grad(lambda x: np.sum(np.log(np.sum(np.exp(x), axis=1)))),
        lambda x: wengert.scan(lambda c, row: (np.tanh(c + row * TABLE[0]), c * row), x[0], x)[1],
        lambda x: np.cumsum(x, axis=0)[[2, 0, 1]] * TABLE[:3] + np.sort(x, axis=0)[:3],
        lambda x: (x.T @ x, x * np.sin(TABLE + 1.0), x[0, 0]),
    ],
)  # fmt: skip
def test_a_plan_from_disk_computes_the_same(f, kept):
    x = np.random.default_rng(0).uniform(0.1, 1.0, size=(4, 3))
    first, second = (planned(wengert.trace(f)(x)) for _ in range(2))
    assert (from_disk(first), from_disk(second)) == ([False], [True])
    assert [k.tobytes() for k in first.run([x])] == [k.tobytes() for k in second.run([x])]
    wanted = f(x)
    for a, b in zip(second.run([x]), wanted if type(wanted) is tuple else (wanted,), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)
    assert first.source("llvm") == second.source("llvm") and first.source() == second.source()
    assert "the whole plan from disk" in second.explain() and "the whole plan" not in first.explain()
    assert (first.native, first.fallen) == (second.native, second.fallen)


def test_guards_and_bad_indices_are_those_of_the_graph(kept):
    def f(x, y):
        if y > 0.0 and x[0] < 5.0:
            return x * y
        return x

    graph = wengert.trace(f)(np.ones(3), 2.0)
    plans = [planned(graph), planned(graph)]
    assert from_disk(plans[1]) == [True]
    for plan in plans:
        for values, index in (([np.ones(3), -1.0], 0), ([np.full(3, 9.0), 2.0], 1)):
            with pytest.raises(GuardFailed) as failed:
                plan.run(values)
            assert failed.value.index == index


def test_constants_are_those_of_the_graph_that_asks(kept):
    """Large ones are not kept with a plan but taken from the graph; folded ones are kept."""
    table = np.random.default_rng(1).standard_normal(100_000)

    def f(x):
        return x * table + np.cos(table)[:1]

    one, two = planned(wengert.trace(f)(table)), planned(wengert.trace(f)(table))
    assert from_disk(two) == [True]
    np.testing.assert_allclose(two.run([table])[0], f(table), rtol=1e-13)
    before, table[7] = one.run([table])[0][7], 0.5
    three = planned(wengert.trace(f)(table))
    assert from_disk(three) == [False]
    np.testing.assert_allclose(three.run([table])[0], f(table), rtol=1e-13)
    assert before != f(table)[7]


def test_what_changed_while_it_was_made_is_not_kept(kept, tmp_path):
    table = np.arange(5.0)
    graph = wengert.trace(lambda x: x * table)(np.ones(5))
    name = kept_plans.name_of(graph, "machine", split=False)
    from wengert.backends.llvm.lower.lower import lower

    program, place = lower(graph), Cache(tmp_path / "own", 1 << 24)
    table_of = name.arrays[0]
    table_of[2] = 7.0
    assert not kept_plans.store(place, name, graph, program, (("kernel",), 1, 5.0, False))
    table_of[2] = 2.0
    assert kept_plans.store(place, name, graph, program, (("kernel",), 1, 5.0, False))
    assert kept_plans.load(place, name, graph) is None  # there is no such kernel


DAMAGES = {
    "empty": lambda b: b"", "cut": lambda b: b[:-1], "half": lambda b: b[: len(b) // 2], "longer": lambda b: b + b"x",
    "other": lambda b: b[:60] + bytes([b[60] ^ 1]) + b[61:], "noise": lambda b: b"\x7fELF" * 50,
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_damaged_files_are_ignored_and_replaced(damage, kept):
    graph = wengert.trace(plain)(ONES)
    planned(graph)
    for path in [*kept.iterdir()]:
        good = path.read_bytes()
        path.write_bytes(damage(good))
        np.testing.assert_allclose(planned(graph).run([ONES])[0], plain(ONES), rtol=1e-13)
        assert path.read_bytes() == good or from_disk(planned(graph)) == [True]
    assert from_disk(planned(graph)) == [True]


def test_missing_and_exchanged_files_are_harmless(kept):
    graphs = [wengert.trace(f)(ONES) for f in (plain, lambda x: np.sum(np.exp(x) + TABLE, axis=0))]
    for g in graphs:
        planned(g)
    files = [*kept.iterdir()]
    for path in files:
        good = path.read_bytes()
        path.unlink()
        for other in files:
            if other != path:
                path.write_bytes(other.read_bytes())
                np.testing.assert_allclose(planned(graphs[0]).run([ONES])[0], plain(ONES), rtol=1e-13)
        path.write_bytes(good)


def test_a_plan_that_does_not_fit_the_graph_is_not_taken(kept, tmp_path):
    small, large = (wengert.trace(lambda x: np.sum(np.sin(x)))(np.ones(n)) for n in (3, 4))
    planned(small)
    from wengert.backends.llvm.cache import cache
    from wengert.backends.llvm.engine import engine

    names = [kept_plans.name_of(g, engine().key(), split=False) for g in (small, large)]
    assert kept_plans.load(cache(), names[0], small) is not None
    content = cache().get(*names[0].key)
    assert cache().put(content, *names[1].key)  # as if two graphs had one key
    assert kept_plans.load(cache(), names[1], large) is None


def test_sources_have_another_stamp_once_they_change(tmp_path):
    folder = tmp_path / "package"
    (folder / "inner").mkdir(parents=True)
    file = folder / "inner" / "a.py"
    file.write_text("x = 1\n")
    (folder / "b.py").write_text("")
    later = time.time() + 60.0
    first = sources.stamp(str(folder), later)
    assert first is not None and first == sources.stamp(str(folder), later)
    times = file.stat()
    file.write_text("x = 2\n")  # the same size, and, set below, the same time
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    second = sources.stamp(str(folder), later)
    assert second not in (first, None) or os.name == "nt"
    (folder / "c.py").write_text("")
    assert sources.stamp(str(folder), later) not in (first, second, None)
    assert sources.stamp(str(folder), time.time() - 10.0) is None, "it may not be what was loaded"
    assert sources.stamp(str(tmp_path / "nowhere"), later) is None
    (tmp_path / "empty").mkdir()
    assert sources.stamp(str(tmp_path / "empty"), later) is None
    assert sources.stamp("", later) is not None


SECOND = """
import sys
import numpy as np
import wengert
from wengert.core import sources
sources.stamp = lambda: "somebody may be changing the sources while the tests run"
def f(x):
    return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)
compiled = wengert.compile(wengert.grad(f), backend="native", threads={threads})
x = np.linspace(-1.0, 2.0, 50)
found = compiled(x)
loaded = [m for m in ("stages", "lower.lower", "emit.emit", "schedule", "indexed", "vector_math.table")
          if f"wengert.backends.llvm.{m}" in sys.modules]
found = compiled(x)
print(len(loaded), repr(float(found.sum())), float(np.abs(found).max()))
if {told}:
    print(compiled.explain(), compiled.source("loops"), compiled.source("llvm"))
"""


def second(place, threads=1, told=False, **environment):
    return fresh_python(SECOND.replace("{threads}", str(threads)).replace("{told}", str(told)), place, **environment)


def test_a_second_process_loads_no_stage(tmp_path):
    pytest.importorskip("llvmlite")
    x = np.linspace(-1.0, 2.0, 50)
    wanted = np.zeros(50)
    wanted[:-1] = -400.0 * x[:-1] * (x[1:] - x[:-1] ** 2) - 2.0 * (1.0 - x[:-1])
    wanted[1:] += 200.0 * (x[1:] - x[:-1] ** 2)
    cold, warm = second(tmp_path).split(), second(tmp_path).split()
    assert (int(cold[0]), int(warm[0])) == (6, 0) and cold[1:] == warm[1:]
    np.testing.assert_allclose([float(v) for v in warm[1:]], [wanted.sum(), np.abs(wanted).max()], rtol=1e-11)
    assert second(tmp_path, threads=2).split()[0] == "6"
    assert second(tmp_path, WENGERT_CPU_FEATURES="baseline").split()[0] == "6"
    told = second(tmp_path, told=True)
    assert told.split()[0] == "0" and "the whole plan from disk" in told and "define i64" in told
