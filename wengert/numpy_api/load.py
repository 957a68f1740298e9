"""Fills the tables: importing this file imports every file that registers something.

Imports all of this room. Invariant: after it every name in ``coverage`` has its implementation.
"""

from wengert.numpy_api import attributes as attributes
from wengert.numpy_api import functions_reduce as functions_reduce
from wengert.numpy_api import methods as methods
from wengert.numpy_api import twins_converters as twins_converters
from wengert.numpy_api import twins_makers as twins_makers
from wengert.numpy_api import twins_objects as twins_objects
from wengert.numpy_api import ufuncs as ufuncs
from wengert.numpy_api.install import install as install
