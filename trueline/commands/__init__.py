"""The commands: one thin file a group, which imports what it needs when it runs."""
