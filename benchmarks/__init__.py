"""Measurements of wengert: speed against a peer, cost per operation, memory, writes, import.

`python -m benchmarks.run` measures and rewrites RESULTS.md. Importing this package sets one thread
for every linear-algebra library, which only works before NumPy is loaded: import it first. It
imports the standard library alone.
"""

import os
import sys

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)

ONE_THREAD = "numpy" not in sys.modules
"""True when the thread limits below were set before NumPy read them."""

for variable in THREAD_VARIABLES:
    os.environ[variable] = "1"
