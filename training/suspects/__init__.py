"""Suspicions: columns that look like leaks or keys, and values that hold most of a variance; each gives a note only."""
