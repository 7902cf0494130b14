"""From the body of a request to its answers: validation, batches, large requests, and messages for every fault."""
