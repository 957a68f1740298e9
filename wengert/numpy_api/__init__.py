"""How NumPy, SciPy and math names reach the operations: handles, protocols, twins, composed functions.

Imports core and ops. Invariant: what leaves this room from traced inputs is a handle, a
boolean or integer value, or an error.
"""
