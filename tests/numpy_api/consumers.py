"""Everything in Python, NumPy and SciPy that takes a number or an array by a road of its own.

A table of small programs of an array `v` (three positive numbers), a number `s` and constants. None
of them is asked for a derivative here: the question is only what a traced value becomes on that
road. Imports no part of wengert.
"""

from __future__ import annotations

import array
import bisect
import copy
import ctypes
import fractions
import functools
import heapq
import io
import itertools
import json
import logging
import math
import numbers
import operator
import pickle
import random
import statistics
import struct
from collections import Counter, deque
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np

Consumer = Callable[[Any, Any], Any]
CONSUMERS: dict[str, Consumer] = {}


def consumer(fun: Consumer) -> Consumer:
    """Enter a function of an array and a number."""
    CONSUMERS[fun.__name__] = fun
    return fun


def entries(**functions: Consumer) -> None:
    """Enter several."""
    CONSUMERS.update(functions)


def written(make: Callable[[], Any], write: Callable[[Any, Any, Any], Any]) -> Consumer:
    """A target made by plain NumPy, written to, and looked at."""

    def run(v: Any, s: Any) -> Any:
        y = make()
        write(y, v, s)
        return y

    return run


plain = np.random.default_rng(0).normal
floats = functools.partial(plain, size=3)  # memory that no twin has made


def setitem(key: Any, pick: Callable[[Any, Any], Any]) -> Consumer:
    return written(floats, lambda y, v, s: y.__setitem__(key, pick(v, s)))


def first(v: Any, s: Any) -> Any:
    return s


def whole(v: Any, s: Any) -> Any:
    return v


entries(
    write_item=setitem(0, first),
    write_slice=setitem(slice(None), whole),
    write_slice_number=setitem(slice(0, 2), first),
    write_mask=setitem(np.array([True, True, True]), whole),
    write_fancy=setitem([0, 1], first),
    write_ellipsis=setitem(Ellipsis, whole),
    write_list=setitem(slice(None), lambda v, s: [s, 1.0, s]),
    write_float32=written(lambda: floats().astype(np.float32), lambda y, v, s: y.__setitem__(0, s)),
    write_complex=written(lambda: floats().astype(complex), lambda y, v, s: y.__setitem__(0, s)),
    write_flat=written(floats, lambda y, v, s: y.flat.__setitem__(slice(None), v)),
    write_flat_item=written(floats, lambda y, v, s: y.flat.__setitem__(0, s)),
    write_put=written(floats, lambda y, v, s: y.put([0, 1], s)),
    write_fill=written(floats, lambda y, v, s: y.fill(s)),
    write_real=written(lambda: floats().astype(complex), lambda y, v, s: setattr(y, "real", v)),
    write_setfield=written(floats, lambda y, v, s: y.setfield(v, float)),
    write_itemset=written(floats, lambda y, v, s: operator.setitem(y, (0,), s)),
    write_add_item=written(floats, lambda y, v, s: operator.setitem(y, 0, y[0] + s)),
    write_structured=written(
        lambda: floats().view([("a", float)]), lambda y, v, s: y.__setitem__("a", v)
    ),
    write_masked=written(lambda: np.ma.masked_array(floats()), lambda y, v, s: y.__setitem__(0, s)),
    write_copyto=written(floats, lambda y, v, s: np.copyto(y, v)),
    write_np_put=written(floats, lambda y, v, s: np.put(y, [0], s)),
    write_place=written(floats, lambda y, v, s: np.place(y, [True, False, True], v)),
    write_putmask=written(floats, lambda y, v, s: np.putmask(y, [True, False, True], v)),
    write_put_along=written(
        floats, lambda y, v, s: np.put_along_axis(y, np.array([0, 1]), v[:2], 0)
    ),
    write_fill_diagonal=written(lambda: plain(size=(3, 3)), lambda y, v, s: np.fill_diagonal(y, s)),
    write_add_at=written(floats, lambda y, v, s: np.add.at(y, [0, 1], v[:2])),
    write_out=written(floats, lambda y, v, s: np.multiply(v, v, out=y)),
    write_out_position=written(floats, lambda y, v, s: np.multiply(v, v, y)),
    write_out_sum=written(lambda: np.asarray(plain()), lambda y, v, s: np.sum(v, out=y)),
    write_out_clip=written(floats, lambda y, v, s: np.clip(v, 0.1, 0.9, out=y)),
    write_out_cumsum=written(floats, lambda y, v, s: np.cumsum(v, out=y)),
    write_out_take=written(floats, lambda y, v, s: np.take(v, [0, 1, 2], out=y)),
    write_out_round=written(floats, lambda y, v, s: np.round(v, 2, out=y)),
    write_out_mean=written(lambda: np.asarray(plain()), lambda y, v, s: np.mean(v, out=y)),
    write_out_concatenate=written(floats, lambda y, v, s: np.concatenate([v[:1], v[1:]], out=y)),
    write_out_stack=written(lambda: plain(size=(2, 3)), lambda y, v, s: np.stack([v, v], out=y)),
    write_out_einsum=written(floats, lambda y, v, s: np.einsum("i,i->i", v, v, out=y)),
    write_out_dot=written(lambda: plain(size=()), lambda y, v, s: np.dot(v, v, out=y)),
    write_view=written(floats, lambda y, v, s: y[1:].__setitem__(0, s)),
    write_array_array=written(lambda: array.array("d", [1.0]), lambda y, v, s: y.__setitem__(0, s)),
    write_memoryview=written(lambda: memoryview(floats()), lambda y, v, s: y.__setitem__(0, s)),
    write_ctypes=written(lambda: (ctypes.c_double * 2)(), lambda y, v, s: y.__setitem__(0, s)),
)

