"""Native plans of real graphs, held against NumPy running the user's own function."""

import threading

import numpy as np
import pytest

pytest.importorskip("llvmlite")

import wengert
from tests.backends.llvm.kernels import fresh_python
from wengert.backends.guards import GUARD, MISS, GuardFailed
from wengert.backends.llvm import program
from wengert.backends.llvm.emit.emit import CannotEmit
from wengert.backends.llvm.program import NativePlan


@pytest.fixture(autouse=True)
def _faults_are_errors(monkeypatch):
    monkeypatch.setenv(program.STRICT, "1")


def planned(f, *args):
    return NativePlan(wengert.trace(f)(*args))


def close(found, want):
    for a, b in zip(found, want, strict=True):
        assert np.shape(a) == np.shape(b) and np.asarray(a).dtype == np.asarray(b).dtype
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-13)


def elementwise(x, y):
    return np.exp(-x * x) * np.sin(y) + np.log1p(x * x), x - y


def test_a_scalar_function_is_one_call_from_c():
    plan = planned(lambda x, y: x * np.exp(y) - y / x, 2.0, 3.0)
    assert type(plan.entry) is type(len)
    for x, y in ((0.5, 1.5), (-2.0, 0.1)):
        want = x * np.exp(y) - y / x
        assert plan.entry(x, y) == pytest.approx(want, rel=1e-14) and type(plan.entry(x, y)) is np.float64
        close(plan.run([x, np.array(y)]), [want])
    assert plan.entry(1, 2.0) is MISS
    close(plan.run([1, 2.0]), [np.exp(2.0) - 2.0])


def layouts(x):
    """The same numbers, laid out in every way there is."""
    odd = np.zeros(x.nbytes + 1, np.uint8)[1:].view(x.dtype).reshape(x.shape)
    odd[...] = x
    wide = np.zeros((2 * x.shape[0], 3 * x.shape[1]))
    wide[::2, ::3] = x
    locked = x.copy()
    locked.flags.writeable = False
    return {
        "plain": x, "fortran": np.asfortranarray(x), "strided": wide[::2, ::3], "backwards": x[::-1].copy()[::-1],
        "misaligned": odd, "swapped": x.astype(x.dtype.newbyteorder()), "read-only": locked,
        "subclass": x.view(np.matrix), "list": x.tolist(),
    }  # fmt: skip


def test_every_layout_gives_the_same_and_is_left_alone():
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(2, 6, 5))
    plan = planned(elementwise, x, y)
    want = elementwise(x, y)
    for a in layouts(x).values():
        for b in layouts(y).values():
            before = np.array(a), np.array(b)
            close(plan.run([a, b]), want)
            assert np.array_equal(a, before[0]) and np.array_equal(b, before[1])


def test_outputs_are_fresh_even_for_aliased_inputs():
    x = np.random.default_rng(2).normal(size=(4, 4))
    plan = planned(lambda x, y: (x, y.T, x + y), x, x.copy())
    first, second = plan.run([x, x]), plan.run([x, x])
    close(first, (x, x.T, x + x))
    arrays = [x, *first, *second]
    assert not any(np.may_share_memory(a, b) for k, a in enumerate(arrays) for b in arrays[:k])
    close(plan.run([x, x[::-1]]), (x, x[::-1].T, x + x[::-1]))


def test_other_shapes_and_dtypes_are_refused_with_both_named():
    plan = planned(elementwise, np.ones(3), np.ones(3))
    with pytest.raises(ValueError, match=r"shape \(4,\) where the compiled program takes \(3,\)"):
        plan.run([np.ones(4), np.ones(3)])
    with pytest.raises(TypeError, match="dtype complex128 where the compiled program takes float64"):
        plan.run([np.ones(3) + 0j, np.ones(3)])
    with pytest.raises(TypeError, match="takes 2 values, got 1"):
        plan.run([np.ones(3)])
    close(plan.run([np.ones(3, np.float32), np.arange(3)]), elementwise(np.ones(3), np.arange(3.0)))


def test_arrays_without_elements_are_numpys():
    plan = planned(lambda x: np.sum(np.exp(x) * x, axis=0) + 1.0, np.zeros((0, 3)))
    assert plan.native == 0 or plan.fallen
    close(plan.run([np.zeros((0, 3))]), [np.ones(3)])


def by_numpy(x):
    """A sort that has no native form."""
    return np.partition(x, range(len(x)))


def mixed(a, b):
    c = np.tanh(a) @ np.cos(a).T + np.exp(a) * 0.01
    x = np.linalg.lstsq(c + 100.0 * np.eye(len(c)), b * np.sin(b) - 1.0)[0]
    return np.sum(np.exp(-x * x) * np.sin(b) * x), x


