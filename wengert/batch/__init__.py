"""The batching transform behind ``vmap``: a recorded row becomes a computation on all rows at once.

Imports core and ops. Invariant: row b of every batched value is what the function gives on row b alone.
"""
