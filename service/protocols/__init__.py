"""One thin file for each wire protocol, which reads requests and writes answers; and the record of an operation."""
