"""Fills the tables: importing this file imports every file that registers something.

Imports all of this room. Invariant: after it every name in ``coverage`` has its implementation.
"""

from wengert.numpy_api import attributes as attributes
from wengert.numpy_api import functions_contract as functions_contract
from wengert.numpy_api import functions_elementwise as functions_elementwise
from wengert.numpy_api import functions_fft as functions_fft
from wengert.numpy_api import functions_join as functions_join
from wengert.numpy_api import functions_linalg as functions_linalg
from wengert.numpy_api import functions_nan as functions_nan
from wengert.numpy_api import functions_pad as functions_pad
from wengert.numpy_api import functions_polynomial as functions_polynomial
from wengert.numpy_api import functions_questions as functions_questions
from wengert.numpy_api import functions_reduce as functions_reduce
from wengert.numpy_api import functions_scan as functions_scan
from wengert.numpy_api import functions_select as functions_select
from wengert.numpy_api import functions_sets as functions_sets
from wengert.numpy_api import functions_shape as functions_shape
from wengert.numpy_api import functions_sort as functions_sort
from wengert.numpy_api import functions_statistics as functions_statistics
from wengert.numpy_api import methods as methods
from wengert.numpy_api import twins_converters as twins_converters
from wengert.numpy_api import twins_makers as twins_makers
from wengert.numpy_api import twins_math as twins_math
from wengert.numpy_api import twins_objects as twins_objects
from wengert.numpy_api import ufuncs as ufuncs
from wengert.numpy_api.install import install as install
