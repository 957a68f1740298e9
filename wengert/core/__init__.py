"""What a program is: types, operations, nodes, graphs, traces, containers and every error text.

Imports NumPy and the standard library only. Invariant: nothing in this room knows a single mathematical operation.
"""

import time

BEGUN = time.time()
"""When this process began to load the package."""
