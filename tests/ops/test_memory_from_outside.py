"""Arrays that come from an outer recording and are written in an inner one: the inner graph keeps what they were.

May import wengert's public API. Invariant: expected values are those of the plain program.
"""

import numpy as np

import wengert as wg

W, S = np.array([0.5, 0.7]), np.arange(1.0, 7.0).reshape(3, 2) / 4


def written_in_a_loop(w, s):
    s = np.array(s)
    total = 0.0
    for _ in range(5):
        s[0] = np.tanh(s[0] * w)
        total = total + np.sum(s[0])
    return total


def read_then_written(w, s):
    s = np.array(s)
    before = s[1] * w
    s[1:] = 2.0 * s[1:] * w
    return np.sum(before * s[1] + s[2])


def closed_form(w):
    """Gradient of `read_then_written`: sum(2 s1^2 w^2 + 2 s2 w)."""
    return 4.0 * S[1] ** 2 * w + 2.0 * S[2]


def test_the_first_call_of_a_compiled_gradient_has_the_value_of_the_program():
    for program in (written_in_a_loop, read_then_written):
        compiled = wg.compile(wg.value_and_grad(program), backend="numpy")
        for w in (W, W, 1.1 * W):
            np.testing.assert_allclose(compiled(w, S)[0], program(w, S), rtol=1e-14)


def test_and_its_gradient():
    compiled = wg.compile(wg.grad(read_then_written), backend="numpy")
    for w in (W, W, 1.1 * W):
        np.testing.assert_allclose(compiled(w, S), closed_form(w), rtol=1e-14)


def test_an_inner_recording_leaves_the_outer_array_alone():
    def outer(s):
        inner = wg.trace(lambda w: written_in_a_loop(w, s))(W)
        del inner
        return np.sum(s * s)

    np.testing.assert_array_equal(wg.grad(outer)(S), 2 * S)
