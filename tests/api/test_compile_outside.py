"""What compiled functions read from outside, and what they do to it: every change is seen, or said not to be."""

from __future__ import annotations

import functools
import sys
import types
import warnings
from collections import deque

import numpy as np
import pytest

import wengert as wg

on_numpy = functools.partial(wg.compile, backend="numpy")

SCALE = 2.0
TABLE = np.arange(1.0, 4.0)
LARGE = np.ones(100_000)
NAMES = ["a", "b"]
SETTINGS = {"power": 2, "nested": {"shift": [1.0, 2.0]}}
MODE = "plus"


def helper(x):
    return x * SCALE


def deeper(x):
    return helper(x) + inner.OFFSET


inner = types.SimpleNamespace(OFFSET=1.0)


@pytest.fixture(autouse=True)
def _no_notes():
    with warnings.catch_warnings():
        warnings.simplefilter("error", wg.CompileWarning)
        yield


@pytest.fixture
def here(monkeypatch):
    """Sets globals of this module, and puts them back."""

    def put(name, value):
        monkeypatch.setattr(sys.modules[__name__], name, value)

    return put


def follows(fun, *changes, x=3.0):
    """The compiled function agrees with the function before and after each change, twice each time."""
    g = on_numpy(fun)
    for change in (lambda: None, *changes):
        change()
        for k in range(3):
            np.testing.assert_allclose(g(x + k), fun(x + k), rtol=1e-14)
    return g


def test_a_global_number(here):
    follows(lambda x: x * SCALE, lambda: here("SCALE", 3.0), lambda: here("SCALE", 2), lambda: here("SCALE", True))


def test_signs_of_zero_and_types_count(here):
    here("SCALE", 0.0)
    g = on_numpy(lambda x: np.copysign(x, SCALE))
    assert g(2.0) == 2.0
    here("SCALE", -0.0)
    assert g(2.0) == -2.0


def test_a_global_function_and_what_it_reads(here):
    follows(
        lambda x: deeper(x),
        lambda: here("SCALE", 5.0),
        lambda: setattr(inner, "OFFSET", 7.0),
        lambda: here("helper", lambda x: x - 1.0),
        lambda: here("deeper", lambda x: x / 2),
        lambda: setattr(inner, "OFFSET", 1.0),
    )


def test_functions_that_only_other_objects_hold(here):
    class Layer:
        bias = 1.0

        def __init__(self):
            self.weights = [np.array([2.0]), np.array([3.0])]
            self.activation = np.tanh

        def __call__(self, x):
            return self.forward(x)

        def forward(self, x):
            return self.activation(self.weights[0] * x + self.weights[1]).sum() + self.bias + self.extra

        @property
        def extra(self):
            return SCALE

    layer = Layer()
    net = {"layers": [layer]}
    follows(
        lambda x: net["layers"][0](x),
        lambda: here("SCALE", 9.0),
        lambda: setattr(layer, "bias", 4.0),
        lambda: setattr(Layer, "bias", 5.0),
        lambda: delattr(layer, "bias"),
        lambda: setattr(layer, "activation", np.sin),
        lambda: layer.weights.__setitem__(0, np.array([7.0])),
        lambda: layer.weights[0].__setitem__(0, 8.0),
        lambda: setattr(Layer, "forward", lambda self, x: x * 3),
        lambda: net.__setitem__("layers", [np.exp]),
    )


def test_closures_defaults_and_partials():
    factor = 2.0
    power = np.array([2.0])

    def f(x, shift=TABLE, *, by=1.5):
        return (x**power).sum() * factor + shift.sum() * by

    def set_factor():
        nonlocal factor
        factor = 3.0

    def set_power():
        nonlocal power
        power = np.array([3.0])

    follows(
        f,
        set_factor,
        set_power,
        lambda: power.__setitem__(0, 4.0),
        lambda: setattr(f, "__defaults__", (np.ones(2),)),
        lambda: f.__kwdefaults__.__setitem__("by", 2.5),
    )


def test_arrays_changed_in_place(here):
    table = TABLE.copy()
    here("TABLE", table)
    follows(
        lambda x: x * TABLE.sum() + (x * TABLE).sum(),
        lambda: table.__setitem__(1, 10.0),
        lambda: table.fill(1.0),
        lambda: here("TABLE", np.ones((2, 2))),
        lambda: here("TABLE", [1.0, 2.0] and np.float64(3.0)),
    )


def test_large_arrays_are_sampled_and_full_sees_all(here):
    large = np.ones(100_000)
    here("LARGE", large)
    f = lambda x: x * LARGE.sum()
    sampled, full, none = on_numpy(f), on_numpy(f, check="full"), on_numpy(f, check="none")
    for g in (sampled, full, none):
        assert g(2.0) == g(2.0) == 200_000.0
    large[-1] = 3.0
    assert sampled(2.0) == full(2.0) == 200_004.0
    assert none(2.0) == 200_000.0
    large[:50] += 1.0
    assert full(2.0) == 200_104.0
    large *= 2.0
    assert sampled(2.0) == full(2.0) == 400_208.0
    here("LARGE", large.copy())
    large[:] = 0.0
    assert sampled(2.0) == full(2.0) == 400_208.0


