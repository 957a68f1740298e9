"""A module whose names change: before, during and after a trace."""

import numpy as np
from numpy import zeros

late = None
ours = zeros


def read():
    return zeros(3)


def rebind(value):
    global zeros
    zeros = value
    return zeros


def import_globally():
    global late
    import numpy as late

    return late.zeros(3)


def copy_name():
    global copied
    copied = np.zeros
    return copied(3)


def steps():
    for n in range(3):
        yield np.zeros(n)


def add_to_numpy(value):
    np.wengert_test_attribute = value
    return np.wengert_test_attribute
