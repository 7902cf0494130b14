"""The processes of one service: checks before the workers start, and the log, the state and the end of each worker."""
