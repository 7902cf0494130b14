"""Writes numbers, results and wrong settings in words."""
