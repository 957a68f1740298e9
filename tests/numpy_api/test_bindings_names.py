"""Namespaces and twins: what a user sees who looks at `np` and `np.zeros` in a trace."""

import functools
import inspect
import math
import pickle
import sys
import types

import cloudpickle
import numpy as np
import pytest

from tests.numpy_api import binding_modules
from tests.numpy_api.binding_modules.toy import (
    REAL,
    in_subprocess,
    is_marked,
    leftovers,
    mark,
    trace,
)
from wengert.numpy_api.bindings import Bindings, make_twin


def plain(n=2):
    return np.zeros(n)


# -- namespaces ------------------------------------------------------------------------------------


def namespaces():
    return np, math, np.linalg


def test_a_namespace_is_an_exact_module_with_the_real_entries():
    xp, m, linalg = trace(namespaces)
    assert type(xp) is types.ModuleType and xp is not np
    assert xp.linalg is linalg and linalg is not np.linalg and linalg.norm is not REAL.norm
    assert m is not math and m.pi == math.pi
    assert xp.float64 is np.float64 and xp.ndarray is np.ndarray and xp.sin is np.sin
    assert xp.__name__ == "numpy" and repr(xp) == repr(np)
    missing = set(dir(np)) - set(dir(xp))
    assert missing == set()
    with pytest.raises(AttributeError, match="has no attribute 'no_such'"):
        xp.no_such


def test_attributes_that_appear_later_are_seen():
    xp, _, _ = trace(namespaces)
    np.late_attribute = REAL.zeros
    try:
        assert is_marked(trace(lambda: [np.late_attribute(3)]))
        assert xp.late_attribute == REAL.zeros
    finally:
        del np.late_attribute


def test_a_served_module_imported_later():
    code = """
import sys, types
import numpy as np
from wengert.numpy_api.bindings import Bindings, make_twin

def scipy_linalg():
    import scipy.linalg
    return {scipy.linalg.det: make_twin(scipy.linalg.det, lambda *a: "det")}

b = Bindings({}, ["numpy", "scipy"], {"scipy.linalg": scipy_linalg})
assert "scipy" not in sys.modules

def inside():
    import scipy.linalg
    from scipy.linalg import det
    import scipy.linalg as sl
    return [scipy.linalg.det(A), det(A), sl.det(A)]

A = np.eye(2)
assert b.call(1, inside) == ["det"] * 3, b.call(1, inside)
import scipy, scipy.linalg as sl
from scipy.linalg import det
def after():
    return [scipy.linalg.det(A), sl.det(A), det(A)]
assert b.call(1, after) == ["det"] * 3
assert after() == [1.0] * 3
assert scipy is sys.modules["scipy"] and det is sys.modules["scipy.linalg"].det
"""
    in_subprocess(code)


def test_a_lazy_submodule_met_as_an_attribute():
    code = """
import sys
import scipy
from wengert.numpy_api.bindings import Bindings, make_twin

def provide():
    import scipy.linalg
    return {scipy.linalg.det: make_twin(scipy.linalg.det, lambda *a: "det")}

b = Bindings({}, ["scipy"], {"scipy.linalg": provide})
def f():
    return scipy.linalg.det([[1.0]])
b.call(1, int)
assert "scipy.linalg" not in sys.modules
assert b.call(1, f) == "det"
assert f() == 1.0
"""
    in_subprocess(code)


def test_a_module_first_imported_inside_a_trace_keeps_no_twin():
    name = "tests.numpy_api.binding_modules.first_imported_inside"
    # pytest has imported it already if it looks for doctests here.
    sys.modules.pop(name, None)
    vars(binding_modules).pop("first_imported_inside", None)

    def f():
        from tests.numpy_api.binding_modules import first_imported_inside as new

        return new.use()

    assert is_marked(trace(f))
    new = sys.modules[name]
    assert type(new.MADE) is np.ndarray
    assert new.zeros is REAL.zeros
    assert new.KEPT["zeros"] is REAL.zeros and new.KEPT["sin"] is REAL.sin
    assert new.np is np and new.Holder.xp is np and new.Holder.maker is REAL.zeros
    assert new.REGISTERED[0] is REAL.zeros
    assert leftovers(new) == []


# -- twins -----------------------------------------------------------------------------------------


def test_a_twin_looks_like_its_original():
    twin = make_twin(np.zeros, mark("zeros"))
    assert inspect.signature(twin) == inspect.signature(np.zeros)
    assert (twin.__name__, twin.__module__, twin.__doc__) == ("zeros", "numpy", np.zeros.__doc__)
    assert twin.__wrapped__ is np.zeros
    assert twin == np.zeros and np.zeros == twin and hash(twin) == hash(np.zeros)
    assert {np.zeros: 1}[twin] == 1 and {twin: 1}[np.zeros] == 1
    assert callable(twin) and inspect.isroutine(twin)


def test_a_twin_binds_self_as_its_original_does():
    class Plain:
        make, again = np.zeros, np.tile

        def __array__(self, dtype=None, copy=None):
            return np.array([1.0, 2.0])

    expected = Plain().make(3), Plain().again(2)

    class Served:
        make = make_twin(np.zeros, mark("zeros"))
        again = make_twin(np.tile, mark("tile"))
        __array__ = Plain.__array__

    assert np.array_equal(Served().make(3), expected[0])
    assert np.array_equal(Served().again(2), expected[1])


@pytest.mark.parametrize("dumps", [pickle.dumps, cloudpickle.dumps, pickle._dumps])
@pytest.mark.parametrize("protocol", [0, 2, 5])
def test_pickling_in_a_trace_gives_originals(dumps, protocol):
    early = np.zeros

    def f():
        served = [np.zeros, math.sin, np, np.linalg, plain, functools.partial(np.zeros, 3)]
        return dumps(served, protocol=protocol), dumps(early, protocol=protocol)

    assert is_marked(trace(lambda: np.zeros(1)))
    many, one = trace(f)
    if dumps is not cloudpickle.dumps:
        assert b"wengert" not in many
    zeros, sin, xp, linalg, function, partial = pickle.loads(many)
    assert zeros is REAL.zeros and sin is REAL.sin and xp is np and linalg is np.linalg
    assert function is plain and partial.func is REAL.zeros
    assert pickle.loads(one) is REAL.zeros


def test_signature_inside_a_trace():
    expected = inspect.signature(np.zeros), inspect.signature(np.tile)
    assert trace(lambda: (inspect.signature(np.zeros), inspect.signature(np.tile))) == expected


def test_a_second_twin_is_refused():
    with pytest.raises(ValueError, match="has a twin already"):
        Bindings([(np.zeros, make_twin(np.zeros, len)), (np.zeros, make_twin(np.zeros, len))])
    with pytest.raises(TypeError, match="two callables"):
        make_twin(np.zeros, 3)
