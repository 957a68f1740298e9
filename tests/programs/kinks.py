"""Programs evaluated exactly on a kink, where the derivative is the even split along each axis.

Plain `import numpy as np`; imports only the table type. At these points the mean of the two one-
sided slopes is the minimum-norm choice, so a symmetric difference is an independent answer.
"""

import numpy as np

from .harness import Program, table

PROGRAMS: list[Program] = []
program = table(PROGRAMS)


@program(np.array([0.0, -0.4, 0.0]), smooth=False)
def absolute_values_at_zero(x):
    return np.sum(np.abs(x)) + x[1] ** 2


@program(0.0, smooth=False)
def builtin_abs_at_zero(t):
    return abs(t) + 3.0 * t


@program(0.8, 0.8, smooth=False)
def maximum_of_equal_arguments(a, b):
    return np.maximum(a, b) * 2.0 + np.minimum(a, b)


@program(0.0, smooth=False)
def maximum_with_zero_at_zero(t):
    return np.maximum(t, 0.0) + np.fmax(0.0, t) * 2.0


@program(np.array([0.9, 0.2, 0.9, 0.1]), smooth=False)
def max_reduction_with_a_tie(x):
    return np.max(x) * 3.0 + x[1] ** 2


@program(np.array([[0.4, 0.4], [0.3, 0.4]]), smooth=False)
def min_over_an_axis_with_ties(m):
    return np.sum(np.min(m, axis=0) * np.array([1.0, 2.0]))
