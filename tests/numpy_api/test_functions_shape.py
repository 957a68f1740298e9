"""Shapes, joins, padding, selection and writing by NumPy's names and as methods and attributes."""

import numpy as np
import pytest

import wengert as wg
from tests.ops.checking import check

RNG = np.random.default_rng(3)
A, T, V = RNG.normal(size=(3, 4)), RNG.normal(size=(2, 3, 4)), RNG.normal(size=7)
MASK = A > 0

SHAPES = {
    "roll": lambda x: np.roll(x, 5),
    "roll_axes": lambda x: np.roll(x, (1, -2), (0, 1)),
    "rot90": np.rot90,
    "rot90_2": lambda x: np.rot90(x, 2),
    "rot90_3": lambda x: np.rot90(x, 3),
    "flip": np.flip,
    "flip_1": lambda x: np.flip(x, 1),
    "fliplr": np.fliplr,
    "flipud": np.flipud,
    "repeat": lambda x: np.repeat(x, 2, axis=1),
    "repeat_each": lambda x: np.repeat(x, [1, 0, 3], axis=0),
    "repeat_method": lambda x: x.repeat(2),
    "tile": lambda x: np.tile(x, (2, 1, 3)),
    "tile_1": lambda x: np.tile(x, 2),
    "resize": lambda x: np.resize(x, (5, 3)),
    "append": lambda x: np.append(x, x[0]),
    "append_axis": lambda x: np.append(x, x[:1], axis=0),
    "insert": lambda x: np.insert(x, 2, x[:, 0], axis=1),
    "insert_list": lambda x: np.insert(x, [1, 3], x[0, :2]),
    "insert_twice": lambda x: np.insert(x, [1, 1, 2], 5.0),
    "insert_columns": lambda x: np.insert(x, [0, 2], x[:, :2], axis=1),
    "insert_constant": lambda x: np.insert(x, 1, [1.0, 2, 3], axis=1),
    "delete": lambda x: np.delete(x, [0, 2], axis=1),
    "delete_slice": lambda x: np.delete(x, slice(1, 5)),
    "delete_one": lambda x: np.delete(x, 1, 0),
    "concatenate": lambda x: np.concatenate([x, x[:1], np.ones((2, 4))]),
    "concatenate_last": lambda x: np.concatenate((x, 2 * x), axis=-1),
    "concatenate_flat": lambda x: np.concatenate((x, x[0]), axis=None),
    "stack": lambda x: np.stack([x, x * x], axis=-1),
    "hstack": lambda x: np.hstack([x, x]),
    "hstack_scalars": lambda x: np.hstack([x[0], x[0, 0], 1.0]),
    "vstack": lambda x: np.vstack([x, x[0]]),
    "dstack": lambda x: np.dstack([x, x * x]),
    "column_stack": lambda x: np.column_stack([x[0], x[1], x.T]),
    "block": lambda x: np.block([[x, np.zeros((3, 1))], [x[:1], x[:1, :1]]]),
    "block_row": lambda x: np.block([x, x[:, :1]]),
    "unstack": lambda x: np.unstack(x, axis=1),
    "split": lambda x: np.split(x, 2, axis=1),
    "array_split": lambda x: np.array_split(x, 3, axis=1),
    "hsplit": lambda x: np.hsplit(x, [1, 3]),
    "vsplit": lambda x: np.vsplit(x, 3),
    "dsplit": lambda x: np.dsplit(x.reshape(1, 3, 4), 2),
    "broadcast_to": lambda x: np.broadcast_to(x, (2, 3, 4)),
    "broadcast_arrays": lambda x: np.broadcast_arrays(x, x[0], 2.0 * x[:, :1]),
    "expand_dims": lambda x: np.expand_dims(x, (0, 2)),
    "squeeze": lambda x: np.squeeze(x[:1, None]),
    "squeeze_all": lambda x: x[:1, :1].squeeze(),
    "squeeze_axis": lambda x: x[:, :1].squeeze(axis=1),
    "moveaxis": lambda x: np.moveaxis(x, 0, -1),
    "rollaxis": lambda x: np.rollaxis(x, 1),
    "swapaxes": lambda x: np.swapaxes(x, 0, 1),
    "transpose": np.transpose,
    "mT": lambda x: x.mT,
    "matrix_transpose": np.matrix_transpose,
    "ravel_fortran": lambda x: np.ravel(x, order="F"),
    "reshape": lambda x: np.reshape(x, (2, -1)),
    "reshape_fortran": lambda x: x.reshape((2, 6), order="F"),
    "reshape_of_transposed": lambda x: x.T.reshape(2, 6),
    "atleast_3d": np.atleast_3d,
    "meshgrid": lambda x: np.meshgrid(x[0], x[1, :2], x[2, :3]),
    "meshgrid_ij": lambda x: np.meshgrid(x[0], x[1, :2], indexing="ij", sparse=True),
    "apply_along_axis": lambda x: np.apply_along_axis(lambda r: r * r.sum(), 0, x),
    "apply_to_numbers": lambda x: np.apply_along_axis(np.sum, 1, x),
    "apply_to_matrices": lambda x: np.apply_along_axis(lambda r: r[:, None] * r, 1, x[:, :2]),
    "apply_over_axes": lambda x: np.apply_over_axes(np.sum, x, [0, 1]),
    "trim_zeros": lambda x: np.trim_zeros(np.concatenate([np.zeros(2), x[0], np.zeros(1)])),
    "sliding_window_view": lambda x: np.lib.stride_tricks.sliding_window_view(x, (2, 3)),
    "tolist": lambda x: x.tolist()[1],
    "view": lambda x: x.view() * 2,
    "copy": lambda x: np.copy(x) * 2,
    "astype": lambda x: np.astype(x, np.complex128),
    "iteration_over_flat": lambda x: sum(v * v for v in x.flat),
}


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("name", SHAPES)
def test_shapes(name: str, order: str) -> None:
    check(SHAPES[name], np.array(A, order=order))


