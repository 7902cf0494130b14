"""What looks like a leak, a key or one value that holds everything: said aloud, never decided."""
