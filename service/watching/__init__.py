"""What was answered, shown beside the requests to whoever watches it."""
