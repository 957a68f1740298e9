"""Programs that write through views and views of views, as NumPy has them.

Plain `import numpy as np`; imports only the table type. Whether an operation gives a view or a
copy is NumPy's decision, and the programs below depend on it.
"""

import numpy as np

from .harness import Program, table

PROGRAMS: list[Program] = []
program = table(PROGRAMS)

X = np.array([0.7, -0.4, 1.3, 0.9, -1.1, 0.5])
M = np.array([[0.5, -1.2, 0.4], [0.8, 1.7, -0.6], [1.1, 0.3, 0.9]])


@program(X)
def slice_scaled(x):
    y = x * x
    v = y[1:]
    v *= 2
    return np.sum(y * x)


@program(X)
def view_of_a_view(x):
    y = np.sin(x)
    v = y[::2][1:]
    v *= x[0]
    v[0] = x[1] * x[2]
    return np.sum(y**2)


@program(X)
def views_of_views_of_views(x):
    y = x.copy()
    a = y[1:]
    b = a[::-1]
    c = b[1:4]
    c[:] = c * c
    b[0] = 3.0 * x[0]
    a[0] += y[5]
    return y * x


@program(X)
def base_written_view_read(x):
    y = x * 1.0
    v = y[2:5]
    y[3] = x[0] * x[1]
    y *= 2.0
    return np.sum(v**2)


@program(X)
def two_overlapping_views(x):
    y = x**2
    left, right = y[:4], y[2:]
    left += right
    right *= left
    return np.sum(y)


@program(X)
def view_outlives_the_name_of_its_base(x):
    y = x * 3.0
    v = y[:3]
    y = y + 1.0
    v *= x[:3]
    return np.sum(y**2) + np.sum(v**2)


@program(X)
def view_of_the_argument_written(x):
    head = x[:2]
    head *= x[2:4]
    return np.sum(x**3)


@program(X)
def reshape_view_written(x):
    y = x * x
    a = y.reshape(2, 3)
    a[1] = a[0] * x[:3]
    a[:, 0] += 1.0
    return np.sum(y * x)


@program(X)
def ravel_of_contiguous_is_a_view(x):
    a = np.outer(x[:2], x[2:5])
    flat = a.ravel()
    flat[1:4] *= x[:3]
    return np.sum(a**2, axis=0)


@program(M)
def ravel_of_transpose_is_a_copy(m):
    a = m * m
    flat = a.T.ravel()
    flat[0] = 100.0 * m[1, 1]
    return np.sum(a * m) + flat[1] + flat[0]


@program(M)
def flatten_is_a_copy(m):
    a = m * 2.0
    flat = a.flatten()
    flat *= m[0, 0]
    return np.sum(a**2) + np.sum(flat)


@program(M)
def transpose_view_written(m):
    a = m.copy()
    t = a.T
    t[0] = m[1] * m[2]
    t[1, 2] *= 3.0
    return a @ m


@program(M)
def transposed_slice_scaled(m):
    a = m @ m
    corner = a[1:, :2].T
    corner *= m[:2, 1:]
    return np.sum(a * m)


@program(np.arange(12.0).reshape(2, 3, 2) / 7 + 0.2)
def swapaxes_and_moveaxis_views(t):
    a = t * t
    np.swapaxes(a, 0, 1)[1] = t[:, 0, :] * 2.0
    np.moveaxis(a, 2, 0)[0, 1, :] += t[0, :, 1]
    return np.sum(a**2)


@program(np.arange(12.0).reshape(2, 3, 2) / 7 + 0.2)
def transpose_with_axes_view(t):
    a = np.sin(t)
    b = a.transpose(2, 0, 1)
    b[1] *= t[:, :, 0]
    return np.sum(a * t)


@program(M)
def diagonal_by_einsum_is_writable(m):
    a = m @ m
    d = np.einsum("ii->i", a)
    d += m[0] ** 2
    return np.linalg.det(a)


@program(M)
def diagonal_read(m):
    a = m @ m
    d = a.diagonal()
    return np.sum(d**2) + np.sum(np.diagonal(a, offset=1) * m[0, :2])


@program(M)
def diagonal_by_strided_ravel(m):
    a = m.copy()
    a.ravel()[::4] += m[1] ** 2
    return a @ a


@program(X)
def newaxis_and_ellipsis_views(x):
    y = x * x
    column = y[:, None]
    column[2:4, 0] = x[:2]
    y[None, ...][0, 5] = x[0] * x[5]
    return np.sum(y**2)


@program(M)
def row_views_in_a_loop(m):
    a = m.copy()
    for i in range(1, 3):
        row = a[i]
        row -= a[i - 1] * m[i, 0]
    return np.sum(a**2)


@program(M)
def rows_unpacked_and_written(m):
    a = m * 1.0
    first, second, third = a
    first += second
    third *= first
    return np.sum(a * a)


@program(M)
def columns_by_iterating_the_transpose(m):
    a = m * m
    for column in a.T:
        column /= np.sum(column)
    return a


@program(X)
def split_gives_views(x):
    y = x**2
    left, right = np.split(y, 2)
    left *= right
    return np.sum(y * np.arange(6.0))


@program(X)
def expand_squeeze_views(x):
    y = x * 2.0
    e = np.expand_dims(y, 0)
    e[0, 1] = x[0] ** 2
    s = e.squeeze()
    s[2:] *= x[:4]
    return np.sum(y**2)


@program(X)
def atleast_2d_shares(x):
    y = x * x
    a = np.atleast_2d(y)
    a[0, ::2] = x[::2]
    return np.sum(y * x**2)


@program(M)
def flip_and_rot_views(m):
    a = m.copy()
    np.flip(a, axis=1)[0] *= m[2]
    np.flipud(a)[0, 0] = m[0, 0] ** 2
    np.rot90(a)[1, 1] *= 2.0
    return np.sum(a**2)


@program(X)
def fancy_indexing_gives_a_copy(x):
    y = x * x
    v = y[[0, 2, 4]]
    v *= 10.0
    m = y[y > 0.3]
    m += 1.0
    return np.sum(y) + np.sum(v * x[:3]) + np.sum(m**2)


@program(X)
def array_of_a_view_is_a_copy(x):
    y = x * x
    v = np.array(y[1:4])
    v[0] = x[5] ** 2
    w = np.asarray(y[1:4])
    w[1] = x[0]
    return np.sum(y * x) + np.sum(v)


@program(X)
def zeros_with_view_windows(x):
    buffer = np.zeros(8)
    middle = buffer[1:-1]
    middle[:] = x
    left, right = buffer[:-2], buffer[2:]
    return np.sum((left - 2.0 * middle + right) ** 2)


@program(X)
def sliding_windows_read(x):
    windows = np.lib.stride_tricks.sliding_window_view(x, 3)
    return np.sum(windows.mean(axis=1) ** 2)


@program(X)
def real_part_of_a_real_array_is_itself(x):
    y = x * 1.0
    y.real[0] = x[1] ** 2
    return np.sum(y * x)


@program(X)
def complex_parts_written(x):
    z = np.zeros(6, dtype=complex)
    z.real = x
    z.imag[1:] = x[:-1] ** 2
    z[0] *= 2.0
    return np.sum(np.abs(z * z + 1.0) ** 2)


@program(X)
def view_passed_down_a_recursion(x):
    def double_ends(v):
        if len(v) < 2:
            return
        v[0] *= v[-1]
        v[-1] += v[0]
        double_ends(v[1:-1])

    y = x + 1.5
    double_ends(y)
    return np.sum(y * y)
