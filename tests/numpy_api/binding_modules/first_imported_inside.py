"""Imported for the first time while a trace runs."""

import math

import numpy as np
from numpy import zeros

KEPT = {"zeros": zeros, "sin": math.sin}
MADE = zeros(2)  # while this module is being loaded, names mean what they always mean


class Holder:
    import numpy as xp

    maker = np.zeros


def setup():
    import numpy as inner

    return inner.zeros


REGISTERED = [setup()]


def use():
    return [zeros(3), np.zeros(3), KEPT["zeros"](3), Holder.maker(3)]
