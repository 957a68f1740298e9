"""Fourier transforms: values bit for bit as NumPy's, derivatives against Richardson's
differences."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wengert
from tests.ops.oracle import check, check_batch, recorded, samples
from wengert.ops import fft

RECORDS = [r for r in vars(fft).values() if hasattr(r, "op") and r.op.name.endswith("fft")]
CASES = [
    pytest.param(record, operands, params, id=f"{record.op.name}-{k}")
    for record in RECORDS
    for k, (operands, params) in enumerate(samples(record))
]
RNG = np.random.default_rng(6)
REAL = RNG.normal(size=(2, 4, 6))
COMPLEX = REAL + 1j * RNG.normal(size=REAL.shape)


@pytest.mark.parametrize(("record", "operands", "params"), CASES)
def test_derivatives_of_every_transform(record: Any, operands: Any, params: Any) -> None:
    check(recorded(record, params), operands, np.random.default_rng(1))


@pytest.mark.parametrize(("record", "operands", "params"), CASES)
def test_a_batch_is_its_rows(record: Any, operands: Any, params: Any) -> None:
    check_batch(record, operands, params)


OPTIONS: tuple[dict[str, Any], ...] = (
    {}, {"n": 4}, {"n": 9}, {"axis": 1}, {"norm": "ortho"}, {"norm": "forward", "n": 5, "axis": 0},
)  # fmt: skip


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("name", ["fft", "ifft", "rfft", "irfft", "hfft", "ihfft"])
def test_along_one_axis(name: str, options: dict[str, Any]) -> None:
    x = REAL if name in ("rfft", "ihfft") else COMPLEX
    check(lambda a: getattr(np.fft, name)(a, **options), (x,), np.random.default_rng(2))


@pytest.mark.parametrize(
    "options", [{}, {"s": (3, 5), "axes": (0, 2)}, {"axes": (1, 0)}, {"norm": "ortho"}], ids=str
)
@pytest.mark.parametrize(
    "name", ["fft2", "ifft2", "rfft2", "irfft2", "fftn", "ifftn", "rfftn", "irfftn"]
)
def test_along_several_axes(name: str, options: dict[str, Any]) -> None:
    x = REAL if name.startswith("r") else COMPLEX
    check(lambda a: getattr(np.fft, name)(a, **options), (x,), np.random.default_rng(3))


@pytest.mark.parametrize(
    "fun",
    [
        lambda a: np.fft.fftshift(a) * 2,
        lambda a: np.fft.ifftshift(a, axes=1) * 2,
        lambda a: np.fft.fftshift(a, axes=(0, 2)) * 2,
        np.fft.irfft,
        np.fft.fft,
        lambda a: np.fft.fft(a) * np.fft.fftfreq(a.shape[-1]),
        lambda a: np.fft.irfft(np.fft.rfft(a)),
    ],
)
def test_shifts_and_transforms_of_real_numbers(fun: Any) -> None:
    check(fun, (REAL,), np.random.default_rng(4))


def test_the_gradient_of_a_spectrums_power_is_parsevals() -> None:
    # sum |fft(x)|^2 = n sum x^2.
    x = REAL[0, 0]
    gradient = wengert.grad(lambda a: np.sum(np.abs(np.fft.fft(a)) ** 2))(x)
    np.testing.assert_allclose(gradient, 2 * x.size * x, rtol=1e-13)


@pytest.mark.parametrize(
    ("fun", "kind"),
    [
        (lambda a: np.fft.fft(a, n=0), ValueError),
        (lambda a: np.fft.fft(a, axis=7), IndexError),
        (lambda a: np.fft.fft(a, norm="loud"), ValueError),
        (lambda a: np.fft.rfft(a * 1j), TypeError),
    ],
)
def test_bad_input_raises_as_untraced(fun: Any, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        fun(REAL)
    with pytest.raises(kind):
        wengert.grad(lambda a: np.sum(np.abs(fun(a))))(REAL)