def test_steps_of_numpy_and_kernels_take_turns():
    rng = np.random.default_rng(3)
    a, b = rng.normal(size=(70, 70)), rng.normal(size=70)
    plan = planned(mixed, a, b)
    assert plan.entry is None and len(plan.cut.segments) >= 2
    assert {"matmul", "lstsq"} <= {n.op.name for n in plan.reasons}
    for scale in (1.0, 0.3):
        close(plan.run([a * scale, b]), mixed(a * scale, b))
    close(plan.run([np.asfortranarray(a), b[::-1]]), mixed(a, b[::-1]))
    said = plan.explain()
    assert "NumPy: lstsq" in said and "70x70x70" in said and "BLAS" in said


def test_gradients_of_mixed_programs_agree_with_differences():
    rng = np.random.default_rng(4)
    a, b, d = rng.normal(size=(65, 65)), rng.normal(size=65), rng.normal(size=(65, 65))
    plan = NativePlan(wengert.trace(wengert.grad(lambda a: mixed(a, b)[0]))(a))
    h = 1e-5
    along = [mixed(a + k * h * d, b)[0] for k in (-2, -1, 1, 2)]
    want = (along[0] - 8 * along[1] + 8 * along[2] - along[3]) / (12 * h)
    assert np.sum(plan.run([a])[0] * d) == pytest.approx(want, rel=1e-8)


def branching(x):
    y = np.exp(x) * x - 1.0
    return np.sin(y) * x if y[0] > 0.0 else y * 3.0


def test_a_failing_guard_is_told_by_its_number():
    plan = planned(branching, np.array([2.0, 1.0]))
    close(plan.run([np.array([3.0, 1.0])]), [branching(np.array([3.0, 1.0]))])
    assert plan.entry(np.array([-3.0, 1.0])) is GUARD
    for x in (np.array([-3.0, 1.0]), np.array([-3.0, 0.0, 1.0])[::2]):
        with pytest.raises(GuardFailed) as caught:
            plan.run([x])
        assert caught.value.index == 0


def several_guards(x):
    y = np.exp(x) * x + np.sin(x)
    if y[0] > 0.0:
        y = y * 2.0 + x
    z = by_numpy(y)
    if z[-1] < 100.0:
        z = np.cos(z) * z + x * z
    return z if z[0] < 50.0 else -z


@pytest.mark.parametrize(("x", "index"), [([-1.0, 1.0], 0), ([1.0, 9.0], 1)])
def test_guards_in_kernels_and_between_them(x, index):
    plan = planned(several_guards, np.array([1.0, 1.2]))
    close(plan.run([np.array([1.1, 1.0])]), [several_guards(np.array([1.1, 1.0]))])
    with pytest.raises(GuardFailed) as caught:
        plan.run([np.array(x)])
    assert caught.value.index == index


def test_a_kernel_may_do_nothing_but_ask():
    def f(x):
        return by_numpy(x) if np.sum(np.exp(x) * x + x * 2.0) > 0.0 else x

    plan = planned(f, np.ones(2000))
    assert [len(s.outputs) for s in plan.cut.segments] == [0]
    close(plan.run([np.arange(2000.0)[::-1]]), [np.arange(2000.0)])
    with pytest.raises(GuardFailed) as caught:
        plan.run([-np.ones(2000)])
    assert caught.value.index == 0


def test_a_guard_may_ask_an_input():
    def f(n, x):
        return by_numpy(x) * np.exp(n) + np.sin(x) * n * x if int(n) == 1 else x

    plan = planned(f, 1.0, np.ones(2000))
    x = np.linspace(-1.0, 1.0, 2000)
    close(plan.run([1.5, x]), [f(1.5, x)])
    with pytest.raises(GuardFailed) as caught:
        plan.run([2.0, x])
    assert caught.value.index == 0


def test_a_guard_comes_before_the_error_of_a_later_step():
    def f(a):
        scale = np.sum(np.sin(a) * a * a)
        late = np.sum(np.exp(by_numpy(a.reshape(-1)) * 2.0 - 1.0) * 3.0)
        if late > 1e-3:  # asked after the sort, before the inverse
            return np.linalg.inv(a * 2.0) * scale * late
        return a

    regular, singular = np.eye(3) + 0.1, np.full((3, 3), -9.0)
    plan = planned(f, regular)
    close(plan.run([regular]), [f(regular)])
    with pytest.raises(GuardFailed):
        plan.run([singular])
    with pytest.raises(np.linalg.LinAlgError):
        plan.run([np.zeros((3, 3))])


def test_what_cannot_be_emitted_is_numpys_and_said(monkeypatch):
    def refuse(lowered, **options):
        raise CannotEmit("a reason of its own")

    monkeypatch.setenv("WENGERT_CACHE", "0")
    monkeypatch.setattr("wengert.backends.llvm.fresh_kernel.emit", refuse)
    plan = planned(elementwise, np.ones(3), np.ones(3))
    close(plan.run([np.arange(3.0), np.ones(3)]), elementwise(np.arange(3.0), np.ones(3)))
    assert plan.native == 0 and "a reason of its own" in plan.explain()