@pytest.mark.parametrize(
    "mode",
    [
        "edge",
        "wrap",
        "reflect",
        "symmetric",
        "mean",
        "median",
        "maximum",
        "minimum",
        "linear_ramp",
        "constant",
    ],
)
def test_pad(mode: str) -> None:
    check(lambda x: np.pad(x, ((1, 2), (3, 0)), mode=mode), A)
    check(lambda x: np.pad(x, 1, mode=mode), A)


@pytest.mark.parametrize("mode", ["constant", "linear_ramp", "edge", "mean", "reflect"])
@pytest.mark.parametrize("dtype", [np.float32, np.complex64])
def test_a_recorded_pad_keeps_the_type(mode: str, dtype: type) -> None:
    x = np.arange(6, dtype=dtype).reshape(2, 3)
    graph = wg.trace(lambda x: np.pad(x, 1, mode=mode))(x)
    found = graph(x + dtype(1))
    assert found.dtype == dtype
    np.testing.assert_allclose(found, np.pad(x + dtype(1), 1, mode=mode), rtol=1e-6)


def test_options_of_pad() -> None:
    for mode in ("reflect", "symmetric"):
        check(lambda x, mode=mode: np.pad(x, ((1, 2), (5, 4)), mode=mode, reflect_type="odd"), A)
    check(lambda x: np.pad(x, 2, constant_values=((x[0, 0], 1.0), (2.0, x[1, 1]))), A)
    check(lambda x: np.pad(x, 2, mode="mean", stat_length=2), A)
    check(lambda x: np.pad(x, (2, 3), mode="linear_ramp", end_values=(1.0, x[0, 0])), A)
    check(lambda x: np.pad(x, {-1: (1, 2)}), A)
    with pytest.raises(wg.WengertError, match="function as mode"):
        wg.grad(lambda x: np.pad(x, 1, mode=lambda *_: None).sum())(A)


