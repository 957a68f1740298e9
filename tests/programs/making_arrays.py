"""Programs that make arrays the way people do: allocate, fill by index or slice, build from lists.

Plain `import numpy as np`; imports only the table type. Every function returns a smooth number or
array of its arguments and nothing about it knows that it will be differentiated.
"""

import numpy as np

from .harness import Program, table

PROGRAMS: list[Program] = []
program = table(PROGRAMS)

X = np.array([0.7, -0.4, 1.3])
X4 = np.array([0.6, 1.4, -0.8, 0.3])
M = np.array([[0.5, -1.2], [0.8, 1.7]])


@program(X)
def zeros_filled_by_index(x):
    y = np.zeros(3)
    for i in range(3):
        y[i] = np.sin(x[i]) * x[(i + 1) % 3]
    return np.sum(y * y)


@program(X)
def zeros_filled_by_slice(x):
    y = np.zeros(5)
    y[1:4] = x * x
    y[0] = x[2]
    return np.dot(y, np.arange(5.0)) * x[0]


@program(X)
def ones_then_some_entries(x):
    y = np.ones(4)
    y[1] = x[0] ** 2
    y[3] = x[1] * x[2]
    return np.prod(y)


@program(X)
def empty_filled_completely(x):
    y = np.empty(3)
    y[0] = np.exp(x[0])
    y[1] = x[0] * x[1]
    y[2] = y[0] + y[1] * x[2]
    return y


@program(X)
def empty_filled_backwards(x):
    y = np.empty(3)
    for i in range(2, -1, -1):
        y[i] = x[i] if i == 2 else x[i] * y[i + 1]
    return y[0] + y[1]


@program(0.8)
def full_of_a_traced_number(t):
    y = np.full(3, t)
    return np.sum(y**2) * np.cos(t)


@program(0.8)
def full_of_a_constant_then_written(t):
    y = np.full((2, 2), 3.0)
    y[0, 1] = t * t
    y[1] = y[0] * t
    return np.sum(y)


@program(X)
def full_of_a_traced_row(x):
    y = np.full((2, 3), x)
    y[1] *= x[::-1]
    return np.sum(y * y)


@program(0.8, -0.3)
def array_of_nested_list(t, u):
    a = np.array([[t, 1.0], [0.0, u]])
    return np.sum(a @ a)


@program(0.8, -0.3)
def array_of_nested_list_with_dtype(t, u):
    a = np.array([[t, 1.0], [0.0, u * t]], dtype=float)
    return np.linalg.det(a) + np.trace(a @ a @ a)


@program(0.8, -0.3)
def array_of_ints_and_numbers(t, u):
    a = np.array([1, t, 2, u])
    return np.sum(a**3)


@program(X)
def array_of_rows(x):
    a = np.array([x, x * x, np.sin(x)])
    return np.linalg.det(a)


@program(X)
def array_of_a_tuple_of_tuples(x):
    a = np.array(((x[0], x[1]), (x[2], x[0] * x[1])))
    return a.T @ a


@program(X)
def array_copies_its_argument(x):
    y = np.array(x)
    y[0] = 5.0
    return np.sum(y * x)


@program(X)
def asarray_shares_its_argument(x):
    y = np.asarray(x)
    y[0] = x[1] * x[2]
    return np.sum(x**2)


@program(X)
def asarray_of_a_list_with_float_dtype(x):
    rows = [x[0], 2, x[1] * x[2]]
    y = np.asarray(rows, dtype=float)
    return np.sum(np.tanh(y))


@program(0.8)
def rotation_by_nested_lists(t):
    c, s = np.cos(t), np.sin(t)
    r = np.array([[c, -s], [s, c]])
    return r @ np.array([1.0, 2.0])


@program(X)
def eye_with_a_written_row(x):
    a = np.eye(3)
    a[1] = x
    return np.linalg.inv(a)[1] @ x


@program(X)
def identity_times_and_diagonal(x):
    a = np.identity(3) * 2.0
    for i in range(3):
        a[i, i] = x[i] ** 2 + 1.0
    return np.linalg.det(a)


@program(0.8)
def arange_with_traced_bounds(t):
    y = np.arange(t, t + 2.5, 0.5)
    return np.sum(y**2)


@program(0.4, 1.9)
def linspace_between_traced_bounds(a, b):
    x = np.linspace(a, b, 7)
    return np.sum(np.exp(-x * x)) * (b - a) / 6


@program(0.3, 1.1)
def logspace_and_geomspace(a, b):
    return np.sum(np.logspace(a, b, 4)) + np.sum(np.sin(np.geomspace(a, b, 5)))


@program(X)
def arange_then_written(x):
    y = np.arange(4.0)
    y[1:] = y[1:] * x
    y[0] = y[3] * x[0]
    return np.sum(y**2)


