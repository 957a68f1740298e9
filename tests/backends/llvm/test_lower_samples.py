"""Every operation on its samples: what can be lowered means in index form what NumPy computes."""

import numpy as np
import pytest

from wengert.backends.llvm.indexed import Constant, Map
from wengert.backends.llvm.interpret import interpret
from wengert.backends.llvm.lower import builder as lower_builder
from wengert.backends.llvm.lower.lower import LOOPS, RULES, can_lower, lower
from wengert.backends.llvm.scalar_ops import supports
from wengert.core.graph import Graph, input_node, step
from wengert.core.node import Const
from wengert.core.types import ArrayType
from wengert.testing.samples import operations, samples_of

NOT_NATIVE = {
    "argpartition", "bessel_i", "eig", "eigh", "eigvals", "exponent", "fsum", "ieee_remainder",
    "ldexp", "lstsq", "matrix_rank", "partition", "polar", "polygamma", "qr",
    "qr_complete", "roots", "sinc", "slogdet", "sumprod", "svd", "svd_full", "unwrap", "fft", "ifft",
    "rfft", "irfft", "angle", "point", "call_with_jvp", "call_with_vjp",
}  # fmt: skip
"""Operations that are steps of the NumPy interpreter; of all others with a rule at least one sample is lowered."""


def single_steps(op, rng):
    """Graphs of one step: all operands inputs, then all but the first constants."""
    for sample in samples_of(op, rng):
        with np.errstate(all="ignore"):
            want = op.evaluate(*sample.operands, *sample.params)
        if not isinstance(want, (np.ndarray, np.generic, float, int, bool)):
            continue
        for constants in (False, True):
            inputs, args, values = [], [], []
            for k, operand in enumerate(sample.operands):
                if (constants and k) or type(operand) is int:
                    args.append(Const(operand))
                else:
                    args.append(input_node(ArrayType.of(operand)))
                    inputs.append(args[-1])
                    values.append(operand)
            node = step(op, args, sample.params, ArrayType.of(want), None)
            yield Graph(inputs=tuple(inputs), outputs=(node,), nodes=(node,)), values, np.asarray(want), sample


@pytest.mark.parametrize("op", operations(), ids=lambda op: op.name)
def test_a_step_in_index_form_is_numpys(op, monkeypatch):
    # Whether the emitter knows the scalar function does not matter to the meaning of the form.
    monkeypatch.setattr(lower_builder, "_has_native_form", lambda *_: True)
    lowered = 0
    for graph, values, want, sample in single_steps(op, np.random.default_rng(3)):
        if can_lower(graph.nodes[0]) is not None:
            continue
        lowered += 1
        (got,), guards = interpret(lower(graph), values)
        assert all(guards)
        assert got.dtype == want.dtype and got.shape == want.shape, sample
        single = want.dtype == np.float32
        np.testing.assert_allclose(got, want, rtol=2e-6 if single else 1e-13, atol=1e-6 if single else 1e-14)
    known = op.name in RULES or op.name in LOOPS
    assert (lowered > 0) == (known and op.name not in NOT_NATIVE), "list it in NOT_NATIVE"


@pytest.mark.parametrize("op", operations(), ids=lambda op: op.name)
def test_what_can_be_lowered_has_functions_that_can_be_emitted(op):
    for graph, _, _, sample in single_steps(op, np.random.default_rng(4)):
        if can_lower(graph.nodes[0]) is not None:
            continue
        for value in lower(graph).values():
            if isinstance(value, Map):
                literals = [a.value if isinstance(a, Constant) else None for a in value.args]
                assert supports(value.function, [a.dtype for a in value.args], value.dtype, literals), sample