def test_views_and_layouts_of_outside_arrays():
    matrix = np.arange(40_000.0).reshape(200, 200)
    view = matrix[::3, 1::2].T
    g = follows(lambda x: (x * view).sum(), lambda: matrix.fill(2.0), lambda: view.__setitem__((-1, -1), 7.0))
    assert len(g.paths) == 3


def test_arrays_that_no_name_leads_to():
    hidden = {"array": np.arange(3.0)}
    find = {"it": lambda: hidden["array"]}.__getitem__  # a bound method of a dictionary
    follows(lambda x: (x * find("it")()).sum(), lambda: hidden["array"].__setitem__(0, 5.0))


def test_containers(here):
    follows(
        lambda x: x ** SETTINGS["power"] + SETTINGS["nested"]["shift"][-1] + len(NAMES),
        lambda: here("SETTINGS", {"power": 3, "nested": {"shift": [1.0]}}),
        lambda: SETTINGS["nested"]["shift"].append(4.0),
        lambda: SETTINGS["nested"].__setitem__("shift", (9.0,)),
        lambda: SETTINGS.__setitem__("power", 1),
        lambda: here("NAMES", {"x"}),
        lambda: NAMES.add("y"),
        lambda: here("NAMES", deque([1, 2, 3])),
        lambda: NAMES.append(4),
    )


def test_a_module_of_the_users(monkeypatch):
    module = types.ModuleType("users_module")
    exec("RATE = 2.0\ndef rate(x):\n    return x * RATE", module.__dict__)
    monkeypatch.setitem(sys.modules, "users_module", module)
    follows(
        lambda x: module.rate(x) + module.RATE,
        lambda: setattr(module, "RATE", 4.0),
        lambda: setattr(module, "rate", lambda x: -x),
    )


def test_slots_and_dataclasses():
    class Slotted:
        __slots__ = ("value",)

    slotted = Slotted()
    slotted.value = 2.0
    follows(lambda x: x * slotted.value, lambda: setattr(slotted, "value", 3.0))


def test_alternating_values_keep_both_paths(here):
    g = on_numpy(lambda x: x + 1.0 if MODE == "plus" else x - 1.0)
    for mode in ("plus", "minus") * 20:
        here("MODE", mode)
        assert g(2.0) == (3.0 if mode == "plus" else 1.0)
    assert len(g.paths) == 2


def test_ever_new_arrays_outside_fall_back_and_say_which(here):
    g = on_numpy(lambda x: x * TABLE.sum())
    with pytest.warns(wg.CompileWarning, match="TABLE|paths"):
        for k in range(40):
            here("TABLE", np.full(3, float(k)))
            assert g(2.0) == 6.0 * k


def test_attributes_read_by_computed_names():
    class Weights:
        def __init__(self):
            self.w0, self.w1 = 2.0, 3.0

    weights = Weights()
    follows(
        lambda x: sum(x * getattr(weights, f"w{k}") for k in range(2)),
        lambda: setattr(weights, "w1", 5.0),
    )


def test_unrelated_attributes_record_nothing():
    class Trainer:
        def __init__(self):
            self.rate, self.steps, self.losses = 0.5, 0, []

        def step(self, x):
            return x - self.rate * x

    trainer = Trainer()
    g = on_numpy(trainer.step)
    for k in range(30):
        trainer.steps += 1
        trainer.losses.append(g(float(k)))
    assert len(g.paths) == 1
    assert trainer.losses == [k / 2 for k in range(30)]


def test_objects_of_installed_packages():
    sparse = pytest.importorskip("scipy.sparse")
    matrix = sparse.csr_array(np.array([[1.0, 0.0], [2.0, 3.0]]))
    follows(
        lambda x: (matrix @ (x * np.ones(2))).sum(),
        lambda: matrix.data.__setitem__(0, 9.0),
        lambda: setattr(matrix, "data", np.array([1.0, 1.0, 1.0])),
    )


def test_code_replaced_in_place():
    """What IPython's autoreload does to functions that others have imported."""

    def inner(x):
        return x * 2.0

    def new(x):
        return x * 7.0

    old = inner.__code__
    follows(
        lambda x: inner(x) + 1.0,
        lambda: setattr(inner, "__code__", new.__code__),
        lambda: setattr(inner, "__code__", old),
    )


def test_what_code_made_from_text_reads(here):
    def inner(x):
        exec("y = SETTINGS['power'] * TABLE[0]", globals(), space := {})
        return x * space["y"]

    follows(lambda x: x * eval("SCALE") + inner(x), lambda: here("SCALE", 5.0), lambda: here("SETTINGS", {"power": 4}))
