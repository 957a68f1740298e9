"""A law that cannot fail is none: each one finds an operation made to break it."""

import contextlib

import numpy as np

import wengert
from wengert.core.op import OPS
from wengert.ops.generate import pull_function
from wengert.ops.kinds import constant, elementwise, linear
from wengert.testing import LAWS, samples_of

NAME = "broken_for_a_test"


@contextlib.contextmanager
def made(maker, *args, **facts):
    facts.setdefault("doc", "An operation that is wrong on purpose.")
    try:
        yield maker(NAME, *args, **facts).op
    finally:
        OPS.pop(NAME, None)


def breaks(op):
    """The laws that the operation breaks at any of its samples."""
    found = set()
    for name, law in LAWS.items():
        for sample in samples_of(op, np.random.default_rng(0)):
            try:
                law(op, sample.operands, sample.params, np.random.default_rng(1))
            except (AssertionError, TypeError, ValueError):
                found.add(name)
    return found


def matrices(rng):
    yield (rng.normal(size=(3, 2)),), ()


def scaled(by):
    return lambda ct: by * ct


def test_a_right_operation_breaks_none():
    with made(elementwise, np.sinh, [lambda x: np.cosh(x)]) as op:
        assert breaks(op) == set()
    with made(
        linear, lambda x: x.sum(), [lambda ct, x_shape: ct * np.ones(x_shape)],
        shape=lambda x_shape: (), samples=matrices,
    ) as op:  # fmt: skip
        assert breaks(op) == set()


def test_a_wrong_partial():
    with made(elementwise, np.sinh, [lambda x: np.cosh(x) * 1.000001]) as op:
        assert "tangent_is_the_numeric_derivative" in breaks(op)


def test_a_wrong_partial_of_one_of_two_inputs():
    with made(
        elementwise, np.multiply, [lambda b: b, lambda a, b: a + 1e-5 * b], inputs="a b"
    ) as op:
        assert "tangent_is_the_numeric_derivative" in breaks(op)


def test_a_partial_that_hides_its_own_derivative():
    with made(elementwise, np.square, [lambda x: 2.0 * wengert.stop_gradient(x)]) as op:
        assert breaks(op) == {"second_order_agrees"}


def test_a_wrong_transpose():
    with made(
        linear, lambda x: x.sum(), [lambda ct, x_shape: ct * np.full(x_shape, 1.001)],
        shape=lambda x_shape: (), samples=matrices,
    ) as op:  # fmt: skip
        assert "transpose_pairs_with_tangent" in breaks(op)


def test_a_transpose_without_its_conjugate():
    with made(
        linear, lambda x: x * 1j, [scaled(1j)], shape=lambda x_shape: x_shape,
        samples=lambda rng: [((rng.normal(size=3) + 1j,), ())],
    ) as op:  # fmt: skip
        assert "transpose_pairs_with_tangent" in breaks(op)


def test_an_affine_operation_that_says_it_is_linear():
    with made(
        linear, lambda x: x + 1.0, [scaled(1.0)], shape=lambda x_shape: x_shape, samples=matrices
    ) as op:
        assert {"linear_is_linear", "tangent_is_the_numeric_derivative"} <= breaks(op)


def test_a_wrong_type_rule():
    with made(
        linear, lambda x: 2.0 * x, [scaled(2.0)], shape=lambda x_shape: x_shape[::-1],
        samples=matrices,
    ) as op:  # fmt: skip
        assert "type_is_the_values_type" in breaks(op)


def test_a_batch_rule_that_mixes_rows():
    with made(
        linear, lambda x: np.cumsum(x, 0), [lambda ct: np.cumsum(ct[::-1], 0)[::-1]],
        shape=lambda x_shape: x_shape, samples=matrices,
        batch=lambda values, mask, params: np.cumsum(values[0], 0),
    ) as op:  # fmt: skip
        assert "batch_is_the_loop" in breaks(op)


def test_an_expression_that_is_not_the_function():
    with made(
        elementwise, np.square, [lambda x: 2.0 * x], expression="x * x * 1.0000000000000002"
    ) as op:
        assert "every_trace_gives_the_plain_value" in breaks(op)


def test_residuals_that_depend_on_who_records():
    with made(elementwise, np.square, [lambda x: 2.0 * x]) as op:
        right = op.save
        op.save = lambda *args: (right(*args)[0] * 1.0000001, *right(*args)[1:])
        assert "both_recorders_make_the_same_node" in breaks(op)


def test_a_careful_sweep_of_its_own_that_is_wrong():
    with made(elementwise, np.square, [lambda x: 2.0 * x]) as op:
        right = pull_function(op)

        def pull(node, ct, sweep):
            right(node, ct * (1.001 if sweep.careful else 1.0), sweep)

        op.pull = pull
        assert "careful_sweep_agrees" in breaks(op)


def test_a_derivative_that_widens():
    # The gradient's dtype is put right at the end; a value that is not NumPy's is found.
    with made(
        elementwise, lambda x: np.multiply(x, np.float64(2.0)), [2], expression="x * 2.0"
    ) as op:
        assert "single_precision_stays_single" in breaks(op)


def test_missing_words_and_forms():
    with made(elementwise, np.square, [lambda x: 2.0 * x], doc="", latex="y^2") as op:
        assert "it_says_what_it_is" in breaks(op)
    with made(elementwise, np.square, [lambda x: 2.0 * x], latex="{x}^{2}") as op:
        assert "it_says_what_it_is" in breaks(op)


def test_an_operation_that_takes_anything():
    with made(constant, np.floor) as op:
        op.record = lambda x: x
        assert "bad_types_raise_our_error" in breaks(op)
