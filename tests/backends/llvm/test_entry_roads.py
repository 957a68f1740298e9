"""The roads into native code: which one is taken and why, that each tests itself, and that all three give the same."""

import sys

import numpy as np
import pytest

pytest.importorskip("llvmlite")

import wengert as wg
from tests.backends.llvm.kernels import FLOAT, PRODUCT_SLOTS, fresh_python, number, product, scaled_slots, scaled_sum
from wengert.backends.llvm.engine import engine
from wengert.backends.llvm.entry import layout as entry_layout
from wengert.backends.llvm.entry import roads as entry_roads
from wengert.backends.llvm.entry.buffers_text import MOST_INPUTS
from wengert.backends.llvm.entry.call import GUARD, MISS, make_entry, road_of
from wengert.backends.llvm.entry.layout import Unfit
from wengert.backends.llvm.entry.roads import ROADS, VARIABLE, c_entry, road_taken
from wengert.backends.llvm.indexed import Slot
from wengert.core.errors import WengertValueError


@pytest.fixture(params=ROADS)
def road(request, monkeypatch):
    """Each road in turn, for what is made in the test."""
    monkeypatch.setenv(VARIABLE, request.param)
    return request.param


def nowhere():
    raise Unfit("nothing is where it was")


def bound(name):
    library = engine().link(engine().compile(product(name)), [name])
    return make_entry(library[name], PRODUCT_SLOTS, 0, long=False, keep=library, name=name)


def test_a_road_that_does_not_fit_leaves_the_next(monkeypatch):
    monkeypatch.setattr(entry_roads, "_state", {})
    monkeypatch.setattr(entry_layout, "find_layout", nowhere)
    f = bound("second")
    assert road_taken() == ("buffers", "nothing is where it was") and c_entry().road == "buffers"
    assert f(2.0, 3.0) == 6.0 and type(f) is type(len)

    monkeypatch.setattr(entry_roads, "_state", {})
    monkeypatch.setattr(entry_layout, "check_views", nowhere)
    g = bound("third")
    assert road_taken() == ("ctypes", "nothing is where it was; nothing is where it was") and c_entry() is None
    assert g(2.0, 3.0) == 6.0 and type(g) is not type(len)


@pytest.mark.parametrize(
    ("road", "wrong"),
    [
        ("fields", "flags=40"), ("fields", "ndim=28"), ("fields", "descr=48"), ("buffers", "FLAGS=0"),
        ("buffers", "FLAGS=1"), ("buffers", "FLAGS=0x18"), ("buffers", "RANK=32"), ("buffers", "SIZE=16"),
        ("buffers", "SUBOFFSETS=0"), ("buffers", "MEMORY=8"),
    ],
)  # fmt: skip
def test_the_self_test_sees_what_is_wrong(road, wrong):
    # In a process of its own: the code reads where it is told to.
    program = f"""
from wengert.backends.llvm.entry import buffers_text as entry_buffers_text
from wengert.backends.llvm.entry import layout as entry_layout
from wengert.backends.llvm.entry.roads import entry_by
real = entry_layout.find_layout
wrong = dict({wrong})
if "{road}" == "fields":
    entry_layout.find_layout = lambda: real()._replace(**wrong)
else:
    entry_layout.check_views = lambda: None
    vars(entry_buffers_text).update(wrong)
print(entry_by("{road}"))
"""
    assert "self-test" in fresh_python(program)


@pytest.mark.parametrize("wrong", ["SIZE=16", "RANK=32", "LETTERS=48", "SHAPE=56", "VIEW=72", "MEMORY=8", "LENGTH=24"])
def test_buffers_of_another_layout_are_seen_before_any_code_reads_them(wrong):
    program = f"""
from wengert.backends.llvm.entry import buffers_text as entry_buffers_text
from wengert.backends.llvm.entry.roads import entry_by
vars(entry_buffers_text).update(dict({wrong}))
print(entry_by("buffers"))
"""
    assert "buffer" in fresh_python(program)


def test_a_road_that_is_none_is_an_error(monkeypatch):
    monkeypatch.setenv(VARIABLE, "shortcut")
    with pytest.raises(WengertValueError, match="(?s)WENGERT_NATIVE_ENTRY='shortcut'.*fields, buffers, ctypes"):
        c_entry()


