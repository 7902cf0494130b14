"""Several families mixed, and one small network taught by the others."""
