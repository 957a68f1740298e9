"""Names of the user's modules point to twins while a trace runs, and to the originals after it."""

import builtins
import functools
import sys

import numpy as np
import pytest

from tests.numpy_api.binding_modules import situations
from tests.numpy_api.binding_modules.toy import BINDINGS, REAL, is_marked, leftovers, trace, walk

# -- situations ------------------------------------------------------------------------------------


@pytest.mark.parametrize("fun", situations.SITUATIONS, ids=lambda fun: fun.__name__)
def test_twin_is_reached_and_original_is_back(fun):
    before = fun()
    assert not is_marked(before)
    assert is_marked(trace(fun))
    assert not is_marked(fun())
    assert leftovers(situations) == []


def call_all():
    return [fun() for fun in situations.SITUATIONS]


def test_every_situation_is_reached_from_another_function():
    results = trace(call_all)
    pairs = zip(situations.SITUATIONS, results, strict=True)
    assert [fun.__name__ for fun, result in pairs if not is_marked(result)] == []


def test_identity_of_everything_in_the_module_is_back():
    trace(call_all)
    before = {key: value for key, value in walk(situations).items() if type(value) is not int}
    trace(call_all)
    after = {key: value for key, value in walk(situations).items() if type(value) is not int}
    assert [value for key, value in before.items() if key not in after] == []
    assert [value for key, value in after.items() if key not in before] == []


def test_local_function_with_cells_defaults_and_own_class():
    maker, xp, makers = np.zeros, np, {"zeros": np.zeros}

    class Local:
        static = np.zeros

        def use(self):
            return self.static(3)

    def local(default=np.zeros, *, keyword=np.zeros):
        return [maker(1), xp.zeros(1), makers["zeros"](1), default(1), keyword(1), Local().use()]

    assert is_marked(trace(local))
    assert not any(map(is_marked, local()))
    assert maker is REAL.zeros and xp is sys.modules["numpy"] and makers == {"zeros": REAL.zeros}
    assert makers["zeros"] is REAL.zeros and local.__defaults__[0] is REAL.zeros
    assert local.__kwdefaults__["keyword"] is REAL.zeros and vars(Local)["static"] is REAL.zeros


class Callable:
    def __call__(self, maker=np.zeros):
        return maker(3)

    def method(self, maker=np.zeros):
        return [maker(3), np.zeros(3)]


def plain(n=2):
    return np.zeros(n)


def three(a, b, maker):
    return [maker(a), np.zeros(b)]


@pytest.mark.parametrize(
    "fun",
    [
        Callable(),
        Callable().method,
        functools.partial(plain, 3),
        functools.partial(functools.partial(three, 1), 2, maker=np.zeros),
        functools.partial(np.zeros, 3),
        functools.lru_cache(maxsize=0)(lambda maker=np.zeros: maker(3)),
        lambda: [f() for f in (plain, Callable())],
        staticmethod(plain),
    ],
    ids=["object", "method", "partial", "partials", "of original", "cached", "lambda", "static"],
)
def test_all_kinds_of_callables_are_traced(fun):
    assert is_marked(trace(fun))
    assert not is_marked(fun())


def test_globals_of_exec_and_doctests_are_admitted_for_their_own_functions():
    names = {"np": np, "zeros": np.zeros, "__name__": "wengert.core.context"}
    source = "def f():\n    import numpy\n    return [np.zeros(1), zeros(1), numpy.zeros(1)]"
    exec(source, names)
    assert is_marked(trace(names["f"]))
    assert names["np"] is np and names["zeros"] is REAL.zeros
    assert not is_marked(names["f"]()[0])


def test_copied_globals_of_wengert_never_lead_into_wengert():
    from wengert.numpy_api import bindings as package
    from wengert.numpy_api.bindings import scan

    names = dict(vars(scan), table_of_wengert=vars(package).setdefault("_probe", {"z": np.zeros}))
    try:
        exec("def f():\n    return [np.zeros(1), table_of_wengert['z'](1)]", names)
        assert names["__name__"] == "wengert.numpy_api.bindings.scan"
        first, second = trace(names["f"])
        assert is_marked(first) and not is_marked(second)
        assert vars(scan)["np"] is np
    finally:
        del vars(package)["_probe"]


# -- nothing else changes --------------------------------------------------------------------------


def snapshot():
    names = ["numpy", "numpy.linalg", "numpy.random", "math", "statistics", "functools"]
    modules = {name: dict(vars(sys.modules[name])) for name in names}
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] == "wengert":
            modules[name] = dict(vars(module))
    return modules


def changes(old, new):
    return [
        (module, name)
        for module, entries in old.items()
        for name, value in entries.items()
        if new[module].get(name) is not value
    ] + [(m, n) for m in old for n in new[m].keys() - old[m].keys()]


def test_numpy_math_and_wengert_are_untouched_during_and_after():
    trace(call_all)
    before = snapshot()
    during = []

    def f():
        during.append(snapshot())
        return np.zeros(3)

    assert is_marked(trace(f))
    assert changes(before, during[0]) == []
    assert changes(before, snapshot()) == []
    assert sys.modules["numpy"].zeros is REAL.zeros


def test_stdlib_and_compiled_packages_are_not_admitted():
    import sklearn.base

    seen = []

    def f():
        seen.append(vars(sklearn.base)["np"])

    trace(f)
    assert seen[0] is np


def test_import_statement_is_ours_only_while_tracing():
    before = builtins.__import__
    seen = []
    trace(lambda: seen.append(builtins.__import__))
    assert seen[0] is not before
    assert builtins.__import__ is before


def test_names_are_plain_for_a_twin_called_with_no_trace():
    token = BINDINGS.enter(plain)
    try:
        assert type(plain()) is np.ndarray
    finally:
        BINDINGS.exit(token)