G = np.array([[2.0, 1.0, 0.5], [0.3, 1.5, 0.2], [0.1, 0.4, 3.0]])
entries(
    float_of=lambda v, s: float(s),
    float_of_array=lambda v, s: float(v[:1].sum()),
    complex_of=lambda v, s: complex(s),
    float64_of=lambda v, s: np.float64(s),
    float32_of=lambda v, s: np.float32(s),
    complex128_of=lambda v, s: np.complex128(s),
    fraction_of=lambda v, s: float(fractions.Fraction(s)),
    decimal_of=lambda v, s: float(Decimal(s)),
    struct_pack=lambda v, s: struct.unpack("d", struct.pack("d", s))[0],
    array_array=lambda v, s: array.array("d", [s])[0],
    array_from_array=lambda v, s: array.array("d", v)[0],
    c_double=lambda v, s: ctypes.c_double(s).value,
    json_dumps=lambda v, s: float(json.dumps([s])[1:-1]),
    pickle_array=lambda v, s: pickle.loads(pickle.dumps(v)),
    pickle_number=lambda v, s: pickle.loads(pickle.dumps(s)),
    memory_view=lambda v, s: memoryview(v)[0],
    bytes_of=lambda v, s: np.frombuffer(bytes(v)),
    tobytes=lambda v, s: np.frombuffer(v.tobytes()),
    data=lambda v, s: v.data[0],
    interface=lambda v, s: v.__array_interface__["data"],
    array_struct=lambda v, s: v.__array_struct__,
    dlpack=lambda v, s: np.from_dlpack(v),
    ctypes_pointer=lambda v, s: v.ctypes.data,
    hex_of=lambda v, s: float.fromhex(s.hex()),
    ratio_of=lambda v, s: s.as_integer_ratio()[0] / 3.0,
    frexp_unserved=lambda v, s: functools.partial(operator.attrgetter("frexp")(math))(s),
    nditer=lambda v, s: [float(x) for x in np.nditer(v)],
    ndenumerate=lambda v, s: [x for _, x in np.ndenumerate(v)],
    flat_iterator=lambda v, s: list(v.flat),
    broadcast_object=lambda v, s: [a for a, _ in np.broadcast(v, G)],
    vectorized=lambda v, s: np.vectorize(lambda a: a * a)(v),
    fromiter=lambda v, s: np.fromiter(v, float),
    fromiter_generator=lambda v, s: np.fromiter((a * 2 for a in v), float, 3),
    nd_dot=lambda v, s: G.dot(v),
    nd_take=lambda v, s: G.take(v),
    nd_searchsorted=lambda v, s: np.sort(G, axis=None).searchsorted(v),
    nd_choose=lambda v, s: np.array([0, 1, 0]).choose([v, v]),
    nd_repeat=lambda v, s: G.repeat(v),
    nd_clip=lambda v, s: G.clip(s, 2.0),
    nd_compress=lambda v, s: G.compress(v > 0.5, axis=0),
    nd_sum_unbound=lambda v, s: np.ndarray.sum(v),
    float_add_unbound=lambda v, s: float.__add__(s, 1.0),
    ufunc_of_list=lambda v, s: np.sin([s, 1.0]),
    add_of_lists=lambda v, s: np.add([s, 1.0], [1.0, s]),
    vander=lambda v, s: np.vander(v),
    poly1d=lambda v, s: np.poly1d(v)(2.0),
    polynomial_class=lambda v, s: np.polynomial.Polynomial(v)(2.0),
    chebyshev_class=lambda v, s: np.polynomial.Chebyshev(v)(0.3),
    matrix_class=lambda v, s: np.asmatrix(v),
    masked_class=lambda v, s: np.ma.masked_array(v),
    recarray_class=lambda v, s: np.rec.fromarrays([v]),
    ndarray_class=lambda v, s: np.ndarray((3,), buffer=v),
    as_strided=lambda v, s: np.lib.stride_tricks.as_strided(v, (2, 2), (8, 8)),
    save=lambda v, s: np.save(io.BytesIO(), v),
    savetxt=lambda v, s: np.savetxt(io.StringIO(), v),
    unwrapped_view=lambda v, s: v.view(np.int64),
    random_normal=lambda v, s: np.random.default_rng(0).normal(s, 1.0),
    random_made_outside=lambda v, s: RNG.normal(s, 1.0),
    random_choice=lambda v, s: np.random.default_rng(0).choice(v),
    random_shuffled=lambda v, s: np.random.default_rng(0).permutation(v),
    random_stdlib=lambda v, s: random.Random(0).gauss(s, 1.0),
    random_uniform=lambda v, s: random.Random(0).uniform(0.0, s),
    fsum=lambda v, s: math.fsum(v),
    statistics_mean=lambda v, s: statistics.mean(v),
    statistics_normal=lambda v, s: statistics.NormalDist(s, 1.0).cdf(0.3),
    object_array=lambda v, s: np.array([s, 1.0], dtype=object)[0],
    object_array_of_rows=lambda v, s: np.array([v, v], dtype=object)[0, 1],
    object_astype=lambda v, s: np.array([s, 1.0], dtype=object).astype(float),
    object_sum=lambda v, s: np.array([s, s], dtype=object).sum(),
    object_times_array=lambda v, s: np.array([s, s, 1.0], dtype=object) * v,
    array_times_object=lambda v, s: v * np.array([s, s, 1.0], dtype=object),
    object_dot=lambda v, s: np.array([s, s, 1.0], dtype=object) @ np.ones(3),
    object_sin=lambda v, s: np.sin(np.array([s, s], dtype=object)),
    text_array=lambda v, s: np.array([s, "a"]),
    none_array=lambda v, s: np.array([s, None])[0],
    frompyfunc=lambda v, s: np.frompyfunc(lambda a: a * a, 1, 1)(v),
    piecewise=lambda v, s: np.piecewise(v, [v > 0.5], [lambda a: a * a, 0.0]),
    apply_along=lambda v, s: np.apply_along_axis(lambda a: a * 2.0, 0, v),
    apply_over=lambda v, s: np.apply_over_axes(np.sum, v, [0]),
    select=lambda v, s: np.select([v > 0.5], [v], 0.0),
    interp=lambda v, s: np.interp(s, [0.0, 2.0], [0.0, 5.0]),
    interp_values=lambda v, s: np.interp(0.3, [0.0, 1.0, 2.0], v),
    histogram_weights=lambda v, s: np.histogram([0.5, 1.5, 2.5], weights=v)[0],
    bincount_weights=lambda v, s: np.bincount([0, 1, 1], weights=v),
    digitize_bins=lambda v, s: np.digitize([0.5], np.sort(v)),
    convolve_plain=lambda v, s: np.convolve([1.0, 2.0], v),
    einsum=lambda v, s: np.einsum("ij,j", G, v),
    kron=lambda v, s: np.kron(G, v),
    pad_values=lambda v, s: np.pad(np.ones(2), 1, constant_values=s),
    gradient_spacing=lambda v, s: np.gradient(np.arange(3.0), s),
    trapezoid_points=lambda v, s: np.trapezoid(np.ones(3), np.sort(v)),
    full_like=lambda v, s: np.full_like(G, s),
    full=lambda v, s: np.full((2, 2), s),
    tile=lambda v, s: np.tile(v, 2),
    linspace=lambda v, s: np.linspace(0.0, s, 3),
    arange=lambda v, s: np.arange(0.0, s, 0.2),
    geomspace=lambda v, s: np.geomspace(0.5, s, 3),
    mgrid=lambda v, s: np.mgrid[0:s:3j],
    r_object=lambda v, s: np.r_[s, 1.0, v],
    c_object=lambda v, s: np.c_[v, v],
    meshgrid=lambda v, s: np.meshgrid(v, v)[0],
    isclose_=lambda v, s: np.isclose(v, v + 1e-12),
    nan_to_num_in_place=written(floats, lambda y, v, s: np.nan_to_num(y, copy=False, nan=s)),
    insert=lambda v, s: np.insert(np.ones(2), 1, s),
    append=lambda v, s: np.append(np.ones(2), v),
    unique=lambda v, s: np.unique(v),
    in1d=lambda v, s: np.isin(v, [0.7]),
    lexsort=lambda v, s: np.lexsort((v,)),
    ix_=lambda v, s: np.ix_(v, [1.0]),
    block=lambda v, s: np.block([[s, 1.0], [0.0, s]]),
    sum_of_list=lambda v, s: np.sum([s, s]),
    max_of_list=lambda v, s: np.max([s, 0.1]),
    mean_of_list=lambda v, s: np.mean([v, v]),
    inv_of_list=lambda v, s: np.linalg.inv([[s, 0.0], [1.0, s]]),
    solve_of_list=lambda v, s: np.linalg.solve([[2.0, 0.0], [1.0, 3.0]], [s, 1.0]),
    fft_of_list=lambda v, s: np.fft.fft([s, 1.0]),
    norm_of_list=lambda v, s: np.linalg.norm([s, 1.0]),
    dot_of_lists=lambda v, s: np.dot([s, 1.0], [1.0, 2.0]),
    where_lists=lambda v, s: np.where([True, False], [s, s], [0.0, 1.0]),
)
RNG = np.random.default_rng(1)
entries(
    text_percent=lambda v, s: "%.3f" % s,  # noqa: UP031
    text_format=lambda v, s: f"{s:.3f} {v}",
    text_str=lambda v, s: str(s) + repr(v),
    text_logging=lambda v, s: logging.LogRecord("", 0, "", 0, "%.2f", (s,), None).getMessage(),
    array2string=lambda v, s: np.array2string(v),
    rounded=lambda v, s: round(s, 1),
    rounded_whole=lambda v, s: round(s),
    truncated=lambda v, s: math.trunc(s),
    int_of=lambda v, s: int(s),
    bool_of=lambda v, s: bool(s),
    int_array=lambda v, s: v.astype(int),
    compare=lambda v, s: v > 0.5,
    sorting=lambda v, s: sorted(v),
    largest=lambda v, s: max(v),
    smallest=lambda v, s: min(v[0], v[1]),
    summed=lambda v, s: sum(v),
    reduced=lambda v, s: functools.reduce(operator.mul, v),
    accumulated=lambda v, s: list(itertools.accumulate(v)),
    zipped=lambda v, s: [a * b for a, b in zip(v, v, strict=True)],
    enumerated=lambda v, s: [k * a for k, a in enumerate(v)],
    unpacked=lambda v, s: [*v],
    to_list=lambda v, s: v.tolist(),
    item=lambda v, s: v.item(0),
    reversed_=lambda v, s: list(reversed(v)),
    contains=lambda v, s: s in v,
    bisected=lambda v, s: bisect.bisect([0.1, 5.0], s),
    heap=lambda v, s: heapq.nsmallest(2, v),
    counted=lambda v, s: len(Counter([s])),
    queue=lambda v, s: deque(v)[0],
    hashed=lambda v, s: hash(s),
    in_set=lambda v, s: s in {s},
    dictionary=lambda v, s: {s: 1.0}[s],
    copied=lambda v, s: copy.copy(v),
    copied_deep=lambda v, s: copy.deepcopy([s, v]),
    list_times=lambda v, s: [1.0, 2.0, 3.0] * v,
    lists_matmul=lambda v, s: [[1.0, 0.0, 2.0]] @ v,
    division=lambda v, s: divmod(s, 0.3),
    powers=lambda v, s: pow(s, 2),
    isinstance_array=lambda v, s: isinstance(v, np.ndarray),
    isinstance_float=lambda v, s: isinstance(s, float) and isinstance(s, numbers.Real),
    isscalar=lambda v, s: np.isscalar(s) and not np.isscalar(v),
    shapes=lambda v, s: (np.ndim(v), np.shape(v), np.size(v), len(v)),
    random_fraction=lambda v, s: fractions.Fraction(1, 2) * s,
    numpy_scalar_times=lambda v, s: np.float64(2.0) * s,
    numpy_array_times=lambda v, s: G * v,
    numpy_array_matmul=lambda v, s: G @ v,
    object_store=written(lambda: np.empty(2, dtype=object), lambda y, v, s: y.__setitem__(0, s)),
    int_store=written(lambda: np.arange(3), lambda y, v, s: y.__setitem__(0, s * 10)),
    mask_index=lambda v, s: v[v > 0.5],
    range_of=lambda v, s: list(range(s)),
    index_of=lambda v, s: [1, 2, 3][s],
    array_index=lambda v, s: G[s],
    shape_of=lambda v, s: np.zeros(s),
)


