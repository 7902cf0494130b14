"""The service's counts, and the text of /metrics for all workers."""
