"""Numbers, results and faults of settings, in words."""
