"""Bytes in and out: HTTP, compression, keys, request ids, and every error with its status."""
