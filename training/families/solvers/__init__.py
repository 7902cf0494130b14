"""Exact solutions of the families without a hidden layer: their losses are convex."""
