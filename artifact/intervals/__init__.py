"""Prediction intervals: fitted on rows that the network has not seen, applied to each answer."""
