"""Models from physics, engineering and numerical analysis, written as their users write them.

Plain `import numpy as np` and `import math`; imports only the table type. Time loops, stencils,
transforms, iterations with a stopping test.
"""

import math

import numpy as np

from .harness import Program, table

PROGRAMS: list[Program] = []
program = table(PROGRAMS)

X = np.array([0.7, -0.4, 1.3, 0.9])
IMAGE = np.sin(np.arange(36.0) ** 1.3).reshape(6, 6)


@program(np.array([-0.6, 0.8, 1.1, 0.3]))
def rosenbrock(x):
    return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2) / 100


@program(np.array([-0.6, 0.8, 1.1, 0.3]))
def rosenbrock_by_loop(x):
    total = 0
    for i in range(len(x) - 1):
        total += (x[i + 1] - x[i] ** 2) ** 2 + (1 - x[i]) ** 2
    return total


@program(np.array([0.5, 0.3]), 0.7)
def runge_kutta_loop(y, omega):
    def slope(t, state):
        return np.array([state[1], -(omega**2) * np.sin(state[0]) + 0.1 * np.cos(t)])

    h = 0.1
    for k in range(10):
        t = k * h
        k1 = slope(t, y)
        k2 = slope(t + h / 2, y + h / 2 * k1)
        k3 = slope(t + h / 2, y + h / 2 * k2)
        k4 = slope(t + h, y + h * k3)
        y = y + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    return y


@program(0.4)
def adaptive_steps_accepted_by_error(rate):
    y, t, h = 1.0, 0.0, 0.25
    for _ in range(40):
        if t >= 1.0:
            break
        h = min(h, 1.0 - t)
        coarse = y - h * rate * y * y
        half = y - h / 2 * rate * y * y
        fine = half - h / 2 * rate * half * half
        if abs(fine - coarse) < 5e-3:
            t, y = t + h, 2 * fine - coarse
        else:
            h = h / 2
    return y


@program(
    np.array([[0.0, 0.1], [1.0, 0.2], [0.4, 0.9]]), np.array([[0.1, 0.0], [0.0, 0.2], [-0.1, 0.0]])
)
def n_body_leapfrog(position, velocity):
    masses = np.array([1.0, 0.5, 0.8])
    for _ in range(3):
        force = np.zeros_like(position)
        for i in range(3):
            for j in range(3):
                if i != j:
                    d = position[j] - position[i]
                    force[i] += masses[j] * d / (d @ d + 0.1) ** 1.5
        velocity = velocity + 0.1 * force
        position = position + 0.1 * velocity
    return 0.5 * np.sum(masses[:, None] * velocity**2) + position[0, 0]


@program(np.array([0.4, -0.7, 1.1]), np.array([1.0, 0.8, 0.5]))
def robot_arm(angles, lengths):
    position = np.zeros(2)
    total = 0.0
    for angle, length in zip(angles, lengths, strict=True):
        total += angle
        position += length * np.array([np.cos(total), np.sin(total)])
    return position


@program(np.array([0.9, 0.2, -0.3, 0.4]), np.array([0.5, -0.2, 1.0]))
def quaternion_rotation(q, v):
    w, x, y, z = q / np.sqrt(np.sum(q**2))
    r = np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )
    return r @ v


@program(np.array([0.3, 0.9, -0.4]))
def rotation_by_rodrigues_and_cross(k):
    angle = np.linalg.norm(k)
    axis = k / angle
    v = np.array([1.0, 2.0, -0.5])
    return (
        v * np.cos(angle)
        + np.cross(axis, v) * np.sin(angle)
        + axis * (axis @ v) * (1 - np.cos(angle))
    )


@program(np.array([[0.3, -0.8, 0.5], [0.9, 0.1, -0.4], [-0.2, 0.6, 0.7]]))
def ising_energy_with_rolls(s):
    return -np.sum(s * (np.roll(s, 1, axis=0) + np.roll(s, 1, axis=1))) + np.sum((s**2 - 1) ** 2)


@program(X, 0.6)
def spectral_filter(x, cutoff):
    spectrum = np.fft.rfft(np.concatenate([x, x[::-1] ** 2]))
    spectrum *= np.exp(-cutoff * np.arange(5.0) ** 2 / 4)
    spectrum[0] = 0.0
    return np.fft.irfft(spectrum, 8)


@program(X)
def power_spectrum_and_autocorrelation(x):
    f = np.fft.fft(x, 8)
    return np.fft.ifft(f * np.conj(f)).real[:4] + np.abs(f[:4]) ** 2


@program(np.array([[0.1, 0.2, -0.1], [0.3, 0.8, 0.2], [-0.2, 0.1, 0.4]]))
def image_convolution_by_slicing(kernel):
    result = np.zeros((4, 4))
    for i in range(3):
        for j in range(3):
            result += kernel[i, j] * IMAGE[i : i + 4, j : j + 4]
    return np.sum(np.tanh(result))


@program(0.37)
def linear_spline_by_interp(t):
    nodes = np.array([0.0, 0.25, 0.5, 1.0])
    return np.interp(t, nodes, nodes**2) * t + np.interp(1.7, nodes, nodes) * t


@program(X)
def interp_with_traced_values(values):
    points = np.array([0.1, 0.45, 0.9])
    return np.interp(points, [0.0, 0.3, 0.6, 1.0], values) ** 2


@program(np.array([0.12, 0.55, 0.83]), X)
def spline_by_searchsorted(points, values):
    nodes = np.array([0.0, 0.3, 0.7, 1.0])
    k = np.clip(np.searchsorted(nodes, points) - 1, 0, 2)
    s = (points - nodes[k]) / (nodes[k + 1] - nodes[k])
    smooth = s * s * (3 - 2 * s)
    return values[k] * (1 - smooth) + values[k + 1] * smooth