@program(X)
def zeros_like_the_argument(x):
    y = np.zeros_like(x)
    y[1:] = x[:-1] ** 2
    return np.sum(y * x)


@program(M)
def ones_like_and_empty_like(m):
    a = np.ones_like(m)
    a[0] += m[1]
    b = np.empty_like(m)
    b[:] = a @ m
    return np.sum(b**2)


@program(X)
def full_like_a_number(x):
    y = np.full_like(x, x[0] * x[1])
    y[2] = x[2]
    return np.sum(y * y)


@program(X)
def zeros_plus_one_then_written(x):
    y = np.zeros(3) + 1
    y[0] = x[0] * x[1]
    return np.sum(y * x) ** 2


@program(X)
def constant_arithmetic_then_written(x):
    a = np.ones((2, 3)) * np.array([1.0, 2.0, 3.0])
    b = a.T.copy()
    b[0, :] = x[:2]
    return np.sum(b**2)


@program(X)
def zeros_reshaped_then_written(x):
    y = np.zeros(6).reshape(2, 3)
    y[1] = x
    y[0, 2] = x[0] * x[1]
    return np.sum(y, axis=0) ** 2


@program(X)
def list_filled_then_array(x):
    values = []
    for i in range(3):
        values.append(x[i] ** (i + 1))
    return np.sum(np.array(values) ** 2)


@program(X)
def list_of_rows_then_array(x):
    rows = [[x[i] * x[j] for j in range(3)] for i in range(3)]
    return np.sum(np.array(rows) @ x)


@program(X)
def list_of_rows_then_stack(x):
    rows = []
    row = x
    for _ in range(3):
        row = np.sin(row) + x[0]
        rows.append(row)
    return np.sum(np.vstack(rows) * np.arange(9.0).reshape(3, 3))


@program(X)
def concatenate_numbers_and_arrays(x):
    y = np.concatenate([x, [x[0] * x[1]], np.ones(2)])
    return np.sum(y**3)


@program(X)
def hstack_column_stack_block(x):
    a = np.column_stack([x, x**2, np.ones(3)])
    b = np.block([[a, np.zeros((3, 1))], [np.zeros((1, 3)), np.array([[x[0]]])]])
    return np.linalg.det(b) + np.sum(np.hstack([x, x[0]]))


@program(X)
def r_and_c_objects(x):
    y = np.r_[0.0, x, x[0] ** 2]
    a = np.c_[x, x[::-1]]
    return np.sum(y**2) + np.sum(a[:, 0] * a[:, 1] ** 2)


@program(M)
def two_dimensional_fill(m):
    c = np.zeros((2, 2))
    for i in range(2):
        for j in range(2):
            for k in range(2):
                c[i, j] += m[i, k] * m[k, j]
    return c


@program(M)
def two_dimensional_fill_by_rows_and_columns(m):
    a = np.zeros((3, 3))
    a[0, :2] = m[0]
    a[1:, 0] = m[:, 1]
    a[2, 2] = m[0, 0] * m[1, 1]
    a[1, 1:] = 1.5
    return np.linalg.det(a)


@program(X)
def three_dimensional_fill(x):
    y = np.zeros((2, 3, 2))
    y[0, :, 1] = x
    y[1, 1] = x[:2] * x[1:]
    y[..., 0] += x**2
    return np.sum(y**2, axis=(0, 2))


@program(X4)
def diag_tri_and_kron(x):
    d = np.diag(x)
    d[0, 3] = x[1] ** 2
    lower = np.tril(np.outer(x, x))
    return np.sum(d @ lower) + np.sum(np.kron(x[:2], x[2:]) ** 2)


@program(X)
def outer_grid_by_meshgrid(x):
    a, b = np.meshgrid(x, x[:2])
    return np.sum(np.sin(a) * b)


@program(X)
def tile_repeat_broadcast(x):
    y = np.tile(x, 2) * np.repeat(x, 2)
    z = np.broadcast_to(x, (2, 3)) * np.arange(6.0).reshape(2, 3)
    return np.sum(y**2) + np.sum(z**2)


@program(X)
def fromfunction_and_fromiter(x):
    a = np.fromfunction(lambda i, j: i + 2.0 * j, (3, 3))
    y = np.fromiter((x[i] ** 2 for i in range(3)), dtype=float)
    return y @ a @ x


@program(X)
def vander_and_polynomial_design(x):
    v = np.vander(x, 3)
    return np.sum(v**2) + np.linalg.det(v)


@program(X)
def float32_buffer_is_converted_back(x):
    y = np.zeros(3, dtype=np.float64)
    y[:] = x
    return np.sum(y.astype(np.float64) ** 3)


@program(X)
def structure_of_default_argument_arrays(x):
    def moments(values, orders=(1, 2, 3)):
        result = np.zeros(len(orders))
        for place, order in enumerate(orders):
            result[place] = np.mean(values**order)
        return result

    return moments(x)
