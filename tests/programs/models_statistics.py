"""Models from statistics and learning, written as their users write them.

Plain `import numpy as np` and `import math`; imports only the table type. Data are fixed arrays
of the module; parameters are the differentiated arguments.
"""

import math

import numpy as np

from .harness import Program, table

PROGRAMS: list[Program] = []
program = table(PROGRAMS)

DRAW = np.random.default_rng(7)
DATA = DRAW.normal(size=(12, 3))
LABELS = (DATA @ np.array([1.0, -2.0, 0.5]) + 0.3 * DRAW.normal(size=12) > 0).astype(float)
CLASSES = np.array([0, 2, 1, 1, 0, 2, 2, 1, 0, 0, 1, 2])
SERIES = np.sin(np.arange(8.0)) + 0.1 * DRAW.normal(size=8)
W = np.array([0.4, -0.7, 0.2])
W33 = np.array([[0.3, -0.2, 0.5], [0.1, 0.6, -0.4], [-0.3, 0.2, 0.1]])


@program(W, 0.1)
def logistic_regression(w, b):
    z = DATA @ w + b
    return np.mean(np.log1p(np.exp(-np.abs(z))) + np.maximum(z, 0) - LABELS * z) + 0.1 * np.sum(
        w**2
    )


@program(W)
def logistic_regression_by_loop_and_writes(w):
    losses = np.empty(len(LABELS))
    for i, (row, label) in enumerate(zip(DATA, LABELS, strict=True)):
        p = 1.0 / (1.0 + math.exp(-sum(a * b for a, b in zip(row, w, strict=True))))
        losses[i] = -math.log(p) if label == 1.0 else -math.log(1.0 - p)
    return losses.mean()


@program(W33)
def softmax_regression(w):
    scores = DATA @ w
    scores -= scores.max(axis=1, keepdims=True)
    logs = scores - np.log(np.sum(np.exp(scores), axis=1, keepdims=True))
    return -np.mean(logs[np.arange(12), CLASSES])


@program({"w1": W33, "b1": W * 0.3, "w2": W, "b2": 0.1})
def two_layer_network(p):
    hidden = np.tanh(DATA @ p["w1"] + p["b1"])
    output = hidden @ p["w2"] + p["b2"]
    return np.mean((output - LABELS) ** 2)


@program([W33, W33.T[:, :2]])
def network_by_loop_over_layers(layers):
    a = DATA
    for i, w in enumerate(layers):
        a = a @ w
        if i < len(layers) - 1:
            a = np.where(a > 0, a, 0.1 * a)
    return a[:4]


@program(
    np.array([0.2, -0.4]), np.array([[0.3, -0.5, 0.2], [-0.6, 0.4, 0.1]]), np.array([0.1, -0.2])
)
def gaussian_mixture_likelihood(logits, means, log_scales):
    n, d = DATA.shape
    terms = np.zeros((n, 2))
    for k in range(2):
        z = (DATA - means[k]) / np.exp(log_scales[k])
        terms[:, k] = logits[k] - 0.5 * np.sum(z**2, axis=1) - d * log_scales[k]
    top = terms.max(axis=1)
    inner = top + np.log(np.sum(np.exp(terms - top[:, None]), axis=1))
    return np.sum(inner) - n * np.log(np.sum(np.exp(logits)))


@program(0.9, 0.3, 0.5)
def kalman_filter_with_in_place_updates(a, q, r):
    transition = np.array([[1.0, a], [0.0, 1.0]])
    state, cov = np.zeros(2), np.eye(2)
    total = 0.0
    for y in SERIES:
        state[:] = transition @ state
        cov[...] = transition @ cov @ transition.T
        cov[1, 1] += q
        innovation = y - state[0]
        variance = cov[0, 0] + r
        gain = cov[:, 0] / variance
        state += gain * innovation
        cov -= np.outer(gain, cov[0])
        total -= 0.5 * (np.log(2 * np.pi * variance) + innovation**2 / variance)
    return total


@program(np.array([0.1, -0.3, 0.2]))
def gaussian_process_marginal_likelihood(log_parameters):
    length, scale, noise = np.exp(log_parameters)
    t = np.linspace(0.0, 3.0, 8)
    k = scale**2 * np.exp(-0.5 * (t[:, None] - t[None, :]) ** 2 / length**2)
    k[np.diag_indices(8)] += noise**2
    lower = np.linalg.cholesky(k)
    alpha = np.linalg.solve(lower.T, np.linalg.solve(lower, SERIES))
    return -0.5 * SERIES @ alpha - np.sum(np.log(np.diag(lower))) - 4 * np.log(2 * np.pi)


@program(np.array([0.1, -0.3, 0.2]))
def gaussian_process_by_slogdet(log_parameters):
    length, scale, noise = np.exp(log_parameters)
    t = np.linspace(0.0, 3.0, 8)
    k = np.zeros((8, 8))
    for i in range(8):
        for j in range(i + 1):
            k[i, j] = k[j, i] = scale * math.exp(-abs(t[i] - t[j]) / length)
    k += noise**2 * np.eye(8)
    sign, logdet = np.linalg.slogdet(k)
    return -0.5 * SERIES @ np.linalg.solve(k, SERIES) - 0.5 * logdet * sign


