"""NumPy's functions, one file per family: what each does when it meets a traced value."""
