"""Programs in Python itself: builtins, control flow on values, generators, recursion, math.

Plain `import math` and friends; imports only the table type. A traced number meets
every builtin here that works on a float.
"""

import functools
import itertools
import math
import operator
import statistics
from functools import partial, reduce

import numpy as np

from .harness import Program, table

PROGRAMS: list[Program] = []
program = table(PROGRAMS)

X = np.array([0.7, -0.4, 1.3, 0.9])
counter = 0


@program(0.6)
def math_trigonometry(t):
    return math.sin(t) * math.cos(t) + math.tan(t) + math.asin(t) - math.acos(t) * math.atan(t)


@program(0.6)
def math_hyperbolic(t):
    return (
        math.sinh(t) * math.cosh(t)
        + math.tanh(t)
        + math.asinh(t)
        - math.acosh(t + 1.5) * math.atanh(t)
    )


@program(1.6)
def math_exponentials(t):
    return (
        math.exp(-t)
        + math.expm1(t)
        + math.log(t) * math.log2(t)
        - math.log10(t)
        + math.log1p(t)
        + math.exp2(t)
    )


@program(1.6)
def math_log_with_base(t):
    return math.log(t, 3) + math.log(5.0, t)


@program(1.6)
def math_special_functions(t):
    return math.erf(t) * math.gamma(t) + math.lgamma(t + 1) - math.erfc(t / 2)


@program(1.6, -0.7)
def math_of_two_arguments(t, u):
    return (
        math.pow(t, u)
        + math.atan2(t, u) * math.hypot(t, u)
        + math.copysign(t, u)
        - math.fmod(5.3, t)
    )


@program(1.6)
def math_roots_and_angles(t):
    return math.sqrt(t) + math.cbrt(t) * math.radians(t) - math.degrees(t) / 50 + math.fabs(t - 3.0)


@program(X)
def math_sums_of_iterables(x):
    return math.fsum(x * x) * math.prod(x) + math.dist(x[:2], x[2:])


@program(0.6)
def math_integer_parts_are_constant(t):
    return (
        t * math.floor(3.7 * t) + t**2 * math.ceil(t) + math.trunc(4.2 * t) * t + t * int(5.5 * t)
    )


@program(2.6)
def math_on_plain_constants_stays_plain(t):
    return t ** math.sqrt(4.0) * math.pi + math.sin(0.5) * t


@program(X)
def builtin_sum_max_min_abs(x):
    return sum(v * v for v in x) * max(x) + min(x) ** 2 + abs(x[1]) * abs(x[2])


@program(X)
def builtin_sum_with_start(x):
    return sum(x, x[0] * x[1]) + sum([x[2], 1, x[3]], 0.5)


@program(X)
def builtin_max_with_key_and_default(x):
    largest = max(x, key=lambda v: -((v - 0.5) ** 2))
    return largest**2 + max([], default=x[0]) + max(x[0], x[1], 0.2) * min(x[2], 5)


@program(X)
def builtin_sorted_and_reversed(x):
    ordered = sorted(x, reverse=True)
    backwards = list(reversed(ordered))
    return sum(i * v**2 for i, v in enumerate(ordered)) + backwards[0] * ordered[1]


@program(X)
def list_sort_with_key(x):
    pairs = [(v, v * v) for v in x]
    pairs.sort(key=lambda pair: pair[1])
    return sum(weight * pair[0] * pair[1] for weight, pair in zip([1, 2, 3, 4], pairs, strict=True))


@program(1.37)
def builtin_round_pow_divmod(t):
    quotient, remainder = divmod(7.9, t)
    return round(t) * t + pow(t, 3) + remainder**2 * quotient + (7.9 % t) + 7.9 // t


@program(1.37, 2.2)
def powers_of_every_kind(t, u):
    return t**u + t**-2 + 2**t + t**0.5 + pow(u, t) + t**0 + (-t) ** 3


@program(1.37)
def divmod_with_traced_dividend(t):
    quotient, remainder = divmod(5 * t, 2)
    return remainder**2 + quotient * t


@program(1.2)
def if_on_a_value(t):
    if t > 1.0:
        return t**3
    elif t > 0:
        return math.sin(t)
    return -t


@program(1.2)
def chained_comparison_and_boolean_logic(t):
    inside = 0.5 < t < 2.0 and not t == 1.0
    return (t * t if inside or t > 100 else 0.0) + bool(t) * t


@program(9.7)
def while_on_a_value(t):
    steps = 0
    while t > 1.0:
        t = t / 2.0 if steps % 2 else math.sqrt(t)
        steps += 1
    return t**2 + steps * t


@program(X)
def for_with_continue_break_else(x):
    total = 1.0
    for value in x:
        if value < 0:
            continue
        if total * value > 50:
            break
        total = total * value + value
    else:
        total = total**2
    return total


@program(0.8)
def recursion_on_a_count(t):
    def fibonacci_polynomial(n):
        if n < 2:
            return 1.0 if n == 0 else t
        return t * fibonacci_polynomial(n - 1) + fibonacci_polynomial(n - 2)

    return fibonacci_polynomial(7)


