"""The commands: one thin file for each group, which imports what it needs when it runs."""
