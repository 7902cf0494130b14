"""Settings as a person writes them, and what is wrong with one, as a person reads it."""

from __future__ import annotations

import tomllib
from typing import Any

from pydantic import ValidationError

from artifact.errors import DataError


def setting_sentence(error: ValidationError) -> str:
    """What pydantic found wrong with one setting, as rule and value."""
    first = error.errors()[0]
    # A union's own names for its choices say nothing to a reader.
    unions = ("constrained-", "tuple[", "literal[")
    where = ".".join(part for part in map(str, first["loc"]) if not part.startswith(unions))
    rule = first["msg"].removeprefix("Value error, ").rstrip(".")
    if not where:
        return f"{rule}."
    if rule.startswith("Input should be "):
        rule = f"Expected '{where}' to be {rule.removeprefix('Input should be ')}"
    else:
        rule = f"Expected another '{where}': {rule[:1].lower()}{rule[1:]}"
    return f"{rule}. Received: {where}={first['input']!r}."


def parse_setting(text: str) -> tuple[str, Any]:
    """``key=value`` of ``--set``; the value as TOML reads it, or else as text.

    Raises:
        DataError: no ``=``.
    """
    key, separator, value = text.partition("=")
    if not separator or not key.strip():
        raise DataError(f"Expected --set KEY=VALUE. Received: {text!r}.")
    try:
        return key.strip(), tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return key.strip(), value.strip()
