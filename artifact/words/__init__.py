"""Writes numbers, results and wrong settings in words, and cleans what users write."""
