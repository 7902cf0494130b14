"""Measures networks and simpler models on rows that they have not seen, and gives the verdict."""