SELECTIONS = {
    "take": lambda x: np.take(x, [[0, 2], [1, 1]], axis=1),
    "take_flat": lambda x: np.take(x, [3, -1, 3]),
    "take_wrap": lambda x: x.take([9, -7], axis=0, mode="wrap"),
    "take_clip": lambda x: x.take([9, -7], mode="clip"),
    "take_one": lambda x: np.take(x, 5),
    "take_row": lambda x: np.take(x, 1, axis=0),
    "take_along_axis": lambda x: np.take_along_axis(x, np.argsort(x, axis=0), 0),
    "take_along_largest": lambda x: np.take_along_axis(x, np.argmax(x, axis=1, keepdims=True), 1),
    "take_along_none": lambda x: np.take_along_axis(x, np.array([1, 5]), None),
    "take_along_broadcast": lambda x: np.take_along_axis(x, np.array([[1, 2]]), 1),
    "choose": lambda x: np.choose([0, 2, 1, 0], x),
    "choose_broadcast": lambda x: np.choose([[0], [2], [1]], [x, x[0], 3.0]),
    "compress": lambda x: np.compress([True, False, True], x, axis=0),
    "compress_method": lambda x: x.compress([0, 1, 1, 0], axis=1),
    "extract": lambda x: np.extract(x > 0, x),
    "select": lambda x: np.select([x > 1, x > 0], [x * x, x], -x),
    "piecewise": lambda x: np.piecewise(x, [x < 0, x >= 0], [lambda t: -t * t, lambda t: t]),
    "piecewise_otherwise": lambda x: np.piecewise(x, [x < 0], [3.0, lambda t: t * t]),
    "where_places": lambda x: x[np.where(x > 0)],
    "nonzero": lambda x: x[np.nonzero(x > 0)],
    "flatnonzero": lambda x: x.ravel()[np.flatnonzero(x > 0)],
    "argwhere": lambda x: x[tuple(np.argwhere(x > 0)[0])],
    "ix_": lambda x: x[np.ix_([0, 2], [1, 3])],
    "tril": lambda x: np.tril(x, -1),
    "triu": lambda x: np.triu(x, 1),
    "diag": lambda x: np.diag(x, 1),
    "diag_of_vector": lambda x: np.diag(x[0], -2),
    "diagflat": lambda x: np.diagflat(x[:2, :2], 1),
    "diagonal": lambda x: np.diagonal(x, 1),
    "diagonal_method": lambda x: x.diagonal(),
    "searchsorted": lambda x: x[0][np.searchsorted([-1.0, 0, 1], x[0])],
    "digitize": lambda x: x * np.digitize(x, [-1.0, 0, 1]),
    "lexsort": lambda x: x[0][np.lexsort((x[0],))],
    "isin": lambda x: x[np.isin(x, x[0])],
}


@pytest.mark.parametrize("name", SELECTIONS)
def test_selections(name: str) -> None:
    check(SELECTIONS[name], A)


def _flat(y, x):
    y.flat[::2] = x.flat[1::2] * 2
    y.flat[1] = 7 * x.flat[0]
    y.flat[[5, 7]] = x[0, 0]


def _flat_of_transposed(y, x):
    y.T.flat[:4] = x[0]


def _view_of_transposed(y, x):
    v = y.T.reshape(2, -1)[1]
    v[1:3] = x[0, :2] ** 2


def _fortran_ravel(y, x):
    v = y.ravel(order="F")
    v += x[0, 0]


WRITERS = {
    "fill_diagonal": lambda y, x: np.fill_diagonal(y, x[0, :2]),
    "fill_diagonal_wrap": lambda y, x: np.fill_diagonal(y.T, x[0, 1], wrap=True),
    "copyto": lambda y, x: np.copyto(y, x[0] * 2),
    "copyto_where": lambda y, x: np.copyto(y, x[::-1] * 2, where=MASK),
    "putmask": lambda y, x: np.putmask(y, MASK, x[0] * 3),
    "place": lambda y, x: np.place(y, MASK, x[0, :3] * 3),
    "put": lambda y, x: np.put(y, [1, 5, -1, 1], x[0, :3] * 2),
    "put_method": lambda y, x: y.put([1, 5], x[0, 0] * 2),
    "put_along_axis": lambda y, x: np.put_along_axis(y, np.array([[1], [0], [2]]), x[:, :1] * 2, 1),
    "fill": lambda y, x: y.fill(x[0, 0]),
    "sort": lambda y, x: y.sort(),
    "sort_0": lambda y, x: y.sort(0),
    "partition": lambda y, x: y.partition(2),
    "flat": _flat,
    "flat_of_transposed": _flat_of_transposed,
    "view_of_transposed": _view_of_transposed,
    "fortran_ravel": _fortran_ravel,
}


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("name", WRITERS)
def test_writers(name: str, order: str) -> None:
    def f(x):
        y = x * 1.0
        WRITERS[name](y, x)
        return y

    check(f, np.array(A, order=order))


