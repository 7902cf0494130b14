"""Bytes in and out: HTTP, compression, keys and request ids; and every error with its status."""
