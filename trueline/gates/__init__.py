"""Gates for the commands and the Python API: both versions answer rows, and the gates decide on a promotion."""
