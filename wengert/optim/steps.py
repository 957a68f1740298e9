"""First-order steps: SGD with momentum, Adam, AdamW.

Imports the public names of wengert. Invariant: the rule is one function of parameter, gradient and state, the same
for Tensors and arrays.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

import wengert
from wengert.core.errors import WengertTypeError, WengertValueError, error_at
from wengert.core.handle import is_handle
from wengert.core.tree import flatten, register

Array = Any


def _array(value: Any) -> Array:
    """The values of a Tensor, an array, or a number, as an array."""
    if isinstance(value, wengert.Tensor):
        return value.detach().numpy()
    return value if is_handle(value) else np.asarray(value)


class Optimizer:
    """What the optimisers share: ``zero_grad`` and ``step`` for Tensors, ``init`` and ``update`` for containers of
    arrays.
    """

    def __init__(self, parameters: Any, learning_rate: float) -> None:
        if not learning_rate > 0:
            raise error_at(
                WengertValueError, f"a learning rate of {learning_rate}", fix="give a positive number", depth=3
            )
        self.learning_rate = learning_rate
        self.parameters: list[wengert.Tensor] = []
        if parameters is not None:
            given = (
                list(parameters)
                if isinstance(parameters, Iterable) and not isinstance(parameters, (dict, wengert.Tensor))
                else parameters
            )
            self.parameters = flatten(given)[0]
            for k, p in enumerate(self.parameters):
                if not isinstance(p, wengert.Tensor) or not p.requires_grad or not p.is_leaf:
                    raise error_at(
                        WengertTypeError,
                        f"parameter {k} is no leaf Tensor that requires gradients, but a {type(p).__name__}",
                        fix="wengert.tensor(data, requires_grad=True); for arrays use init and update",
                        depth=3,
                    )
            if len({id(p) for p in self.parameters}) != len(self.parameters):
                raise error_at(WengertValueError, "a parameter was given twice", fix="give every Tensor once", depth=3)
            self.state = [tuple(wengert.tensor(part, False) for part in self.first(_array(p))) for p in self.parameters]

    def first(self, parameter: Array) -> tuple[Any, ...]:
        """The state of one parameter before the first step."""
        raise NotImplementedError

    def rule(self, parameter: Array, gradient: Array, state: tuple[Any, ...]) -> tuple[Array, tuple[Any, ...]]:
        """The parameter and its state after a step."""
        raise NotImplementedError

    def zero_grad(self) -> None:
        """Forget the gradients of all parameters."""
        for p in self.parameters:
            p.grad = None

    def step(self) -> None:
        """Move every parameter that has a gradient."""
        moved = [
            (p, state, self.rule(_array(p), _array(p.grad), tuple(map(_array, state))))
            for p, state in zip(self.parameters, self.state, strict=True)
            if p.grad is not None
        ]
        with wengert.no_grad():
            for p, state, (value, new) in moved:
                p.data = value
                for part, content in zip(state, new, strict=True):
                    part.data = content

    def init(self, params: Any) -> Any:
        """The state for a container of arrays."""
        leaves, structure = flatten(params)
        return structure.unflatten([_State(self.first(_array(p))) for p in leaves])

    def update(self, params: Any, gradients: Any, state: Any) -> tuple[Any, Any]:
        """Parameters and state after a step with gradients in a container of the same structure."""
        leaves, structure = flatten(params)
        given = structure.flatten_like(gradients, "the gradients")
        states = structure.flatten_like(state, "the state")
        moved = [self.rule(_array(p), _array(g), s.parts) for p, g, s in zip(leaves, given, states, strict=True)]
        return structure.unflatten([v for v, _ in moved]), structure.unflatten([_State(s) for _, s in moved])


class _State:
    """The state of one parameter: a leaf of the container of states."""

    __slots__ = ("parts",)

    def __init__(self, parts: tuple[Any, ...]) -> None:
        self.parts = parts


register(_State, lambda state: (state.parts, None), lambda _, parts: _State(tuple(parts)))


class SGD(Optimizer):
    """Steps against the gradient, with momentum: v = momentum v + g, p = p - learning_rate v.

    >>> import wengert as wg
    >>> from wengert import optim
    >>> w = wg.tensor([2.0], requires_grad=True)
    >>> optimizer = optim.SGD([w], learning_rate=0.25)
    >>> for _ in range(2):
    ...     optimizer.zero_grad()
    ...     (w * w).sum().backward()
    ...     optimizer.step()
    >>> w.tolist()
    [0.5]
    """

    def __init__(
        self,
        parameters: Any = None,
        learning_rate: float = 1e-2,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
        *,
        nesterov: bool = False,
    ) -> None:
        self.momentum, self.weight_decay, self.nesterov = momentum, weight_decay, nesterov
        super().__init__(parameters, learning_rate)

    def first(self, parameter: Array) -> tuple[Any, ...]:
        """The state before the first step."""
        return (np.zeros_like(parameter),) if self.momentum else ()

    def rule(self, parameter: Array, gradient: Array, state: tuple[Any, ...]) -> tuple[Array, tuple[Any, ...]]:
        """One step of one parameter."""
        if self.weight_decay:
            gradient = gradient + self.weight_decay * parameter
        if not self.momentum:
            return parameter - self.learning_rate * gradient, state
        (velocity,) = state
        velocity = self.momentum * velocity + gradient
        way = gradient + self.momentum * velocity if self.nesterov else velocity
        return parameter - self.learning_rate * way, (velocity.copy(),)


class Adam(Optimizer):
    """Steps scaled by running means of the gradient and its square (Kingma and Ba 2015); ``weight_decay`` adds to the
    gradient.

    >>> from wengert import optim
    >>> rule = optim.Adam(learning_rate=0.1)
    >>> params = {"w": np.array([1.0])}
    >>> params, state = rule.update(params, {"w": np.array([4.0])}, rule.init(params))
    >>> params["w"].round(6)
    array([0.9])
    """

    decoupled = False

    def __init__(
        self,
        parameters: Any = None,
        learning_rate: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        epsilon: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        self.betas, self.epsilon, self.weight_decay = betas, epsilon, weight_decay
        super().__init__(parameters, learning_rate)

    def first(self, parameter: Array) -> tuple[Any, ...]:
        """The state before the first step."""
        return np.float64(0.0), np.zeros_like(parameter), np.zeros_like(parameter)

    def rule(self, parameter: Array, gradient: Array, state: tuple[Any, ...]) -> tuple[Array, tuple[Any, ...]]:
        """One step of one parameter."""
        count, mean, square = state
        count = count + 1
        a, b = self.betas
        if self.weight_decay and self.decoupled:
            parameter = parameter * (1.0 - self.learning_rate * self.weight_decay)
        elif self.weight_decay:
            gradient = gradient + self.weight_decay * parameter
        mean = a * mean + (1.0 - a) * gradient
        square = b * square + (1.0 - b) * gradient * gradient
        of_mean, of_square = ((1.0 - beta**count).astype(parameter.dtype) for beta in (a, b))
        root = np.sqrt(square / of_square) + self.epsilon
        return parameter - self.learning_rate * (mean / of_mean) / root, (count, mean, square)


class AdamW(Adam):
    """Adam with weight decay apart from the gradient (Loshchilov and Hutter 2019).

    >>> from wengert import optim
    >>> optim.AdamW(learning_rate=0.1).weight_decay
    0.01
    """

    decoupled = True

    def __init__(
        self,
        parameters: Any = None,
        learning_rate: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        epsilon: float = 1e-8,
        weight_decay: float = 1e-2,
    ) -> None:
        super().__init__(parameters, learning_rate, betas, epsilon, weight_decay)


__all__ = ["SGD", "Adam", "AdamW", "Optimizer"]