@program(np.array([[0.3, -0.2], [0.5, 0.1]]), np.array([0.2, -0.1]))
def hidden_markov_forward(transition_logits, means):
    t = np.exp(transition_logits)
    t /= t.sum(axis=1, keepdims=True)
    alpha = np.full(2, 0.5)
    loglik = 0.0
    for y in SERIES:
        alpha = (alpha @ t) * np.exp(-0.5 * (y - means) ** 2)
        total = alpha.sum()
        loglik += np.log(total)
        alpha /= total
    return loglik


@program(W, 0.2)
def ridge_regression_solved(target_shift, log_penalty):
    gram = DATA.T @ DATA + np.exp(log_penalty) * np.eye(3)
    w = np.linalg.solve(gram, DATA.T @ (LABELS + DATA @ target_shift))
    return np.sum((DATA @ w - LABELS) ** 2)


@program(np.array([[1.0, 0.3, -0.2], [0.4, 2.0, 0.5], [-0.6, 0.1, 3.0]]))
def principal_components_by_eigh(m):
    rows = DATA @ m
    rows -= rows.mean(axis=0)
    values, vectors = np.linalg.eigh(rows.T @ rows / 11)
    return values[-1] / values.sum() + np.sum((vectors[:, -1] * np.arange(3.0)) ** 2)


@program(np.array([[1.0, 0.3, -0.2], [0.4, 2.0, 0.5], [-0.6, 0.1, 3.0]]))
def principal_components_by_svd(m):
    u, s, vt = np.linalg.svd(DATA @ m, full_matrices=False)
    rank_one = s[0] * np.outer(u[:, 0], vt[0])
    return np.sum(rank_one[:3] ** 3) + np.sum(np.log(s))


@program(W)
def poisson_regression(w):
    rate = np.exp(DATA @ w)
    return np.sum(rate - CLASSES * np.log(rate)) + sum(math.lgamma(c + 1) for c in CLASSES)


@program(0.4, 0.7, order=1)
def monte_carlo_with_a_fixed_seed(mu, sigma):
    rng = np.random.default_rng(0)
    total = 0.0
    for _ in range(5):
        z = rng.normal(size=20)
        total += np.mean(np.maximum(np.exp(mu + sigma * z) - 1.2, 0.0))
    return total / 5


@program(0.4, 0.7, order=1)
def monte_carlo_path_with_legacy_seed(drift, volatility):
    np.random.seed(3)
    path = np.zeros(11)
    path[0] = 1.0
    for k in range(10):
        path[k + 1] = path[k] * np.exp(drift * 0.1 + volatility * np.random.randn() * np.sqrt(0.1))
    return path.max() - path.mean()


@program(1.1, 1.0, 0.03, 0.25, 0.8)
def black_scholes(spot, strike, rate, volatility, maturity):
    def normal_cdf(v):
        return 0.5 * (1.0 + math.erf(v / math.sqrt(2.0)))

    spread = volatility * math.sqrt(maturity)
    d1 = (math.log(spot / strike) + (rate + 0.5 * volatility**2) * maturity) / spread
    return spot * normal_cdf(d1) - strike * math.exp(-rate * maturity) * normal_cdf(d1 - spread)


@program(W, 0.3)
def elastic_net_with_huber_loss(w, delta):
    r = DATA @ w - LABELS
    small = np.abs(r) <= delta
    loss = np.where(small, 0.5 * r**2, delta * (np.abs(r) - 0.5 * delta))
    return loss.sum() + 0.1 * np.sum(np.abs(w))


@program(0.3, -0.2, 0.5)
def arma_garch_likelihood(phi, theta, a):
    e_previous, h, total = 0.0, 0.4, 0.0
    for previous, current in zip(SERIES[:-1], SERIES[1:], strict=True):  # noqa: RUF007
        e = current - phi * previous - theta * e_previous
        h = 0.1 + a * e_previous**2 + 0.3 * h
        total += 0.5 * (math.log(h) + e * e / h)
        e_previous = e
    return total


@program(np.array([0.2, 1.1, -0.6]), np.array([0.5, 0.2, 0.9]))
def attention_head(query, key):
    q, k = np.outer(query, W), np.outer(key, W[::-1])
    scores = q @ k.T / np.sqrt(3)
    mask = np.triu(np.ones((3, 3), dtype=bool), 1)
    scores[mask] = -1e9
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    weights /= weights.sum(axis=-1, keepdims=True)
    return weights @ W33


@program(W)
def batch_normalisation(w):
    h = DATA * w + 0.3
    h = (h - h.mean(axis=0)) / np.sqrt(h.var(axis=0) + 0.5)
    return np.sum(np.tanh(h) ** 2, axis=0)


@program(W)
def correlation_and_covariance(w):
    z = DATA[:, 0] * w[0] + np.sin(DATA[:, 1] * w[1])
    y = DATA[:, 2] * w[2] + z**2
    return np.corrcoef(z, y)[0, 1] + np.cov(np.vstack([z, y]))[0, 0] + np.std(y, ddof=1)


@program(W)
def quantiles_and_median(w):
    z = DATA @ w
    return np.median(z) ** 2 + np.quantile(z, 0.3) + np.percentile(z, 80.0) * np.ptp(z)