@program(2.3)
def newton_iteration_until_converged(a):
    x = a
    for _ in range(50):
        step = (x**3 - a) / (3 * x * x)
        x = x - step
        if abs(step) < 1e-14:
            break
    x = x - (x**3 - a) / (3 * x * x)
    return x - (x**3 - a) / (3 * x * x)


@program(np.array([1.1, 0.6]))
def newton_for_a_system(p):
    x = np.array([1.0, 1.0])
    for _ in range(9):
        residual = np.array([x[0] ** 2 + p[0] * x[1] - 2.0, x[1] ** 3 + p[1] * x[0] - 1.5])
        jac = np.array([[2 * x[0], p[0]], [p[1], 3 * x[1] ** 2]])
        x = x - np.linalg.solve(jac, residual)
    return x


@program(1.8)
def bisection_with_break_then_newton(a):
    low, high = 0.0, 2.0
    for _ in range(100):
        middle = 0.5 * (low + high)
        if high - low < 0.3:
            break
        if math.exp(middle) - a - middle > 0:
            high = middle
        else:
            low = middle
    for _ in range(8):
        middle = middle - (math.exp(middle) - a - middle) / (math.exp(middle) - 1.0)
    return middle


@program(0.2, 0.9)
def secant_method(p, q):
    a, b = 0.0, 1.0
    for _ in range(12):
        fa, fb = math.cos(a) - p - q * a, math.cos(b) - p - q * b
        if abs(fb - fa) < 1e-13:
            break
        a, b = b, b - fb * (b - a) / (fb - fa)
    for _ in range(2):
        b = b - (math.cos(b) - p - q * b) / (-math.sin(b) - q)
    return b


@program(X, 0.6)
def horner(coefficients, at):
    result = 0.0
    for c in coefficients[::-1]:
        result = result * at + c
    return result


@program(X, 0.6)
def polynomial_evaluation(coefficients, at):
    points = np.array([at, at**2, 1.0])
    return np.polyval(coefficients, points) + np.polyval(np.polyder(coefficients), at)


@program(1.3, -2.4, 0.7)
def cubic_root_by_cardano(b, c, d):
    p = c - b * b / 3
    q = 2 * b**3 / 27 - b * c / 3 + d
    angle = math.acos(3 * q / (2 * p) * math.sqrt(-3 / p)) / 3
    roots = [
        2 * math.sqrt(-p / 3) * math.cos(angle - 2 * math.pi * k / 3) - b / 3 for k in range(3)
    ]
    return roots[0] * roots[1] ** 2 + max(roots)


@program(0.8)
def continued_fraction(x):
    value = 0.0
    for k in range(12, 0, -1):
        value = (k * x) ** 2 / (2 * k + 1 + value)
    return x / (1 + value)


@program(1.0, 0.4)
def arithmetic_geometric_mean(a, b):
    while abs(a - b) > 1e-15 * abs(a):
        a, b = (a + b) / 2, math.sqrt(a * b)
        if abs(a - b) < 1e-9:
            break
    a, b = (a + b) / 2, math.sqrt(a * b)
    return (a + b) / 2


@program(0.7)
def taylor_series_until_small(x):
    term, total, k = x, 0.0, 0
    while abs(term) > 1e-18:
        total += term
        k += 1
        term *= -x * x / ((2 * k) * (2 * k + 1))
    return total


@program(0.5, 1.7)
def simpson_and_gauss_quadrature(a, b):
    nodes, weights = np.polynomial.legendre.leggauss(6)
    x = 0.5 * (b - a) * nodes + 0.5 * (a + b)
    grid = np.linspace(a, b, 9)
    f = np.exp(-grid) * np.sin(grid)
    simpson = (grid[1] - grid[0]) / 3 * (f[0] + 4 * f[1:-1:2].sum() + 2 * f[2:-1:2].sum() + f[-1])
    return 0.5 * (b - a) * np.sum(weights * np.exp(x) / x) + simpson


@program(np.array([0.1, 0.7, 0.3, 0.9]))
def fixed_point_of_a_contraction(p):
    x = np.zeros(4)
    for _ in range(200):
        new = 0.3 * np.tanh(np.roll(x, 1) + p)
        if np.linalg.norm(new - x) < 1e-15:
            break
        x = new
    return x


@program(np.array([1.2, 0.8]), 0.3)
def lennard_jones_chain(distances, epsilon):
    position = np.cumsum(np.concatenate([[0.0], distances]))
    energy = 0.0
    for i in range(3):
        for j in range(i):
            r = position[i] - position[j]
            energy += 4 * epsilon * ((0.9 / r) ** 12 - (0.9 / r) ** 6)
    return energy


@program(np.array([2.0, 1.5, 1.8]), 0.4)
def finite_element_bar(stiffness, load):
    k = np.zeros((4, 4))
    element = np.array([[1.0, -1.0], [-1.0, 1.0]])
    for e in range(3):
        k[e : e + 2, e : e + 2] += stiffness[e] * element
    f = np.zeros(4)
    f[1:] += load
    f[-1] -= load / 2
    u = np.zeros(4)
    u[1:] = np.linalg.solve(k[1:, 1:], f[1:])
    return f @ u


@program(0.6, 0.3)
def lorenz_with_history_list(sigma, start):
    path = [np.array([start, 1.0, 0.5])]
    for _ in range(8):
        x, y, z = path[-1]
        path.append(
            path[-1] + 0.05 * np.array([10 * sigma * (y - x), x * (2.8 - z) - y, x * y - z])
        )
    return np.stack(path).mean(axis=0)
