"""Reads a column's texts as values of its feature; a text that cannot be read stays, so that a fault can name it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from artifact.rows.schema import Feature
from artifact.rows.texts.booleans import read_boolean
from artifact.rows.texts.dates import read_moment
from artifact.rows.texts.format import PLAIN
from artifact.rows.texts.numbers import read_number
from artifact.rows.texts.plain import SPACES, clean_text, is_marker


def read_texts(feature: Feature, texts: Iterable[str | None]) -> list[Any]:
    """Values as :meth:`artifact.rows.encoding.Encoder.encode_columns` takes them.

    Args:
        feature: what the column is, and how its texts are written.
        texts: the column's texts as they stand in the table; None is missing.

    Returns:
        Floats, booleans, ``datetime64[us]`` or texts, None where missing. A text that does not fit the kind stays as it
        is.
    """
    text_format = feature.text or PLAIN
    cache: dict[str | None, Any] = {None: None}
    values = []
    for text in texts:
        if text not in cache:
            if len(cache) > _CACHE_SIZE:
                cache = {None: None}
            cache[text] = read_text(feature, text or "", text_format)
        values.append(cache[text])
    return values


# Texts that repeat are read once; a column of different texts must not be in memory twice.
_CACHE_SIZE = 4096


def read_text(feature: Feature, text: str, text_format: Any = None) -> Any:
    """One value, see :func:`read_texts`."""
    text_format = text_format or feature.text or PLAIN
    if feature.kind == "category":
        stripped = text.strip(SPACES)
        return None if not stripped or stripped in text_format.missing_values else stripped
    cleaned = clean_text(text)
    if is_marker(cleaned, text_format.missing_values, dates=feature.kind == "datetime"):
        return None
    if feature.kind == "boolean":
        value: Any = read_boolean(cleaned)
    elif feature.kind == "datetime":
        micros = read_moment(cleaned, text_format)
        value = None if micros is None else np.datetime64(micros, "us")
    else:
        value = read_number(cleaned, text_format)
        if value is not None and text_format.missing_values and value in missing_numbers(text_format.missing_values):
            return None
    return text if value is None else value


def missing_numbers(missing_values: Iterable[str]) -> list[float]:
    """The numbers among texts that mean "no value"."""
    return [number for text in missing_values if (number := read_number(text, PLAIN)) is not None]
