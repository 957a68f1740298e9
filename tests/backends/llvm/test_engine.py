"""The engine: text to machine code, errors that name what is missing, features off, llvmlite hidden, fork, threads."""

import ctypes
import os
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("llvmlite")

from tests.backends.llvm.kernels import fresh_python, product
from wengert.backends.llvm.engine import NativeCodeError, available, engine, why_not
from wengert.backends.llvm.host import host_of
from wengert.core.errors import WengertValueError

STATM = Path("/proc/self/statm")


def call(address, *values):
    numbers = [np.array(v, float) for v in (*values, 0.0)]
    pointers = (ctypes.c_void_p * len(numbers))(*(a.ctypes.data for a in numbers))
    answer = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p)(address)(pointers, None)
    return answer, float(numbers[-1])


def test_text_becomes_a_function():
    assert available() and why_not() is None
    made = engine()
    library = made.link(made.compile(product()), ["product"])
    assert call(library["product"], 3.0, 7.0) == (0, 21.0)
    assert call(library["product"], -3.0, 7.0)[0] == 1


def test_two_libraries_may_define_one_name():
    made = engine()
    first = made.link(made.compile(product("twice")), ["twice"])
    second = made.link(made.compile(product("twice").replace("fmul", "fadd")), ["twice"])
    assert call(first["twice"], 3.0, 7.0)[1] == 21.0 and call(second["twice"], 3.0, 7.0)[1] == 10.0


def test_a_symbol_by_address_and_one_of_the_process():
    text = """
declare double @of_ours(double)
declare double @cbrt(double)
define double @both(double %x) nounwind {
  %y = call double @of_ours(double %x)
  %z = call double @cbrt(double %y)
  ret double %z
}"""
    kind = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)
    ours = kind(lambda x: 27.0 * x)
    made = engine()
    library = made.link(
        made.compile(text), ["both"], external=["cbrt"],
        symbols={"of_ours": ctypes.cast(ours, ctypes.c_void_p).value},
    )  # fmt: skip
    assert kind(library["both"])(8.0) == pytest.approx(6.0)


def test_a_missing_symbol_is_an_error_before_any_call(capfd):
    text = """
declare double @no_such_thing(double)
define double @f(double %x) {
  %y = call double @no_such_thing(double %x)
  ret double %y
}"""
    code = engine().compile(text)
    with pytest.raises(NativeCodeError, match="needs no_such_thing, which this process does not have"):
        engine().link(code, ["f"], external=["no_such_thing"])
    with pytest.raises(NativeCodeError, match="a symbol is not defined"):
        engine().link(code, ["f"])
    with pytest.raises(NativeCodeError, match="could not be linked"):
        engine().link(engine().compile(product()), ["another"])
    assert capfd.readouterr().err == ""  # LLVM keeps its own words to itself


@pytest.mark.parametrize("text", ["define nonsense", "define double @f() {\n  ret i64 0\n}", "%"])
def test_wrong_text_is_an_error_with_llvms_complaint(text):
    with pytest.raises(NativeCodeError, match="LLVM refuses"):
        engine().compile(text)


@pytest.mark.parametrize("damage", [lambda c: b"", lambda c: b"no object", lambda c: c[:200], lambda c: c[:-300]])
def test_damaged_object_code_is_an_error(damage):
    with pytest.raises(NativeCodeError):
        engine().link(damage(engine().compile(product())), ["product"])


def test_assembler_and_optimised_text_can_be_read():
    assert "product:" in engine().assembler(product()).replace("_product", "product")
    assert "fmul double" in engine().optimised(product())


def test_code_without_optimisation_computes_the_same():
    made = engine()
    library = made.link(made.compile(product(), optimise=0), ["product"])
    assert call(library["product"], 1.5, 4.0) == (0, 6.0)


@pytest.mark.skipif(not STATM.exists(), reason="the memory of a process is read from /proc")
def test_compiling_keeps_no_memory():
    made, code = engine(), product()

    def pages():
        return int(STATM.read_text().split()[1])

    def some(count):
        for k in range(count):
            made.compile(code.replace("product", f"product_{k}"))
        return pages()

    before = some(60)
    grown = (some(200) - before) * os.sysconf("SC_PAGE_SIZE") / 200
    assert grown < 8000, f"{grown:.0f} bytes for each"


def test_threads_compile_and_drop_libraries_at_once():
    found, made = [], engine()

    def work(k):
        for j in range(6):
            name = f"threaded_{k}_{j}"
            library = made.link(made.compile(product(name)), [name])
            found.append(call(library[name], k, j) == (0, float(k * j)))

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(found) == 24 and all(found)


