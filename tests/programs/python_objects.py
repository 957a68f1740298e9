"""Programs with objects: containers, dataclasses, classes, formatting, copying, type checks.

Imports the standard library, NumPy and the table type. Containers of numbers are arguments and
results; the derivative has the container's shape.
"""

import copy
import numbers
from collections import Counter, OrderedDict, defaultdict, deque, namedtuple
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import NamedTuple

import numpy as np

from .harness import Program, table

PROGRAMS: list[Program] = []
program = table(PROGRAMS)

X = np.array([0.7, -0.4, 1.3])
Pair = namedtuple("Pair", ["left", "right"])


class Kind(Enum):
    """A static choice carried inside a container."""

    LINEAR = 1
    SQUARE = 2


class Point(NamedTuple):
    """A typed named tuple."""

    x: float
    y: float


@dataclass
class Model:
    """A mutable dataclass with an array, a number and static fields."""

    weights: np.ndarray
    bias: float
    name: str = "model"
    layers: int = 2

    def predict(self, inputs):
        """Two affine steps with a tanh."""
        for _ in range(self.layers):
            inputs = np.tanh(inputs * self.weights + self.bias)
        return inputs


@dataclass(frozen=True)
class Frozen:
    """A frozen dataclass with a default made by a factory."""

    rate: float
    offsets: list = field(default_factory=list)


class Polynomial:
    """A class with a constructor, a property, operators and a call."""

    degree_limit = 5

    def __init__(self, coefficients):
        self.coefficients = list(coefficients)

    @property
    def leading(self):
        return self.coefficients[-1]

    @classmethod
    def constant(cls, value):
        return cls([value])

    @staticmethod
    def horner(coefficients, at):
        result = 0.0
        for c in reversed(coefficients):
            result = result * at + c
        return result

    def __call__(self, at):
        return self.horner(self.coefficients, at)

    def __add__(self, other):
        return Polynomial(
            [a + b for a, b in zip(self.coefficients, other.coefficients, strict=True)]
        )

    def __getitem__(self, power):
        return self.coefficients[power]

    def __len__(self):
        return len(self.coefficients)


class Accumulator:
    """A class that keeps an array as state and writes into it."""

    def __init__(self, size):
        self.state = np.zeros(size)
        self.count = 0

    def __enter__(self):
        return self

    def __exit__(self, *details):
        self.count = -1

    def add(self, values):
        self.state[: len(values)] += values
        self.count += 1
        return self


@program({"w": X, "b": 0.4})
def dictionary_argument(parameters):
    return np.sum(np.tanh(parameters["w"] * 2.0 + parameters["b"]) ** 2)


@program([X, (0.4, -1.1)], {"deep": [{"er": 0.6}]})
def nested_containers_in(first, second):
    array, (a, b) = first
    return np.sum(array**2) * a + b * second["deep"][0]["er"] ** 2


@program(X)
def nested_containers_out(x):
    return {"sum": np.sum(x), "rows": [x * x, (x[0] * x[1], np.sin(x[2]))]}


@program(X, 0.8)
def tuple_out(x, t):
    return x * t, np.sum(x) ** t if np.sum(x) > 0 else t, (t,)


@program(Pair(0.3, X))
def namedtuple_in_and_out(pair):
    moved = pair._replace(left=pair.left * pair.right[0])
    return Pair(moved.left**2, pair.right * moved.left)


@program(Point(0.3, 1.2))
def typed_namedtuple(p):
    return (p.x - 1.0) ** 2 * p.y + p[1] ** 2 * len(p)


@program(Model(X, 0.4))
def dataclass_argument(model):
    return np.sum(model.predict(np.array([1.0, -0.5, 0.3])) ** 2)


@program(Model(X, 0.4))
def dataclass_out(model):
    return Model(model.weights * model.bias, model.bias**2, name="updated")


