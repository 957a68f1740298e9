"""Every operation obeys every law at every one of its samples (`wengert/testing/laws.py`)."""

import zlib

import numpy as np
import pytest

from wengert.testing import LAWS, operations, samples_of

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
