"""One thin file for each wire protocol: bytes and headers in, bytes and headers out, no logic."""
