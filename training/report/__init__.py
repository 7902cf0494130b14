"""The report of a version: one JSON, one HTML page with its pictures inside, and the pictures as PNG."""
