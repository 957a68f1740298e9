"""The four ADBench problems (Srajer, Kukelova, Fitzgibbon 2018) as ordinary NumPy programs, with their inputs.

Each module holds one objective, a reader of its files and random inputs of the same sizes. They import NumPy, the
standard library and this folder's `files`. Invariant: no module here knows a differentiation tool.
"""
