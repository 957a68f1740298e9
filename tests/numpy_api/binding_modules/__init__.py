"""Modules of an imaginary user: each binds NumPy's names in another way."""