@program(0.9)
def recursion_on_a_value(t):
    def shrink(value):
        return value if value < 0.1 else shrink(value * 0.5) + math.sin(value)

    return shrink(t)


@program(X)
def generator_function(x):
    def squares(values):
        for value in values:
            yield value
            yield value * value

    return sum(v * i for i, v in enumerate(squares(x)))


@program(0.8)
def generator_with_send(t):
    def running_product():
        product = 1.0
        while True:
            factor = yield product
            product = product * factor

    machine = running_product()
    next(machine)
    return machine.send(t) + machine.send(t + 1.0) + machine.send(math.sin(t))


@program(X)
def comprehensions_of_every_kind(x):
    as_list = [v**2 for v in x if v > 0]
    as_dict = {i: v for i, v in enumerate(x)}  # noqa: C416
    as_set = {i for i in range(3)}  # noqa: C416
    nested = [[a * b for a in x] for b in x[:2]]
    return sum(as_list) + as_dict[1] * as_dict[2] + len(as_set) * nested[1][2]


@program(X)
def closures_and_nonlocal(x):
    total = 0.0

    def add(value):
        nonlocal total
        total = total + value * value

    for value in x:
        add(value)
    scale = [x[0]]
    return (lambda v: v * scale[0])(total)


@program(0.8)
def global_variable_written(t):
    global counter
    counter = 0
    for _ in range(3):
        counter += 1
    return t**counter


@program(0.8)
def partial_reduce_and_compose(t):
    def power(base, exponent):
        return base**exponent

    cube = partial(power, exponent=3)
    product = reduce(operator.mul, [t, t + 1, cube(t)])
    compose = functools.reduce(lambda f, g: lambda v: g(f(v)), [math.sin, math.exp, cube])
    return product + compose(t)


@program(0.8)
def decorators(t):
    def doubled(fun):
        @functools.wraps(fun)
        def wrapper(*args, **kwargs):
            return 2 * fun(*args, **kwargs)

        return wrapper

    @doubled
    def inner(value, *, shift=0.0):
        return math.exp(value + shift)

    return inner(t, shift=t * t)


@program(0.8, 1.1, -0.4)
def star_args_and_kwargs(*values):
    def combine(first, *rest, scale=1.0, **others):
        return scale * first + sum(rest) ** 2 + others["extra"]

    return combine(*values, scale=values[0], extra=values[1] * values[2])


@program(X)
def operator_module(x):
    first, last = operator.itemgetter(0, -1)(x)
    return (
        operator.add(first, last) * operator.truediv(first, x[2])
        - operator.neg(operator.pow(x[3], 2))
        + operator.matmul(x, x)
        + operator.methodcaller("sum")(x)
    )


@program(X)
def itertools_pipelines(x):
    running = list(itertools.accumulate(x, operator.mul))
    pairs = sum(a * b for a, b in itertools.combinations(x, 2))
    chained = sum(itertools.chain(x[:2], running))
    taken = sum(itertools.takewhile(lambda v: v > 0, x))
    products = sum(a * b**2 for a, b in itertools.product(x[:2], x[2:]))
    stars = sum(itertools.starmap(pow, [(x[0], 2), (x[2], 3)]))
    return (
        pairs * chained
        + taken
        + products
        + stars
        + sum(a - b * a for a, b in itertools.pairwise(x))
    )


@program(X)
def zip_enumerate_unpack(x):
    head, *middle, tail = x
    total = head * tail
    for index, (a, b) in enumerate(zip(middle, x[::-1], strict=False)):
        total = total + (index + 1) * a * b
    return total


@program(X)
def map_and_filter(x):
    positives = list(filter(lambda v: v > 0, x))
    return (
        sum(map(lambda a, b: a * b**2, positives, x))
        + len(positives) * any(v > 1 for v in x) * x[0]
    )


@program(1.3)
def walrus_and_conditional(t):
    if (half := t / 2) > 0.5 and (square := half**2) < 1:
        return half * square
    return t


@program(1.3)
def match_statement(t):
    def area(shape):
        match shape:
            case ("circle", r) if r > 0:
                return math.pi * r**2
            case {"width": w, "height": h}:
                return w * h
            case [float() as side]:
                return side**2
            case _:
                return 0.0

    return area(("circle", t)) + area({"width": t, "height": t + 1}) + area([t]) + area(None)


@program(1.3)
def try_except_finally(t):
    total = 0.0
    for divisor in (0.0, t**2):
        try:
            total += t * (1.0 / divisor)
        except ZeroDivisionError:
            total += t
        finally:
            total *= 2.0
    return total


@program(X)
def lookups_by_value(x):
    labels = {0.5: 2.0, 1.0: 3.0}
    nearest = min(labels, key=lambda k: abs(k - x[0]))
    return (
        x[0] * nearest * labels[x[2] // 1] + (x[1] in x) * x[2] + [0.1, 0.2, 0.3][int(x[2])] * x[3]
    )


@program(X)
def statistics_module(x):
    values = list(x)
    return statistics.fmean(values) * statistics.pvariance(values) + statistics.median(values)
