"""Unpacks gzip and zstd bodies in small pieces up to a limit, so that a bomb ends early, in little memory."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

import zstandard

from service.wire.errors import BodyFormatError, MediaTypeError, TooLargeError

_PIECE = 65_536
# A zstd block of a few bytes unpacks to 128 KiB. Small inputs bound the size of each output.
_ZSTD_FEED = 256
# A frame that needs more memory than this to unpack is refused, as RFC 8878 recommends.
_ZSTD_WINDOW = 8 * 2**20
_GZIP = 31


class Unpacker:
    """Unpacks a body that arrives in pieces.

    Args:
        encoding: the request's Content-Encoding.
        limit: most unpacked bytes, or None for a stream that is consumed as it comes.

    Raises:
        MediaTypeError: the encoding is unknown.
    """

    def __init__(self, encoding: str, limit: int | None) -> None:
        if encoding not in ("identity", "gzip", "zstd"):
            raise MediaTypeError(f"Expected Content-Encoding 'gzip', 'zstd' or none. Received: '{encoding[:100]}'.")
        self._encoding = encoding
        self._limit = limit
        self._size = 0
        self._state = self._new_state()
        self._in_frame = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Unpack ``data``; yields the pieces.

        Raises:
            TooLargeError: more than ``limit`` bytes have been unpacked.
            BodyFormatError: ``data`` is not what the encoding says.
        """
        if self._encoding == "identity":
            pieces = iter((data,))
        else:
            pieces = self._gzip(data) if self._encoding == "gzip" else self._zstd(data)
        for piece in pieces:
            self._size += len(piece)
            if self._limit is not None and self._size > self._limit:
                raise TooLargeError(f"Expected a body of at most {self._limit} bytes when unpacked. Received: more.")
            if piece:
                yield piece

    def finish(self) -> None:
        """Check that the body is complete, after the last byte.

        Raises:
            BodyFormatError: the body ends too soon.
        """
        if self._encoding != "identity" and (self._in_frame or not self._size):
            raise BodyFormatError(f"Expected a whole {self._encoding} body. Received: a part of one.")

    def _new_state(self) -> zlib._Decompress | zstandard.ZstdDecompressionObj:
        if self._encoding == "zstd":
            return zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW).decompressobj()
        return zlib.decompressobj(_GZIP)

    def _gzip(self, data: bytes) -> Iterator[bytes]:
        more = bool(data)
        while more:
            self._in_frame = True
            try:
                piece = self._state.decompress(data, _PIECE)  # type: ignore[call-arg]
            except zlib.error as error:
                raise BodyFormatError(f"Expected a gzip body. Received: {error}.") from None
            yield piece
            if self._state.eof:
                data = self._state.unused_data
                # A gzip file may hold several streams, one after the other.
                self._state, self._in_frame = self._new_state(), False
                more = bool(data)
            else:
                data = self._state.unconsumed_tail
                # After a full piece the decompressor may hold more output, although no input is left.
                more = bool(data) or len(piece) == _PIECE

    def _zstd(self, data: bytes) -> Iterator[bytes]:
        view = memoryview(data)
        while view:
            self._in_frame = True
            part, view = bytes(view[:_ZSTD_FEED]), view[_ZSTD_FEED:]
            try:
                yield self._state.decompress(part)
            except zstandard.ZstdError as error:
                raise BodyFormatError(f"Expected a zstd body. Received: {error}.") from None
            if self._state.eof:
                view = memoryview(self._state.unused_data + bytes(view))
                self._state, self._in_frame = self._new_state(), False


def pack(body: bytes, encoding: str) -> bytes:
    """Compress an answer's body as ``gzip`` or ``zstd``; the work is fast, and the result could be smaller."""
    if encoding == "zstd":
        return zstandard.ZstdCompressor(level=1).compress(body)
    return zlib.compress(body, 1, _GZIP)
