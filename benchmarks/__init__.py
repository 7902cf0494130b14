"""Measurements of Trueline beside its peers; see README.md for results and the commands that repeat them."""
