"""For all tests: their names are the same in every process.

Invariant: workers that share the tests collect the same ones."""

import pytest


def pytest_collection_modifyitems(items):
    moving = [item.nodeid for item in items if " at 0x" in item.nodeid]
    if moving:
        raise pytest.UsageError(f"{moving[0]}: the name has an address in memory; give `ids=` that stay")
