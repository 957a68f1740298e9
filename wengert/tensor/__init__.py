"""Tensors that record as they run: the same nodes, rules and sweep as every other trace, with a root that stays alive.

Imports core, ops, numpy_api. Invariant: a Tensor's value is never written to while anybody else holds it.
"""
