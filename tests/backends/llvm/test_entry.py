"""The native entry: what it takes, what it gives, whom it keeps alive, and that it leaks nothing.

Every test runs on the three roads: the C entry that reads fields, the one that asks for buffers, and ctypes."""

import gc
import math
import sys
import threading
import weakref
from array import array

import numpy as np
import pytest

pytest.importorskip("llvmlite")

from tests.backends.llvm.kernels import FLOAT, PRODUCT_SLOTS, number, product, scaled_slots, scaled_sum
from wengert.backends.llvm.engine import engine
from wengert.backends.llvm.entry.call import GUARD, MISS, describe_slots, exact, make_entry
from wengert.backends.llvm.entry.layout import find_layout
from wengert.backends.llvm.entry.roads import ROADS, VARIABLE, c_entry, road_taken
from wengert.backends.llvm.indexed import Slot


@pytest.fixture(params=ROADS)
def made(request, monkeypatch):
    """Makes an entry of a kernel's text, on each road."""
    monkeypatch.setenv(VARIABLE, request.param)

    def make(text, slots, workspace=0, long=False):
        name = text.split("@")[1].split("(")[0]
        library = engine().link(engine().compile(text), [name])
        found = make_entry(library[name], slots, workspace, long=long, keep=library, name=name)
        assert (type(found) is type(len)) == (request.param != "ctypes") and road_taken()[0] == request.param
        return found

    return make


def test_this_python_has_the_fastest_entry():
    assert road_taken() == ("fields", "")
    assert c_entry().road == "fields" and find_layout().data == 16


def test_numbers_in_a_number_out(made):
    f = made(product(), PRODUCT_SLOTS)
    for two in (2.0, np.float64(2.0), np.array(2.0)):
        found = f(two, 3.5)
        assert found == 7.0 and type(found) is np.float64
    assert f(-2.0, 3.5) is GUARD
    assert math.isnan(f(float("nan"), 3.5)) and f(np.inf, 1.0) == np.inf


class Own(np.ndarray):
    """A subclass, which may mean anything by an array."""


class OwnFloat(float):
    """Likewise."""


def test_whatever_is_not_exactly_a_number_is_left_to_others(made):
    f = made(product(), PRODUCT_SLOTS)
    unfit = (1, True, None, "1", 1j, np.float32(1), np.int64(1), np.array([1.0]), np.array(1), np.array(1.0, ">f8"),
             OwnFloat(1), np.array(1.0).view(Own), [1.0], np.longdouble(1))  # fmt: skip
    for x in unfit:
        assert f(x, 2.0) is MISS and f(2.0, x) is MISS, x
    assert f() is MISS and f(1.0) is MISS and f(1.0, 2.0, 3.0) is MISS
    with pytest.raises(TypeError):
        f(x=1.0, y=2.0)


def odd_arrays(n):
    base = np.arange(2.0 * n)
    shifted = np.zeros(8 * n + 8, np.uint8)[1 : 8 * n + 1].view(np.float64)
    with_meta = np.dtype(np.float64, metadata={"unit": "m"})
    return [
        base[::2], base[::-1][:n], shifted, base[:n].astype(">f8"), base[:n].astype(np.float32),
        base[:n].astype(complex), base[: n - 1], base[: n + 1], base.reshape(2, n), base[:n].astype(int),
        base[:n].astype(np.longlong), base[:n].astype("m8[s]"), base[:n].astype("M8[s]"), base[:n].astype("S8"),
        base[:n].astype(np.float16), base[:n].astype([("a", "f8")]), base[:n].astype(np.longdouble),
        base[:n].view(Own), memoryview(base[:n].copy()), array("d", base[:n]), np.ma.array(base[:n]), list(base[:n]),
        base[:n].astype(object), base[:0], np.array(1.0), np.zeros(n, with_meta),
    ]  # fmt: skip


def test_only_exact_arrays_are_taken(made):
    n = 5
    f = made(scaled_sum(n), scaled_slots(n, np.arange(n) * 10.0), 8 * n)
    for a in odd_arrays(n)[:-1]:
        assert f(a) is MISS
    locked = np.arange(5.0)
    locked.flags.writeable = False
    for a in (np.arange(5.0), locked, np.arange(10.0)[5:], np.arange(25.0).reshape(5, 5)[2]):
        y, s = f(a)
        assert np.array_equal(y, a + 10.0 * np.arange(5)) and s == a.sum()
        assert y.flags.owndata and y.flags.writeable and y.flags.c_contiguous and type(s) is np.float64


def test_a_byte_swapped_dtype_object_of_native_order_is_taken_or_left(made):
    f = made(scaled_sum(5), scaled_slots(5, np.zeros(5)), 40)
    found = f(odd_arrays(5)[-1])  # float64 with metadata: another dtype object
    assert found is MISS or np.array_equal(found[0], np.zeros(5))


@pytest.mark.parametrize("n", [1, 7, 1000, 5000, 40_000])
@pytest.mark.parametrize("long", [False, True])
def test_workspaces_of_all_sizes(made, n, long):
    rng = np.random.default_rng(n)
    c, a = rng.normal(size=n), rng.normal(size=n)
    f = made(scaled_sum(n), scaled_slots(n, c), 8 * n, long)
    c_before = c.copy()
    c[:] = np.nan  # the entry has a copy of its own
    for _ in range(3):
        y, s = f(a)
        assert np.array_equal(y, a + c_before) and s == pytest.approx(math.fsum(a), abs=1e-12 * n)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64, np.int32, np.bool_])
