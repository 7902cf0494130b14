"""A table made ready to fit: held in memory, or streamed from disk in chunks."""
