"""Answers to rows that no network has seen, beside those of simpler models, and the verdict."""
