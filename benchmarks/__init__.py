"""Measurements of Trueline and its peers; README.md has results, and the commands that repeat them."""
