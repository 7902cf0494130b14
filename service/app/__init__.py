"""The operations, the app that answers requests by them, and the layers before the app."""
