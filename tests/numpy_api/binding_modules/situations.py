"""One function per way of holding a NumPy name; each returns what its ``zeros`` (or ``sin``) gave.

Imports NumPy and the standard library as users do. `SITUATIONS` lists the functions; called with no
argument each gives NumPy's result, or the list of them.
"""

import functools
import math
import statistics
from dataclasses import dataclass, field
from enum import Enum
from math import *  # noqa: F403

import numpy
import numpy as np
import numpy.linalg as la
from numpy import linalg, zeros
from numpy import zeros as make
from numpy.linalg import norm

from . import decorators

SITUATIONS = []


def situation(function):
    SITUATIONS.append(function)
    return function


TABLE = {"make": np.zeros, "other": 3, "inner": {"make": np.zeros}}
LIST = [1, np.zeros]
TUPLE = (np.zeros, (math.sin, 2))
PARTIAL = functools.partial(np.zeros, 3)
PARTIAL_OF_OURS = functools.partial(lambda maker, n: maker(n), np.zeros, n=3)
PARTIAL_BY_KEYWORD = functools.partial(lambda n, maker: maker(n), maker=np.zeros)


@situation
def module_global():
    return np.zeros(3)


@situation
def plain_module_name():
    return numpy.zeros(3)


@situation
def from_import():
    return zeros(3)


@situation
def from_import_as():
    return make(3)


@situation
def star_import():
    return sin(0.5)  # noqa: F405


@situation
def submodule_by_attribute():
    return np.linalg.norm([3.0, 4.0])


@situation
def submodule_alias():
    return la.norm([3.0, 4.0])


@situation
def submodule_from_import():
    return linalg.norm([3.0, 4.0])


@situation
def function_from_submodule():
    return norm([3.0, 4.0])


@situation
def statistics_module():
    return statistics.mean([1.0, 2.0])


@situation
def default(maker=np.zeros):
    return maker(3)


@situation
def default_module(xp=np):
    return xp.zeros(3)


@situation
def default_in_tuple(makers=(np.zeros, np.ones)):
    return makers[0](3)


@situation
def default_dict(makers={"zeros": np.zeros}):  # noqa: B006
    return makers["zeros"](3)


@situation
def keyword_default(*, maker=np.zeros):
    return maker(3)


def _closing(maker, xp, table):
    def closure():
        return [maker(3), xp.zeros(3), table["make"](3)]

    def outer():
        return closure()

    return closure, outer


closure, closure_in_closure = _closing(np.zeros, np, {"make": np.zeros})
situation(closure)
situation(closure_in_closure)


def _counting():
    maker = np.zeros
    count = 0

    def counted():
        nonlocal count
        count += 1
        return maker(3)

    return counted


situation(_counting())


@situation
def in_dict():
    return TABLE["make"](3)


@situation
def in_inner_dict():
    return TABLE["inner"]["make"](3)


@situation
def in_list():
    return LIST[1](3)


@situation
def in_tuple():
    return [TUPLE[0](3), TUPLE[1][0](0.5)]


@situation
def partial():
    return PARTIAL()


@situation
def partial_argument():
    return PARTIAL_OF_OURS()


@situation
def partial_keyword():
    return PARTIAL_BY_KEYWORD(3)


@situation
@decorators.wrapping
def wrapped(maker=np.zeros):
    return maker(3)


@situation
@decorators.hiding
def wrapped_without_trace(maker=np.zeros):
    return maker(3)


@functools.lru_cache(maxsize=0)
def _cached(maker=np.zeros):
    return maker(3)


@situation
def cached_function():
    return _cached()


class Model:
    xp = np
    maker = np.zeros
    static = staticmethod(np.zeros)
    makers = {"zeros": np.zeros}
    area = property(lambda self, maker=np.zeros: maker(3))

    def method(self, maker=np.zeros):
        return maker(3)

    @classmethod
    def on_class(cls, maker=np.zeros):
        return maker(3)

    @functools.cached_property
    def cached(self, maker=np.zeros):
        return maker(3)

    class Inner:
        maker = np.zeros


class Child(Model):
    def method(self):
        return super().method()


class Kind(Enum):
    A = 1

    def make(self, maker=np.zeros):
        return maker(3)


@dataclass
class Settings:
    maker: object = np.zeros
    makers: list = field(default_factory=lambda maker=np.zeros: [maker])


@situation
def class_attribute_module():
    return Model.xp.zeros(3)


@situation
def instance_of_class_attribute_module():
    return Model().xp.zeros(3)


@situation
def class_attribute():
    return [Model.maker(3), Model().maker(3)]


@situation
def static_method():
    return [Model.static(3), Model().static(3)]


@situation
def dict_of_class():
    return Model.makers["zeros"](3)


@situation
def property_getter():
    return Model().area


@situation
def method():
    return Model().method()


@situation
def inherited():
    return Child().method()


@situation
def class_method():
    return Model.on_class()


@situation
def cached_attribute():
    return Model().cached


@situation
def inner_class():
    return Model.Inner().maker(3)


@situation
def enum_method():
    return Kind.A.make()


@situation
def dataclass_default():
    return Settings().maker(3)


@situation
def dataclass_factory():
    return Settings().makers[0](3)


@situation
def import_in_function():
    import numpy as np

    return np.zeros(3)


@situation
def dotted_import_in_function():
    import numpy.linalg as la

    return la.norm([3.0, 4.0])


@situation
def from_import_in_function():
    from numpy import zeros

    return zeros(3)


@situation
def submodule_import_in_function():
    from numpy import linalg

    return linalg.norm([3.0, 4.0])


@situation
def mapped():
    return list(map(np.zeros, [1, 2]))


@situation
def by_getattr():
    return getattr(np, "zeros")(3)  # noqa: B009


@situation
def comprehension():
    return [np.zeros(n) for n in range(2)]


@situation
def generator():
    return list(np.zeros(n) for n in range(2))  # noqa: C400


@situation
def over_lines():
    return (np
            .zeros(3))


_namespace = {"np": np, "__name__": __name__}
exec("def executed():\n    return np.zeros(3)\n", _namespace)


@situation
def executed_code():
    return _namespace["executed"]()
