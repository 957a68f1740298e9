"""Fills the tables: importing this file imports every file that registers something.

Imports all of this room. Invariant: after it every name in ``coverage`` has its implementation.
"""

from wengert.numpy_api import attributes as attributes
from wengert.numpy_api import methods as methods
from wengert.numpy_api import ufuncs as ufuncs
from wengert.numpy_api.functions import contract as functions_contract
from wengert.numpy_api.functions import elementwise as functions_elementwise
from wengert.numpy_api.functions import fft as functions_fft
from wengert.numpy_api.functions import join as functions_join
from wengert.numpy_api.functions import linalg as functions_linalg
from wengert.numpy_api.functions import nan as functions_nan
from wengert.numpy_api.functions import pad as functions_pad
from wengert.numpy_api.functions import polynomial as functions_polynomial
from wengert.numpy_api.functions import questions as functions_questions
from wengert.numpy_api.functions import reduce as functions_reduce
from wengert.numpy_api.functions import scan as functions_scan
from wengert.numpy_api.functions import select as functions_select
from wengert.numpy_api.functions import sets as functions_sets
from wengert.numpy_api.functions import shape as functions_shape
from wengert.numpy_api.functions import sort as functions_sort
from wengert.numpy_api.functions import statistics as functions_statistics
from wengert.numpy_api.install import install as install
from wengert.numpy_api.twins import converters as twins_converters
from wengert.numpy_api.twins import makers as twins_makers
from wengert.numpy_api.twins import math as twins_math
from wengert.numpy_api.twins import objects as twins_objects
