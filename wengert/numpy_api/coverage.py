"""What becomes of every public name of numpy, numpy.linalg and numpy.fft when it meets a traced
value.

Imports NumPy only. Invariant: a test finds every callable of the installed NumPy here, and
everything called differentiable among the implementations; ``docs/coverage.md`` is made from this
table.
"""

from __future__ import annotations

from types import ModuleType

import numpy as np

_NAMES = {
    "primitive": """
    abs absolute acos acosh add amax amin arccos arccosh arcsin arcsinh arctan arctan2 arctanh
    asin asinh atan atan2 atanh broadcast_to cbrt clip concat concatenate conj conjugate
    convolve copy copysign cos cosh cumprod cumsum deg2rad degrees diagonal divide divmod dot
    einsum exp exp2 expm1 fabs float_power fmax fmin fmod frexp heaviside hypot i0 imag inner
    ldexp log log10 log1p log2 logaddexp logaddexp2 matmul matrix_transpose matvec max maximum
    mean min minimum mod modf multiply nan_to_num negative nextafter partition permute_dims
    positive pow power prod rad2deg radians ravel real reciprocal remainder reshape roots sign
    sin sinc sinh sort sqrt square stack std subtract sum swapaxes take tan tanh tensordot trace
    transpose true_divide var vdot vecdot vecmat where
    linalg.cholesky linalg.det linalg.diagonal linalg.eig linalg.eigh linalg.eigvals
    linalg.eigvalsh linalg.inv linalg.lstsq linalg.matmul linalg.matrix_transpose linalg.norm
    linalg.pinv linalg.qr linalg.slogdet linalg.solve linalg.svd linalg.svdvals linalg.trace
    fft.fft fft.fftn fft.ifft fft.ifftn fft.irfft fft.irfftn fft.rfft fft.rfftn
    """,
    "composed": """
    angle append apply_along_axis apply_over_axes around array_split astype atleast_1d
    atleast_2d atleast_3d average bincount block broadcast_arrays choose column_stack compress
    copyto corrcoef correlate cov cross cumulative_prod cumulative_sum delete diag diagflat diff
    dsplit dstack ediff1d expand_dims extract fill_diagonal fix flip fliplr flipud gradient
    histogram histogram2d histogramdd hsplit hstack insert interp intersect1d kron median
    meshgrid moveaxis nancumprod nancumsum nanmax nanmean nanmedian nanmin nanpercentile nanprod
    nanquantile nanstd nansum nanvar ndenumerate outer pad percentile piecewise place poly
    poly1d polyadd polyder polydiv polyfit polyint polymul polysub polyval ptp put
    put_along_axis putmask quantile real_if_close repeat resize roll rollaxis rot90 round
    row_stack select setdiff1d setxor1d sort_complex split squeeze take_along_axis tile
    trapezoid tril trim_zeros triu union1d unique unique_all unique_counts unique_inverse
    unique_values unstack unwrap vander vsplit vstack
    linalg.cond linalg.cross linalg.matrix_norm linalg.matrix_power linalg.multi_dot
    linalg.outer linalg.tensordot linalg.tensorinv linalg.tensorsolve linalg.vecdot
    linalg.vector_norm
    fft.fft2 fft.fftshift fft.hfft fft.ifft2 fft.ifftshift fft.ihfft fft.irfft2 fft.rfft2
    """,
    "constant": """
    all allclose any argmax argmin argpartition argsort argwhere array2string array_equal
    array_equiv array_repr array_str bitwise_and bitwise_count bitwise_invert bitwise_left_shift
    bitwise_not bitwise_or bitwise_right_shift bitwise_xor can_cast ceil common_type
    count_nonzero diag_indices_from digitize einsum_path equal flatnonzero floor floor_divide
    gcd greater greater_equal histogram_bin_edges invert isclose iscomplex iscomplexobj isfinite
    isfortran isin isinf isnan isnat isneginf isposinf isreal isrealobj isscalar iterable ix_
    lcm left_shift less less_equal lexsort logical_and logical_not logical_or logical_xor
    may_share_memory min_scalar_type nanargmax nanargmin ndim nonzero not_equal packbits
    ravel_multi_index result_type right_shift rint searchsorted shape shares_memory signbit size
    spacing tril_indices_from triu_indices_from trunc unpackbits unravel_index
    linalg.matrix_rank
    """,
    "maker": """
    arange array asanyarray asarray asarray_chkfinite ascontiguousarray asfortranarray bartlett
    blackman empty empty_like eye frombuffer fromfile fromfunction fromiter frompyfunc
    fromstring full full_like genfromtxt geomspace hamming hanning identity indices kaiser
    linspace loadtxt logspace ndarray ones ones_like require tri vectorize zeros zeros_like
    """,
    "plain": """
    base_repr binary_repr bool bool_ broadcast_shapes busday_count busday_offset busdaycalendar
    byte bytes_ cdouble character clongdouble complex128 complex256 complex64 complexfloating
    csingle datetime64 datetime_as_string datetime_data diag_indices double dtype errstate finfo
    flexible float128 float16 float32 float64 floating format_float_positional
    format_float_scientific fromregex generic get_include get_printoptions getbufsize geterr
    geterrcall half iinfo inexact info int16 int32 int64 int8 int_ intc integer intp is_busday
    isdtype issubdtype load long longdouble longlong mask_indices mintypecode ndindex number
    object_ printoptions promote_types set_printoptions setbufsize seterr seterrcall short
    show_config show_runtime signedinteger single str_ test timedelta64 tril_indices
    triu_indices typename ubyte ufunc uint uint16 uint32 uint64 uint8 uintc uintp ulong
    ulonglong unsignedinteger ushort void
    linalg.LinAlgError linalg.test
    fft.fftfreq fft.rfftfreq fft.test
    """,
}
_REFUSED = {
    "asmatrix": "np.matrix keeps plain memory: use an array",
    "bmat": "np.matrix keeps plain memory: use np.block",
    "broadcast": "hands out plain memory: use np.broadcast_arrays",
    "flatiter": "hands out plain memory: use t.flat",
    "from_dlpack": "plain memory of another library",
    "matrix": "np.matrix keeps plain memory: use an array",
    "memmap": "is plain memory on disk",
    "nditer": "hands out plain memory: index the array",
    "nested_iters": "hands out plain memory: index the array",
    "recarray": "its fields are plain memory",
    "record": "its fields are plain memory",
    "save": "writes the bytes of the numbers",
    "savetxt": "writes the text of the numbers",
    "savez": "writes the bytes of the numbers",
    "savez_compressed": "writes the bytes of the numbers",
}
MEANING = {
    "primitive": "one operation with a derivative rule",
    "composed": "made of operations, so its derivative follows",
    "constant": "booleans, integers, shapes, text: the derivative is zero wherever it exists",
    "maker": "makes an array that may be filled with traced values",
    "plain": "takes no array of numbers, or is a type: left as it is",
    "refused": "raises when it meets a traced value",
}


