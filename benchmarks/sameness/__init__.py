"""Checks that two checkouts train the same models and answer the same bytes: ``python -m benchmarks.sameness``."""
