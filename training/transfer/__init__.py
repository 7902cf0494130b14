"""Starting from an earlier version: its settings, statistics and weights where they agree with a new table."""
