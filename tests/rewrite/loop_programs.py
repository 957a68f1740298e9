"""Programs with loops as people write them, at any size; each entry of PROGRAMS: function, arguments, and what folding
must find (the number of scans on the top level, and the most steps that may be left there)."""

from __future__ import annotations

from typing import Any

import numpy as np

RNG = np.random.default_rng(11)


def lotka_volterra(p: Any, steps: int = 60) -> Any:
    a, b, c, d = p
    x, y, h = 1.0, 0.5, 0.01

    def rhs(x: Any, y: Any) -> Any:
        return a * x - b * x * y, -c * y + d * x * y

    for _ in range(steps):
        k1x, k1y = rhs(x, y)
        k2x, k2y = rhs(x + h / 2 * k1x, y + h / 2 * k1y)
        k3x, k3y = rhs(x + h / 2 * k2x, y + h / 2 * k2y)
        k4x, k4y = rhs(x + h * k3x, y + h * k3y)
        x = x + h / 6 * (k1x + 2 * k2x + 2 * k3x + k4x)
        y = y + h / 6 * (k1y + 2 * k2y + 2 * k3y + k4y)
    return x + 2 * y


def lorenz(start: Any) -> Any:
    def rhs(s: Any, t: float) -> Any:
        x, y, z = s[0], s[1], s[2]
        return np.array([10.0 * (y - x) + np.sin(t), x * (28.0 - z) - y, x * y - 8.0 / 3.0 * z])

    h, s, path = 0.01, start, [start]
    for i in range(40):
        t = i * h
        k1 = rhs(s, t)
        k2 = rhs(s + h / 2 * k1, t + h / 2)
        s = s + h * k2
        path.append(s)
    return np.sum(np.stack(path) ** 2)


def kalman(params: Any, ys: Any) -> Any:
    f = np.array([[1.0, 0.1], [0.0, 1.0]]) * params[0]
    q = params[1] * np.eye(2)
    h = np.array([[1.0, 0.0]])
    m, p, loglik = np.zeros(2), np.eye(2), 0.0
    for y in ys:
        m = f @ m
        p = f @ p @ f.T + q
        s = h @ p @ h.T + params[2] * np.eye(1)
        r = y - h @ m
        gain = p @ h.T @ np.linalg.inv(s)
        m = m + gain @ r
        p = p - gain @ h @ p
        loglik = loglik - 0.5 * (np.sum(r * np.linalg.solve(s, r)) + np.linalg.slogdet(s)[1])
    return loglik


def garch(p: Any, e: Any) -> Any:
    s = np.zeros(len(e))
    s[0] = np.mean(e**2)
    for t in range(1, len(e)):
        s[t] = p[0] + p[1] * e[t - 1] ** 2 + p[2] * s[t - 1]
    return np.sum(np.log(s) + e**2 / s)


def hidden_markov(a: Any, b: Any) -> Any:
    log_a = a - np.log(np.sum(np.exp(a), axis=1))[:, None]
    alpha = b[0]
    for t in range(1, len(b)):
        m = np.max(alpha)
        alpha = np.log(np.exp(alpha - m) @ np.exp(log_a)) + m + b[t]
    top = np.max(alpha)
    return np.log(np.sum(np.exp(alpha - top))) + top


def lstm(w: Any, xs: Any) -> Any:
    def sigmoid(v: Any) -> Any:
        return 1.0 / (1.0 + np.exp(-v))

    h, c, loss = np.zeros(3), np.zeros(3), 0.0
    for t in range(len(xs) - 1):
        x = xs[t]
        forget = sigmoid(w[0] * x + w[1])
        write = sigmoid(w[2] * h + w[3])
        out = sigmoid(w[4] * x + w[5])
        change = np.tanh(w[6] * h + w[7])
        c = c * forget + write * change
        h = out * np.tanh(c)
        loss = loss + np.sum((h - xs[t + 1]) ** 2)
    return loss


def heat(u0: Any) -> Any:
    u = u0.copy()
    for _ in range(60):
        u[1:-1] += 0.1 * (u[2:] - 2 * u[1:-1] + u[:-2])
    return np.sum(u**2)


def heat_both_loops(u0: Any) -> Any:
    u = u0
    for _ in range(8):
        new = np.zeros(len(u0))
        new[0], new[-1] = u[0], u[-1]
        for i in range(1, len(u0) - 1):
            new[i] = u[i] + 0.1 * (u[i + 1] - 2.0 * u[i] + u[i - 1])
        u = new
    return np.sum(u**3)


def newton(a: Any) -> Any:
    x = 500.0 * a
    while abs(x * x * x - a) > 1e-12 * abs(a):
        x = x - (x * x * x - a) / (3.0 * x * x)
    return x


def bodies_pairs(x: Any) -> Any:
    energy = 0.0
    for i in range(len(x)):
        for j in range(i + 1, len(x)):
            d = x[i] - x[j]
            energy = energy - 1.0 / np.sqrt(np.sum(d * d) + 0.01)
    return energy


def bodies_forces(x: Any) -> Any:
    total = 0.0
    for i in range(len(x)):
        force = np.zeros(3)
        for j in range(len(x)):
            if i != j:
                d = x[j] - x[i]
                force = force + d / (np.sum(d * d) + 0.1) ** 1.5
        total = total + np.sum(force * force)
    return total


