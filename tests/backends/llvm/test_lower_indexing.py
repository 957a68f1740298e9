"""Broadcasting, slices, indices, masks and reshapes at random: reading, writing and their derivatives."""

import hypothesis.extra.numpy as arrays
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import wengert as wg
from tests.backends.llvm.segments_of import assert_native_part_agrees
from wengert.backends.llvm.indexed import Reshaped, Scatter, Sub
from wengert.backends.llvm.interpret import interpret
from wengert.backends.llvm.lower.lower import can_lower, lower

SHAPES = arrays.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=4)
QUICK = settings(max_examples=60, deadline=None)


def numbers(shape, seed=0, dtype=float):
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


def agrees(f, *args):
    """Every step of the program and of its gradient is native and right."""
    for fun in (f, wg.grad(lambda *a: np.sum(np.sin(f(*a))), tuple(range(len(args))))):
        graph = wg.trace(fun)(*args)
        if any(0 in n.type.shape for n in graph.nodes):
            return
        reasons = {n.op.name: why for n in graph.nodes if (why := can_lower(n)) is not None}
        assert not reasons
        assert_native_part_agrees(graph, graph.values)


@QUICK
@given(arrays.mutually_broadcastable_shapes(num_shapes=3, min_side=1, max_dims=4, max_side=3), st.booleans())
def test_broadcasting(shapes, single):
    dtype = np.float32 if single else float
    x, y, z = (numbers(s, k, dtype) for k, s in enumerate(shapes.input_shapes))
    agrees(lambda x, y, z: np.where(x > y, x * z, y / (2.0 + z * z)) - x, x, y, z)


@QUICK
@given(st.data())
def test_basic_indices(data):
    x = numbers(data.draw(SHAPES))
    index = data.draw(arrays.basic_indices(x.shape, allow_newaxis=True))
    if x[index].size:
        agrees(lambda x: x[index] * 2.0, x)


@QUICK
@given(st.data())
def test_slices_of_slices(data):
    x = numbers(data.draw(SHAPES))
    first = data.draw(arrays.basic_indices(x.shape, allow_newaxis=True, allow_ellipsis=False))
    second = data.draw(arrays.basic_indices(np.shape(x[first])))
    if x[first][second].size:
        agrees(lambda x: x[first][second] * x.sum(), x)


@QUICK
@given(st.data())
def test_integer_arrays(data):
    x = numbers(data.draw(SHAPES))
    parts = []
    shape = data.draw(arrays.array_shapes(min_dims=0, max_dims=2, max_side=3))
    for n in x.shape[: data.draw(st.integers(1, x.ndim))]:
        kind = data.draw(st.sampled_from(["array", "row", "slice", "number"]))
        if kind in ("array", "row"):
            sides = shape if kind == "array" else shape[-1:]
            parts.append(data.draw(arrays.arrays(np.int64, sides, elements=st.integers(-n, n - 1))))
        elif kind == "number":
            parts.append(data.draw(st.integers(-n, n - 1)))
        else:
            parts.append(slice(None, None, data.draw(st.sampled_from([1, -1]))))
        if data.draw(st.booleans()) and len(parts) == 1:
            parts.append(None)
    agrees(lambda x: x[tuple(parts)] + 1.0, x)


@QUICK
@given(st.data())
def test_indices_that_are_computed(data):
    x, n = numbers(data.draw(st.tuples(st.integers(2, 4), st.integers(2, 4)))), data.draw(st.integers(2, 4))
    places = data.draw(arrays.arrays(np.int64, data.draw(arrays.array_shapes(max_dims=2, max_side=3))))

    def f(x):
        columns = np.argmax(x, axis=1)
        rows = np.argmin(x[:, 0] + 0.0) - 1
        computed = (places % 2 + np.argmax(x[0])) % 2 - 1
        return x[np.arange(len(x)), columns] * x[rows, columns[0]] + np.sum(x[computed] ** 2) / n

    agrees(f, x)


@QUICK
@given(st.data())
def test_writes(data):
    x = numbers(data.draw(SHAPES))
    index = data.draw(arrays.basic_indices(x.shape))
    region = np.shape(x[index])
    add = data.draw(st.booleans())
    if 0 in region:
        return

    def f(x, v):
        y = x * 1.0
        if add:
            y[index] += v
        else:
            y[index] = v
        z = np.zeros(x.shape)
        z[index] = v
        z[index] += y[index]
        return y * z + z

    agrees(f, x, numbers(region, 1))


@QUICK
@given(st.data())
def test_writes_to_integer_arrays_and_masks(data):
    x = numbers(data.draw(SHAPES))
    n = x.shape[0]
    places = data.draw(arrays.arrays(np.int64, data.draw(st.integers(1, 4)), elements=st.integers(-n, n - 1)))
    mask = data.draw(arrays.arrays(bool, x.shape))

    def f(x, v):
        y = x * 2.0
        y[places] = v
        np.add.at(y, places, v * v)
        y[mask] = 0.5
        y[mask] += np.sum(v)
        return y

    agrees(f, x, numbers((len(places), *x.shape[1:]), 1))


