"""Output for people, on a terminal or in a notebook: consoles, progress and tables."""