@program(Frozen(0.3, [0.1, 0.2]))
def frozen_dataclass_replaced(settings):
    faster = replace(settings, rate=settings.rate * 2.0)
    return faster.rate**2 * sum(faster.offsets) + settings.offsets[1]


@program(X)
def dataclass_made_inside(x):
    model = Model(weights=x, bias=x[0])
    model.bias += x[1]
    return model.predict(np.ones(3))


@program({"kind": Kind.SQUARE, "value": 0.7, "label": "a", "count": 3, "flag": True, "none": None})
def static_leaves_beside_numbers(settings):
    value = settings["value"]
    if settings["kind"] is Kind.SQUARE and settings["flag"] and settings["none"] is None:
        value = value**2
    return value * settings["count"] + len(settings["label"]) * settings["value"]


@program(X, 0.6)
def class_with_call_and_property(coefficients, at):
    p = Polynomial(coefficients)
    q = p + Polynomial(coefficients**2)
    return p(at) * q.leading + Polynomial.constant(at)(at) + p[1] * len(p)


@program(X)
def state_in_an_instance(x):
    accumulator = Accumulator(4)
    with accumulator as a:
        a.add(x).add(x[:2] ** 2)
    return np.sum(accumulator.state**2) * accumulator.count


@program(X)
def attributes_set_and_deleted(x):
    class Bag:
        pass

    bag = Bag()
    for i, value in enumerate(x):
        setattr(bag, f"item{i}", value * 2.0)
    bag.item1 *= bag.item0
    result = bag.item1**2 + vars(bag)["item2"]
    del bag.item0
    return result * hasattr(bag, "item2")


@program(X)
def inheritance_and_super(x):
    class Base:
        def __init__(self, v):
            self.v = v

        def energy(self):
            return np.sum(self.v**2)

    class Child(Base):
        def energy(self):
            return super().energy() ** 2 + self.v[0]

    return Child(x).energy()


@program(X)
def bound_method_as_the_program(x):
    return Polynomial([1.0, 2.0, 3.0]).__call__(x[0]) * Polynomial(x)(2.0)


@program(1.234)
def format_and_print(t):
    text = f"{t:.3f} {t!r} {t:>10.2e} " + "%.2f and %s" % (t, t) + "{:.1f}".format(t) + str(t)  # noqa: UP031, UP032
    print("value", t, text, sep="|")
    return t**2 * (len(f"{t:.1f}") == 3) + len("%5.1f" % t) * t  # noqa: UP031


@program(X)
def print_and_repr_of_an_array(x):
    print(x, repr(x), str(x * 2), f"{x}")
    print([x[0], x], {"x": x[1]}, np.array2string(x, precision=2))
    return np.sum(x**2)


@program(X)
def copy_and_deepcopy(x):
    shallow = copy.copy(x)
    shallow[0] = 2.0 * x[1]
    deep = copy.deepcopy({"a": [x, x[2]]})
    deep["a"][0][1] *= deep["a"][1]
    return np.sum(shallow * deep["a"][0]) + np.sum(x)


@program(X)
def deepcopy_of_an_object_with_arrays(x):
    model = Model(x * 1.0, x[0])
    twin = copy.deepcopy(model)
    twin.weights *= 2.0
    return np.sum(model.weights * twin.weights) + twin.bias * model.bias


@program(X, 0.6)
def type_checks(x, t):
    assert isinstance(x, np.ndarray) and isinstance(t, float) and isinstance(t, numbers.Real)
    assert isinstance(x[0], (float, np.floating)) and not isinstance(x, (list, tuple, float))
    assert np.isscalar(t) and not np.isscalar(x) and np.ndim(x) == 1 and np.ndim(t) == 0
    assert x.shape == (3,) and np.shape(x) == (3,) and x.size == 3 and x.dtype == np.float64
    assert len(x) == 3 and x.ndim == 1 and np.iterable(x) and callable(np.sin)
    assert np.isrealobj(x) and not np.iscomplexobj(x) and np.issubdtype(x.dtype, np.floating)
    return np.sum(x * t) ** 2


