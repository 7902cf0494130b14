"""Exact solutions of the families without a hidden layer: what they minimise is convex."""