def test_scalars_and_arrays_of_every_dtype(made, dtype):
    size = np.dtype(dtype).itemsize
    kind = f"i{8 * size}"
    text = "define i64 @move(ptr %args, ptr %space) nounwind {\n" + "".join(
        f"  %a{k} = getelementptr ptr, ptr %args, i64 {k}\n  %p{k} = load ptr, ptr %a{k}\n" for k in range(4)
    ) + f"""  %x = load {kind}, ptr %p0
  store {kind} %x, ptr %p3
  %y = load [3 x {kind}], ptr %p1
  store [3 x {kind}] %y, ptr %p2
  ret i64 0
}}"""  # fmt: skip
    d = np.dtype(dtype)
    slots = (
        number("x", dtype=d),
        Slot("y", (3, 1), d, "input"),
        Slot("a", (3, 1), d, "output"),
        number("b", "output", d),
    )
    f = made(text, slots)
    x, y = d.type(1), np.array([[1], [0], [1]], d)
    a, b = f(x, y)
    assert np.array_equal(a, y) and a.dtype == d and b == x and type(b) is d.type
    assert f(np.array(x), y)[1] == x and f("x", y) is MISS
    if dtype is not np.float64:
        assert f(1.0, y) is MISS


def test_one_array_may_be_two_inputs(made):
    text = product("both").replace("getelementptr ptr, ptr %args, i64 1", "getelementptr ptr, ptr %args, i64 0")
    f = made(text, PRODUCT_SLOTS)
    x = np.array(3.0)
    assert f(x, x) == 9.0


def test_the_function_keeps_what_it_needs_and_nothing_more(made):
    library = engine().link(engine().compile(product("kept")), ["kept"])
    gone = weakref.ref(library)
    f = make_entry(library["kept"], PRODUCT_SLOTS, 0, long=False, keep=library, name="kept")
    g = f
    del library, f
    gc.collect()
    assert gone() is not None and g(2.0, 3.0) == 6.0
    del g
    gc.collect()
    assert gone() is None


def test_no_reference_is_gained_or_lost(made):
    f = made(product(), PRODUCT_SLOTS)
    n = 5
    g = made(scaled_sum(n), scaled_slots(n, np.zeros(n)), 8 * n)
    h = made(scaled_sum(n, "lent"), scaled_slots(n, np.zeros(n)), 50_000, True)
    x, a = 1234.5, np.arange(5.0)
    watched = [x, a, FLOAT, np.float64, np.ndarray, MISS, GUARD, None, True]
    before = [sys.getrefcount(w) for w in watched]
    for _ in range(3000):
        f(x, 2.0), f(-1.0, x), f(a, x), f(None, True), g(a), g(x), h(a)
    after = [sys.getrefcount(w) for w in watched]
    assert all(abs(b - c) < 20 for b, c in zip(before, after, strict=True)), (before, after)


def test_results_are_given_back():
    import tracemalloc

    f = make_entry_of_sum(2000)
    a = np.arange(2000.0)
    f(a)
    tracemalloc.start()
    try:
        for _ in range(200):
            f(a)
        gc.collect()
        assert tracemalloc.get_traced_memory()[0] < 100_000
    finally:
        tracemalloc.stop()


def make_entry_of_sum(n, workspace=None):
    library = engine().link(engine().compile(scaled_sum(n)), ["scaled"])
    return make_entry(
        library["scaled"], scaled_slots(n, np.ones(n)), 8 * n if workspace is None else workspace, long=True,
        keep=library, name="scaled",
    )  # fmt: skip


def test_many_threads_in_one_function():
    n = 4000
    f = make_entry_of_sum(n)
    wrong = []

    def work(k):
        a = np.full(n, float(k))
        for _ in range(200):
            y, s = f(a)
            if s != n * k or not (y == k + 1.0).all():
                wrong.append(k)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(6)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong


def test_outputs_too_large_are_a_memory_error(made):
    slots = (number("x"), number("y"), Slot("z", (1 << 58,), FLOAT, "output"))
    f = made(product("large"), slots)
    for _ in range(3):
        with pytest.raises((MemoryError, ValueError)):
            f(2.0, 3.0)
    slots = (*PRODUCT_SLOTS[:2], Slot("z", (3,), FLOAT, "output"), Slot("w", (1 << 58,), FLOAT, "output"))
    with pytest.raises((MemoryError, ValueError)):
        made(product("second"), slots)(2.0, 3.0)


def test_a_workspace_too_large_is_a_memory_error():
    if sys.platform == "darwin":
        pytest.skip("memory is promised without bound here")
    with pytest.raises(MemoryError):
        make_entry_of_sum(3, 1 << 60)(np.zeros(3))


def test_an_exact_array_is_made_of_whatever_means_the_same(made):
    n = 5
    c = np.arange(n) * 1.0
    f = made(scaled_sum(n), scaled_slots(n, c), 8 * n)
    slot = scaled_slots(n, c)[0]
    for k, a in enumerate(odd_arrays(n)):
        want = np.asarray(a)
        if want.shape != (n,):
            with pytest.raises(ValueError, match="where the compiled program takes"):
                exact(a, slot)
        elif want.dtype.kind in "cOmMSV" or want.dtype == np.longdouble:
            with pytest.raises(TypeError, match="where the compiled program takes"):
                exact(a, slot)
        else:
            y, _ = f(exact(a, slot))
            assert np.array_equal(y, want + c), k


def test_the_slots_stand_in_order():
    with pytest.raises(ValueError, match="in this order"):
        describe_slots(1, PRODUCT_SLOTS[::-1], 0, long=False)


def test_many_calls_keep_the_memory():
    resource = pytest.importorskip("resource")
    f = make_entry_of_sum(100)
    a = np.zeros(100)

    def peak():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    for _ in range(1000):
        f(a), f(None)
    before = peak()
    for _ in range(100_000):
        f(a), f(None)
    assert peak() - before < 4000 * (1024 if sys.platform == "darwin" else 1)
