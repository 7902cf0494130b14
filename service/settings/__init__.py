"""The settings from environment variables, and the rules for their values."""
