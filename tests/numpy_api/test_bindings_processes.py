"""Bindings among threads, tasks, forks and compiled code; which modules are admitted."""

import asyncio
import math
import os
import sys
import threading
import types

import numpy as np
import pytest

from tests.numpy_api.binding_modules import situations
from tests.numpy_api.binding_modules.toy import (
    BINDINGS,
    REAL,
    TOY,
    TRACE,
    in_subprocess,
    is_marked,
    leftovers,
    trace,
)
from wengert.core.context import tracing
from wengert.core.errors import WengertError, WengertTypeError, WengertValueError


def plain(n=2):
    return np.zeros(n)


# -- threads, tasks, processes ---------------------------------------------------------------------


def test_threads_see_their_own_side_only():
    rounds, wrong, interval = 400, [], sys.getswitchinterval()
    start = threading.Barrier(6)

    def local(maker=np.zeros):
        near = [maker(1), np.zeros(1), math.sin(0.5)]
        return [*near, situations.from_import(), situations.closure()]

    def tracing_thread():
        start.wait()
        for _ in range(rounds):
            result = trace(local)
            if not is_marked(result):
                wrong.append(result)

    def plain_thread():
        start.wait()
        for _ in range(rounds):
            result = local()
            if any(map(is_marked, result)) or is_marked(trace_free_import()):
                wrong.append(result)

    threads = [threading.Thread(target=tracing_thread) for _ in range(4)]
    threads += [threading.Thread(target=plain_thread) for _ in range(2)]
    sys.setswitchinterval(1e-5)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    finally:
        sys.setswitchinterval(interval)
    assert wrong == [] and BINDINGS.count == 0
    assert local.__defaults__[0] is REAL.zeros
    assert leftovers(situations) == [] and np is sys.modules["numpy"]


def trace_free_import():
    import numpy as np

    return np.zeros(1)


def test_a_thread_started_inside_gets_plain_arrays():
    seen = []

    def f():
        thread = threading.Thread(target=lambda: seen.append(np.zeros(1)))
        thread.start()
        thread.join()
        return np.zeros(1)

    assert is_marked(trace(f))
    assert type(seen[0]) is np.ndarray


