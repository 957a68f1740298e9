"""Cases for closed forms from statistics and learning: regressions, classifiers, networks, factors, Gaussians.

May import closed_forms_cases. Invariant: as there, every expected form was written by hand.
"""

from __future__ import annotations

from benchmarks.closed_forms_cases import Case, group

LS = {"X": ("m", "n"), "w": "n", "y": "m", "lam": (), "s": "m"}
NN = {"W": ("k", "n"), "x": "n", "b": "k", "a": "k", "V": ("l", "k"), "y": "l"}
BATCH = {"X": ("m", "n"), "W": ("n", "k"), "Y": ("m", "k"), "b": "k", "lam": ()}
FAC = {"T": ("m", "n"), "U": ("m", "k"), "V": ("n", "k"), "lam": ()}
G = {"x": "n", "mu": "n", "S": ("n", "n"), "X": ("m", "n"), "K": ("n", "n"), "y": "n"}

STATISTICS = group(
    LS,
    [
        ("norm(X @ w - y)**2", "w", "2*(X.T @ (X @ w - y))"),
        ("norm(X @ w - y)**2", "w", "2*(X.T @ X)", 2),
        ("norm(X @ w - y)**2", "X", "2*outer(X @ w - y, w)"),
        ("norm(X @ w - y)**2", "y", "2*(y - X @ w)"),
        ("norm(X @ w - y)**2/2", "w", "X.T @ (X @ w - y)"),
        ("mean((X @ w - y)**2)", "w", "2*(X.T @ (X @ w - y))/m"),
        ("mean((y - X @ w)**2)", "w", "2*(X.T @ (X @ w - y))/m"),
        ("mean((X @ w - y)**2)", "w", "2*(X.T @ X)/m", 2),
        ("norm(X @ w - y)**2 + lam*norm(w)**2", "w", "2*(X.T @ (X @ w - y) + lam*w)"),
        ("norm(X @ w - y)**2 + lam*norm(w)**2", "w", "2*(X.T @ X + lam*eye(n))", 2),
        ("norm(X @ w - y)**2 + lam*norm(w)**2", "lam", "norm(w)**2"),
        ("norm(X @ w - y)**2 + lam*norm(w, 1)", "w", "2*(X.T @ (X @ w - y)) + lam*sign(w)"),
        ("sum(s*(X @ w - y)**2)", "w", "2*(X.T @ (s*(X @ w - y)))"),
        ("sum(s*(X @ w - y)**2)", "w", "2*(X.T @ (diag(s) @ X))", 2),
        ("sum(s*(X @ w - y)**2)", "s", "(X @ w - y)**2"),
        ("norm(X @ w - y)", "w", "X.T @ (X @ w - y)/norm(X @ w - y)"),
        ("sum(log(1 + exp(-y*(X @ w))))", "w", "-(X.T @ (y*sigmoid(-y*(X @ w))))"),
        ("sum(log(1 + exp(-y*(X @ w))))", "w", "X.T @ diag(y**2*sigmoid(-y*(X @ w))*(1 - sigmoid(-y*(X @ w)))) @ X", 2),
        ("sum(log(1 + exp(X @ w)) - y*(X @ w))", "w", "X.T @ (sigmoid(X @ w) - y)"),
        ("sum(log(1 + exp(X @ w)) - y*(X @ w))", "w", "X.T @ diag(sigmoid(X @ w)*(1 - sigmoid(X @ w))) @ X", 2),
        ("sum(exp(X @ w) - y*(X @ w))", "w", "X.T @ (exp(X @ w) - y)"),
        ("sum(exp(X @ w) - y*(X @ w))", "w", "X.T @ diag(exp(X @ w)) @ X", 2),
        ("sum(sqrt(1 + (X @ w - y)**2))", "w", "X.T @ ((X @ w - y)/sqrt(1 + (X @ w - y)**2))"),
        ("sum(log(cosh(X @ w - y)))", "w", "X.T @ tanh(X @ w - y)"),
        ("sum(log(1 + (X @ w - y)**2))", "w", "2*(X.T @ ((X @ w - y)/(1 + (X @ w - y)**2)))"),
        ("sum(abs(X @ w - y))", "w", "X.T @ sign(X @ w - y)"),
        ("sum(maximum(0, 1 - y*(X @ w)))", "w", ""),
        ("log(sum(exp(X @ w)))", "w", "X.T @ softmax(X @ w)"),
        ("log(sum(exp(X @ w)))", "w", "X.T @ (diag(softmax(X @ w)) - outer(softmax(X @ w), softmax(X @ w))) @ X", 2),
        ("-sum(log(1/(1 + exp(-X @ w))))", "w", "-(X.T @ sigmoid(-(X @ w)))"),
        ("-y @ log(softmax(X @ w))", "w", "X.T @ (sum(y)*softmax(X @ w) - y)"),
        ("y @ tanh(X @ w)", "w", "X.T @ (y*(1 - tanh(X @ w)**2))"),
        ("X @ w", "w", "X"),
        ("tanh(X @ w)", "w", "diag(1 - tanh(X @ w)**2) @ X"),
        ("softmax(X @ w)", "w", "(diag(softmax(X @ w)) - outer(softmax(X @ w), softmax(X @ w))) @ X"),
        ("exp(-norm(X @ w - y)**2/2)", "w", "-exp(-norm(X @ w - y)**2/2)*(X.T @ (X @ w - y))"),
        ("(y @ X @ w)**2/(norm(w)**2)", "w", ""),
        ("sum((X @ w)**4)", "w", "4*(X.T @ (X @ w)**3)"),
    ],
)

