"""Programs with complex numbers: inside a real program, as arguments, as results.

Plain `import numpy as np` and `import cmath`; imports only the table type. For a complex argument
the gradient is df/dx + i df/dy.
"""

import cmath

import numpy as np

from .harness import Program, table

PROGRAMS: list[Program] = []
program = table(PROGRAMS)


@program(0.4, 0.9)
def cmath_functions(t, u):
    z = cmath.exp(complex(0.0, 1.0) * t) * cmath.sqrt(u * 1j + t)
    return abs(z) ** 2 + (z * z).real + cmath.phase(z)


@program(0.3, 0.8)
def complex_arithmetic(t, u):
    z = t + 1j * u
    w = z * z.conjugate() + 2 / z - z**3
    return w.real * w.imag + abs(w) + abs(z) ** 2


@program(0.3 + 0.8j)
def complex_argument_real_result(z):
    return abs(z * z + 1.0) ** 2 + z.real * z.imag


@program(np.array([0.3 + 0.8j, -0.5 + 0.2j]))
def complex_vector_argument(z):
    w = np.exp(z) * np.conj(z[::-1])
    w[0] += z[1] ** 2
    return np.sum(np.abs(w) ** 2) + np.sum(w).imag


@program(0.7, 0.2)
def optics_by_complex_matrices(thickness, loss):
    total = np.eye(2, dtype=complex)
    for index in (1.5, 2.1):
        phase = (index + 1j * loss) * thickness
        total = total @ np.array(
            [
                [np.cos(phase), 1j * np.sin(phase) / index],
                [1j * index * np.sin(phase), np.cos(phase)],
            ]
        )
    return np.abs(total[0, 0] + total[1, 0]) ** -2


@program(0.1, -0.3)
def mandelbrot_escape(a, b):
    c, z = a + 1j * b, 0j
    for k in range(20):  # noqa: B007
        z = z * z + c
        if abs(z) > 2:
            break
    return abs(z) ** 2 + k * a


@program(0.3, 0.8)
def complex_output(t, u):
    z = complex(0.5, -1.0) * t + 1j * u
    return z * z, np.array([z, 1.0 / z])


@program(0.3, 0.8)
def complex_buffer_filled_from_real_numbers(t, u):
    z = np.zeros((2, 2), dtype=complex)
    z[0, 0] = t
    z[0, 1] = 1j * u
    z[1] = np.conj(z[0]) * (2.0 - 1.0j)
    return np.abs(np.linalg.det(z + np.eye(2))) ** 2 + np.angle(z[1, 0])


@program(np.array([0.3 + 0.8j, -0.5 + 0.2j]))
def vdot_norm_and_polar_form(z):
    r, phase = np.abs(z), np.angle(z)
    again = r * np.exp(1j * phase * 2.0)
    return np.vdot(z, again).real + np.linalg.norm(z) * np.sum(again.imag)


@program(np.array([0.3, 0.8, -0.5]))
def roots_of_unity_filter(x):
    total = 0j
    for k, value in enumerate(x):
        total += value * np.exp(2j * np.pi * k / 3)
    return (total * total.conjugate()).real + total.imag


@program(0.3 + 0.8j)
def complex_power_and_division(z):
    w = z**3 / (z + 2.0) - z**0.5 + 2.0**z
    return w.real**2 + w.imag
