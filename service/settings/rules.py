"""Rules for the values of some settings, and the message about a value that is not allowed."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^/\s?#@]+")
_COMMENT_BEHIND = re.compile(r"^\s*[^\s#].*\s#")


def check_origins(origins: Iterable[str]) -> None:
    """Check that browsers can send these as ``Origin``. Origins are compared as text, so others would never match.

    Raises:
        ValueError: no browser sends such an origin.
    """
    for origin in origins:
        if origin not in ("*", "null") and (not _ORIGIN.fullmatch(origin) or origin != origin.lower()):
            raise ValueError(
                "expected origins as browsers send them, such as https://shop.example or http://localhost:8080: in "
                f"lower case, without a path and without a slash at the end; or *. Received: {origin!r}"
            )


def check_paths(paths: Iterable[str]) -> None:
    """Check that each path begins with a slash.

    Raises:
        ValueError: a path does not.
    """
    for path in paths:
        if not path.startswith("/"):
            raise ValueError(f"expected paths that begin with a slash. Received: {path!r}")


def key_lines(path: Path) -> list[str]:
    """The lines of a key file except comments; blank lines are among them.

    Raises:
        ValueError: the file cannot be read, or a comment follows a key. The message does not show the key.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror.lower() if isinstance(error, OSError) and error.strerror else "it is not UTF-8"
        raise ValueError(f"expected a readable file of keys. Received: {path} ({reason})") from error
    for number, line in enumerate(lines, 1):
        if _COMMENT_BEHIND.match(line):
            # The comment would be a part of the key, and no client would send it.
            raise ValueError(f"expected comments on lines of their own. Received: one behind the key of line {number}")
    return [line for line in lines if not line.lstrip().startswith("#")]


def rule(message: str, received: object) -> str:
    """Pydantic's message about a wrong value, in this project's grammar.

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
