"""Recognises an unreadable body by its first bytes: most such bodies are intact, and sent as another format."""

from __future__ import annotations

BOM = b"\xef\xbb\xbf"
_SIGNS = (
    (BOM, "a byte order mark. Send UTF-8 without one"),
    (b"\xff\xfe", "UTF-16, it seems. Send UTF-8"),
    (b"\xfe\xff", "UTF-16, it seems. Send UTF-8"),
    (b"\x1f\x8b", "gzip. Say so by Content-Encoding: gzip"),
    (b"\x28\xb5\x2f\xfd", "zstd. Say so by Content-Encoding: zstd"),
    (b"PAR1", "a Parquet file. Say so by Content-Type: application/vnd.apache.parquet"),
    (b"ARROW1", "an Arrow file, as Feather is. Write a stream: pyarrow.ipc.new_stream, or write_ipc_stream of polars"),
    (b"\xff\xff\xff\xff", "an Arrow stream. Say so by Content-Type: application/vnd.apache.arrow.stream"),
    (b"PK\x03\x04", "a ZIP file, as .xlsx is. Send its table as CSV"),
)


def looks_like(body: bytes, otherwise: str, *, own: bytes = b"\n") -> str:
    """A description of the received body, with a remedy where one is known.

    Args:
        body: the body.
        otherwise: the description of any other body, without a full stop.
        own: the first bytes of the format that the body was sent as; such a body is damaged. Defaults to no format.

    Example:
        >>> looks_like(b"", "an unexpected end"), looks_like(b"\\x1f\\x8b\\x08", "an unexpected byte")
        ('nothing', 'gzip. Say so by Content-Encoding: gzip')
    """
    if not body:
        return "nothing"
    return next((sign for start, sign in _SIGNS if body.startswith(start) and start != own), otherwise)
