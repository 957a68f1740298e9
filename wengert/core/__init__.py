"""What a program is: types, operations, nodes, graphs, traces, containers and error texts.

Imports NumPy and the standard library only; every other room stands on this one.
Invariant: nothing here knows a particular operation, so a new one never touches this room.
"""
