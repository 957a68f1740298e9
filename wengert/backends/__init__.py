"""What runs plans. Imports core, ops, plan. Invariant: every backend gives what the NumPy one
gives, or refuses."""