def _table() -> dict[str, str]:
    out: dict[str, str] = {}
    for kind, names in _NAMES.items():
        for name in names.split():
            if name in out:
                raise ValueError(f"{name} is covered twice")
            out[name] = kind
    for name, reason in _REFUSED.items():
        if name in out:
            raise ValueError(f"{name} is covered twice")
        out[name] = f"refused: {reason}"
    return out


COVERAGE = _table()
"""Name (with ``linalg.`` or ``fft.`` before it) -> kind, or ``"refused: reason"``."""

MODULES: dict[str, ModuleType] = {"": np, "linalg.": np.linalg, "fft.": np.fft}


def public_names() -> list[str]:
    """Every public callable of the three modules, as the table writes it."""
    return [
        prefix + name
        for prefix, module in MODULES.items()
        for name in dir(module)
        if not name.startswith("_") and callable(getattr(module, name))
    ]


def original(name: str) -> object:
    """The NumPy object of a name of the table."""
    prefix, _, last = name.rpartition(".")
    return getattr(MODULES[prefix + "." if prefix else ""], last)


def page() -> str:
    """The text of ``docs/coverage.md``."""
    lines = [
        "# Coverage of NumPy's names",
        "",
        "Every public callable of `numpy`, `numpy.linalg` and `numpy.fft`,",
        "and what becomes of it when it meets a traced value.",
        "This page is made by `python tools/coverage_page.py`; a test keeps it up to date.",
        "",
    ]
    for kind, meaning in MEANING.items():
        names = sorted(name for name, found in COVERAGE.items() if found.split(":")[0] == kind)
        lines += [
            f"## {kind.capitalize()} ({len(names)})",
            "",
            f"{meaning[0].upper()}{meaning[1:]}.",
            "",
        ]
        if kind == "refused":
            lines += [
                "| name | why |",
                "|---|---|",
                *(f"| `{n}` | {COVERAGE[n].removeprefix('refused: ')} |" for n in names),
                "",
            ]
        else:
            lines += [", ".join(f"`{n}`" for n in names), ""]
    return "\n".join(lines).rstrip() + "\n"
