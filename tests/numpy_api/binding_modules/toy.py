"""Twins that return marks, the bindings made of them, and the walk that tells what a module holds.

Imports wengert, as a test does; the other modules here do not. What is compared with is a walk by
the collector's own references, made before a trace.
"""

import builtins
import functools
import gc
import math
import statistics
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import numpy.random

from wengert.numpy_api.bindings import Bindings, make_twin

ROOT = Path(__file__).resolve().parents[3]
# Attributes of an instance are not served: these stay NumPy's own while a trace runs.
REAL = types.SimpleNamespace(zeros=np.zeros, sin=math.sin, norm=np.linalg.norm, np=np)
TRACE = object()


def mark(name):
    return lambda *args, **kwargs: (name, args)


def toy_twins():
    return {
        np.zeros: make_twin(np.zeros, mark("zeros")),
        math.sin: make_twin(math.sin, mark("sin")),
        np.linalg.norm: make_twin(np.linalg.norm, mark("norm")),
        np.tile: make_twin(np.tile, mark("tile")),
        statistics.mean: make_twin(statistics.mean, mark("mean")),
    }


SERVED = ["numpy", "numpy.linalg", "numpy.random", "numpy.fft", "math", "cmath", "statistics"]
BINDINGS = Bindings(toy_twins(), SERVED)


def trace(fun, *args, **kwargs):
    return BINDINGS.call(TRACE, fun, *args, **kwargs)


def is_marked(result):
    if isinstance(result, list):
        return all(is_marked(part) for part in result)
    return type(result) is tuple and result[0] in {"zeros", "sin", "norm", "tile", "mean"}


_WALKED = (
    dict, list, tuple, types.FunctionType, types.CellType, types.MethodType, type,
    functools.partial,
    staticmethod, classmethod, property, functools.cached_property, type(functools.lru_cache(len)),
    types.MappingProxyType,
)  # fmt: skip


def walk(module):
    """Everything a module's names lead to, by the collector's own references, by identity."""
    stack, seen = [vars(module)], {}
    while stack:
        value = stack.pop()
        if id(value) in seen:
            continue
        seen[id(value)] = value
        if isinstance(value, _WALKED) and value is not vars(builtins):
            ours = getattr(value, "__module__", None) or module.__name__
            if not isinstance(value, type) or ours == module.__name__:
                if not isinstance(value, types.FunctionType) or value.__globals__ is vars(module):
                    stack.extend(gc.get_referents(value))
    return seen


def served_objects():
    held = BINDINGS._table.original_of
    return set(held)


def leftovers(module):
    return [value for key, value in walk(module).items() if key in served_objects()]


def in_subprocess(code, timeout=120):
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=timeout
    )
    assert done.returncode == 0, f"exit status {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


TOY = """
import builtins, math, os, sys, threading
import numpy as np
from wengert.core.context import tracing
from wengert.numpy_api.bindings import Bindings, make_twin
zeros = np.zeros
real_import = builtins.__import__
b = Bindings({np.zeros: make_twin(np.zeros, lambda *a, **k: "twin"),
              np.empty: make_twin(np.empty, lambda *a, **k: "twin"),
              math.sin: make_twin(math.sin, lambda *a: "twin")},
             ["numpy", "numpy.random", "numpy.linalg", "math"])
"""