def test_more_inputs_than_a_road_takes_go_by_the_next(monkeypatch):
    many = tuple(number(f"x{k}") for k in range(MOST_INPUTS + 1))
    monkeypatch.setenv(VARIABLE, "buffers")
    assert road_of(many[1:]) == ("buffers", "WENGERT_NATIVE_ENTRY=buffers")
    assert road_of(many) == ("ctypes", f"more than {MOST_INPUTS} inputs")
    monkeypatch.setenv(VARIABLE, "fields")
    assert road_of(many) == ("fields", "")
    assert road_of((number("z", dtype=complex),)) == ("ctypes", "a number of dtype complex128")


def test_as_many_arrays_as_views_have_room_for(monkeypatch):
    monkeypatch.setenv(VARIABLE, "buffers")
    n = MOST_INPUTS
    text = "define i64 @last(ptr %args, ptr %space) nounwind {\n" + "".join(
        f"  %a{k} = getelementptr ptr, ptr %args, i64 {k}\n  %p{k} = load ptr, ptr %a{k}\n" for k in (n - 1, n)
    )
    text += f"  %x = load double, ptr %p{n - 1}\n  store double %x, ptr %p{n}\n  ret i64 0\n}}\n"
    library = engine().link(engine().compile(text), ["last"])
    slots = (*(Slot(f"x{k}", (1,), FLOAT, "input") for k in range(n)), number("y", "output"))
    f = make_entry(library["last"], slots, 0, long=False, keep=library, name="last")
    assert type(f) is type(len)
    arrays = [np.array([float(k)]) for k in range(n)]
    before = list(map(sys.getrefcount, arrays))
    for _ in range(20):
        assert f(*arrays) == n - 1.0
        assert f(*arrays[:-1], arrays[0].astype(np.float32)) is MISS and f(*arrays[:-1], "x") is MISS
        assert f(*arrays[:-1], arrays[0][::-1][:0]) is MISS and f(*arrays, 1.0) is MISS
    assert list(map(sys.getrefcount, arrays)) == before


def test_memory_is_held_while_the_kernel_reads_it_and_given_back(road):
    n = 5
    library = engine().link(engine().compile(scaled_sum(n)), ["scaled"])
    f = make_entry(library["scaled"], scaled_slots(n, np.zeros(n)), 8 * n, long=True, keep=library, name="scaled")
    memory = bytearray(np.arange(5.0).tobytes())
    a = np.frombuffer(memory)
    assert f(a)[1] == 10.0 and f(a.astype(int)) is MISS and f(memory) is MISS
    del a
    memory.extend(b"it may grow again")  # BufferError where somebody still held it


def test_an_empty_array_anywhere_is_in_order(road):
    library = engine().link(engine().compile(scaled_sum(0)), ["scaled"])
    f = make_entry(library["scaled"], scaled_slots(0, np.zeros(0)), 0, long=False, keep=library, name="scaled")
    odd = np.zeros(17, np.uint8)[1:].view(np.float64)
    for a in (np.zeros(0), np.zeros(5)[5:], odd[:0], odd[::-2][:0]):
        y, s = f(a)
        assert y.shape == (0,) and s == 0.0
    assert f(np.zeros((0, 3))) is MISS and f(np.zeros(1)) is MISS


def test_axes_of_one_have_no_stride(road):
    slots = (Slot("x", (3, 1, 2), FLOAT, "input"), Slot("c", (3, 1, 2), FLOAT, "constant", np.zeros((3, 1, 2))),
             Slot("y", (3, 1, 2), FLOAT, "output"), number("s", "output"))  # fmt: skip
    library = engine().link(engine().compile(scaled_sum(6)), ["scaled"])
    f = make_entry(library["scaled"], slots, 48, long=False, keep=library, name="scaled")
    x = np.arange(6.0).reshape(3, 1, 2)
    odd = np.lib.stride_tricks.as_strided(x, (3, 1, 2), (16, 1 << 40, 8))
    for a in (x, odd):
        assert np.array_equal(f(a)[0], x)
    assert f(np.lib.stride_tricks.as_strided(x, (3, 1, 2), (8, 16, 8))) is MISS
    assert f(x.transpose(2, 1, 0)) is MISS and f(np.asfortranarray(x)) is MISS and f(x.reshape(3, 2)) is MISS


