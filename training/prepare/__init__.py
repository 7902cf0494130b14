"""Prepares a table for the fit, in memory or streamed from disk in chunks."""
