"""The version that is live in a worker, and the swap to another version."""
