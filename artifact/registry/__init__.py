"""Where versions are stored, which of them is live, and which may be deleted."""
