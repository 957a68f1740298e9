"""The mathematics: every operation with its one derivative fact, one file per family, read like a formula sheet.

Imports core only. Invariant: an operation is one statement of a maker from ``kinds``; nothing else registers
operations.
"""