SOFTMAX = group(
    {"z": "n", "y": "n", "t": ()},
    [
        ("log(sum(exp(z)))", "z", "softmax(z)"),
        ("log(sum(exp(z)))", "z", "diag(softmax(z)) - outer(softmax(z), softmax(z))", 2),
        ("exp(z)/sum(exp(z))", "z", "diag(softmax(z)) - outer(softmax(z), softmax(z))"),
        ("softmax(z)", "z", "diag(softmax(z)) - outer(softmax(z), softmax(z))"),
        ("exp(z - max(z))/sum(exp(z - max(z)))", "z", "diag(softmax(z)) - outer(softmax(z), softmax(z))"),
        ("-sum(y*log(exp(z)/sum(exp(z))))", "z", "sum(y)*softmax(z) - y"),
        ("log(sum(exp(z))) - y @ z", "z", "softmax(z) - y"),
        ("sum(exp(z))**2", "z", "2*sum(exp(z))*exp(z)"),
        ("t*log(sum(exp(z/t)))", "z", "softmax(z/t)"),
        ("y @ softmax(z)", "z", "softmax(z)*(y - y @ softmax(z))"),
        ("1/(1 + exp(-z))", "z", "diag(sigmoid(z)*(1 - sigmoid(z)))"),
        ("sum(z/(1 + exp(-z)))", "z", "sigmoid(z) + z*sigmoid(z)*(1 - sigmoid(z))"),
    ],
)

NETWORKS = group(
    NN,
    [
        ("a @ tanh(W @ x)", "x", "W.T @ (a*(1 - tanh(W @ x)**2))"),
        ("a @ tanh(W @ x)", "W", "outer(a*(1 - tanh(W @ x)**2), x)"),
        ("a @ tanh(W @ x + b)", "b", "a*(1 - tanh(W @ x + b)**2)"),
        ("tanh(W @ x + b)", "x", "diag(1 - tanh(W @ x + b)**2) @ W"),
        ("norm(V @ tanh(W @ x) - y)**2", "V", "2*outer(V @ tanh(W @ x) - y, tanh(W @ x))"),
        ("norm(V @ tanh(W @ x) - y)**2", "x", "2*(W.T @ ((1 - tanh(W @ x)**2)*(V.T @ (V @ tanh(W @ x) - y))))"),
        ("norm(V @ tanh(W @ x) - y)**2", "W", "2*outer((1 - tanh(W @ x)**2)*(V.T @ (V @ tanh(W @ x) - y)), x)"),
        ("a @ tanh(W @ x)", "x", "-2*(W.T @ diag(a*tanh(W @ x)*(1 - tanh(W @ x)**2)) @ W)", 2),
        ("a @ sigmoid(W @ x)", "x", "W.T @ (a*sigmoid(W @ x)*(1 - sigmoid(W @ x)))"),
        ("a @ exp(W @ x)", "W", "outer(a*exp(W @ x), x)"),
        ("log(sum(exp(W @ x + b))) - a @ (W @ x + b)", "W", "outer(softmax(W @ x + b) - a, x)"),
        ("log(sum(exp(W @ x + b))) - a @ (W @ x + b)", "b", "softmax(W @ x + b) - a"),
        ("W @ x + b", "W", ""),
        ("tanh(W @ x)", "W", ""),
        ("norm(x - W.T @ (W @ x))**2", "x", ""),
        ("norm(x - W.T @ (W @ x))**2", "W", ""),
    ],
)

