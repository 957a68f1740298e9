"""The laws that every operation obeys, and the samples they are tried on.

May import every room; nobody imports it. Invariant: what a law compares with does not come from the
rule under test.
"""

from wengert.testing import laws as laws
from wengert.testing import laws_elsewhere as laws_elsewhere
from wengert.testing import laws_record as laws_record
from wengert.testing.laws_backends import backends_agree as backends_agree
from wengert.testing.registry import LAWS as LAWS
from wengert.testing.samples import operations as operations
from wengert.testing.samples import samples_of as samples_of
