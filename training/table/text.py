"""Turns a file's bytes into UTF-8. The bytes show compression and encoding; the file's name does not count."""

from __future__ import annotations

import bz2
import codecs
import gzip
import lzma
import re
import zlib
from collections.abc import Callable
from pathlib import Path

from artifact.errors import DataError

# First bytes of compressed files, and the function that decompresses them.
_COMPRESSIONS: dict[bytes, Callable[[bytes], bytes]] = {
    b"\x1f\x8b": gzip.decompress,
    b"BZh": bz2.decompress,
    b"\xfd7zXZ\x00": lzma.decompress,
    b"\x28\xb5\x2f\xfd": lambda data: _zstd(data),
}
# The longer marks come first: UTF-32's mark begins like UTF-16's.
_MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
PIECE = 1 << 24
# So many bytes of lines that are no UTF-8 are enough to judge their encoding.
_JUDGED = 1 << 16
# Encodings in which tables come.
_KNOWN = (
    *("cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "koi8_r", "mac_roman", "cp850"),
    *("cp932", "gb18030", "big5", "euc_jp", "cp949"),
)
# Encodings that a message always shows.
_USUAL = ("cp1252", "cp1250", "cp1251", "cp932", "gb18030")
_WORD = re.compile(r"[^\s,;|\"]*[^\x00-\x7f][^\s,;|\"]*")
_FOREIGN = re.compile(r"[^\x00-\x7f]")
# Signs of units, money and typography that stand beside plain ASCII words: '°C', 'm²', '5 €'.
_PLAIN_SIGNS = re.compile("[\u00a0\u00a3\u00a7\u00b0-\u00b3\u00b5\u00b7\u00bc-\u00be\u00d7\u2013-\u201d\u2026\u20ac]")
_LETTER = "a-zA-Z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u00ff"
_SIGNS = (
    "\u00a1-\u00a9\u00ac-\u00b4\u00b6\u00b8\u00b9\u00bc-\u00bf\u00d7\u00f7\u0192\u02c6\u02dc\u2020-\u2022\u2030\u2122"
)
_QUOTES = "\u00a0\u2018\u201a\u201c-\u201e\u2026\u2039\u203a"
# Signs that a text is not Windows-1252: signs within or before a word ('³' in 'Wroc³aw', which is Polish), several
# signs side by side, capitals after small letters.
_ODD = re.compile(
    f"[{_LETTER}][{_SIGNS}{_QUOTES}][{_LETTER}]|[\u00a2-\u00a6\u00a8\u00ac\u00af\u00b3\u00b4\u00b8\u00b9][a-z\u00df-\u00ff]"
    f"|[{_SIGNS}][{_SIGNS}]|[a-z\u00df-\u00ff][\u00c0-\u00de\u0152\u0160\u0178\u017d]|\u0178"
)
_LETTERS = re.compile(r"[^\W\d_]{3,}")
# Rare Western letters; in Macintosh's encoding their bytes are frequent letters: 'Kšln' is 'Köln' there.
_RARE = re.compile("[\u0160\u0161\u017d\u017e]")


def decompressed(data: bytes, path: object) -> bytes:
    """A file's bytes, decompressed if they were compressed by gzip, bzip2, xz or Zstandard.

    Raises:
        DataError: the compressed bytes are damaged or cut short.
    """
    for mark, decompress in _COMPRESSIONS.items():
        if data.startswith(mark):
            try:
                return decompress(data)
            except (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError) as error:
                raise DataError(f"Expected {path} to be compressed and whole. Received: {error}.") from error
    return data


def as_utf8(data: bytes, encoding: str | None, path: Path, notes: list[str]) -> bytes:
    """A text file's bytes in UTF-8, without a byte order mark.

    Args:
        data: the file's bytes.
        encoding: the user's choice, or None: then the bytes decide.
        path: the file's name in messages.
        notes: list that gets a sentence where the bytes decided.

    Raises:
        DataError: the bytes are no text of the encoding, or their encoding is not sure.
    """
    if encoding is not None:
        return _recoded(data, encoding, path, "as --encoding says")
    for mark, name in _MARKS.items():
        if data.startswith(mark):
            if name == "utf-8":
                data = data[len(mark) :]
                break
            notes.append(f"{path} is read as {name.upper()}, as its first bytes say.")
            return _recoded(data, name, path, "as its first bytes say")
    if wide := _wide(data[:4096]):
        notes.append(f"{path} is read as {wide.upper()}: every other byte is zero.")
        return _recoded(data, wide, path, "as every other byte is zero")
    if b"\0" in data[:_JUDGED]:
        raise DataError(f"Expected {path} to be a text file. Received: bytes that are no text.")
    at = _first_bad(data)
    return data if at is None else _western(data, at, path, notes)


def line_of(data: bytes, at: int) -> int:
    """The line, from 1, of the byte at position ``at``."""
    return data.count(b"\n", 0, at) + 1


def _recoded(data: bytes, encoding: str, path: Path, why: str) -> bytes:
    try:
        return data.decode(encoding).removeprefix("\ufeff").encode("utf-8")
    except UnicodeError as error:
        at = error.start if isinstance(error, UnicodeDecodeError) else 0
        received = f"byte 0x{data[at]:02x} in line {line_of(data, at)}" if at < len(data) else "cut off"
        raise DataError(
            f"Expected {path} to be readable as {encoding}, {why}. Received: {received}. "
            "Say what it is: --encoding utf-8, utf-16, cp1252, ..."
        ) from error


def _wide(data: bytes) -> str | None:
    """The name of the UTF-16 encoding of bytes without a mark, judged by the zeros beside ASCII's letters, or None."""
    pairs = len(data) // 2
    even, odd = data[: 2 * pairs : 2].count(0), data[1 : 2 * pairs : 2].count(0)
    if pairs and odd > 0.6 * pairs and even < 0.05 * pairs:
        return "utf-16-le"
    return "utf-16-be" if pairs and even > 0.6 * pairs and odd < 0.05 * pairs else None


def _first_bad(data: bytes) -> int | None:
    """Position of the first byte that is no UTF-8, or None. Decoding it whole would take several times its size."""
    start = 0
    while start < len(data):
        piece = data[start : start + PIECE]
        last = start + len(piece) == len(data)
        try:
            _, used = codecs.utf_8_decode(piece, "strict", last)
        except UnicodeDecodeError as error:
            return start + error.start
        start += used
    return None


def _western(data: bytes, at: int, path: Path, notes: list[str]) -> bytes:
    """The text read as Windows-1252, which includes Latin-1's letters, if its words look Western.

    Raises:
        DataError: they do not; the message shows some words as several encodings read them.
    """
    judged = _foreign_lines(data)
    western = _reading(judged, "cp1252")
    matches = _likely(judged)
    if western is not None and _is_western(western, judged, matches):
        notes.append(
            f"{path} is read as Windows-1252 (cp1252), such as '{_word(western)}'; if that is wrong, give --encoding."
        )
        return _recoded(data, "cp1252", path, "as its letters are")
    readings: dict[str, str] = {}
    for name in dict.fromkeys((*matches[:2], *_USUAL)):
        words = _WORD.findall(_reading(judged, name) or "")
        example = " ".join(words[:3])[:40]
        if example and example not in readings.values():
            readings[name] = example
    listed = ", ".join(f"'{words}' in {name}" for name, words in readings.items())
    raise DataError(
        f"Expected {path} to be UTF-8. Received: other bytes, first in line {line_of(data, at)}, whose words would be "
        f"{listed or 'readable in no encoding that tables come in'}. Say which encoding is right: --encoding NAME."
    )


def _is_western(western: str, judged: bytes, matches: list[str]) -> bool:
    """Whether bytes are Windows-1252: their words look Western, and cp1250 or the likeliest encoding reads the same."""
    if not _plausible(western) or _RARE.search(western):
        return False
    if not _FOREIGN.search(_PLAIN_SIGNS.sub("", western)):
        return True
    if western == _reading(judged, "cp1250"):
        return True
    readings = (_reading(judged, name) for name in matches)
    return western == next((text for text in readings if text is not None and _plausible(text)), None)


def _plausible(text: str) -> bool:
    """Whether words look Western: most letters are ASCII, and no sign stands within a word."""
    words = _LETTERS.findall(text)
    return not _ODD.search(text) and all(2 * len(_FOREIGN.findall(word)) <= len(word) for word in words)


def _foreign_lines(data: bytes) -> bytes:
    """The first lines with bytes beyond ASCII."""
    lines, size = [], 0
    for match in re.finditer(rb"[^\n]*[\x80-\xff][^\n]*", data):
        lines.append(match.group())
        size += len(lines[-1])
        if size > _JUDGED:
            break
    return b"\n".join(lines)


def _likely(data: bytes) -> list[str]:
    """Names of likely encodings, at least one, the likeliest first."""
    from charset_normalizer import from_bytes

    return [match.encoding for match in from_bytes(data, cp_isolation=list(_KNOWN))] or ["cp1252"]


def _reading(data: bytes, encoding: str) -> str | None:
    try:
        return data.decode(encoding)
    except UnicodeError:
        return None


def _word(text: str) -> str:
    """The first word with a letter beyond ASCII."""
    match = _WORD.search(text)
    return match.group()[:40] if match else ""


def _zstd(data: bytes) -> bytes:
    import zstandard

    try:
        with zstandard.ZstdDecompressor().stream_reader(data, read_across_frames=True) as reader:
            return reader.read()
    except zstandard.ZstdError as error:
        raise ValueError(str(error)) from error
