"""Pairs of repeats that differ in augmentation alone, so that its effect is measured and not assumed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

from training.families import networks
from training.objectives.records import listed

Kind = Literal["noise", "mixup"]
# Repeats that share a cut into folds: one without augmentation, one with it.
ALIKE = 2


def paired(kinds: Sequence[str], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of the repeats in pairs: a repeat without augmentation, and beside it a repeat with augmentation.

    Both share dropout, learning rate and folds, so that they differ in augmentation alone. The repeats without it are
    the same as those of a training without this setting.

    Args:
        kinds: kinds of augmentation, at least one.
        settings: resolved ``repeats``, ``dropout``, ``learning_rate``, and an amount or several of each kind.

    Returns:
        The settings to change: twice as many ``repeats``, and lists with one value for each repeat. Nothing changes if
        an amount is 0: then the amounts are such lists already.
    """
    if any(0 in several(settings[kind]) for kind in kinds):
        return {}
    changes: dict[str, Any] = {"repeats": ALIKE * settings["repeats"]}
    for name in ("dropout", "learning_rate"):
        values = several(settings[name])
        if len(values) > 1:
            changes[name] = tuple(value for value in values for _ in range(ALIKE))
    for kind in kinds:
        changes[kind] = tuple(amount for value in several(settings[kind]) for amount in (0.0, value))
    return changes


def names_of(text: str) -> tuple[str, ...]:
    """``noise, mixup`` as its names, each once."""
    return tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))


def check_augment(
    kinds: Sequence[str], settings: Mapping[str, Any], solved: str | None, fields: Mapping[str, Any]
) -> None:
    """Refuse settings that would change nothing.

    Args:
        kinds: kinds of augmentation.
        settings: settings with one or several amounts of each kind.
        solved: the model family, if it is solved for and not trained; else None.
        fields: fields of the settings, with the default of each amount.

    Raises:
        ValueError: augmentation for a solved family or with an amount of 0, or an amount without its augmentation.
    """
    if kinds and solved:
        raise ValueError(
            f"Expected no augment for model={solved}, which is solved for on the rows as they are. "
            f"Received: augment={','.join(kinds)}. Take a network: --model {listed(networks())}."
        )
    for kind in get_args(Kind):
        amount = settings[kind]
        if kind in kinds and not any(several(amount)):
            raise ValueError(f"Expected {kind} above 0 with augment={kind}. Received: {kind}={amount}.")
        if kind not in kinds and amount != fields[kind].default:
            raise ValueError(
                f"Expected --augment {kind} with {kind}={amount}. Received: augment={','.join(kinds) or 'none'}."
            )


def several(setting: float | Sequence[float]) -> tuple[float, ...]:
    """A setting as a tuple, whether it is one value or one for each repeat in turn."""
    return tuple(setting) if isinstance(setting, Sequence) else (setting,)


def amounts_in_words(kinds: Sequence[str], settings: Mapping[str, Any]) -> str:
    """``noise 0.1, mixup 0.2 and 0.4``: the amounts above 0, each once."""
    parts = []
    for kind in kinds:
        amounts = dict.fromkeys(f"{amount:g}" for amount in several(settings[kind]) if amount)
        parts.append(f"{kind} {' and '.join(amounts)}")
    return ", ".join(parts)