X86 = dict.fromkeys(["64bit", "sse2", "sse3", "ssse3", "sse4.1", "sse4.2", "avx", "avx2", "fma", "f16c", "avx512f",
                     "avx512dq", "avx512vl", "avx512bw"], True)  # fmt: skip


@pytest.mark.parametrize(
    ("setting", "width", "fma"),
    [
        ("", 512, True),
        ("-avx512f", 256, True),
        ("-avx512vl", 256, True),
        ("-fma", 256, False),  # AVX-512 needs FMA
        ("fma avx2", 256, False),
        ("-avx", 128, False),
        ("-sse4.1", 128, False),
        ("baseline", 128, False),
    ],
)
def test_what_is_taken_away_takes_what_needs_it(setting, width, fma):
    host = host_of("x86_64-unknown-linux-gnu", "some-cpu", X86, setting)
    assert (host.width_bits, host.fma) == (width, fma)
    assert host.cpu == ("x86-64" if setting == "baseline" else "some-cpu")


def test_arm_has_fma_always():
    host = host_of("aarch64-linux-gnu", "neoverse-n1", {"neon": True}, "")
    assert (host.width_bits, host.fma) == (128, True)


@pytest.mark.parametrize("setting", ["-nosuch", "+avx", "-sse2", "znver9", "-64bit"])
def test_a_feature_that_cannot_be_taken_away_is_named(setting):
    with pytest.raises(WengertValueError, match="WENGERT_CPU_FEATURES"):
        host_of("x86_64-unknown-linux-gnu", "some-cpu", X86, setting)


RUN = """
import numpy as np
from kernels import PRODUCT_SLOTS, product
from wengert.backends.llvm.engine import engine
from wengert.backends.llvm.entry.call import make_entry
e = engine()
library = e.link(e.compile(product()), ["product"])
f = make_entry(library["product"], PRODUCT_SLOTS, 0, long=False, keep=library, name="product")
"""


@pytest.mark.parametrize("setting", ["baseline", "-fma,-avx512f"])
def test_code_for_a_lesser_processor_runs(setting):
    if setting != "baseline" and not engine().host.features.count("+fma"):
        pytest.skip("this processor has no FMA to take away")
    program = RUN + "print(e.host.fma, f(3.0, 7.0))"
    out = fresh_python(program, WENGERT_CPU_FEATURES=setting).split()
    assert out[1] == "21.0" and (out[0] == "False" or engine().host.triple.startswith("a"))


def test_without_llvmlite_one_sentence_says_so():
    program = """
import sys
sys.modules["llvmlite"] = None
from wengert.backends.llvm.engine import available, engine, why_not
assert not available()
try:
    engine()
except RuntimeError as error:
    assert why_not() in str(error)
    print(why_not())
"""
    said = fresh_python(program).strip()
    assert "not installed" in said and "pip install 'wengert[native]'" in said and "\n" not in said


def test_an_old_llvmlite_is_not_used():
    program = """
import llvmlite
llvmlite.__version__ = "0.43.0"
from wengert.backends.llvm.engine import why_not
print(why_not())
"""
    assert "found 0.43.0" in fresh_python(program)


@pytest.mark.skipif(not hasattr(os, "fork") or sys.version_info >= (3, 15), reason="no fork here")
def test_a_forked_child_uses_what_there_is_and_compiles_more():
    program = (
        RUN
        + """
import os, threading, time, warnings
warnings.simplefilter("ignore")
busy = threading.Thread(target=lambda: [e.compile(product(f"busy{k}")) for k in range(60)])
busy.start()
children = []
for k in range(3):
    time.sleep(0.02)
    child = os.fork()
    if not child:
        more = e.link(e.compile(product("more")), ["more"])
        g = make_entry(more["more"], PRODUCT_SLOTS, 0, long=False, keep=more, name="more")
        os._exit(0 if f(2.0, 4.0) == 8.0 and g(2.0, 5.0) == 10.0 else 1)
    children.append(child)
busy.join()
print([os.waitpid(c, 0)[1] for c in children], f(2.0, 4.0))
"""
    )
    assert fresh_python(program).strip() == "[0, 0, 0] 8.0"


@pytest.mark.parametrize("daemon", [True, False])
def test_the_process_may_end_while_it_compiles(daemon):
    program = (
        RUN
        + f"""
import threading
def work():
    for k in range(100000):
        try:
            e.compile(product(f"late{{k}}"))
        except RuntimeError as error:
            assert "ending" in str(error)
            return
threading.Thread(target=work, daemon={daemon}).start()
print(f(3.0, 7.0))
{"" if daemon else "e.close()"}
"""
    )
    assert fresh_python(program).strip() == "21.0"
