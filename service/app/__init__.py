"""The operations, the app that answers by them, and what stands before it."""
