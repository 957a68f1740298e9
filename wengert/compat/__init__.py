"""Names that other packages use, for scripts written for them.

Imports the public names of wengert. Invariant: nothing here computes; every name leads to what wengert has.
"""