def test_a_fault_of_the_compiler_is_no_fault_of_the_user(monkeypatch):
    def fail(lowered, **options):
        raise KeyError("lost")

    monkeypatch.setenv("WENGERT_CACHE", "0")
    monkeypatch.setattr("wengert.backends.llvm.fresh_kernel.emit", fail)
    with pytest.raises(KeyError):
        planned(elementwise, np.ones(3), np.ones(3))
    monkeypatch.delenv(program.STRICT)
    plan = planned(elementwise, np.ones(3), np.ones(3))
    close(plan.run([np.arange(3.0), np.ones(3)]), elementwise(np.arange(3.0), np.ones(3)))
    assert "the compiler's fault (KeyError" in plan.explain()


def test_outputs_that_are_constants_or_inputs():
    rng = np.random.default_rng(5)
    x, c = rng.normal(size=4), rng.normal(size=3)
    plan = planned(lambda x: (x, c, np.sin(x) * x + np.cos(x), 3.0, x), x)
    found = plan.run([x])
    close(found, (x, c, np.sin(x) * x + np.cos(x), 3.0, x))
    assert not any(np.may_share_memory(found[k], other) for k, other in ((0, x), (4, x), (1, c), (0, found[4])))


def test_sources_can_be_read():
    plan = planned(elementwise, np.ones(3), np.ones(3))
    assert "define i64" in plan.source("llvm") and ".text" in plan.source("asm").replace("__TEXT,__text", ".text")
    assert plan.source() == plan.source("loops") and len(plan.source("loops")) > 40
    with pytest.raises(ValueError, match="'loops', 'llvm' and 'asm'"):
        plan.source("python")


def test_threads_share_a_plan():
    rng = np.random.default_rng(6)
    a, b = rng.normal(size=(66, 66)), rng.normal(size=66)
    plan, wrong = planned(mixed, a, b), []

    def work(k):
        want = mixed(a * k, b)
        for _ in range(10):
            try:
                close(plan.run([a * k, b]), want)
            except AssertionError as error:
                wrong.append(error)

    threads = [threading.Thread(target=work, args=(k,)) for k in (0.5, 0.9, 1.3)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong


SECOND = """
import time
import numpy as np
import wengert
from wengert.backends.llvm.program import NativePlan
x = np.linspace(-1.0, 2.0, 100).reshape(20, 5)
graph = wengert.trace(wengert.grad(lambda x: np.sum(np.tanh(np.sin(x) * np.exp(-x * x)) + np.log1p(x * x))))(x)
plan = NativePlan(graph)
print([k.facts.cached for k in plan.kernels.values()], repr(float(plan.run([x])[0].sum())))
"""


def test_a_second_process_finds_the_code(tmp_path):
    first = fresh_python(SECOND, tmp_path, WENGERT_NATIVE_STRICT="1")
    second = fresh_python(SECOND, tmp_path, WENGERT_NATIVE_STRICT="1")
    assert first.startswith("[False]") and second == first.replace("False", "True")
    for path in tmp_path.iterdir():
        path.write_bytes(path.read_bytes()[:-1] + b"?")
    assert fresh_python(SECOND, tmp_path, WENGERT_NATIVE_STRICT="1") == first


@pytest.mark.parametrize("features", ["baseline", "-avx512f", "-fma"])
def test_lesser_processors_compute_the_same(features):
    from wengert.backends.llvm.engine import engine

    if features != "baseline" and f"+{features[1:]}" not in engine().host.features:
        pytest.skip(f"this processor has no {features[1:]} to take away")
    want = float(fresh_python(SECOND, WENGERT_NATIVE_STRICT="1").split()[-1])
    found = float(fresh_python(SECOND, WENGERT_NATIVE_STRICT="1", WENGERT_CPU_FEATURES=features).split()[-1])
    assert found == pytest.approx(want, rel=1e-12)


def test_an_answer_tells_only_that_a_guard_failed():
    plan = planned(several_guards, np.array([1.0, 1.2]))
    assert plan.entry is None
    close([plan.answer(np.array([1.1, 1.0]))], [several_guards(np.array([1.1, 1.0]))])
    assert plan.answer(np.array([-1.0, 1.0])) is GUARD and plan.answer(np.array([1.0, 9.0])) is GUARD
    x = np.array([1.1, 1.0])
    assert planned(branching, x * 2).answer(-x) is GUARD  # one kernel
    singular = planned(lambda a: np.linalg.inv(a) * np.exp(a) + np.sin(a) * a, np.eye(3))
    with pytest.raises(np.linalg.LinAlgError):
        singular.answer(np.zeros((3, 3)))
