"""Yes and no as text."""

from __future__ import annotations

from artifact.rows.texts.plain import clean_text

BOOLEANS = {
    **dict.fromkeys(("true", "t", "yes", "y", "1", "1.0"), True),
    **dict.fromkeys(("false", "f", "no", "n", "0", "0.0"), False),
}


def read_boolean(text: str) -> bool | None:
    """True or False as a text says, whatever the case of its letters; None where it says neither."""
    return BOOLEANS.get(clean_text(text).lower())
