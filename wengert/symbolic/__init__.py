"""Closed forms: matrix and tensor calculus on terms with named dimensions, and their textbook printing.

May import core, ops, diff, rewrite. Invariant: a term is never changed, and equal terms are the same object.
"""
