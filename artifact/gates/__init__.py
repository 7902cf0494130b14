"""Gates: what a version must pass before it goes live, each with a figure and a limit; they need NumPy alone."""
