"""Trueline: a table in, a live prediction API out."""
