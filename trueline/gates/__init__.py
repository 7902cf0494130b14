"""Gates as commands and Python ask them: both versions answer rows, what is promoted goes through the gates."""
