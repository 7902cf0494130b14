"""Which characters of a text are spaces, minus signs and quotes, and which texts mean "no value"."""

from __future__ import annotations

from collections.abc import Collection

# Python and Rust disagree on what a space is, so this lists them: those of ASCII, the no-break and the thin ones, and
# those without width, which nobody sees in a text that was copied from a web page.
SPACES = (
    "\t\n\x0b\x0c\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u202f\u205f\u3000\ufeff\u200b\u2060"
)
# Typographic characters, and the keyboard's characters in their place.
TYPOGRAPHIC = {
    **dict.fromkeys(SPACES.replace(" ", ""), " "),
    **dict.fromkeys("\u2212\u2010\u2011\u2013\ufe63\uff0d", "-"),
    **dict.fromkeys("\u2019\u02bc\uff07", "'"),
}
_TABLE = str.maketrans(TYPOGRAPHIC)

# What people and programs write for "no value" in a column of numbers, booleans or dates, in lower case. In a column of
# words only the empty field is missing.
USUAL_MARKERS = ("", "na", "n/a", "nan", "-nan", "null", "none", "?", "-", ".")
OTHER_MARKERS = (
    *(
        "<na>",
        "nat",
        "\\n",
        "n.a.",
        "n.a",
        "n/d",
        "nd",
        "nil",
        "(null)",
        "<null>",
        "[null]",
        "(blank)",
        "(empty)",
        "(none)",
    ),
    *("#n/a", "#na", "#n/a n/a", "#div/0!", "#value!", "#ref!", "#name?", "#null!", "#num!", "#error!", "#error"),
    *("#wert!", "#bezug!", "#nv", "#zahl!", "1.#ind", "-1.#ind", "1.#qnan", "-1.#qnan", "+nan", "missing", "unknown"),
    *("not available", "not applicable", "--", "---", "..", "...", "\u2014", "\u2015", "*", "??", "???", "<none>", "#"),
)
_MARKERS = frozenset((*USUAL_MARKERS, *OTHER_MARKERS))
# Databases that cannot hold a missing date write these.
DATE_MARKERS = ("0000-00-00", "0000-00-00 00:00:00", "0000-00-00t00:00:00", "00/00/0000", "00.00.0000", "00-00-0000")
_DATE_MARKERS = _MARKERS | frozenset(DATE_MARKERS)


def clean_text(text: str) -> str:
    """The text without spaces around it; its spaces, minus signs and quotes become those of a keyboard."""
    text = text.strip(SPACES)
    return text if text.isascii() and text.isprintable() else text.translate(_TABLE)


def is_marker(text: str, missing_values: Collection[str] = (), *, dates: bool = False) -> bool:
    """Whether a text, as :func:`clean_text` gives it, means "no value" in a column of numbers, booleans or dates.

    Args:
        text: the text.
        missing_values: further texts that mean so, exactly as they are written.
        dates: whether the column holds dates. Defaults to False.
    """
    return text.lower() in (_DATE_MARKERS if dates else _MARKERS) or text in missing_values
