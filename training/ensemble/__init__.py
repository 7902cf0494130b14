"""Mixes of several families, and one small network that is taught by an ensemble."""
