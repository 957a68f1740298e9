"""Programs that write into arrays: augmented assignment, `out=`, masks, indices, ufunc methods.

Plain `import numpy as np`; imports only the table type. What is written, what is overwritten and
what is read in between is exactly what NumPy does.
"""

import numpy as np

from .harness import Program, table

PROGRAMS: list[Program] = []
program = table(PROGRAMS)

X = np.array([0.7, -0.4, 1.3, 0.9, -1.1])
M = np.array([[0.5, -1.2, 0.4], [0.8, 1.7, -0.6], [1.1, 0.3, 0.9]])


@program(X)
def running_sum_in_one_line(x):
    y = x * x
    y[1:] += y[:-1]
    return y * x


@program(X)
def overlapping_add_backwards(x):
    y = np.sin(x)
    y[:-1] += y[1:] * y[:-1]
    y[:-2] -= y[2:]
    return np.sum(y**2)


@program(X)
def overlapping_copy(x):
    y = x.copy()
    y[1:] = y[:-1]
    y[::2] = y[::-2] * x[0]
    return np.sum(y * np.arange(1.0, 6.0) * x)


@program(X)
def reversed_assignment(x):
    y = x * 2.0
    y[::-1] = y * x
    return np.sum(np.arange(5.0) * y)


@program(X)
def augmented_assignment_of_every_kind(x):
    y = x + 3.0
    y += x
    y -= 0.5 * x[::-1]
    y *= x
    y /= 2.0 + x**2
    y **= 2
    return np.sum(y)


@program(X)
def write_the_differentiated_argument(x):
    x[0] = x[1] * x[2]
    x[3] = np.sin(x[0])
    return np.sum(x**2)


@program(X)
def scale_the_differentiated_argument(x):
    x *= 2
    x += 1.0
    return np.prod(x)


@program(X)
def read_after_write_after_read(x):
    y = np.zeros(5)
    y[0] = x[0]
    a = y[0] * x[1]
    y[0] = a * a
    b = y[0] + x[2]
    y[0] = b * y[0]
    return y[0] * a * b


@program(X)
def overwritten_value_still_needed(x):
    y = x.copy()
    z = np.exp(y)
    s = np.sum(z * y)
    y[:] = 0.0
    z *= 0.0
    return s**2 + np.sum(y) + np.sum(z)


@program(X)
def two_names_for_one_array(x):
    y = x * 1.0
    z = y
    z[1] = y[0] * 3.0
    y[2] = z[1] ** 2
    return np.sum(z * y)


@program(X)
def written_by_a_helper(x):
    def normalise(v):
        v -= np.mean(v)
        v /= np.sqrt(np.sum(v**2))

    y = x.copy()
    normalise(y)
    return np.sum(y**3)


@program(X)
def swapped_entries(x):
    y = x * x[0]
    y[0], y[4] = y[4], y[0]
    y[[1, 2]] = y[[2, 1]]
    return np.sum(y * np.arange(5.0))


@program(M)
def swapped_rows(m):
    a = m @ m
    a[[0, 1]] = a[[1, 0]]
    a[:, [2, 0]] = a[:, [0, 2]]
    return np.sum(a * np.arange(9.0).reshape(3, 3))


@program(M)
def swapped_rows_by_copy(m):
    a = m.copy()
    row = a[0].copy()
    a[0] = a[2]
    a[2] = row * a[1]
    return a @ m


@program(X)
def out_of_a_ufunc(x):
    y = np.empty(5)
    np.multiply(x, x, out=y)
    np.exp(y, out=y)
    np.add(y, x, out=y)
    return np.sum(y)


@program(X)
def out_of_a_slice(x):
    y = np.zeros(7)
    np.sin(x, out=y[1:6])
    np.multiply(y[:5], x, out=y[:5])
    return np.sum(y**2)


@program(X)
def out_and_where_together(x):
    y = np.ones(5)
    np.log(x, out=y, where=x > 0)
    return np.sum(y * x)


@program(M)
def out_of_matmul_dot_and_sum(m):
    c = np.zeros((3, 3))
    np.matmul(m, m, out=c)
    s = np.zeros(3)
    np.sum(c, axis=0, out=s)
    np.dot(m, s.copy(), out=s)
    return s


@program(X)
def out_of_cumsum_and_clip(x):
    y = np.empty_like(x)
    np.cumsum(x**2, out=y)
    np.clip(y, 0.6, 4.0, out=y)
    return np.sum(y * x)


@program(X)
def ufunc_reduce(x):
    return np.add.reduce(x**2) * np.multiply.reduce(x) + np.maximum.reduce(np.sin(x))


@program(M)
def ufunc_reduce_over_axes(m):
    return np.add.reduce(m, axis=(0, 1)) * np.multiply.reduce(m, axis=1)


@program(X)
def ufunc_accumulate(x):
    return np.sum(np.add.accumulate(x) ** 2) + np.multiply.accumulate(x) @ x


@program(X)
def maximum_accumulate(x):
    return np.maximum.accumulate(np.sin(3 * x)) * np.minimum.accumulate(x)


