"""Kernels on disk: one digest for one program, another for anything that makes another kernel."""

import shutil
from pathlib import Path

import numpy as np
import pytest

import wengert
from wengert.backends.llvm import kept_kernels
from wengert.backends.llvm.cache import Cache
from wengert.backends.llvm.emit.emit import emit
from wengert.backends.llvm.indexed import Constant, Map, Program, Read, Slot, Store
from wengert.backends.llvm.kept_kernels import digest, load, store
from wengert.backends.llvm.lower.lower import lower

TABLE = np.arange(12.0).reshape(4, 3)


def digest_of(f, *args, width=256, fma=True):
    return digest(lower(wengert.trace(f)(*args)), width, fma)


def plain(x):
    return np.sum(np.exp(x) * TABLE, axis=0)


def test_a_program_traced_again_has_the_same_digest():
    one = digest_of(plain, np.ones((4, 3)))
    assert one is not None and one == digest_of(lambda y: np.sum(np.exp(y) * TABLE.copy(), axis=0), np.zeros((4, 3)))


DIFFERENT = [
    (lambda x: np.sum(np.exp(x) * TABLE, axis=1), (4, 3)),
    (lambda x: np.sum(np.expm1(x) * TABLE, axis=0), (4, 3)),
    (lambda x: np.max(np.exp(x) * TABLE, axis=0), (4, 3)),
    (lambda x: np.sum(np.exp(x) * (TABLE + 1.0), axis=0), (4, 3)),
    (lambda x: np.sum(np.exp(x) * TABLE[::-1], axis=0), (4, 3)),
    (lambda x: np.sum(np.exp(x) * TABLE * 2.0, axis=0), (4, 3)),
    (lambda x: np.sum(np.exp(x) * TABLE * -0.0, axis=0), (4, 3)),
    (lambda x: np.sum(np.exp(x) * TABLE * 0.0, axis=0), (4, 3)),
    (lambda x: np.sum(np.exp(x[1:]) * TABLE, axis=0), (5, 3)),
    (lambda x: np.sum(np.exp(x[:-1]) * TABLE, axis=0), (5, 3)),
    (lambda x: (np.sum(np.exp(x) * TABLE, axis=0), x), (4, 3)),
    (lambda x: (x, np.sum(np.exp(x) * TABLE, axis=0)), (4, 3)),
]


def test_every_difference_is_seen():
    found = [digest_of(f, np.ones(shape)) for f, shape in [(plain, (4, 3)), *DIFFERENT]]
    assert len(set(found)) == len(found)


def test_machines_and_dtypes_are_told_apart():
    x = np.ones((4, 3))
    found = {
        digest_of(plain, x),
        digest_of(plain, x, width=512),
        digest_of(plain, x, fma=False),
        digest_of(lambda y: np.sum(np.exp(y), axis=0), x),
        digest_of(lambda y: np.sum(np.exp(y), axis=0), np.float32(x)),
    }
    assert len(found) == 5


@pytest.mark.parametrize("file", ["schedule.py", "emit/loops.py", "vector_math/power.py"])
def test_a_change_of_any_stage_is_another_compiler(file, tmp_path):
    folder = tmp_path / "llvm"
    shutil.copytree(Path(kept_kernels.__file__).parent, folder, ignore=shutil.ignore_patterns("__pycache__"))
    assert kept_kernels.sources(folder) == kept_kernels.SOURCES
    with (folder / file).open("a") as opened:
        opened.write("# changed\n")
    assert kept_kernels.sources(folder) != kept_kernels.SOURCES


def test_another_compiler_finds_nothing_old(monkeypatch):
    before = digest_of(plain, np.ones((4, 3)))
    monkeypatch.setattr(kept_kernels, "SOURCES", "other sources")
    assert digest_of(plain, np.ones((4, 3))) != before
    monkeypatch.setattr(kept_kernels, "SOURCES", None)
    assert digest_of(plain, np.ones((4, 3))) is None


def test_what_cannot_be_told_is_not_kept():
    double = np.dtype(float)
    slot, out = Slot("x", (), double, "input"), Slot("y", (), double, "output")
    value = Map((), double, "add", (Read((), double, slot, ()), Constant((), double, object())))
    assert digest(Program((slot,), (), (Store(out, value, ()),)), 128, False) is None


@pytest.mark.parametrize(
    "f",
    [
        plain,
        wengert.grad(lambda x: np.sum(np.tanh(x @ TABLE.T) ** 2)),
        lambda x: wengert.scan(lambda c, row: (np.tanh(c + row), c * row), x[0], x)[1],
        lambda x: np.cumsum(x, axis=0)[[2, 0, 1]] * TABLE[:3],
        lambda x: x * 2.0 if x[0, 0] > 0.0 else x,
    ],
)  # fmt: skip
def test_a_kept_kernel_computes_the_same(f, tmp_path, monkeypatch):
    pytest.importorskip("llvmlite")
    from wengert.backends.llvm.program import STRICT, NativePlan

    monkeypatch.setenv("WENGERT_CACHE_DIR", str(tmp_path))
    monkeypatch.setenv(STRICT, "1")
    x = np.random.default_rng(0).uniform(0.1, 1.0, size=(4, 3))
    first, second = (NativePlan(wengert.trace(f)(x)) for _ in range(2))
    assert first.cut.whole and second.cut.whole
    assert [k.facts.cached for p in (first, second) for k in p.kernels.values()] == [False, True]
    assert [k.tobytes() for k in first.run([x])] == [k.tobytes() for k in second.run([x])]
    np.testing.assert_allclose(second.run([x])[0], f(x), rtol=1e-12)
    assert first.source("llvm") == second.source("llvm") and first.source() == second.source()


def test_tables_of_loops_and_of_other_layouts_are_kept(tmp_path):
    tall = np.random.default_rng(3).standard_normal((70, 4))
    row = np.random.default_rng(4).standard_normal(70)

    def f(x):
        return wengert.scan(lambda c, t: (c * t + TABLE[0], np.sum(tall * row[:, None] * t)), x, np.arange(5.0))

    program = lower(wengert.trace(f)(np.ones(3)))
    kernel, kept = emit(program, width_bits=512, fma=True), Cache(tmp_path, 1 << 24)
    own = {id(s) for s in (*program.inputs, *program.constants, *(s.slot for s in program.stores))}
    assert any(id(s) not in own for s in kernel.slots)
    assert store(kept, ("a",), program, kernel, b"code")
    found, code = load(kept, ("a",), program)
    assert code == b"code" and found.text == kernel.text and len(found.slots) == len(kernel.slots)
    for a, b in zip(found.slots, kernel.slots, strict=True):
        assert (a.kind, a.shape, a.dtype) == (b.kind, b.shape, b.dtype)
        if a.kind == "constant":
            np.testing.assert_array_equal(a.data, b.data)
