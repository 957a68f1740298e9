"""Textbook algorithms on arrays, by loops and in-place updates: elimination, stencils, tables.

Plain `import numpy as np`; imports only the table type. Each algorithm is written as the textbook
writes it, without a thought for differentiation.
"""

import numpy as np

from .harness import Program, table

PROGRAMS: list[Program] = []
program = table(PROGRAMS)

A3 = np.array([[2.1, 0.4, -0.3], [0.5, 1.7, 0.6], [-0.2, 0.3, 1.9]])
PIVOTED = np.array([[0.1, 0.4, -0.8], [1.5, 0.7, 0.6], [-0.6, 1.3, 0.9]])
B3 = np.array([0.7, -0.4, 1.3])
X6 = np.array([0.7, -0.4, 1.3, 0.9, -1.1, 0.5])
X8 = np.array([0.7, -0.4, 1.3, 0.9, -1.1, 0.5, 0.2, -0.6])


@program(A3, B3)
def gaussian_elimination(a, b):
    a, b = a.copy(), b.copy()
    n = len(b)
    for k in range(n - 1):
        for i in range(k + 1, n):
            factor = a[i, k] / a[k, k]
            a[i, k:] -= factor * a[k, k:]
            b[i] -= factor * b[k]
    x = np.zeros(n)
    for i in range(n - 1, -1, -1):
        x[i] = (b[i] - a[i, i + 1 :] @ x[i + 1 :]) / a[i, i]
    return x


@program(PIVOTED, B3)
def gaussian_elimination_with_pivots_in_the_argument(a, b):
    n = len(b)
    for k in range(n):
        p = k + np.argmax(np.abs(a[k:, k]))
        if p != k:
            a[[k, p]] = a[[p, k]]
            b[[k, p]] = b[[p, k]]
        for i in range(k + 1, n):
            a[i] -= a[i, k] / a[k, k] * a[k]
            b[i] -= a[i, k] / a[k, k] * b[k]
    return np.prod(np.diag(a)) + np.sum(b**2)


@program(A3)
def lu_in_place(a):
    lu = a.copy()
    for k in range(3):
        lu[k + 1 :, k] /= lu[k, k]
        lu[k + 1 :, k + 1 :] -= np.outer(lu[k + 1 :, k], lu[k, k + 1 :])
    return lu


@program(A3)
def cholesky_in_place(a):
    s = a @ a.T
    for j in range(3):
        s[j, j] = np.sqrt(s[j, j] - np.sum(s[j, :j] ** 2))
        for i in range(j + 1, 3):
            s[i, j] = (s[i, j] - np.dot(s[i, :j], s[j, :j])) / s[j, j]
        s[:j, j] = 0.0
    return s


@program(A3, B3)
def gauss_seidel_sweeps(a, b):
    x = np.zeros_like(b)
    for _ in range(4):
        for i in range(3):
            x[i] = (b[i] - a[i, :i] @ x[:i] - a[i, i + 1 :] @ x[i + 1 :]) / a[i, i]
    return x


@program(A3, B3)
def jacobi_until_converged(a, b):
    x = np.zeros(3)
    d = np.diag(a)
    r = a - np.diag(d)
    for _ in range(200):
        new = (b - r @ x) / d
        if np.max(np.abs(new - x)) < 1e-14:
            break
        x = new
    return np.sum(x**2)


@program(A3)
def gram_schmidt_columns_in_place(a):
    q = a.copy()
    for j in range(3):
        for k in range(j):
            q[:, j] -= (q[:, k] @ a[:, j]) * q[:, k]
        q[:, j] /= np.linalg.norm(q[:, j])
    return np.sum(q * np.arange(9.0).reshape(3, 3))


@program(A3)
def power_iteration(a):
    v = np.ones(3)
    for _ in range(8):
        v = a @ v
        v /= np.sqrt(v @ v)
    return v @ a @ v


@program(
    np.array([2.0, 2.5, 3.0, 2.2]), np.array([0.4, -0.6, 0.5]), np.array([0.3, 0.7, -0.2]), X6[:4]
)
def thomas_tridiagonal(main, lower, upper, right):
    n = len(main)
    c, d = upper.copy(), right.copy()
    c[0] /= main[0]
    d[0] /= main[0]
    for i in range(1, n):
        pivot = main[i] - lower[i - 1] * c[i - 1]
        if i < n - 1:
            c[i] /= pivot
        d[i] = (d[i] - lower[i - 1] * d[i - 1]) / pivot
    for i in range(n - 2, -1, -1):
        d[i] -= c[i] * d[i + 1]
    return d