def test_interleaved_tasks():
    async def traced(n):
        token = BINDINGS.enter(plain)
        reset = tracing.set(TRACE)
        try:
            results = []
            for _ in range(n):
                results.append(plain())
                await asyncio.sleep(0)
            return results
        finally:
            tracing.reset(reset)
            BINDINGS.exit(token)

    async def untraced(n):
        results = []
        for _ in range(n):
            results.append(plain())
            await asyncio.sleep(0)
        return results

    async def main():
        return await asyncio.gather(traced(3), untraced(8), traced(6), untraced(4))

    first, second, third, fourth = asyncio.run(main())
    assert is_marked(first) and is_marked(third)
    assert not any(map(is_marked, second + fourth))
    assert BINDINGS.count == 0 and globals()["np"] is sys.modules["numpy"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_fork_inside_a_trace_restores_the_child():
    code = TOY + """
def f():
    assert np.zeros(1) == "twin"
    child = os.fork()
    if child == 0:
        here = np is sys.modules["numpy"], zeros is np.zeros, b.count, builtins.__import__
        os._exit(0 if here == (True, True, 0, real_import) else 1)
    assert os.waitpid(child, 0)[1] == 0
    return np.zeros(1)

def continues():
    child = os.fork()
    return child

assert b.call(1, f) == "twin"
child = b.call(1, continues)  # in the child the trace ends after the fork, and another follows
assert b.count == 0 and np is sys.modules["numpy"]
assert b.call(1, lambda: np.zeros(1)) == "twin" and b.count == 0
if child == 0:
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0

# While other threads hold the lock most of the time.
stop = []
def busy():
    while not stop:
        b.call(1, lambda: np.zeros(1))
threads = [threading.Thread(target=busy) for _ in range(3)]
for t in threads: t.start()
for _ in range(20):
    child = os.fork()
    if child == 0:
        os._exit(0 if b.call(1, lambda: np.zeros(1)) == "twin" and b.count == 0 else 1)
    assert os.waitpid(child, 0)[1] == 0
stop.append(1)
for t in threads: t.join()
"""
    in_subprocess(code)


@pytest.mark.parametrize(
    "program",
    [
        "np.random.RandomState(0).rand(3)",
        "np.random.default_rng(0).normal(size=3)",
        "ConvexHull(points).volume",
        "cKDTree(points).query([0.5, 0.5])",
        "linkage(points)",
        "csr_matrix(np.eye(3).tolist()).toarray()",
    ],
)
def test_compiled_code_inside_a_trace(program):
    """It looks `np.empty` up in NumPy and does not check what it gets."""
    code = TOY + f"""
from scipy.cluster.hierarchy import linkage
from scipy.sparse import csr_matrix
from scipy.spatial import ConvexHull, cKDTree
points = np.random.RandomState(1).rand(20, 2)
def f():
    return {program}
def g():
    assert np.zeros(3) == "twin"
    return f()
outside = f()
inside = b.call(1, g)
assert np.array_equal(np.asarray(inside), np.asarray(outside)), (inside, outside)
"""
    in_subprocess(code)


def test_numba_first_imported_and_compiling_inside_a_trace():
    """It knows functions by identity: it must know their twins too, and keep none of them."""
    pytest.importorskip("numba")
    code = TOY + """
from numpy import sum as total
b = Bindings({np.zeros: make_twin(np.zeros, lambda *a: "twin"),
              np.sum: make_twin(np.sum, lambda *a: "twin")}, ["numpy"])
def by_attribute(n): return np.sum(np.zeros(n)) + n
def by_name(n): return total(zeros(n)) + n
def inside():
    import numba
    assert (np.zeros(1), zeros(1)) == ("twin", "twin")
    return numba.njit(by_attribute)(3), numba.njit(by_name)(4)
assert b.call(1, inside) == (3.0, 4.0)
import numba
assert (numba.njit(by_attribute)(5), numba.njit(by_name)(6)) == (5.0, 6.0)
assert b.call(1, inside) == (3.0, 4.0)
"""
    in_subprocess(code)


def test_compiled_code_first_imported_inside_a_trace():
    code = TOY + """
def f():
    from scipy.spatial import ConvexHull
    import sklearn.linear_model as lm
    points = [[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]
    return ConvexHull(points).volume, lm.Ridge(alpha=1.0).fit(points, [1.0, 2.0, 3.0]).coef_
volume, coefficients = b.call(1, f)
assert volume == 0.5
assert np.array_equal(f()[1], coefficients)
held = set(b._table.original_of)
for name, module in list(sys.modules.items()):
    if name.partition(".")[0] != "wengert":
        left = [k for k, v in list(vars(module).items()) if id(v) in held]
        assert not left, (name, left)
"""
    in_subprocess(code)


# -- admission -------------------------------------------------------------------------------------


def test_a_package_with_compiled_parts_is_admitted_on_request():
    code = TOY + """
import sklearn.base, sklearn.utils.extmath
def seen():
    modules = sklearn.utils.extmath, sklearn.base
    return tuple(vars(module)["np"] is not sys.modules["numpy"] for module in modules)
assert b.call(1, seen) == (False, False)
b.admit("sklearn.utils")
assert b.call(1, seen) == (True, False)
b.admit(sklearn)
assert b.call(1, seen) == (True, True)
assert seen() == (False, False)
"""
    in_subprocess(code)


def test_a_traced_function_of_a_compiled_package_is_admitted_for_its_own_traces():
    code = TOY + """
import sklearn.utils.extmath as extmath
exec("def ours():\\n    return np.zeros(1)", vars(extmath))
def seen():
    return vars(extmath)["np"] is not sys.modules["numpy"]
assert b.call(1, extmath.ours) == "twin"
assert b.call(1, seen) is False
assert vars(extmath)["np"] is np
"""
    in_subprocess(code)


@pytest.mark.parametrize(
    ("package", "error", "says"),
    [
        ("numpy", WengertValueError, "cannot admit 'numpy'"),
        ("numpy.linalg", WengertValueError, "cannot admit"),
        ("wengert", WengertValueError, "cannot admit"),
        ("scipy", WengertValueError, "name one of its modules"),
        ("no_such_package_at_all", WengertValueError, "no module named 'no_such_package_at_all'"),
        ("not a name", WengertValueError, "no module named"),
        (3, WengertTypeError, "got int"),
    ],
)
def test_names_that_cannot_be_admitted(package, error, says):
    with pytest.raises(error, match=says):
        BINDINGS.admit(package)


def test_a_free_threaded_python_is_refused(monkeypatch):
    from wengert.numpy_api.bindings import swap

    monkeypatch.setattr(swap, "_FREE_THREADED", True)
    with pytest.raises(WengertError, match="free-threaded"):
        BINDINGS.enter(plain)
    assert BINDINGS.count == 0


def test_a_container_that_a_compiled_package_holds_is_not_rewritten():
    import sklearn

    sklearn.wengert_probe = {"zeros": np.zeros}
    vars(situations)["borrowed"] = sklearn.wengert_probe
    try:
        seen = []
        trace(lambda: seen.append(dict(situations.borrowed)))
        assert seen[0]["zeros"] is REAL.zeros
    finally:
        del sklearn.wengert_probe, situations.borrowed


def test_proxies_and_odd_objects_are_not_woken():
    class Proxy:
        def __getattribute__(self, name):
            raise RuntimeError("touched")

        __class__ = property(lambda self: 1 / 0)

    odd = types.ModuleType("odd_module")
    odd.__dict__.update(p=Proxy(), q={"p": Proxy(), Proxy: np.zeros}, r=[Proxy()])
    sys.modules["odd_module"] = odd
    sys.modules["odd_proxy"] = Proxy()
    proxy = Proxy()
    try:
        assert is_marked(trace(lambda: (proxy, np.zeros(1))[1]))
        assert is_marked(trace(lambda: odd.__dict__["q"][Proxy](1)))
    finally:
        del sys.modules["odd_module"], sys.modules["odd_proxy"]
