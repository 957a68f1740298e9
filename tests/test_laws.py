"""Every operation obeys every law at every one of its samples (`wengert/testing/laws.py`)."""

import os
import zlib

import numpy as np
import pytest

from wengert.testing import LAWS, backends_agree, operations, samples_of

OPERATIONS = {op.name: op for op in operations()}


def seeded(text):
    return np.random.default_rng(zlib.crc32(text.encode()))


SAMPLES = {name: samples_of(op, seeded(name)) for name, op in OPERATIONS.items()}


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_has_samples(name):
    assert SAMPLES[name], f"{name}: no law executes its rule; give it samples= or domain="


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("name", [name for name, found in SAMPLES.items() if found])
def test_an_operation_obeys(name, law):
    for number, sample in enumerate(SAMPLES[name]):
        try:
            LAWS[law](OPERATIONS[name], sample.operands, sample.params, seeded(f"{name} {number}"))
        except Exception as problem:
            problem.add_note(f"operation {name}, law {law}, sample {number}: {sample}")
            raise


@pytest.mark.parametrize("name", [name for name, found in SAMPLES.items() if found])
def test_native_code_gives_what_the_operation_gives(name, monkeypatch, tmp_path):
    """Some samples of each operation; with WENGERT_ALL_SAMPLES=1 all of them."""
    pytest.importorskip("llvmlite")
    from wengert.backends.llvm.lower import scan as lower_scan
    from wengert.backends.llvm.lower import sort as lower_sort
    from wengert.backends.llvm.lower.lower import RULES, SEVERAL

    monkeypatch.setenv("WENGERT_CACHE_DIR", str(tmp_path))
    samples = SAMPLES[name]
    few = samples if os.environ.get("WENGERT_ALL_SAMPLES") else samples[:: 1 + len(samples) // 7]
    native = backends_agree(OPERATIONS[name], few)
    known = any(name in rules for rules in (RULES, SEVERAL, lower_scan.RULES, lower_sort.LOOPS))
    assert (native > 0) == (known and name not in STEPS_OF_NUMPY)


STEPS_OF_NUMPY = frozenset(
    "ldexp exponent angle point ieee_remainder sinc bessel_i unwrap fft ifft rfft irfft lstsq qr_complete"
    " eigh eig eigvals svd svd_full polar matrix_rank roots argpartition partition polygamma fsum sumprod"
    " call_with_jvp call_with_vjp".split()
)
"""Operations whose samples have no native form, besides those that lowering has no rule for: steps of NumPy."""
