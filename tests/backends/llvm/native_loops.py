"""Loops over arrays around single scalar functions, compiled in the test itself."""

import ctypes
import itertools

import numpy as np
import pytest

from wengert.backends.llvm.scalar_ops import Vocabulary
from wengert.backends.llvm.vector_text import kind_of, vector

llvm = pytest.importorskip("llvmlite.binding")
_STATE = {}
_NUMBERS = itertools.count()


def host():
    """Target machine and ORC, made once."""
    if not _STATE:
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        features = llvm.get_host_cpu_features()
        target = llvm.Target.from_default_triple()
        machine = lambda: target.create_target_machine(cpu=llvm.get_host_cpu_name(), features=features.flatten(), opt=2)
        _STATE["machine"] = machine()
        _STATE["jit"] = llvm.create_lljit_compiler(machine(), use_jit_link=False, suppress_errors=False)
        _STATE["fma"] = bool(features.get("fma")) or "aarch64" in llvm.get_process_triple()
    return _STATE


def memory(dtype):
    return "i8" if np.dtype(dtype) == bool else kind_of(dtype)


def module_text(steps, arg_dtypes, out_dtype, width, fma=None, contract=False):
    """``steps``: (function, operand numbers, dtype) over the inputs and earlier results; the last is stored."""
    counter = itertools.count()
    fresh = lambda: f"%v{next(counter)}"
    words = Vocabulary(fresh, fma=host()["fma"] if fma is None else fma, contract=contract)
    body, names, dtypes = [], [], list(arg_dtypes)
    for k, dtype in enumerate(arg_dtypes):
        m = memory(dtype)
        lanes = vector(m, width)
        body += [
            f"%p{k} = getelementptr {m}, ptr %a{k}, i64 %i",
            f"%l{k} = load {lanes}, ptr %p{k}, align 1",
        ]
        if m == "i8":
            body.append(f"%b{k} = trunc {lanes} %l{k} to {vector('i1', width)}")
        names.append(f"%b{k}" if m == "i8" else f"%l{k}")
    for function, operands, dtype, *literals in steps:
        lines, result = words.emit(
            function,
            [names[j] for j in operands],
            [dtypes[j] for j in operands],
            dtype,
            width,
            literals[0] if literals else None,
        )
        body += lines
        names.append(result)
        dtypes.append(np.dtype(dtype))
    m = memory(out_dtype)
    stored = names[-1]
    if m == "i8":
        body.append(f"%out = zext {vector('i1', width)} {stored} to {vector('i8', width)}")
        stored = "%out"
    body += [f"%q = getelementptr {m}, ptr %r, i64 %i", f"store {vector(m, width)} {stored}, ptr %q, align 1"]
    name = f"loop_{next(_NUMBERS)}"
    parameters = ", ".join([f"ptr %a{k}" for k in range(len(arg_dtypes))] + ["ptr %r", "i64 %n"])
    # The block of the back edge is not the loop's head where the body branches.
    text = "\n".join(
        [
            f"define void @{name}({parameters}) {{",
            "entry:",
            "br label %loop",
            "loop:",
            "%i = phi i64 [0, %entry], [%next, %tail]",
            *body,
            "br label %tail",
            "tail:",
            f"%next = add i64 %i, {width}",
            "%more = icmp slt i64 %next, %n",
            "br i1 %more, label %loop, label %end",
            "end:",
            "ret void",
            "}",
            words.definitions(),
        ]
    )
    return name, text, words


def optimised(text):
    """The module after LLVM's passes."""
    module = llvm.parse_assembly(text)
    module.verify()
    passes = llvm.create_pass_builder(host()["machine"], llvm.create_pipeline_tuning_options(speed_level=2))
    passes.getModulePassManager().run(module, passes)
    return module


def compiled(steps, arg_dtypes, out_dtype, width, **options):
    """A function of arrays that runs the loop; sizes are multiples of the width."""
    name, text, _ = module_text(steps, arg_dtypes, out_dtype, width, **options)
    state, module = host(), optimised(text)
    library = (
        llvm.JITLibraryBuilder().add_ir(str(module)).export_symbol(name).add_current_process().link(state["jit"], name)
    )
    pointers = [ctypes.c_void_p] * (len(arg_dtypes) + 1)
    entry = ctypes.CFUNCTYPE(None, *pointers, ctypes.c_int64)(library[name])

    def run(*arrays):
        arrays = [np.ascontiguousarray(a, d) for a, d in zip(arrays, arg_dtypes, strict=True)]
        size = arrays[0].size
        whole = -(-size // width) * width
        padded = [np.concatenate([a, np.repeat(a[-1:], whole - size)]) if whole > size else a for a in arrays]
        out = np.empty(whole, out_dtype)
        entry(*(a.ctypes.data for a in padded), out.ctypes.data, whole)
        return out[:size]

    run.library, run.entry, run.module = library, entry, module
    return run


def unary(function, dtype=np.float64, width=8, **options):
    """One function of one argument."""
    return compiled([(function, [0], dtype)], [dtype], dtype, width, **options)
