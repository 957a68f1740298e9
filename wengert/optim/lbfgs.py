"""L-BFGS through SciPy, on containers of parameters.

Imports the public names of wengert; SciPy when called. Invariant: value and gradient come from one run of the function.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import wengert
from wengert.core.errors import WengertTypeError, error_at
from wengert.core.tree import arrays, flatten


def lbfgs(fun: Callable[[Any], Any], params: Any, *, maxiter: int = 100, **options: Any) -> tuple[Any, Any]:
    """Minimise ``fun(params)`` by SciPy's L-BFGS-B; returns the parameters and SciPy's result.

    ``params`` is a container of arrays or Tensors, what comes back is one of arrays. Further options go to SciPy.

    >>> from wengert import optim
    >>> found, result = optim.lbfgs(lambda p: np.sum((p["a"] - 3.0) ** 2), {"a": np.zeros(2)})
    >>> found["a"].round(6)
    array([3., 3.])
    """
    try:
        from scipy.optimize import minimize
    except ImportError:
        raise error_at(
            WengertTypeError, "lbfgs needs SciPy, which is not installed", fix="pip install 'wengert[scipy]'"
        ) from None
    with wengert.no_grad():  # the values of Tensors, whether they require gradients or not
        leaves, structure = flatten(arrays(params))
    shapes = [np.shape(v) for v in leaves]
    ends = np.cumsum([int(np.prod(s)) for s in shapes])
    slope = wengert.value_and_grad(fun)

    def rebuilt(flat: Any) -> Any:
        parts = np.split(flat, ends[:-1])
        return structure.unflatten(
            [part.reshape(shape) if shape else part[0] for part, shape in zip(parts, shapes, strict=True)]
        )

    def both(flat: Any) -> tuple[float, Any]:
        value, gradient = slope(rebuilt(flat))
        return float(value), np.concatenate([np.ravel(g) for g in flatten(gradient)[0]]).astype(float)

    start = np.concatenate([np.ravel(v) for v in leaves]).astype(float)
    result = minimize(both, start, jac=True, method="L-BFGS-B", options={"maxiter": maxiter, **options})
    return rebuilt(result.x), result


__all__ = ["lbfgs"]