BATCHES = group(
    BATCH,
    [
        ("norm(X @ W - Y)**2", "W", "2*(X.T @ (X @ W - Y))"),
        ("norm(X @ W - Y)**2", "W", "", 2),
        ("norm(X @ W + b - Y)**2", "b", "2*sum(X @ W + b - Y, axis=0)"),
        ("norm(X @ W + b - Y)**2", "W", "2*(X.T @ (X @ W + b - Y))"),
        ("norm(X @ W - Y)**2 + lam*norm(W)**2", "W", "2*(X.T @ (X @ W - Y) + lam*W)"),
        ("norm(tanh(X @ W) - Y)**2", "W", "2*(X.T @ ((tanh(X @ W) - Y)*(1 - tanh(X @ W)**2)))"),
        ("sum(log(sum(exp(X @ W), axis=1)) - sum(Y*(X @ W), axis=1))", "W", "X.T @ (softmax(X @ W, axis=1) - Y)"),
        ("sum(log(sum(exp(X @ W), axis=1)) - sum(Y*(X @ W), axis=1))", "W", "", 2),
        (
            "mean(log(sum(exp(X @ W + b), axis=1)) - sum(Y*(X @ W + b), axis=1))",
            "W",
            "X.T @ (softmax(X @ W + b, axis=1) - Y)/m",
        ),
        ("sum(tanh(X @ W)*Y)", "X", "(Y*(1 - tanh(X @ W)**2)) @ W.T"),
        ("sum(Y*log(1 + exp(X @ W)))", "W", "X.T @ (Y*sigmoid(X @ W))"),
    ],
)

FACTORS = group(
    FAC,
    [
        ("norm(T - U @ V.T)**2", "U", "-2*((T - U @ V.T) @ V)"),
        ("norm(T - U @ V.T)**2", "V", "-2*((T - U @ V.T).T @ U)"),
        ("norm(T - U @ V.T)**2", "U", "", 2),
        ("norm(U @ V.T - T)**2 + lam*(norm(U)**2 + norm(V)**2)", "U", "2*((U @ V.T - T) @ V + lam*U)"),
        ("sum(U @ V.T)", "U", "outer(ones(m), sum(V, axis=0))"),
        ("trace(U.T @ T @ V)", "U", "T @ V"),
        ("trace(U.T @ T @ V)", "T", "U @ V.T"),
        ("norm(U.T @ U - eye(k))**2", "U", "4*(U @ (U.T @ U - eye(k)))"),
        ("sum(log(1 + exp(U @ V.T)) - T*(U @ V.T))", "U", "(sigmoid(U @ V.T) - T) @ V"),
    ],
)

GAUSS = group(
    G,
    [
        ("(x - mu) @ inv(S) @ (x - mu)", "mu", "(inv(S) + inv(S).T) @ (mu - x)"),
        ("(x - mu) @ inv(S) @ (x - mu)", "S", "-outer(inv(S).T @ (x - mu), inv(S).T @ (x - mu))"),
        ("logdet(S)/2 + (x - mu) @ inv(S) @ (x - mu)/2", "x", "(inv(S) + inv(S).T) @ (x - mu)/2"),
        ("logdet(S) + (x - mu) @ inv(S) @ (x - mu)", "S", "inv(S).T - outer(inv(S).T @ (x - mu), inv(S).T @ (x - mu))"),
        ("logdet(S) - (x - mu) @ S @ (x - mu)", "S", "inv(S).T - outer(x - mu, x - mu)"),
        ("logdet(K) + y @ inv(K) @ y", "K", "inv(K).T - outer(inv(K).T @ y, inv(K).T @ y)"),
        ("trace(inv(S) @ K) - logdet(inv(S) @ K)", "K", "inv(S).T - inv(K).T"),
        ("norm(x - mu)**2", "mu", "2*(mu - x)"),
        ("exp(-norm(x - mu)**2/2)", "x", "-exp(-norm(x - mu)**2/2)*(x - mu)"),
        ("(x - mu) @ S @ (x - mu)", "x", "S + S.T", 2),
        ("logdet(S) + trace(X @ inv(S) @ X.T)", "S", "inv(S).T - inv(S).T @ X.T @ X @ inv(S).T"),
    ],
)

P = {"X": ("m", "n"), "w": "n", "y": "m", "p": "n", "q": "n", "x": "n", "a": "n", "b": "n", "A": ("n", "n"),
     "M": ("n", "n"), "c": (), "t": ()}  # fmt: skip

