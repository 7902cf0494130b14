"""Numbers, results and what is wrong with a setting, in words."""
