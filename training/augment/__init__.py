"""Augmentation of the training rows: which networks get it, what a step does with it, and what it was worth."""
