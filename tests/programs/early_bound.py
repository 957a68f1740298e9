"""Programs whose names for NumPy were bound early: imports, defaults, closures, tables.

Each function reaches NumPy or math through another kind of binding than the module-level name `np`.
Imports the table type, NumPy and math in every way people import them.
"""

import functools
import math as m
from math import exp as real_exp
from math import pi, sqrt

import numpy
import numpy as np
import numpy.linalg as la
from numpy import array, concatenate, cos, empty, eye, sin, zeros, zeros_like
from numpy.linalg import norm, solve

from .harness import Program, table

PROGRAMS: list[Program] = []
program = table(PROGRAMS)

X = np.array([0.7, -0.4, 1.3])

make_zeros = np.zeros
functions = {"sine": m.sin, "zeros": np.zeros, "array": np.array}
steps = [np.zeros, np.array]
filled_with_three = functools.partial(np.full, 3)


def module_level_helper(values):
    result = np.zeros(len(values))
    for i, value in enumerate(values):
        result[i] = value**2
    return result


class Toolbox:
    """Bindings as class attributes, static methods and instance attributes."""

    maker = staticmethod(np.zeros)
    library = np
    sine = staticmethod(m.sin)

    def filled(self, t):
        y = self.maker(2)
        y[0] = self.sine(t)
        y[1] = self.library.array([t, 1.0])[0] ** 2
        return y.sum()


@program(X)
def from_numpy_import(x):
    y = zeros(3)
    y[:2] = sin(x[1:]) * cos(x[:2])
    z = empty(3)
    z[:] = concatenate([y[:1], array([x[0], x[1] ** 2])])
    return norm(y * z + eye(3)[0]) + zeros_like(x).sum()


@program(0.6)
def from_math_import(t):
    return real_exp(t) * sqrt(t) + m.sin(pi * t)


@program(X)
def numpy_under_its_full_name(x):
    y = numpy.ones(3)
    y[0] = x[0] ** 2
    return numpy.sum(y * x)


@program(X)
def linalg_under_another_name(x):
    a = np.eye(3) * 3.0 + np.outer(x, x**2)
    return la.det(a) + solve(a, x) @ x + la.norm(x)


@program(X)
def alias_of_a_function(x):
    y = make_zeros(3)
    y[1:] = x[:2] * x[1:]
    return y @ x


@program(0.6)
def function_in_a_table(t):
    y = functions["zeros"](2)
    y[0] = functions["sine"](t)
    return y[0] * functions["array"]([t, 2.0])[0]


@program(0.6)
def function_in_a_list(t):
    y = steps[0](2)
    y[1] = t**2
    return y[1] * steps[1]([t, 1.0])[0]


@program(X)
def function_by_getattr(x):
    y = getattr(np, "zeros")(3)  # noqa: B009
    y[:] = getattr(np, "sin")(x)  # noqa: B009
    return y @ y


@program(0.6)
def function_in_a_partial(t):
    return filled_with_three(t).sum() ** 2


@program(X)
def function_mapped(x):
    buffers = list(map(np.zeros, [1, 2]))
    buffers[0][0] = x[0] ** 2
    buffers[1][:] = x[1:]
    return buffers[0][0] * buffers[1][1] + sum(map(m.sin, x))


@program(0.6)
def default_argument(t):
    def fill(value, make=np.zeros, sine=m.sin):
        y = make(2)
        y[0] = sine(value)
        return y[0] * value

    return fill(t)


def fill_with_default_maker(value, make=np.zeros, *, root=m.sqrt):
    y = make(3)
    y[1:] = root(value)
    return y


@program(0.6)
def module_level_default_argument(t):
    return fill_with_default_maker(t) * t


def build_closure():
    make, sine = np.zeros, m.sin

    def closed(t):
        y = make(2)
        y[1] = sine(t) * t
        return y[1]

    return closed


closed_over_functions = program(0.6)(build_closure())


@program(X)
def helper_in_the_module(x):
    return module_level_helper(x) @ x


@program(0.6)
def class_attributes_and_static_methods(t):
    return Toolbox().filled(t)


@program(0.6)
def import_inside_the_function(t):
    import math

    import numpy as xp
    from numpy import zeros as make

    y = make(3)
    y[0] = math.sin(t)
    y[1:] = xp.array([t, 1.0]) * t
    return xp.sum(y**2)


@program(0.6)
def lambda_and_nested_function(t):
    fill = lambda v: np.array([v, np.sin(v)])

    def outer():
        def inner():
            y = np.zeros(2)
            y[:] = fill(t)
            return y

        return inner()

    return outer()


@program(0.6)
def code_made_at_run_time(t):
    space = {}
    exec(
        "import numpy as np\n"
        "def made(t):\n    y = np.zeros(2)\n    y[0] = t * t\n    return y.sum()",
        space,
    )
    return space["made"](t) * eval("np.sin(t)")


@program(0.6)
def function_held_by_an_instance(t):
    class Holder:
        pass

    holder = Holder()
    holder.sine = np.sin
    holder.stack = np.stack
    return np.sum(holder.stack([holder.sine(t), t**2]) ** 2)


@program(0.6)
def cached_helper_of_constants(t):
    @functools.cache
    def nodes(count):
        return np.linspace(0.0, 1.0, count)

    return np.sum(nodes(4) * t) ** 2 + np.sum(nodes(4) ** t)
