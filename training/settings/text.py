"""Settings as a person writes them."""

from __future__ import annotations

import tomllib
from typing import Any

from artifact.errors import DataError


def parse_setting(text: str) -> tuple[str, Any]:
    """``key=value`` of ``--set``; the value as TOML reads it, or else as text.

    Raises:
        DataError: the text has no ``=``.
    """
    key, separator, value = text.partition("=")
    if not separator or not key.strip():
        raise DataError(f"Expected --set KEY=VALUE. Received: {text!r}.")
    try:
        return key.strip(), tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return key.strip(), value.strip()
