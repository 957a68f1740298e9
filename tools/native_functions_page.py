"""Measures the errors of the native functions and writes docs/native_functions.md:
`python tools/native_functions_page.py` (a minute or two; needs llvmlite and extended precision)."""

import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.backends.llvm import test_vector_math as measured  # noqa: E402
from tests.backends.llvm.native_loops import compiled, unary  # noqa: E402
from wengert.backends.llvm.scalar_rules import SIMPLE  # noqa: E402

HEAD = """# The functions of native code

What `wengert.compile` puts in place of NumPy's functions, and how far it is from the true value: the largest error
found, in units in the last place, over {size:,} arguments in each of several ranges (near 0, all exponents,
denormals, the neighbourhood of 1 and of multiples of pi/2, far out). NumPy's own are between 0.5 and 4 units.
`python tools/native_functions_page.py` measures this table anew.

| function | float64 | float32 |
|---|---|---|
"""
TAIL = """
Infinities, NaN, signed zeros and results beyond the range are NumPy's. Sine, cosine and tangent of more than 2^31 in
size are computed by the mathematical library of the system, lane by lane. Where a sum of logarithms (`logaddexp`)
comes near 0, its error is that of its terms, as with NumPy. A 0.50 in the last column belongs to a
function that is computed in float64 and rounded. Powers with a known exponent of 3 or 4 are products (1.5 units).

`digamma` (the `polygamma` of order 0) is within 8 units of max(1, |psi|); `gamma` and `lgamma` are the mathematical
library's, lane by lane. `sinc` is the sine of NumPy's own product divided by it.

On machines without a fused multiply-add the functions of the mathematical library stand in.

Bit for bit NumPy's are: {simple}, and casts, choices, powers of integers with a known exponent that is not negative.
Two differ from NumPy on some machines only: floats that no integer of the target stands for become the least integer,
and of two zeros of different sign `fmax` and `fmin` give the second, as `maximum` and `minimum` do.
"""


def largest(name: str, dtype: np.dtype, size: int) -> float:
    """The largest error of a function of one argument."""
    run = unary(name, dtype, 8)
    found = 0.0
    for x in measured.samples(dtype, size).values():
        with np.errstate(all="ignore"):
            want = measured.REFERENCES[name](x.astype(measured.LONG))
        found = max(found, measured.units(run(x), want).max())
    return found


def largest_of_two(name: str, dtype: np.dtype) -> float:
    """The largest error of a function of two arguments."""
    run = compiled([(name, [0, 1], dtype)], [dtype, dtype], dtype, 8)
    found = 0.0
    for pair in measured.pairs(60_000).values():
        with np.errstate(all="ignore"):
            x, y = (np.abs(v).astype(dtype) if name.startswith("log") else v.astype(dtype) for v in pair)
            want = getattr(np, name)(x.astype(measured.LONG), y.astype(measured.LONG))
        found = max(found, measured.units(run(x, y), want).max())
    return found


def page(size: int = 100_000) -> str:
    """The text of the page."""
    both, two = (measured.DOUBLE, measured.SINGLE), ("arctan2", "hypot", "logaddexp", "logaddexp2", "power")
    # The references of the error functions take long.
    counts = {name: 4_000 if name.startswith("erf") else size for name in measured.UNARY}
    rows = [(name, *(largest(name, d, count) for d in both)) for name, count in counts.items()]
    rows += [(name, *(largest_of_two(name, d) for d in both)) for name in two]
    table = "\n".join(f"| `{n}` | {double:.2f} | {single:.2f} |" for n, double, single in sorted(rows))
    simple = ", ".join(f"`{n}`" for n in sorted([*SIMPLE, "ldexp"]))
    return HEAD.format(size=size) + table + "\n" + TAIL.format(simple=simple)


if __name__ == "__main__":
    (ROOT / "docs" / "native_functions.md").write_text(page(), encoding="utf-8")
