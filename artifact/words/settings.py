"""What is wrong with a setting, in words."""

from __future__ import annotations

from pydantic import ValidationError


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