@program(X, 0.6)
def behaviour_chosen_by_type(x, t):
    def double(value):
        if isinstance(value, np.ndarray):
            return value * 2.0
        if isinstance(value, (list, tuple)):
            return [double(item) for item in value]
        if np.isscalar(value):
            return value + value
        raise TypeError("what is this")

    return np.sum(double(x) ** 2) * double([t, (t,)])[1][0]


@program(X)
def lists_dicts_deques_and_counters(x):
    queue = deque(x, maxlen=2)
    queue.appendleft(x[0] * x[1])
    groups = defaultdict(list)
    for value in x:
        groups[value > 0].append(value)
    ordered = OrderedDict(a=x[0], b=x[1])
    ordered.move_to_end("a")
    weights = Counter(["a", "b", "a"])
    return (
        queue[0] * queue[1]
        + sum(groups[True]) ** 2
        + sum(weights[k] * v for k, v in ordered.items())
    )


@program(X)
def tolist_and_back(x):
    values = x.tolist()
    values.append(values[0] * values[1])
    return np.sum(np.array(values) ** 2)


@program(X)
def item_of_a_zero_dimensional_result(x):
    return np.sum(x**2).item() * x.sum().item() + (x @ x)[()] * x[0]


@program(X)
def object_array_of_numbers(x):
    boxes = np.empty(3, dtype=object)
    for i in range(3):
        boxes[i] = x[i] * (i + 1)
    boxes = boxes * boxes + 1.0
    return boxes[0] * boxes[1] + boxes.sum()


@program(X)
def object_array_of_arrays(x):
    ragged = np.array([None, None], dtype=object)
    ragged[0], ragged[1] = x[:1], x * x
    return sum(np.sum(part**2) for part in ragged)


@program(X)
def object_array_product(x):
    a = np.array([[x[0], 1.0], [x[1], x[2]]], dtype=object)
    return (a @ a)[0, 1] * (a * 2)[1, 1] + np.dot(a, a)[1, 0]


@program(X)
def vectorized_function(x):
    @np.vectorize
    def branchy(value):
        return value**2 if value > 0 else np.sin(value)

    return branchy(x) * x


@program(X, 0.3)
def vectorized_with_two_arguments(x, t):
    soft = np.vectorize(lambda a, b: np.log1p(np.exp(a * b)) if a > 0 else a * b)
    return np.sum(soft(x, t) ** 2) + np.sum(soft(x[:, None], x))


@program(X)
def frompyfunc_gives_objects(x):
    clipped_square = np.frompyfunc(lambda v: v * v if v > 0 else 0.1 * v, 1, 1)
    return np.sum(np.array(clipped_square(x), dtype=float) * x) + np.sum(clipped_square(x) * x)


@program(X)
def apply_along_axis_and_piecewise(x):
    a = np.outer(x, x)
    sums = np.apply_along_axis(lambda row: np.sum(row**2), 1, a)
    return np.sum(sums) + np.sum(
        np.piecewise(x, [x < 0, x >= 0], [lambda v: v**2, lambda v: np.exp(v)])
    )


@program(X)
def sets_of_indices_and_hashing(x):
    seen = {1.0: "yes", -1.0: "no"}
    hit = seen.get(x[2] // 1, "unknown")
    return (
        x[0] ** (2 if hit == "yes" else 3) + hash(x[2] > 1.0) * x[1] + len({x[2] // 1, 1.0}) * x[0]
    )


@program(X)
def exception_caught_inside(x):
    class Negative(ValueError):
        pass

    def root(value):
        if value < 0:
            raise Negative(f"cannot take the root of {value:.2f}")
        return np.sqrt(value)

    total = 0.0
    for value in x:
        try:
            total += root(value)
        except Negative as error:
            total += value**2 * len(str(error).split())
    return total
