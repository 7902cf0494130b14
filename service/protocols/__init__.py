"""One thin file for each wire protocol, from bytes and headers to bytes and headers; and the record of an operation."""