def time_warping(a: Any, b: Any) -> Any:
    n, m = len(a), len(b)
    d = np.full((n + 1, m + 1), 1e3)
    d[0, 0] = 0.0
    for i in range(1, n + 1):
        for j in range(1, m + 1):
            cost = (a[i - 1] - b[j - 1]) ** 2
            d[i, j] = cost + np.minimum(np.minimum(d[i - 1, j], d[i, j - 1]), d[i - 1, j - 1])
    return d[n, m]


def adams_bashforth(k: Any) -> Any:
    def f(t: float, y: Any) -> Any:
        return -k * y + np.sin(t)

    h = 0.02
    ys = [1.0 * k, 0.9 * k, 0.8 * k]
    fs = [f(i * h, ys[i]) for i in range(3)]
    for i in range(3, 90):
        ys.append(ys[-1] + h / 12 * (23 * fs[-1] - 16 * fs[-2] + 5 * fs[-3]))
        fs.append(f(i * h, ys[-1]))
    return ys[-1] ** 2


def even_and_odd(x: Any) -> Any:
    for i in range(160):
        x = x + 0.01 * np.sin(x) if i % 2 == 0 else x * 0.999 + 0.001 * x * x
    return x


def moving_average(x: Any) -> Any:
    out = []
    for i in range(len(x) - 5):
        w = x[i : i + 5]
        out.append(np.sum(w * w) * 0.2 + np.exp(-w[0]))
    return np.sum(np.array(out) ** 2)


def gathered(x: Any) -> Any:
    index = np.random.default_rng(3).integers(0, len(x), 200)
    total = 0.0
    for i in range(200):
        total = total + np.sin(x[index[i]]) * x[i % len(x)]
    return total


def thomas(d: Any) -> Any:
    n = len(d)
    c, e = np.zeros(n), np.zeros(n)
    c[0], e[0] = 0.5 / d[0], 1.0 / d[0]
    for i in range(1, n):
        m = d[i] - 0.5 * c[i - 1]
        c[i] = 0.5 / m
        e[i] = (1.0 - 0.5 * e[i - 1]) / m
    x = np.zeros(n)
    x[-1] = e[-1]
    for i in range(n - 2, -1, -1):
        x[i] = e[i] - c[i] * x[i + 1]
    return np.sum(x * x)


def dictionary(x: Any) -> Any:
    s = {"position": x, "speed": 0.1 * x, "log": []}
    for _ in range(100):
        s["speed"] = s["speed"] - 0.01 * np.sin(s["position"])
        s["position"] = s["position"] + 0.1 * s["speed"]
        s["log"].append(s["position"])
    return sum(s["log"]) + s["speed"]


def filled_trajectory(x: Any) -> Any:
    path = np.zeros((81, 2))
    path[0] = x
    for i in range(80):
        path[i + 1] = path[i] + 0.05 * np.array([path[i, 1], -np.sin(path[i, 0])])
    return np.sum(path[::4] ** 2)


def convolution(x: Any) -> Any:
    out = np.zeros((8, 8))
    for i in range(8):
        for j in range(8):
            out[i, j] = np.sum(x[i : i + 3, j : j + 3] * np.arange(9.0).reshape(3, 3)) ** 2
    return np.sum(out)


# name: function, arguments, scans on the top level, most steps left there
PROGRAMS: dict[str, tuple[Any, tuple[Any, ...], int, int]] = {
    "lotka_volterra": (lotka_volterra, (np.array([1.5, 1.0, 3.0, 1.0]),), 1, 12),
    "lorenz": (lorenz, (np.array([1.0, 2.0, 20.0]),), 1, 60),
    "kalman": (kalman, (np.array([0.9, 0.2, 0.5]), RNG.normal(size=30)), 1, 40),
    "garch": (garch, (np.array([0.1, 0.2, 0.7]), RNG.normal(size=150)), 1, 30),
    "hidden_markov": (hidden_markov, (RNG.normal(size=(3, 3)), RNG.normal(size=(50, 3))), 1, 50),
    "lstm": (lstm, (0.3 * RNG.normal(size=(8, 3)), RNG.normal(size=(30, 3))), 1, 60),
    "heat": (heat, (RNG.normal(size=20),), 1, 20),
    "heat_both_loops": (heat_both_loops, (RNG.normal(size=14),), 1, 20),
    "newton": (newton, (2.0,), 1, 40),
    "bodies_pairs": (bodies_pairs, (RNG.normal(size=(12, 3)),), 1, 30),
    "bodies_forces": (bodies_forces, (RNG.normal(size=(9, 3)),), 3, 20),
    "time_warping": (time_warping, (RNG.normal(size=9), RNG.normal(size=10)), 1, 120),
    "adams_bashforth": (adams_bashforth, (0.7,), 1, 60),
    "even_and_odd": (even_and_odd, (0.3,), 1, 12),
    "moving_average": (moving_average, (RNG.normal(size=80),), 1, 12),
    "gathered": (gathered, (RNG.normal(size=10),), 1, 12),
    "thomas": (thomas, (3.0 + RNG.random(70),), 2, 40),
    "dictionary": (dictionary, (0.4,), 2, 12),
    "filled_trajectory": (filled_trajectory, (np.array([1.0, 0.2]),), 1, 20),
    "convolution": (convolution, (RNG.normal(size=(10, 10)),), 1, 20),
}
