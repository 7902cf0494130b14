"""The overview of a table before training: each column's facts, and alerts on what a person should look at."""