@program(X)
def ufunc_outer(x):
    return np.sum(np.multiply.outer(x, np.exp(x)) ** 2) + np.sum(np.subtract.outer(x, x[:2]) ** 3)


@program(X)
def ufunc_at_with_repeats(x):
    y = np.zeros(3)
    np.add.at(y, [0, 2, 2, 1, 0], x * x)
    np.multiply.at(y, [1, 1], x[:2])
    np.subtract.at(y, np.array([0, 0]), x[3])
    return y**2


@program(X)
def ufunc_reduceat(x):
    return np.add.reduceat(x**2, [0, 2, 3]) * np.array([1.0, -2.0, 0.5])


@program(X)
def mask_read(x):
    return np.sum(x[x > 0] ** 3) + np.prod(x[x < 0])


@program(X)
def mask_written_with_a_number(x):
    y = x**2
    y[x < 0] = 0.25
    return np.sum(y * x)


@program(X)
def mask_written_with_values(x):
    y = x**2
    negative = x < 0
    y[negative] = np.exp(x[negative])
    y[~negative] *= x[~negative]
    return y


@program(M)
def mask_of_a_matrix(m):
    a = m.copy()
    a[a < 0.45] = 0.0
    a[m > 1.0] **= 2
    return a @ m


@program(X)
def fancy_read_with_repeats(x):
    y = x[[0, 0, 3, 4, 3, -1]]
    return np.sum(y[:3] * y[3:] ** 2)


@program(X)
def fancy_write_with_repeats_last_one_stays(x):
    y = np.zeros(4)
    y[[1, 2, 1]] = x[:3] ** 2
    y[[0, 0]] = x[3:] * x[0]
    return np.sum(y * np.array([1.0, 2.0, 3.0, 4.0]) * x[:4])


@program(X)
def fancy_add_with_repeats_counts_once(x):
    y = x.copy()
    y[[1, 1, 2]] += x[:3] * x[2:]
    return np.sum(y**2)


@program(M)
def fancy_pairs_of_indices(m):
    a = m * m
    rows, columns = np.array([0, 1, 2, 2]), np.array([2, 0, 1, 1])
    a[rows, columns] = m[columns, rows] * m[0, 0]
    return a[np.ix_([0, 2], [1, 2])] * m[[0, 1], 1:]


@program(M)
def fancy_mixed_with_slices(m):
    a = m.copy()
    a[[0, 2], 1:] = m[1:, [0, 1]] * 2.0
    a[..., -1] *= m[:, 0]
    a[:, None, 0] += 1.0
    return np.sum(a**2)


@program(X)
def negative_steps_and_ends(x):
    y = np.zeros(9)
    y[-2:-7:-1] = x * x
    y[::-3] += x[-1] * x[-3]
    return np.sum(y[::-2] ** 2)


@program(X)
def fill_put_copyto(x):
    y = np.zeros(5)
    y.fill(x[0] * x[1])
    np.put(y, [1, 3], x[2:4] ** 2)
    z = np.empty(5)
    np.copyto(z, y * x)
    np.copyto(z, 1.5 * x, where=x > 1.0)
    return np.sum(z**2)


@program(M)
def fill_diagonal(m):
    a = m @ m
    np.fill_diagonal(a, m[0])
    b = np.zeros((3, 3))
    np.fill_diagonal(b, m[1, 1] ** 2)
    return np.linalg.det(a) + np.sum(b * m)


@program(X)
def place_putmask_and_put_along_axis(x):
    y = x * x
    np.place(y, x < 0, [x[0], x[2]])
    np.putmask(y, x > 1.0, x[::-1])
    a = np.outer(x, x[:2])
    np.put_along_axis(a, np.array([[1], [0], [0], [1], [1]]), y[:, None], axis=1)
    return np.sum(a**2)


@program(X)
def sorted_in_place(x):
    y = np.sin(x)
    y.sort()
    return np.sum(y * np.arange(5.0) ** 2)


@program(X)
def flat_and_item_access(x):
    a = np.zeros((2, 2))
    a.flat = x[:4] * x[1:]
    a.flat[2] = x[0] ** 2
    return np.sum(a @ a) + a.item(3) * x.item(1)


@program(X)
def write_inside_a_comprehension_loop(x):
    y = np.zeros((5, 2))
    for i, row in enumerate(y):
        row[0] = x[i]
        row[1] = x[i] ** 2
    return np.sum(y[:, 0] * y[:, 1])


@program(X)
def dead_writes_leave_no_trace(x):
    y = x**3
    y[2] = 100.0 * x[0]
    y[2] = x[1]
    y[1:3] = x[3] * 2.0
    return np.sum(y)


@program(X)
def integer_counts_beside_the_numbers(x):
    counts = np.zeros(3, dtype=int)
    sums = np.zeros(3)
    for value, group in zip(x, [0, 1, 2, 1, 0], strict=True):
        counts[group] += 1
        sums[group] += value**2
    return sums / counts
