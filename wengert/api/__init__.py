"""Functions of functions: they trace, transform, rewrite, plan and run. The only room that composes the others.

Imports every room below it. Invariant: what comes back is plain NumPy unless an outer trace is running.
"""
