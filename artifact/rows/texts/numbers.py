"""Numbers as text: marks for decimals and thousands, currencies, units, brackets for negatives."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from artifact.rows.texts.format import TextFormat
from artifact.rows.texts.plain import clean_text

_EXPONENT = "(?:[eE][-+]?[0-9]+)?"
_WORDS = "(?i:inf|infinity)"


class NumberPatterns(NamedTuple):
    """Regular expressions for the numbers of one format; Python and polars read them alike.

    Attributes:
        whole: fits the whole of a text that is a number.
        core: its group is the digits and marks of such a text.
        negative: fits the beginning of such a text if its number is below 0.
    """

    whole: str
    core: str
    negative: str


@lru_cache(maxsize=1024)
def number_patterns(text_format: TextFormat) -> NumberPatterns:
    """The patterns of a format's numbers, for texts that :func:`artifact.rows.texts.plain.clean_text` has cleaned."""
    point, mark = re.escape(text_format.decimal), re.escape(text_format.thousands)
    digits = "[0-9]+"
    if text_format.thousands:
        digits = f"(?:[0-9]{{1,3}}(?:{mark}[0-9]{{3}})+|[0-9]+)"
    if text_format.thousands == ",":
        # Lakh and crore are grouped by two: 12,34,567.
        digits = "(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]{1,2}(?:,[0-9]{2})+,[0-9]{3}|[0-9]+)"
    number = f"(?:{digits}(?:{point}[0-9]*)?|{point}[0-9]+){_EXPONENT}"
    prefix = f"(?:{re.escape(text_format.prefix)} ?)" if text_format.prefix else ""
    suffix = f"(?: ?{re.escape(text_format.suffix)})?" if text_format.suffix else ""
    optional = f"{prefix}?" if prefix else ""
    forms = [f"[-+]?{optional}{number}{suffix}"]
    if prefix:
        forms.append(f"{prefix}[-+]{number}{suffix}")
    if text_format.brackets:
        forms += [
            f"\\( ?{optional}{number}{suffix} ?\\)",
            f"{prefix}\\( ?{number} ?\\){suffix}" if prefix else "",
        ]
    if text_format == TextFormat():
        forms.append(f"[-+]?{_WORDS}")
    whole = f"^(?:{'|'.join(form for form in forms if form)})$"
    return NumberPatterns(whole, f"^[-+( ]*{optional}[-+( ]*({number}|{_WORDS})", f"^[-( ]*{optional}[-(]")


@lru_cache(maxsize=1024)
def _compiled(text_format: TextFormat) -> tuple[re.Pattern[str], re.Pattern[str], re.Pattern[str]]:
    whole, core, negative = number_patterns(text_format)
    return re.compile(whole), re.compile(core), re.compile(negative)


def read_number(text: str, text_format: TextFormat) -> float | None:
    """The number that a text gives, or None.

    Args:
        text: any text.
        text_format: how the column's numbers are written.

    Example:
        >>> read_number("1.234,50 €", TextFormat(decimal=",", thousands=".", suffix="€"))
        1234.5
    """
    text = clean_text(text)
    whole, core, negative = _compiled(text_format)
    if whole.match(text) is None:
        return None
    match = core.match(text)
    if match is None:
        return None
    digits = match[1]
    if text_format.thousands:
        digits = digits.replace(text_format.thousands, "")
    if text_format.decimal != ".":
        digits = digits.replace(text_format.decimal, ".")
    value = float(digits)
    return -value if negative.match(text) else value
