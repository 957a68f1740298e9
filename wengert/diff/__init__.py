"""Derivatives of programs as programs: linearize, transpose, and both modes on recorded graphs.

Imports core, ops. Invariant: what comes out is again a graph of operations, so it can be
differentiated, rewritten and planned."""
