"""What some settings may hold, and how a value that is not allowed is told."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^/\s?#@]+")
_COMMENT_BEHIND = re.compile(r"^\s*[^\s#].*\s#")


def check_origins(origins: Iterable[str]) -> None:
    """Whether browsers can send these as ``Origin``: it is compared as text, so any other writing would never match.

    Raises:
        ValueError: one that no browser sends.
    """
    for origin in origins:
        if origin not in ("*", "null") and (not _ORIGIN.fullmatch(origin) or origin != origin.lower()):
            raise ValueError(
                "expected origins as browsers send them, such as https://shop.example or http://localhost:8080: in "
                f"lower case, without a path and without a slash at the end; or *. Received: {origin!r}"
            )


def check_paths(paths: Iterable[str]) -> None:
    """Whether these are paths.

    Raises:
        ValueError: one that does not begin with a slash.
    """
    for path in paths:
        if not path.startswith("/"):
            raise ValueError(f"expected paths that begin with a slash. Received: {path!r}")


def key_lines(path: Path) -> list[str]:
    """The lines of a key file that are keys, blank ones among them.

    Raises:
        ValueError: it cannot be read, or a comment stands behind a key. The key itself is not told.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror.lower() if isinstance(error, OSError) and error.strerror else "it is not UTF-8"
        raise ValueError(f"expected a readable file of keys. Received: {path} ({reason})") from error
    for number, line in enumerate(lines, 1):
        if _COMMENT_BEHIND.match(line):
            # It would be a part of the key, and nobody who was given the key would send it.
            raise ValueError(f"expected comments on lines of their own. Received: one behind the key of line {number}")
    return [line for line in lines if not line.lstrip().startswith("#")]


def rule(message: str, received: object) -> str:
    """What pydantic says is wrong with a value, as this project says such things.

    Example:
        >>> rule("Input should be a valid integer, unable to parse string as an integer", "many")
        "Expected a valid integer. Received: 'many'."
        >>> rule("Input should be greater than or equal to 1", 0)
        'Expected a value greater than or equal to 1. Received: 0.'
    """
    ours = message.removeprefix("Value error, ")
    text = ours.partition(", unable to ")[0]
    should = text.removeprefix("Input should be ")
    if should != text:
        text = f"expected {'a value ' if should.startswith(('greater', 'less')) else ''}{should}"
    text = text[:1].upper() + text[1:]
    return f"{text}." if " Received: " in text else f"{text}. Received: {received!r}."
