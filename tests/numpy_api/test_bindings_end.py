"""What is left after a trace: names as they were, or as the user has made them meanwhile."""

import sys

import numpy as np
import pytest

from tests.numpy_api.binding_modules import situations, state
from tests.numpy_api.binding_modules.toy import BINDINGS, REAL, is_marked, leftovers, trace
from wengert.core.context import tracing
from wengert.core.errors import WengertError


def plain(n=2):
    return np.zeros(n)


# -- leaving ---------------------------------------------------------------------------------------


def test_restored_after_an_exception():
    def f():
        np.zeros(3)
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        trace(f)
    assert BINDINGS.count == 0 and globals()["np"].zeros is REAL.zeros
    assert tracing.get() is None


def test_nested_traces_restore_only_at_the_end():
    def inner(maker=np.zeros):
        return maker(1)

    def outer(maker=np.zeros):
        first = trace(inner)
        return [first, maker(1), np.zeros(1), inner()]

    results = trace(outer)
    assert is_marked(results[:3])
    assert outer.__defaults__[0] is REAL.zeros and inner.__defaults__[0] is REAL.zeros
    assert BINDINGS.count == 0


def test_recursive_traces_of_one_closure():
    maker = np.zeros

    def f(depth):
        below = trace(f, depth - 1) if depth else []
        return [*below, maker(depth)]

    assert len(trace(f, 5)) == 6 and is_marked(trace(f, 5))
    assert maker is REAL.zeros


def test_a_trace_inside_a_generator_that_is_closed():
    def steps():
        for n in range(5):
            yield trace(plain, n)

    running = steps()
    assert is_marked(next(running))
    assert globals()["np"] is sys.modules["numpy"]
    running.close()
    assert BINDINGS.count == 0


def test_a_generator_resumed_after_the_trace_gets_plain_arrays():
    kept = []

    def f():
        kept.append(state.steps())
        return next(kept[0])

    assert is_marked(trace(f))
    assert type(next(kept[0])) is np.ndarray
    kept[0].close()
    assert leftovers(state) == []


def test_a_token_is_given_back_once():
    token = BINDINGS.enter(plain)
    BINDINGS.exit(token)
    with pytest.raises(WengertError, match="given back already"):
        BINDINGS.exit(token)
    assert BINDINGS.count == 0


def test_tokens_given_back_in_another_order():
    def f(maker=np.zeros):
        return maker(1)

    first, second = BINDINGS.enter(f), BINDINGS.enter(f)
    BINDINGS.exit(first)
    assert f.__defaults__[0] is not REAL.zeros
    BINDINGS.exit(second)
    assert f.__defaults__[0] is REAL.zeros


# -- the user rebinds ------------------------------------------------------------------------------


def test_a_name_rebound_in_the_middle_is_kept():
    replacement = lambda n: "mine"
    try:
        trace(lambda: state.rebind(replacement))
        assert state.zeros is replacement
        assert state.read() == "mine"
        assert trace(state.read) == "mine"
        state.zeros = REAL.zeros
        assert is_marked(trace(state.read))  # and served again once it is NumPy's again
    finally:
        state.zeros = REAL.zeros
    assert state.ours is REAL.zeros


def test_a_name_bound_between_traces_is_served():
    assert not hasattr(state, "new_name")
    trace(state.read)
    state.new_name = np.zeros
    try:
        exec("def new_function(maker=zeros):\n    return [new_name(1), maker(1)]", vars(state))
        assert is_marked(trace(lambda: state.new_function()))
        del state.new_function
        exec("def new_function(maker=zeros):\n    return [new_name(2), maker(2)]", vars(state))
        assert is_marked(trace(state.new_function))
    finally:
        del state.new_name, state.new_function
    assert leftovers(state) == []


def test_a_global_import_inside_a_function_leaves_the_real_module():
    try:
        assert is_marked(trace(state.import_globally))
        assert state.late is np
    finally:
        state.late = None


def test_a_copy_of_a_served_name_is_the_original_afterwards():
    try:
        assert is_marked(trace(state.copy_name))
        assert state.copied is REAL.zeros
    finally:
        del state.copied


def test_an_attribute_set_on_the_namespace_reaches_numpy():
    try:
        assert trace(state.add_to_numpy, 5) == 5
        assert np.wengert_test_attribute == 5
    finally:
        del np.wengert_test_attribute


def test_list_items_moved_during_the_trace():
    def f():
        situations.LIST.insert(0, "new")
        return situations.LIST[2](1)

    try:
        assert is_marked(trace(f))
        assert situations.LIST == ["new", 1, REAL.zeros] and situations.LIST[2] is REAL.zeros
    finally:
        situations.LIST[:] = [1, REAL.zeros]


def test_an_emptied_cell_and_a_dropped_attribute():
    maker = np.zeros

    class Local:
        make = np.zeros

    def f():
        nonlocal maker
        made = maker(1), Local.make(1)
        del maker, Local.make
        return list(made)

    assert is_marked(trace(f))
    assert not hasattr(Local, "make")


def test_a_slot_name_that_held_data_for_a_while_is_served_again():
    def f():
        return state.read()

    trace(f)
    try:
        state.zeros = 3.0
        with pytest.raises(TypeError, match="not callable"):
            trace(state.read)
        assert state.zeros == 3.0
        state.zeros = REAL.zeros
        assert is_marked(trace(state.read)) and is_marked(trace(f))
    finally:
        state.zeros = REAL.zeros
    assert leftovers(state) == []


def test_a_counter_among_the_globals_costs_no_scan(monkeypatch):
    from wengert.numpy_api.bindings.record import Record

    names = {"np": np, "calls": 0, "__name__": "exec'd"}
    exec("def f():\n    global calls\n    calls += 1\n    return np.zeros(1)", names)
    assert is_marked(trace(names["f"]))
    scans = []
    scan = Record.scan
    monkeypatch.setattr(Record, "scan", lambda self, *args: (scans.append(1), scan(self, *args)))
    for _ in range(5):
        assert is_marked(trace(names["f"]))
    assert names["calls"] == 6 and scans == []
    names["maker"] = np.zeros
    exec("def f(): return maker(1)", names)
    assert is_marked(trace(names["f"])) and scans != []
