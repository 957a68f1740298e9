"""Functions that stand in for those which NumPy's protocols cannot reach, while a trace runs."""
