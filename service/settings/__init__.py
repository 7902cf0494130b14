"""The environment's settings, and what some of them may hold."""