@program(0.9, np.array([0.5, -0.2]))
def explicit_euler_with_history(mu, start):
    steps, h = 12, 0.05
    y = np.zeros((steps + 1, 2))
    y[0] = start
    for k in range(steps):
        position, speed = y[k]
        y[k + 1, 0] = position + h * speed
        y[k + 1, 1] = speed + h * (mu * (1 - position**2) * speed - position)
    return y[-1]


@program(X6, np.array([0.2, 0.5, -0.3]))
def convolution_by_loops(signal, kernel):
    n, k = len(signal), len(kernel)
    result = np.zeros(n + k - 1)
    for i in range(n):
        for j in range(k):
            result[i + j] += signal[i] * kernel[j]
    return np.sum(result**2)


@program(X8)
def prefix_sums_by_doubling(x):
    y = x.copy()
    step = 1
    while step < len(y):
        y[step:] = y[step:] + y[:-step]
        step *= 2
    return y * x


@program(X6, 0.3)
def heat_equation_stencil(u, r):
    for _ in range(5):
        u[1:-1] += r * (u[2:] - 2 * u[1:-1] + u[:-2])
    return u


@program(np.arange(16.0).reshape(4, 4) / 9, 0.2)
def laplace_five_point_in_place(u, rate):
    for _ in range(3):
        new = u.copy()
        new[1:-1, 1:-1] += rate * (
            u[:-2, 1:-1] + u[2:, 1:-1] + u[1:-1, :-2] + u[1:-1, 2:] - 4 * u[1:-1, 1:-1]
        )
        u = new
    return np.sum(u**2)


@program(X6)
def upwind_with_ghost_cells(u):
    padded = np.zeros(8)
    for _ in range(3):
        padded[1:-1] = u
        padded[0], padded[-1] = padded[-2], padded[1]
        flux = 0.5 * padded**2
        u = u - 0.1 * (flux[1:-1] - flux[:-2])
    return u


@program(X6)
def cumulative_product_by_hand(x):
    y = np.ones(7)
    for i in range(6):
        y[i + 1] = y[i] * (1.0 + x[i])
    return y[1:] - np.cumprod(1.0 + x) * x


@program(X6)
def sorting_network(x):
    y = x * 1.5
    for a, b in [
        (0, 1),
        (2, 3),
        (4, 5),
        (0, 2),
        (3, 5),
        (1, 4),
        (0, 1),
        (2, 3),
        (4, 5),
        (1, 2),
        (3, 4),
        (2, 3),
    ]:
        if y[a] > y[b]:
            y[a], y[b] = y[b], y[a]
    return y * np.arange(6.0) * x


@program(X6)
def bubble_sort_by_min_and_max(x):
    y = x.copy()
    for i in range(6):
        for j in range(5 - i):
            low, high = min(y[j], y[j + 1]), max(y[j], y[j + 1])
            y[j], y[j + 1] = low, high
    return np.sum(y**2 * np.arange(6.0))


@program(X6[:4], X6[2:5])
def soft_dynamic_time_warping(a, b):
    n, m = len(a), len(b)
    r = np.full((n + 1, m + 1), 1e3)
    r[0, 0] = 0.0
    for i in range(1, n + 1):
        for j in range(1, m + 1):
            cost = (a[i - 1] - b[j - 1]) ** 2
            near = np.array([r[i - 1, j - 1], r[i - 1, j], r[i, j - 1]])
            low = near.min()
            r[i, j] = cost + low - 0.5 * np.log(np.sum(np.exp(-(near - low) / 0.5)))
    return r[n, m]


@program(
    np.log(np.array([[0.7, 0.3], [0.4, 0.6]])), np.array([[0.2, -0.9], [-1.1, 0.4], [0.3, -0.5]])
)
def viterbi_by_maxima(transition, emission):
    score = np.zeros((3, 2))
    score[0] = emission[0]
    for t in range(1, 3):
        for s in range(2):
            score[t, s] = np.max(score[t - 1] + transition[:, s]) + emission[t, s]
    return score[-1].max() ** 2


