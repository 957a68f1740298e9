"""Calls of NumPy and SciPy on a matrix `a` and a vector `x` that hold no traced value.

Imports no part of wengert: the names here are served like those of any program.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np

X = np.array([0.7, 0.4, 1.3])
A = np.array([[4.0, 1.0, 0.5], [1.0, 3.0, 0.2], [0.5, 0.2, 2.0]])

CALLS: dict[str, Callable[[Any, Any], Any]] = {
    "solve": lambda a, x: np.linalg.solve(a, x),
    "svd": lambda a, x: np.linalg.svd(a)[1],
    "eigh": lambda a, x: np.linalg.eigh(a)[0],
    "lstsq": lambda a, x: np.linalg.lstsq(a, x, rcond=None)[0],
    "fft": lambda a, x: np.fft.rfft(x),
    "einsum": lambda a, x: np.einsum("ij,j->i", a, x),
    "sort": lambda a, x: np.sort(x),
    "argsort": lambda a, x: np.argsort(x),
    "unique": lambda a, x: np.unique(x),
    "histogram": lambda a, x: np.histogram(x, 2),
    "interp": lambda a, x: np.interp(0.5, np.sort(x), x),
    "polyfit": lambda a, x: np.polyfit([0.0, 1.0, 2.0], x, 1),
    "percentile": lambda a, x: np.percentile(x, 30),
    "cov": lambda a, x: np.cov(a),
    "gradient": lambda a, x: np.gradient(x),
    "pad": lambda a, x: np.pad(x, 1, mode="edge"),
    "where": lambda a, x: np.where(a > 1, a, 0.0),
    "nonzero": lambda a, x: np.nonzero(x > 0.5),
    "concatenate": lambda a, x: np.concatenate([a, x[None]]),
    "meshgrid": lambda a, x: np.meshgrid(x, x),
    "apply_along_axis": lambda a, x: np.apply_along_axis(np.sum, 0, a),
    "vectorize": lambda a, x: np.vectorize(lambda v: v + 1.0)(x),
    "vectorize_text": lambda a, x: np.vectorize(str)(x),
    "savetxt": lambda a, x: _saved(a),
    "tolist": lambda a, x: x.tolist(),
    "bytes": lambda a, x: np.frombuffer(x.tobytes()),
    "text": lambda a, x: f"{x} {x[0]:.2f}",
    "float": lambda a, x: float(x[0]) + complex(x[1]).real,
    "random": lambda a, x: np.random.default_rng(0).multivariate_normal(x, a),
    "masked": lambda a, x: np.ma.masked_less(x, 0.5).sum(),
    "record": lambda a, x: np.rec.fromarrays([x, x]).f0,
    "as_strided": lambda a, x: np.lib.stride_tricks.as_strided(
        np.ascontiguousarray(x), (2, 2), (8, 8)
    ).sum(),
    "poly1d": lambda a, x: np.poly1d(x)(2.0),
    "polynomial": lambda a, x: np.polynomial.Polynomial(x)(0.5),
    "nditer": lambda a, x: [float(v) for v in np.nditer(x)],
    "ndenumerate": lambda a, x: list(np.ndenumerate(x)),
    "array_equal": lambda a, x: np.array_equal(a, a.T),
    "isin": lambda a, x: np.isin(x, [0.4]),
    "take": lambda a, x: np.take(a, [0, 2], axis=1),
    "ix": lambda a, x: a[np.ix_([0, 1], [1, 2])],
    "out": lambda a, x: _into(np.add, x, x),
    "cumsum_out": lambda a, x: _into_one(np.cumsum, x),
}


def _saved(a: Any) -> str:
    out = io.StringIO()
    np.savetxt(out, a)
    return out.getvalue()


def _into(ufunc: Any, a: Any, b: Any) -> Any:
    target = np.empty(3)
    ufunc(a, b, out=target)
    return target


def _into_one(function: Any, a: Any) -> Any:
    target = np.empty(3)
    function(a, out=target)
    return target


def scipy_calls() -> dict[str, Callable[[Any, Any], Any]]:
    """Calls into SciPy; it is imported here only."""
    import scipy.fft
    import scipy.integrate
    import scipy.interpolate
    import scipy.linalg
    import scipy.ndimage
    import scipy.optimize
    import scipy.signal
    import scipy.sparse
    import scipy.sparse.linalg
    import scipy.spatial
    import scipy.special
    import scipy.stats
    from scipy.cluster import hierarchy

    return {
        "cholesky": lambda a, x: scipy.linalg.cholesky(a),
        "lu": lambda a, x: scipy.linalg.lu(a)[2],
        "expm": lambda a, x: scipy.linalg.expm(a),
        "cho_solve": lambda a, x: scipy.linalg.cho_solve(scipy.linalg.cho_factor(a), x),
        "solve": lambda a, x: scipy.linalg.solve(a, x, overwrite_b=False),
        "solve_triangular": lambda a, x: scipy.linalg.solve_triangular(a, x),
        "eigvals": lambda a, x: scipy.linalg.eigvalsh(a),
        "blas": lambda a, x: scipy.linalg.blas.ddot(x, x),
        "toeplitz": lambda a, x: scipy.linalg.toeplitz(x),
        "quad": lambda a, x: scipy.integrate.quad(lambda s: s * x[0], 0.0, 1.0)[0],
        "solve_ivp": lambda a, x: scipy.integrate.solve_ivp(lambda t, y: -y, (0.0, 1.0), x).y[
            :, -1
        ],
        "odeint": lambda a, x: scipy.integrate.odeint(lambda y, t: -y, x, [0.0, 1.0]),
        "simpson": lambda a, x: scipy.integrate.simpson(x),
        "minimize": lambda a, x: (
            scipy.optimize.minimize(lambda p: ((p - x) ** 2).sum(), np.zeros(3)).x
        ),
        "fsolve": lambda a, x: scipy.optimize.fsolve(lambda p: p**3 - x, np.ones(3)),
        "brentq": lambda a, x: scipy.optimize.brentq(lambda s: s * s - x[0], 0.0, 2.0),
        "least_squares": lambda a, x: (
            scipy.optimize.least_squares(lambda p: a @ p - x, np.zeros(3)).x
        ),
        "curve_fit": lambda a, x: scipy.optimize.curve_fit(
            lambda t, m, b: m * t + b, [0.0, 1.0, 2.0], x
        )[0],
        "linprog": lambda a, x: scipy.optimize.linprog(x, A_ub=-a, b_ub=-np.ones(3)).x,
        "spline": lambda a, x: scipy.interpolate.CubicSpline([0.0, 1.0, 2.0], x)(0.5),
        "interp1d": lambda a, x: scipy.interpolate.interp1d([0.0, 1.0, 2.0], x)(0.5),
        "bspline": lambda a, x: scipy.interpolate.make_interp_spline([0.0, 1.0, 2.0], x, k=2)(0.5),
        "grid": lambda a, x: scipy.interpolate.RegularGridInterpolator(([0, 1, 2], [0, 1, 2]), a)(
            [[0.5, 0.5]]
        ),
        "gaussian_filter": lambda a, x: scipy.ndimage.gaussian_filter(a, 1.0),
        "zoom": lambda a, x: scipy.ndimage.zoom(x, 2.0),
        "lfilter": lambda a, x: scipy.signal.lfilter([1.0], [1.0, 0.5], x),
        "convolve": lambda a, x: scipy.signal.convolve(x, x),
        "welch": lambda a, x: scipy.signal.welch(x, nperseg=3)[1],
        "dct": lambda a, x: scipy.fft.dct(x),
        "sparse": lambda a, x: scipy.sparse.csr_array(a) @ x,
        "spsolve": lambda a, x: scipy.sparse.linalg.spsolve(scipy.sparse.csc_array(a), x),
        "eigsh": lambda a, x: np.abs(
            scipy.sparse.linalg.eigsh(scipy.sparse.csr_array(a), 1, v0=np.ones(3))[0]
        ),
        "cg": lambda a, x: scipy.sparse.linalg.cg(scipy.sparse.csr_array(a), x)[0],
        "kdtree": lambda a, x: scipy.spatial.cKDTree(a).query(x)[0],
        "hull": lambda a, x: scipy.spatial.ConvexHull(np.random.RandomState(0).rand(9, 2)).area,
        "cdist": lambda a, x: scipy.spatial.distance.cdist(a, a),
        "linkage": lambda a, x: hierarchy.linkage(a),
        "gamma": lambda a, x: scipy.special.gammaln(x),
        "logsumexp": lambda a, x: scipy.special.logsumexp(x),
        "norm": lambda a, x: scipy.stats.norm.logpdf(x),
        "gamma_pdf": lambda a, x: scipy.stats.gamma.pdf(x, 2.0),
        "mvn": lambda a, x: scipy.stats.multivariate_normal.logpdf(x, np.zeros(3), a),
        "ttest": lambda a, x: scipy.stats.ttest_1samp(x, 0.5).pvalue,
        "spearman": lambda a, x: scipy.stats.spearmanr(x, a[0]).statistic,
        "rvs": lambda a, x: scipy.stats.norm.rvs(size=3, random_state=4),
        "kde": lambda a, x: scipy.stats.gaussian_kde(x)(0.5),
    }
