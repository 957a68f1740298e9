"""Native code: a graph in index form, its loop nests, their LLVM text, and the machine code behind one entry.

llvmlite is optional and imported in ``engine`` only. Invariant: whatever has no native form stays a step of the NumPy
interpreter; no result differs by more than the rounding of its elementary functions and sums."""
