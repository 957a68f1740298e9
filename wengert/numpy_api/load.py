"""Fills the tables: importing this file imports every file that registers something.

Imports all of this room. Invariant: after it every name in ``coverage`` has its implementation.
"""

from wengert.numpy_api import functions_reduce, methods, ufuncs
from wengert.numpy_api.install import install

__all__ = ["functions_reduce", "install", "methods", "ufuncs"]
