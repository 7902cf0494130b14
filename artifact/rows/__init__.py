"""What a row is: its schema, how each value is read, and rows as arrays."""
