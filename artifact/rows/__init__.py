"""Rows: their schema, how each value is read, and rows as arrays."""
