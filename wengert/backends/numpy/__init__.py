"""The reference backend: NumPy itself, step by step, in the memory that the plan says.

Imports core, ops, plan. Invariant: the same bits as running the recorded program directly.
"""