DENSITIES = group(
    P,
    [
        ("sum((x - t)**2)/(2*c) + x.shape[0]*log(c)/2", "c", "(n/2 - norm(x - t)**2/(2*c))/c"),
        ("sum((x - t)**2)/(2*c) + x.shape[0]*log(c)/2", "t", "-sum(x - t)/c"),
        ("sum(p*log(p/q))", "p", "1 + log(p/q)"),
        ("sum(p*log(p/q))", "q", "-(p/q)"),
        ("sum(p*log(p/q))", "q", "diag(p/q**2)", 2),
        ("-sum(y*log(c) - c)", "c", "m - sum(y)/c"),
        ("sum(log(cosh(X @ w - y)))", "w", "X.T @ diag(1 - tanh(X @ w - y)**2) @ X", 2),
        ("sum(sqrt(1 + (X @ w - y)**2))", "w", "X.T @ ((X @ w - y)/sqrt(1 + (X @ w - y)**2))"),
        ("sum(log(1 + (X @ w - y)**2))", "w", "2*(X.T @ ((X @ w - y)/(1 + (X @ w - y)**2)))"),
        ("norm(maximum(X @ w, 0) - y)**2", "w", ""),
        ("sum(maximum(X @ w, 0)**2)", "w", "2*(X.T @ maximum(X @ w, 0))"),
        ("sum(log(prod(exp(x))))", "x", "ones(n)"),
        ("log(prod(x))", "x", "1/x"),
        ("log(prod(x))", "x", "-diag(1/x**2)", 2),
        ("prod(x)", "x", "prod(x)*(1/x)"),
        ("sum(cumsum(x)**2)", "x", ""),
        ("sum(diff(x)**2)", "x", ""),
        ("x @ tril(A) @ x", "x", ""),
        ("sum(tril(A)**2)", "A", ""),
        ("sum(hypot(x, a))", "x", "x/sqrt(x**2 + a**2)"),
        ("sum(hstack((x, a))**2)", "x", "2*x"),
        ("ravel(X) @ ravel(X)", "X", "2*X"),
        ("sum(roll(x, 1)*a)", "x", ""),
    ],
)

INVERSES = group(
    P,
    [
        ("a @ inv(A) @ b", "A", "-(inv(A).T @ outer(a, b) @ inv(A).T)"),
        ("a @ inv(A) @ b", "A", "", 2),
        ("trace(inv(A) @ M)", "A", "-(inv(A).T @ M.T @ inv(A).T)"),
        ("trace(inv(A + M))", "A", ""),
        ("det(A)**3", "A", "3*det(A)**3*inv(A).T"),
        ("logdet(X.T @ X)", "X", "2*(X @ inv(X.T @ X))"),
        ("solve(A, b) @ b", "b", "(inv(A) + inv(A).T) @ b"),
        ("norm(solve(A, b))**2", "b", "2*(inv(A).T @ inv(A) @ b)"),
        ("x @ A @ x/(x @ M @ x)", "x", "((A + A.T) @ x - (x @ A @ x)/(x @ M @ x)*((M + M.T) @ x))/(x @ M @ x)"),
        ("log(x @ A @ x)", "x", "(A + A.T) @ x/(x @ A @ x)"),
        ("sqrt(x @ A @ x)", "x", "(A + A.T) @ x/(2*sqrt(x @ A @ x))"),
        ("(x @ A @ x)**2", "x", "2*(x @ A @ x)*((A + A.T) @ x)"),
        ("exp(x @ A @ x)", "x", "exp(x @ A @ x)*((A + A.T) @ x)"),
        ("sin(a @ x)*cos(b @ x)", "x", "cos(a @ x)*cos(b @ x)*a - sin(a @ x)*sin(b @ x)*b"),
        ("sum(x)**3", "x", "3*sum(x)**2*ones(n)"),
        ("(a @ x)**c", "x", "c*(a @ x)**(c - 1)*a"),
        ("sum(x**c)", "x", "c*x**(c - 1)"),
        ("a @ x/(norm(a)*norm(x))", "x", "(a - (a @ x)/norm(x)**2*x)/(norm(a)*norm(x))"),
        ("norm(x - a)/c + norm(x - b)/c", "x", "((x - a)/norm(x - a) + (x - b)/norm(x - b))/c"),
    ],
)

MODELS: list[Case] = [*STATISTICS, *SOFTMAX, *NETWORKS, *BATCHES, *FACTORS, *GAUSS, *DENSITIES, *INVERSES]