@QUICK
@given(st.data())
def test_reshapes_and_transposes(data):
    shape = data.draw(st.sampled_from([(2, 3, 4), (6, 4), (4, 6), (2, 2, 2, 3), (24,), (1, 24, 1), (3, 8)]))
    x = numbers(shape)
    wanted = data.draw(st.sampled_from([(24,), (4, 6), (3, 1, 8), (2, 12), (6, 2, 2), (-1, 3)]))
    order = data.draw(st.sampled_from("CF"))
    axes = data.draw(st.permutations(range(len(shape))))
    agrees(lambda x: np.transpose(x, axes).reshape(wanted, order=order) * 2.0 + np.reshape(x, wanted), x)


@QUICK
@given(st.integers(2, 4), st.integers(2, 4), st.integers(-2, 2))
def test_diagonals_and_squares(n, m, offset):
    if min(n + min(offset, 0), m - max(offset, 0)) < 1:
        return
    x = numbers((n, m))
    agrees(lambda x: np.diagonal(x @ x.T @ x, offset) * np.diagonal(x, offset), x)
    agrees(lambda a: a @ a + a.T * a - np.einsum("ij,ji->i", a, a @ a.T) + np.einsum("ii->", a), numbers((n, n)))


@QUICK
@given(st.lists(st.integers(1, 3), min_size=1, max_size=4), st.integers(0, 1), st.booleans())
def test_joins(sizes, axis, again):
    parts = [numbers((2, n) if axis else (n, 2), k) for k, n in enumerate(sizes)]

    def f(*parts):
        whole = np.concatenate([*parts, *(parts[:1] if again else ())], axis=axis)
        return np.stack([whole, whole[::-1], -whole], axis=axis)[:, :, ::-1] * np.pad(whole, 1)[1:-1, 1:-1].sum()

    agrees(f, *parts)


# ---------------------------------------------------------------- forms


def program_of(f, *args):
    graph = wg.trace(f)(*args)
    return graph, lower(graph)


def test_reshapes_of_ones_and_transposes_are_bookkeeping():
    _, program = program_of(lambda x: (x[:, None, :].reshape(3, 4).T[None] * 2.0).squeeze(), numbers((3, 4)))
    assert not [v for v in program.values() if isinstance(v, (Sub, Reshaped))]


def test_an_axis_that_splits_is_affine_and_joins_again():
    _, program = program_of(lambda x: x.reshape(3, 4) * 2.0, numbers(12))
    assert not [v for v in program.values() if isinstance(v, Reshaped)]
    _, program = program_of(lambda x: (x.reshape(12) * 1.0).reshape(3, 4) * x, numbers((3, 4)))
    assert not [v for v in program.values() if isinstance(v, Reshaped)]


def test_equal_values_are_one():
    _, program = program_of(lambda x: x**2 * 3.0 + np.sin(x**2 * 3.0), numbers(4))
    assert len(program.values()) == 6  # x, 3, x x, 3 x x, its sine, the sum


def test_neighbouring_writes_are_no_scatter_and_others_are():
    _, program = program_of(wg.grad(lambda x: np.sum(x[1:] * x[:-1])), numbers(5))
    assert not [v for v in program.values() if isinstance(v, Scatter)]
    _, program = program_of(wg.grad(lambda x: np.sum(x[[0, 2, 2]] ** 2)), numbers(5))
    assert len([v for v in program.values() if isinstance(v, Scatter)]) == 1


def test_a_concatenation_keeps_the_sign_of_zero():
    graph, program = program_of(lambda x: np.concatenate([x, -x, x[:1]]), np.zeros(2))
    (got,), _ = interpret(program, [np.zeros(2)])
    assert np.array_equal(np.signbit(got), [False, False, True, True, False])
    assert np.array_equal(got, graph(np.zeros(2)))


def test_an_index_outside_its_axis_fails_the_check_and_reads_nothing():
    good, negative, beyond = np.array([0.0, 1.0, 0.0]), np.array([0.0, 0.0, 1.0]), np.array([1.0, 0.0, 0.0])
    graph, program = program_of(lambda x, k: x[3 - np.argmax(k) * 2] * 2.0, numbers(3), good)
    checks = program.guards[len(graph.guards) :]
    assert len(checks) == 1 and "index" in checks[0][1]
    (got,), holds = interpret(program, [numbers(3), good])
    assert holds == [True] and got == numbers(3)[1] * 2.0
    (got,), holds = interpret(program, [numbers(3), negative])
    assert holds == [True] and got == numbers(3)[-1] * 2.0
    assert interpret(program, [numbers(3), beyond])[1] == [False]
    with pytest.raises(IndexError):
        graph(numbers(3), beyond)