def test_writers_refuse_plain_arrays() -> None:
    outside = np.zeros((3, 4))
    for write in (
        np.copyto,
        lambda y, x: np.put(y, [0], x[0, 0]),
        lambda y, x: np.fill_diagonal(y, x[0, 0]),
    ):
        with pytest.raises(wg.WengertError, match="plain array"):
            wg.grad(lambda x, write=write: write(outside, x) or x.sum())(A)


def test_complex_parts_written() -> None:
    def f(z):
        y = z * 1.0
        y.real = y.imag**2
        y.imag[0] = 3 * y.real[1]
        return y * y

    check(f, A + 1j * A[::-1])


def test_changed_copies() -> None:
    g = wg.grad(lambda x: (x.at[0].set(x[1] * 2) * np.arange(12.0).reshape(3, 4)).sum())(A)
    np.testing.assert_allclose(g[1], 2 * np.arange(4.0) + np.arange(4.0, 8.0))
    np.testing.assert_array_equal(g[0], 0.0)
    np.testing.assert_allclose(wg.grad(lambda x: x.at[[0, 0]].add(x[1]).sum())(A)[1], 3.0)
    np.testing.assert_allclose(
        wg.grad(lambda x: x.at[0].multiply(x[1]).sum())(A)[:2], [A[1], A[0] + 1.0]
    )
    assert wg.value_and_grad(lambda x: x.at[0, 0].max(9.0).max())(A)[0] == 9.0
    with pytest.raises(TypeError, match="unknown options"):
        wg.grad(lambda x: x.at[0].set(1.0, mode="drop").sum())(A)


@pytest.mark.parametrize(
    "read",
    [
        lambda t: t.tobytes(),
        lambda t: t.data,
        lambda t: t.ctypes,
        lambda t: t.dumps(),
        lambda t: t.view(np.int64),
    ],
)
def test_memory_of_a_traced_array_is_refused(read) -> None:
    with pytest.raises(wg.WengertError) as caught:
        wg.grad(lambda x: read(x) and x.sum())(A)
    assert "fix:" in str(caught.value)


def test_questions_are_plain() -> None:
    def f(x):
        assert np.shape(x) == (3, 4) == x.shape and np.ndim(x) == 2 and np.size(x) == 12
        assert np.array_equal(x, A) and np.allclose(x, A) and np.isclose(x, A).all()
        assert np.result_type(x, 1j) == np.complex128 and not np.iscomplexobj(x) and np.isrealobj(x)
        assert np.shares_memory(x, x[1:]) and not np.shares_memory(x, x * 1.0)
        assert (
            x.strides == A.strides
            and x.flags.c_contiguous
            and not np.broadcast_to(x, (2, 3, 4)).flags.writeable
        )
        return x.sum()

    np.testing.assert_array_equal(wg.grad(f)(A), np.ones((3, 4)))


def test_numpys_own_errors() -> None:
    for wrong, kind in [
        (lambda x: np.moveaxis(x, 5, 0), np.exceptions.AxisError),
        (lambda x: np.stack([x, x[0]]), ValueError),
        (lambda x: np.squeeze(x, 0), ValueError),
        (lambda x: np.split(x, 5), ValueError),
        (lambda x: np.concatenate([]), ValueError),
        (lambda x: np.choose([5], x), ValueError),
        (lambda x: np.tile(x, -1), ValueError),
    ]:
        with pytest.raises(kind):
            wg.grad(wrong)(A)
