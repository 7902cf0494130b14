"""The processes of one service: the parent's checks before workers start, and the workers' logs, states and ends."""
