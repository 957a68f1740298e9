"""Linear algebra: factorisations, eigenvalues, singular values, norms, and what happens at ties."""
