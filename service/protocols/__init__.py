"""One thin file for each wire protocol: bytes and headers in, bytes and headers out; and the record of an operation."""
