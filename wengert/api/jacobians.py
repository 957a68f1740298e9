"""jacobian, jacfwd, jacrev, hessian, hvp, derivative, elementwise_grad: all derivatives at once, by batched products.

Imports core, ``gradients``, ``batching``. Invariant: a Jacobian has shape ``out.shape + in.shape``; containers give the tree of outputs of
trees of inputs.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.api import engine
from wengert.api.arguments import Selection, name_of, require_function
from wengert.api.batching import batched_call
from wengert.api.gradients import grad, jvp, vjp
from wengert.api.verify import verified, verified_call
from wengert.core.errors import NoRuleError, WengertTypeError, WengertValueError, error_at
from wengert.core.handle import is_handle
from wengert.core.tree import Structure, flatten
from wengert.core.types import dtype_of, shape_of
from wengert.ops import join

Argnums = int | Sequence[int]
Argnames = str | Sequence[str] | None


def _plain(value: Any) -> Any:
    return value.value if is_handle(value) else value


def _size(leaf: Any) -> int:
    size = 1
    for n in shape_of(_plain(leaf)):
        size *= n
    return size


def _basis(leaves: Sequence[Any], start: int, stop: int) -> list[np.ndarray[Any, Any]]:
    """Rows ``start`` to ``stop`` of the identity over all elements of the leaves, split by leaf."""
    out = []
    offset = 0
    for leaf in leaves:
        size = _size(leaf)
        dtype = dtype_of(_plain(leaf))
        rows = np.zeros((stop - start, size), dtype if dtype.kind in "fc" else float)
        low, high = max(start, offset), min(stop, offset + size)
        if low < high:
            picked = np.arange(low, high)
            rows[picked - start, picked - offset] = 1.0
        out.append(rows.reshape(stop - start, *shape_of(_plain(leaf))))
        offset += size
    return out


def _chunks(total: int, chunk_size: int | None) -> list[tuple[int, int]]:
    if chunk_size is None:
        return [(0, total)] if total else []
    if isinstance(chunk_size, bool) or not isinstance(chunk_size, (int, np.integer)) or chunk_size < 1:
        raise error_at(WengertValueError, f"chunk_size={chunk_size!r}", fix="give a positive number of rows per batch, or None")
    return [(k, min(k + chunk_size, total)) for k in range(0, total, chunk_size)]


def _joined(parts: list[Any]) -> Any:
    if len(parts) == 1:
        return parts[0]
    return join.concatenate(parts, 0) if any(map(is_handle, parts)) else np.concatenate(parts)


def _rows(value: Any, batched: bool, count: int) -> Any:
    if batched:
        return value
    return join.stack([value] * count, 0) if is_handle(value) else np.broadcast_to(value, (count, *np.shape(value)))


class _Flat:
    """A function of its differentiated leaves only, for one call."""

    def __init__(self, fun: Callable[..., Any], args: Any, kwargs: Any, argnums: Any, argnames: Any, has_aux: bool) -> None:
        self.fun = fun
        self.picked = Selection(fun, args, kwargs, argnums, argnames)
        self.leaves = [engine.settled(leaf) for leaf in self.picked.leaves]
        self.has_aux = has_aux
        self.aux: Any = None
        self.total = sum(map(_size, self.leaves))
        self.__name__ = name_of(fun)

    def __call__(self, *leaves: Any) -> Any:
        args, kwargs = self.picked.rebuild(list(leaves))
        out = engine.call(self.fun, args, kwargs)
        if not self.has_aux:
            return out
        if not isinstance(out, tuple) or len(out) != 2:
            raise error_at(WengertTypeError, f"with has_aux=True {name_of(self.fun)} must return a pair (out, aux)", fix="return out, aux")
        return out

    def check(self, outputs: Sequence[Any], structure: Structure) -> None:
        """Every output must be a number or an array."""
        for o, path in zip(outputs, structure.paths("the output"), strict=True):
            plain = _plain(o)
            if not isinstance(plain, (np.ndarray, np.generic, float, int, complex)):
                raise error_at(
                    WengertTypeError, f"{path} of {name_of(self.fun)} is a {type(plain).__name__}, which has no Jacobian",
                    fix="return arrays, numbers or containers of them",
                )
        if not outputs:
            raise error_at(WengertTypeError, f"{name_of(self.fun)} returned None", fix="let it return the value: is there a `return` missing?")

    def holomorphic(self, outputs: Sequence[Any]) -> None:
        """Complex inputs have a Jacobian only where the function is holomorphic; that is not assumed."""
        if any(dtype_of(_plain(leaf)).kind == "c" for leaf in self.leaves):
            raise error_at(
                WengertTypeError, f"the Jacobian of {name_of(self.fun)} by a complex argument is not defined unless it is holomorphic",
                fix="pass real and imaginary parts as two real arguments, or use vjp / jvp with the direction meant",
            )

    def arrange(self, blocks: Sequence[Sequence[Any]], structure: Structure, aux: Any) -> Any:
        """``blocks[output][input]`` as the tree of outputs of trees of inputs."""
        jacobian = structure.unflatten([self.picked.arrange(row) for row in blocks])
        return (jacobian, aux) if self.has_aux else jacobian


def _forward(flat: _Flat, chunk_size: int | None) -> Any:
    columns: list[list[Any]] = []
    structure: Structure | None = None
    aux: Any = None
    shapes: list[Any] = []
    chunks = _chunks(flat.total, chunk_size)
    flat.holomorphic([])
    for start, stop in chunks or [(0, 0)]:
        if not chunks:
            out = flat(*flat.leaves)
            out, aux = out if flat.has_aux else (out, None)
            outputs, structure = engine.flat_output(out)
            flat.check(outputs, structure)
            shapes = [(shape_of(_plain(o)), dtype_of(_plain(o))) for o in outputs]
            columns = [[np.zeros((0, *s), d)] for s, d in shapes]
            break
        kept: list[Any] = []

        def tangents_of(tangents: list[Any], kept: list[Any] = kept) -> Any:
            result = jvp(flat, tuple(flat.leaves), tuple(tangents), has_aux=flat.has_aux)
            kept[:] = [result[2] if flat.has_aux else None]
            outs, shape_tree = flatten(result[0])
            flat.check(outs, shape_tree)
            return result[1]

        values, found = batched_call(flat.fun, tangents_of, _basis(flat.leaves, start, stop), stop - start)
        structure = found
        aux = kept[0]
        if not columns:
            columns = [[] for _ in values]
        for column, v in zip(columns, values, strict=True):
            column.append(_rows(v.value, v.batched, stop - start))
    assert structure is not None
    blocks = []
    for column in columns:
        whole = _joined(column)
        out_shape = shape_of(_plain(whole))[1:]
        row = []
        offset = 0
        for leaf in flat.leaves:
            size, shape = _size(leaf), shape_of(_plain(leaf))
            part = whole[offset : offset + size]
            offset += size
            part = part.reshape((size, -1) if size and _plain(part).size else (size, int(np.prod(out_shape)))).T
            row.append(_finish(part.reshape((*out_shape, *shape))))
        blocks.append(row)
    return flat.arrange(blocks, structure, _outward_tree(aux))


def _reverse(flat: _Flat, chunk_size: int | None) -> Any:
    flat.holomorphic([])
    result = vjp(flat, *flat.leaves, has_aux=flat.has_aux)
    out, pullback = result[0], result[1]
    aux = result[2] if flat.has_aux else None
    return _pull_all(flat, out, pullback, aux, chunk_size)


def _pull_all(flat: _Flat, out: Any, pullback: Any, aux: Any, chunk_size: int | None) -> Any:
    outputs, structure = engine.flat_output(out)
    flat.check(outputs, structure)
    total = sum(map(_size, outputs))
    rows: list[list[Any]] = [[] for _ in flat.leaves]
    if any(dtype_of(_plain(o)).kind == "c" for o in outputs):
        raise error_at(
            WengertTypeError, f"the reverse-mode Jacobian of {name_of(flat.fun)} has complex outputs", fix="use mode='fwd'"
        )
    for start, stop in _chunks(total, chunk_size):

        def cotangents_of(cts: list[Any]) -> Any:
            return pullback(structure.unflatten(cts))

        basis = _basis(outputs, start, stop)
        if stop - start == 1:
            found = cotangents_of([b[0] for b in basis])
            for row, v in zip(rows, found, strict=True):
                row.append(_plain_or_handle_row(v))
            continue
        values, _ = batched_call(flat.fun, cotangents_of, basis, stop - start)
        for row, value in zip(rows, values, strict=True):
            row.append(_rows(value.value, value.batched, stop - start))
    if not total:
        rows = [[np.zeros((0, *shape_of(_plain(leaf))), dtype_of(_plain(leaf)))] for leaf in flat.leaves]
    blocks = []
    whole = [_joined(row) for row in rows]
    offset = 0
    for o in outputs:
        size, shape = _size(o), shape_of(_plain(o))
        blocks.append([
            _finish(w[offset : offset + size].reshape((*shape, *shape_of(_plain(leaf)))))
            for w, leaf in zip(whole, flat.leaves, strict=True)
        ])
        offset += size
    return flat.arrange(blocks, structure, aux)


def _plain_or_handle_row(value: Any) -> Any:
    if is_handle(value):
        return value.reshape((1, *shape_of(value.value)))
    return np.asarray(value)[None]


def _outward_tree(aux: Any) -> Any:
    leaves, structure = flatten(aux)
    return structure.unflatten([engine.outward(leaf) for leaf in leaves])


def _finish(block: Any) -> Any:
    found = engine.outward(block)
    if is_handle(found):
        return found
    if type(found) is np.ndarray and found.shape == ():
        return found[()]
    return np.ascontiguousarray(found) if found.base is None or not found.flags.writeable else found.copy()


_MODES = ("auto", "fwd", "rev")


def jacobian(
    fun: Callable[..., Any], argnums: Argnums = 0, *, argnames: Argnames = None, mode: str = "auto", has_aux: bool = False,
    chunk_size: int | None = None, verify: bool = False,
) -> Callable[..., Any]:
    """Return the Jacobian function: shape ``out.shape + in.shape``, for containers the tree of outputs of trees of inputs.

    ``mode``: "fwd" (one batched tangent per input element), "rev" (one cotangent per output element) or "auto" (the fewer). ``chunk_size``
    bounds how many go in one batch, and so the memory. ``verify`` as for ``value_and_grad``. Raises WengertTypeError for outputs that are no numbers.

    >>> import numpy as np
    >>> jacobian(lambda x: x ** 2)(np.array([1.0, 2.0]))
    array([[2., 0.],
           [0., 4.]])
    """
    require_function(fun, "jacobian")
    if mode not in _MODES:
        raise error_at(WengertValueError, f"mode={mode!r} is not a way to make a Jacobian", fix=f"one of {', '.join(map(repr, _MODES))}")
    _chunks(1, chunk_size)
    if verify:
        return verified(
            lambda f: jacobian(f, argnums, argnames=argnames, mode=mode, has_aux=has_aux, chunk_size=chunk_size), fun
        )

    @functools.wraps(fun)
    def jacobian_at(*args: Any, **kwargs: Any) -> Any:
        flat = _Flat(fun, args, kwargs, argnums, argnames, has_aux)
        if mode == "fwd":
            return _forward(flat, chunk_size)
        if mode == "rev":
            return _reverse(flat, chunk_size)
        flat.holomorphic([])
        result = vjp(flat, *flat.leaves, has_aux=has_aux)
        outputs = flatten(result[0])[0]
        flat.check(outputs, flatten(result[0])[1])
        if sum(map(_size, outputs)) <= flat.total and not any(dtype_of(_plain(o)).kind == "c" for o in outputs):
            return _pull_all(flat, result[0], result[1], result[2] if has_aux else None, chunk_size)
        return _forward(flat, chunk_size)

    return jacobian_at


def jacfwd(fun: Callable[..., Any], argnums: Argnums = 0, *, argnames: Argnames = None, has_aux: bool = False,
           chunk_size: int | None = None, verify: bool = False) -> Callable[..., Any]:
    """``jacobian`` by forward mode.

    >>> import numpy as np
    >>> jacfwd(np.sin)(np.zeros(1))
    array([[1.]])
    """
    return jacobian(fun, argnums, argnames=argnames, mode="fwd", has_aux=has_aux, chunk_size=chunk_size, verify=verify)


def jacrev(fun: Callable[..., Any], argnums: Argnums = 0, *, argnames: Argnames = None, has_aux: bool = False,
           chunk_size: int | None = None, verify: bool = False) -> Callable[..., Any]:
    """``jacobian`` by reverse mode.

    >>> import numpy as np
    >>> jacrev(np.sin)(np.zeros(1))
    array([[1.]])
    """
    return jacobian(fun, argnums, argnames=argnames, mode="rev", has_aux=has_aux, chunk_size=chunk_size, verify=verify)


def hessian(
    fun: Callable[..., Any], argnums: Argnums = 0, *, argnames: Argnames = None, mode: str = "auto", chunk_size: int | None = None,
    verify: bool = False,
) -> Callable[..., Any]:
    """Return the Hessian function of a function with one real output: shape ``in.shape + in.shape``, forward over reverse.

    >>> import numpy as np
    >>> hessian(lambda x: x[0] ** 2 * x[1])(np.array([1.0, 2.0]))
    array([[4., 2.],
           [2., 0.]])
    """
    require_function(fun, "hessian")
    if mode not in ("auto", "fwd-rev"):
        raise error_at(WengertValueError, f"mode={mode!r} is not a way to make a Hessian", fix="'auto' or 'fwd-rev'")
    if verify:
        return verified(lambda f: hessian(f, argnums, argnames=argnames, mode=mode, chunk_size=chunk_size), fun)
    return jacobian(grad(fun, argnums, argnames=argnames), argnums, argnames=argnames, mode="fwd", chunk_size=chunk_size)


def hvp(fun: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any], *, verify: bool = False) -> tuple[Any, Any]:
    """The gradient at ``primals`` and the product of the Hessian with ``tangents``, by reverse over reverse.

    For one primal both come back as it is; for several as tuples. The Hessian is symmetric, so its product is the pullback of the gradient;
    where memory matters more than time, ``jvp(grad(fun), primals, tangents)`` gives the same by forward over reverse.

    >>> import numpy as np
    >>> hvp(lambda x: np.sum(x ** 3), (np.array([1.0, 2.0]),), (np.array([1.0, 1.0]),))
    (array([ 3., 12.]), array([ 6., 12.]))
    """
    require_function(fun, "hvp")
    if not isinstance(primals, (tuple, list)) or not isinstance(tangents, (tuple, list)):
        raise error_at(WengertTypeError, "hvp takes tuples: hvp(fun, (x, y), (dx, dy))", fix="write (x,) for one argument")
    if verify:
        return verified_call(lambda f: hvp(f, primals, tangents), fun)  # type: ignore[no-any-return]
    argnums: Argnums = 0 if len(primals) == 1 else tuple(range(len(primals)))
    if len(primals) != len(tangents):
        raise error_at(
            WengertValueError, f"{len(primals)} primals but {len(tangents)} tangents", fix="give one tangent per primal, None for zero"
        )
    slope = grad(fun, argnums)
    gradient, pullback = vjp(lambda *at: slope(*at), *primals)
    found = pullback(tangents[0] if len(primals) == 1 else tuple(tangents))
    return gradient, found[0] if len(primals) == 1 else found


def derivative(fun: Callable[..., Any], argnum: int = 0, *, verify: bool = False) -> Callable[..., Any]:
    """Return the derivative of a function of one real number; the output may have any shape.

    >>> float(derivative(lambda t: t ** 3)(2.0))
    12.0
    """
    require_function(fun, "derivative")
    if verify:
        return verified(lambda f: derivative(f, argnum), fun)

    @functools.wraps(fun)
    def derivative_at(*args: Any, **kwargs: Any) -> Any:
        picked = Selection(fun, args, kwargs, argnum, None)
        if len(picked.leaves) != 1 or shape_of(_plain(picked.leaves[0])) != ():
            raise error_at(
                WengertTypeError, f"derivative is for a function of one number; argument {argnum} of {name_of(fun)} has shape "
                f"{shape_of(_plain(picked.leaves[0]))}",
                fix="use jacobian or grad",
            )

        def of_one(t: Any) -> Any:
            inner_args, inner_kwargs = picked.rebuild([t])
            return engine.call(fun, inner_args, inner_kwargs)

        leaf = picked.leaves[0]
        one = dtype_of(_plain(leaf)).type(1)
        out, found = jvp(of_one, (leaf,), (one,))
        if out is None:
            raise error_at(WengertTypeError, f"{name_of(fun)} returned None", fix="let it return the value: is there a `return` missing?")
        return found

    return derivative_at


def elementwise_grad(fun: Callable[..., Any], argnums: Argnums = 0, *, verify: bool = False) -> Callable[..., Any]:
    """Return the derivative of a function that acts on every element by itself: the gradient of the sum of its output.

    >>> import numpy as np
    >>> elementwise_grad(np.square)(np.array([1.0, 2.0]))
    array([2., 4.])
    """
    require_function(fun, "elementwise_grad")
    if verify:
        return verified(lambda f: elementwise_grad(f, argnums), fun)

    @functools.wraps(fun)
    def summed(*args: Any, **kwargs: Any) -> Any:
        out = fun(*args, **kwargs)
        if out is None:
            raise error_at(WengertTypeError, f"{name_of(fun)} returned None", fix="let it return the value: is there a `return` missing?")
        return out.sum() if hasattr(out, "sum") else out

    return grad(summed, argnums)


__all__ = ["NoRuleError", "derivative", "elementwise_grad", "hessian", "hvp", "jacfwd", "jacobian", "jacrev"]
