"""When each value of a graph is made, where it lives, and when its memory is free again.

Imports core, ops. Invariant: a plan computes exactly what its graph says, in an order in which
nothing guarded runs before its guard."""
