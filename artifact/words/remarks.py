"""A user's own words about a version or a promotion, as the store and the log keep them and as terminals show them."""

from __future__ import annotations

import unicodedata
from typing import Any

from artifact.errors import DataError

LONGEST = 500
# Control characters, which may move the cursor or change colours, marks that turn the direction of writing, and halves
# of characters. Joiners are of the second kind too, and some scripts and emoji need them.
_UNWANTED = ("Cc", "Cf", "Cs")
_JOINERS = "\u200c\u200d"


def remark(text: Any, option: str) -> str:
    """A text that a user gives, on one line and without control characters.

    Args:
        text: the text.
        option: name of the option or the argument, ``note`` or ``why``.

    Raises:
        DataError: it is no text, or it is longer than 500 characters.
    """
    if not isinstance(text, str):
        raise DataError(
            f"Expected '{option}' as a text. Received: {text!r}. Leave it out where there is nothing to say."
        )
    line = one_line(text)
    if len(line) > LONGEST:
        raise DataError(
            f"Expected a --{option} of up to {LONGEST} characters. Received: {len(line):,}. Say it in fewer words."
        )
    return line


def one_line(text: str) -> str:
    """A text on one line, without control characters.

    Example:
        >>> one_line("  new\\nrows \\x1b[31m")
        'new rows [31m'
    """
    line = " ".join(text.split())
    return " ".join("".join(char for char in line if _is_wanted(char)).split())


def _is_wanted(char: str) -> bool:
    return unicodedata.category(char) not in _UNWANTED or char in _JOINERS
