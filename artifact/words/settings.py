"""Faults of settings, in words."""

from __future__ import annotations

from pydantic import ValidationError


def setting_sentence(error: ValidationError) -> str:
    """The sentence for a setting that pydantic refused: the rule, then the value."""
    first = error.errors()[0]
    # A union's own names for its choices say nothing to a reader.
    unions = ("constrained-", "tuple[", "literal[")
    path = ".".join(part for part in map(str, first["loc"]) if not part.startswith(unions))
    rule = first["msg"].removeprefix("Value error, ").rstrip(".")
    if not path:
        return f"{rule}."
    if rule.startswith("Input should be "):
        rule = f"Expected '{path}' to be {rule.removeprefix('Input should be ')}"
    else:
        rule = f"Expected another '{path}': {rule[:1].lower()}{rule[1:]}"
    return f"{rule}. Received: {path}={first['input']!r}."