def rosenbrock(x):
    return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)


def layers(p, x, flag):
    h = np.tanh(x @ p["w"] + p["b"]) if flag else x @ p["w"]
    return np.sum(h * h), [h.sum(axis=0), h > 0.5]


def counted(x, n):
    total = np.zeros(2, np.float32)
    for k in range(3):
        total += x[k] * np.float32(k) + n[k]
    return total, total.max()


def choosing(x, y):
    return x * y if x > y else x - y


RNG = np.random.default_rng(0)
PROGRAMS = [
    (wg.grad(lambda x, y: np.sin(x) * y + x * x, (0, 1)), [(0.5, 2.0), (np.float64(0.5), -1.5), (-1.0, 0.25)]),
    (wg.value_and_grad(rosenbrock), [(RNG.normal(size=10),) for _ in range(3)]),
    (wg.hessian(rosenbrock), [(RNG.normal(size=4),) for _ in range(2)]),
    (choosing, [(1.0, 2.0), (2.0, 1.0), (3.0, 3.0), (-0.0, 0.0)]),
    (
        layers,
        [
            ({"w": RNG.normal(size=(3, 2)), "b": RNG.normal(size=2)}, RNG.normal(size=(k, 3)), flag)
            for k in (1, 0, 4)
            for flag in (True, False)
        ],
    ),
    (counted, [(RNG.normal(size=(3, 2)).astype(np.float32), RNG.integers(9, size=(3, 2)).astype(np.float32))] * 2),
    (lambda x: (np.sort(x)[::-1], np.argmax(x), x.astype(np.float32)), [(RNG.normal(size=7),) for _ in range(2)]),
    (lambda x, i: x[i] * 2.0, [(RNG.normal(size=7), np.array([k, 3])) for k in range(4)]),
    (lambda z: np.abs(z) ** 2 + z.real, [(RNG.normal(size=3) + 1j * RNG.normal(size=3),)] * 2),
]  # fmt: skip


def leaves(result):
    return [a for part in result for a in leaves(part)] if isinstance(result, (tuple, list)) else [result]


@pytest.mark.parametrize(("fun", "calls"), PROGRAMS)
def test_programs(road, fun, calls):
    f = wg.compile(fun, backend="native")
    for args in [*calls, *calls]:
        for got, want in zip(leaves(f(*args)), leaves(fun(*args)), strict=True):
            assert type(got) is type(want) and np.shape(got) == np.shape(want)
            np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-14)
    said = {"fields": "called from C\n", "buffers": "called from C, arrays through the buffer protocol", "ctypes":
            "called through ctypes (WENGERT_NATIVE_ENTRY=ctypes)"}  # fmt: skip
    assert said[road] in f.explain()


def layouts(x):
    """An array of the same values in every shape that memory has."""
    wide = np.zeros((3 * x.shape[0], 2 * x.shape[1] + 1))
    wide[::3, 1::2] = x
    odd = np.zeros(x.nbytes + 1, np.uint8)[1:].view(np.float64).reshape(x.shape)
    odd[...] = x
    locked = x.copy()
    locked.flags.writeable = False
    return [x, x.astype(">f8"), np.asfortranarray(x), wide[::3, 1::2], x[::-1, ::-1].copy()[::-1, ::-1], odd, locked,
            np.broadcast_to(x[:1], x.shape), np.frombuffer(x.tobytes()).reshape(x.shape), x.T.copy().T]  # fmt: skip


def test_layouts(road):
    f = wg.compile(lambda x, y: (x @ y.T + np.sin(x), y[0]), backend="native")
    x = RNG.normal(size=(3, 3))
    for a in layouts(x):
        for b in layouts(x + 1.0):
            for got, want in zip(f(a, b), (a @ b.T + np.sin(a), b[0]), strict=True):
                np.testing.assert_allclose(got, want, rtol=1e-13, atol=1e-15)
                assert got.dtype == want.dtype and not np.shares_memory(got, b)


def test_guards_say_so(road):
    f = bound("guarded")
    assert f(-1.0, 2.0) is GUARD and f(1.0, 2.0) == 2.0
