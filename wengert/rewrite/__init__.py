"""Better programs of the same value: a small pattern engine, tables of one-line rules, and the
cleaning that always runs.

Imports core, ops. Invariant: a rewriting changes no finite value by more than rounding, and most
change no bit."""
