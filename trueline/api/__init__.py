"""The Python API: train a model, load, evaluate, compare and promote one, and make new versions of it."""