@program(X6[:4], X6[2:])
def edit_distance_with_rolling_rows(a, b):
    previous = np.arange(5.0) * 0.83
    for i in range(4):
        current = np.empty(5)
        current[0] = previous[0] + 0.71
        for j in range(4):
            current[j + 1] = min(
                previous[j + 1] + 0.71, current[j] + 0.83, previous[j] + 0.4 * (a[i] - b[j]) ** 2
            )
        previous, current = current, previous
    return previous[-1]


@program(X8)
def fft_butterflies_by_hand(x):
    n = 8
    order = [0, 4, 2, 6, 1, 5, 3, 7]
    z = np.zeros(n, dtype=complex)
    z[:] = x[order]
    size = 2
    while size <= n:
        half = size // 2
        twiddle = np.exp(-2j * np.pi * np.arange(half) / size)
        for start in range(0, n, size):
            even = z[start : start + half].copy()
            odd = z[start + half : start + size] * twiddle
            z[start : start + half] = even + odd
            z[start + half : start + size] = even - odd
        size *= 2
    return np.abs(z) ** 2


@program(np.array([0.4, 1.2, 2.9, 0.8]))
def floyd_warshall(w):
    d = np.full((4, 4), 50.0)
    np.fill_diagonal(d, 0.0)
    d[0, 1], d[1, 2], d[0, 2], d[2, 3] = w
    for k in range(4):
        d = np.minimum(d, d[:, k : k + 1] + d[k : k + 1, :])
    return d[0, 3] ** 2 + d[0, 2]


@program(X6)
def haar_wavelet_in_place(x):
    y = np.zeros(8)
    y[:6] = x
    length = 8
    while length > 1:
        half = length // 2
        mean = (y[0:length:2] + y[1:length:2]) / 2
        detail = (y[0:length:2] - y[1:length:2]) / 2
        y[:half], y[half:length] = mean, detail
        length = half
    return y**2


@program(np.array([0.3, 1.1, 2.0, 2.6]), X6[:4], 1.4)
def divided_differences(nodes, values, at):
    c = values.copy()
    n = len(c)
    for j in range(1, n):
        c[j:] = (c[j:] - c[j - 1 : -1]) / (nodes[j:] - nodes[: n - j])
    result = c[-1]
    for k in range(n - 2, -1, -1):
        result = result * (at - nodes[k]) + c[k]
    return result


@program(X6, 0.4)
def exponential_smoothing(x, alpha):
    level = np.empty_like(x)
    level[0] = x[0]
    for t in range(1, len(x)):
        level[t] = alpha * x[t] + (1 - alpha) * level[t - 1]
    return np.mean((x[1:] - level[:-1]) ** 2)


@program(A3)
def matrix_exponential_by_scaling_and_squaring(a):
    scaled = a / 8.0
    term = np.eye(3)
    total = np.eye(3)
    for k in range(1, 14):
        term = term @ scaled / k
        total += term
    for _ in range(3):
        total = total @ total
    return total / np.linalg.norm(total)


@program(A3[:2, :2], X6[:2])
def conjugate_gradients(a, b):
    s = a @ a.T + np.eye(2)
    x = np.zeros(2)
    r = b - s @ x
    p = r.copy()
    for _ in range(2):
        alpha = (r @ r) / (p @ s @ p)
        x += alpha * p
        new = r - alpha * (s @ p)
        beta = (new @ new) / (r @ r)
        r = new
        p *= beta
        p += r
    return x


@program(X6)
def histogram_with_soft_bins(x):
    centres = np.linspace(-1.0, 1.0, 4)
    counts = np.zeros(4)
    for value in x:
        weights = np.exp(-((value - centres) ** 2) / 0.3)
        counts += weights / weights.sum()
    return counts**2


@program(X6)
def bincount_style_scatter(x):
    labels = np.array([0, 2, 1, 2, 0, 2])
    means = np.zeros(3)
    for label in range(3):
        means[label] = x[labels == label].mean()
    spread = x - means[labels]
    return np.sum(spread**2) * means[2]


@program(X6)
def trapezoid_and_differences(x):
    grid = np.linspace(0.0, 1.0, 6)
    return (
        np.trapezoid(np.exp(x), grid)
        + np.sum(np.diff(x, n=2) ** 2)
        + np.sum(np.gradient(x, grid) ** 2)
    )
