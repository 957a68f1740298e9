"""The native entry of a plan: how a call's arguments reach the kernel, and its results the caller."""
