"""Every public name of the installed NumPy is accounted for, and what is called differentiable has
an implementation."""

from pathlib import Path

import numpy as np
import pytest

import wengert as wg
from wengert.numpy_api import coverage
from wengert.numpy_api.table import FUNCTIONS, TWINS, UFUNCS

ROOT = Path(__file__).resolve().parents[2]
X = np.array([1.0, 2.0, 3.0])
# Python code of NumPy's own that reaches the operations through the functions it calls.
THROUGH_NUMPY = {"row_stack", "ndenumerate", "poly1d"}
REFUSED = {
    "asmatrix": lambda x: np.asmatrix(x).sum(),
    "bmat": lambda x: np.bmat([[x]]).sum(),
    "broadcast": lambda x: sum(a * b for a, b in np.broadcast(x, x)),
    "from_dlpack": lambda x: np.from_dlpack(x).sum(),
    "matrix": lambda x: np.matrix(x).sum(),
    "nditer": lambda x: sum(np.nditer(x)),
    "nested_iters": lambda x: next(iter(np.nested_iters(x, [[0], []]))),
    "recarray": lambda x: np.recarray((3,), float, buf=x).sum(),
}


def test_every_public_name_is_in_the_table() -> None:
    absent = [name for name in coverage.public_names() if name not in coverage.COVERAGE]
    assert not absent, f"not in wengert/numpy_api/coverage.py: {absent}"


@pytest.mark.parametrize("kind", ["primitive", "composed"])
def test_differentiable_names_have_an_implementation(kind: str) -> None:
    here = set(coverage.public_names())
    missing = []
    for name, found in coverage.COVERAGE.items():
        if found != kind or name not in here or name in THROUGH_NUMPY:
            continue
        thing = coverage.original(name)
        if not any(thing in table for table in (UFUNCS, FUNCTIONS, TWINS)):
            missing.append(name)
    assert not missing


def test_ufuncs_called_differentiable_have_rules() -> None:
    for name, found in coverage.COVERAGE.items():
        if "." in name or not isinstance(getattr(np, name, None), np.ufunc):
            continue
        record = UFUNCS[getattr(np, name)]
        if hasattr(record, "op"):
            assert (record.op.kind == "constant") == (found == "constant"), name


def test_names_through_numpy_reach_the_operations() -> None:
    weights = np.arange(1.0, 4.0)
    np.testing.assert_allclose(
        wg.grad(
            lambda x: sum(w * v * v for w, (_, v) in zip(weights, np.ndenumerate(x), strict=True))
        )(X),
        2 * weights * X,
    )
    np.testing.assert_allclose(wg.grad(lambda x: np.poly1d(x)(2.0))(X), [4.0, 2.0, 1.0])


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
@pytest.mark.parametrize("name", REFUSED)
def test_refused_names_raise(name: str) -> None:
    assert coverage.COVERAGE[name].startswith("refused: ")
    with pytest.raises((TypeError, ValueError)):
        wg.grad(REFUSED[name])(X)


def test_saving_is_refused(tmp_path: Path) -> None:
    for save in (np.save, np.savez, np.savez_compressed, np.savetxt):
        with pytest.raises(wg.WengertError):
            wg.grad(lambda x, save=save: save(tmp_path / "file", x) or x.sum())(X)


def test_the_page_is_up_to_date() -> None:
    assert (ROOT / "docs" / "coverage.md").read_text(encoding="utf-8") == coverage.page(), (
        "run python tools/coverage_page.py"
    )
