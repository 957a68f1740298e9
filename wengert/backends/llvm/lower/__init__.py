"""From a graph to a program in index form, one file per family of operations."""
