"""Plans on disk: found for the same graph on the same machine by the same sources only, and right answers."""

import os
import sys
import time

import numpy as np
import pytest

import wengert
from tests.backends.llvm.kernels import fresh_python
from wengert.backends.guards import GuardFailed
from wengert.backends.llvm import kept_plans
from wengert.backends.llvm.cache import Cache
from wengert.core import sources

TABLE = np.arange(12.0).reshape(4, 3)
ONES = np.ones((4, 3))


def plain(x):
    return np.sum(np.exp(x) * TABLE, axis=0)


def choosing(x):
    return x * 2.0 if x[0, 0] > 0.0 else x


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """A folder of our own, and sources that nobody changes meanwhile."""
    monkeypatch.setenv("WENGERT_CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("WENGERT_NATIVE_STRICT", "1")
    stamped(monkeypatch, "a stamp")
    return tmp_path


def stamped(monkeypatch, stamp):
    monkeypatch.setattr(sources, "stamp", lambda: stamp)
    monkeypatch.setattr(sources, "_first", [])
    monkeypatch.setattr(sources, "_modules", [(0, "")])


def test_a_name_covers_machine_versions_sources_and_threads(kept, monkeypatch):
    graph = wengert.trace(plain)(ONES)
    found = [kept_plans.name_of(graph, "machine", split=False), kept_plans.name_of(graph, "machine", split=True)]
    found.append(kept_plans.name_of(graph, "another", split=False))
    for module in map(pytest.importorskip, ("numpy", "scipy", "llvmlite")):
        monkeypatch.setattr(module, "__version__", "0.0.1")
        found.append(kept_plans.name_of(graph, "machine", split=False))
        monkeypatch.undo()
        stamped(monkeypatch, "a stamp")
    stamped(monkeypatch, "another stamp")
    found.append(kept_plans.name_of(graph, "machine", split=False))
    assert len({n.key for n in found}) == len(found)
    stamped(monkeypatch, None)
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


def test_a_graph_rewritten_otherwise_asks_its_own_guards(kept):
    graph = wengert.trace(lambda x, y: x * y if y > 0.0 and x[0] < 5.0 else x)(np.ones(3), 2.0)
    planned(graph)
    other = graph.with_steps(graph.nodes, graph.outputs, (graph.guards[1], graph.guards[0], graph.guards[1]))
    plan = planned(graph, improved=lambda: other)
    assert from_disk(plan) == [True]
    np.testing.assert_array_equal(plan.run([np.arange(3.0), 2.0])[0], [0.0, 2.0, 4.0])
    for values, index in (([np.ones(3), -1.0], 1), ([np.full(3, 9.0), 2.0], 0)):
        with pytest.raises(GuardFailed) as failed:
            plan.run(values)
        assert failed.value.index == index


LARGE = np.random.default_rng(5).standard_normal((80, 80)) / 9.0


def with_products(x):
    y = np.tanh(x @ LARGE) * 0.5 + np.sin(x) + 1e-3 * x
    if y[0, 0] > 50.0:
        return y
    return np.sum(np.exp(np.tanh(y @ LARGE) * LARGE) + y * y * x, axis=0)


@pytest.mark.parametrize("f", [with_products, wengert.grad(lambda x: np.sum(with_products(x)))], ids=["f", "grad"])
def test_plans_of_several_kernels_come_from_disk(f, kept):
    x = np.random.default_rng(6).standard_normal((80, 80))
    graph = wengert.trace(f)(x)
    first, second = planned(graph), planned(wengert.trace(f)(x))
    assert set(from_disk(first)) == {False} and set(from_disk(second)) == {True}
    assert len(second.cut.segments) > 1 and (first.native, first.fallen) == (second.native, second.fallen)
    assert [*first.reasons.values()] == [*second.reasons.values()] and second.fallen > 0
    for values in ([x], [x * 0.5]):
        np.testing.assert_allclose(second.run(values)[0], f(*values), rtol=1e-11, atol=1e-12)
        assert first.run(values)[0].tobytes() == second.run(values)[0].tobytes()
    for plan in (first, second):
        with pytest.raises(GuardFailed) as failed:
            plan.run([np.full((80, 80), 1e5)])
        assert failed.value.index == 0
    for path in sorted(kept.iterdir()):
        good = path.read_bytes()
        path.write_bytes(good[:-1])
        np.testing.assert_allclose(planned(graph).run([x])[0], f(x), rtol=1e-11, atol=1e-12)
    assert set(from_disk(planned(graph))) == {True}


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


def test_constants_of_one_element_differ_where_it_does():
    from wengert.backends.llvm.graph_digest import digest

    def name(constant):
        return digest(wengert.trace(lambda x: x * constant)(np.ones(5000)))[0]

    last = np.zeros(5000)
    last[-1] = 1.0
    middle = np.zeros(5000)
    middle[7] = -0.0
    spread, nan = np.broadcast_to(np.float64(2.0), (5000,)), np.full(5000, np.nan)
    single = np.full(5000, 2.0, np.float32)
    different = [np.zeros(5000), np.full(5000, -0.0), np.full(5000, 2.0), single, spread, last, middle, nan]
    names = [*map(name, different)]
    assert len({*names}) == len(names)
    assert names == [name(constant.copy() if constant is not spread else spread) for constant in different]


def test_what_changed_while_it_was_made_is_not_kept(kept, tmp_path):
    pytest.importorskip("llvmlite")
    table = np.arange(5.0)
    graph = wengert.trace(lambda x: x * table)(np.ones(5))
    name = kept_plans.name_of(graph, "machine", split=False)
    from wengert.backends.llvm.fresh_kernel import fresh

    place = Cache(tmp_path / "own", 1 << 24)
    table_of = name.arrays[0]
    for value, is_kept in ((7.0, False), (2.0, True)):
        table_of[2] = value
        made = fresh(graph, None, lowering=0.0, split=False)._replace(key=("nowhere",))
        assert kept_plans.store(place, name, graph, made) is is_kept
    assert kept_plans.load(place, name, graph) is False  # there is no such kernel


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
    assert type(kept_plans.load(cache(), names[0], small)) is kept_plans.Kept
    content = cache().get(*names[0].key)
    assert cache().put(content, *names[1].key)  # as if two graphs had one key
    assert kept_plans.load(cache(), names[1], large) is False


def test_what_was_loaded_is_looked_at_again_once_more_is_loaded(monkeypatch):
    stamped(monkeypatch, "a stamp")
    assert sources.first() == "a stamp" and sources.unchanged()
    monkeypatch.setattr(sources, "stamp", lambda: "another stamp")
    assert sources.first() == "a stamp" and sources.unchanged(), "nothing more was loaded"
    monkeypatch.setitem(sys.modules, "a module that was loaded later", sys)
    assert not sources.unchanged() and not sources.unchanged()
    stamped(monkeypatch, None)
    assert sources.first() is None and not sources.unchanged()


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
    assert [second(tmp_path, threads=2).split()[0] for _ in range(2)] == ["6", "0"]
    assert second(tmp_path, WENGERT_CPU_FEATURES="baseline").split()[0] == "6"
    told = second(tmp_path, told=True)
    assert told.split()[0] == "0" and "the whole plan from disk" in told and "define i64" in told
