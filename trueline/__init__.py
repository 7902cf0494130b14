"""The command line: one thin file a command group, which imports what it needs when it runs."""
