"""What is counted, and the text of /metrics for all workers."""
