"""Native code in tests: never from, or into, the user's own cache."""

import pytest


@pytest.fixture(autouse=True, scope="session")
def _cache_of_the_tests(tmp_path_factory):
    patch = pytest.MonkeyPatch()
    patch.setenv("WENGERT_CACHE_DIR", str(tmp_path_factory.mktemp("objects")))
    patch.delenv("WENGERT_CACHE", raising=False)
    yield
    patch.undo()
