"""From a checked body to answers: rows, batches, large requests, and faults in words."""