def scipy_consumers() -> dict[str, Consumer]:
    """The roads into SciPy's compiled code."""
    import scipy.interpolate
    import scipy.linalg
    import scipy.ndimage
    import scipy.optimize
    import scipy.signal
    import scipy.sparse
    import scipy.spatial

    sparse = scipy.sparse.csr_array(G)
    return {
        "blas": lambda v, s: scipy.linalg.blas.ddot(v, v),
        "lapack": lambda v, s: scipy.linalg.lapack.dgesv(G, v)[2],
        "expm": lambda v, s: scipy.linalg.expm(G * s),
        "toeplitz": lambda v, s: scipy.linalg.toeplitz(v),
        "ndimage": lambda v, s: scipy.ndimage.gaussian_filter(v, 1.0),
        "lfilter": lambda v, s: scipy.signal.lfilter([1.0], [1.0, 0.5], v),
        "spline": lambda v, s: scipy.interpolate.CubicSpline([0.0, 1.0, 2.0], v)(0.5),
        "sparse_of": lambda v, s: scipy.sparse.csr_array(v[None, :]),
        "sparse_diagonal": lambda v, s: scipy.sparse.diags_array(v),
        "sparse_times": lambda v, s: sparse * v,
        "sparse_multiply": lambda v, s: sparse.multiply(v),
        "sparse_matmul": lambda v, s: sparse @ v,
        "sparse_dot": lambda v, s: sparse.dot(v),
        "matmul_sparse": lambda v, s: v @ sparse,
        "kdtree": lambda v, s: scipy.spatial.cKDTree(v[:, None]).query([0.3])[0],
        "hull_distance": lambda v, s: scipy.spatial.distance.pdist(v[:, None]),
        "minimize": lambda v, s: (
            scipy.optimize.minimize(lambda p: ((p - v) ** 2).sum(), np.zeros(3)).x
        ),
        "least_squares": lambda v, s: scipy.optimize.least_squares(lambda p: p - v, np.zeros(3)).x,
        "linear_sum": lambda v, s: scipy.optimize.linear_sum_assignment(G * s)[0],
    }
