"""Numbers of a layer's networks among all that share a seed: a network's number alone decides its draws."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def numbers_of(networks: int, first: int, numbers: Sequence[int] | None) -> list[int]:
    """The numbers of a layer's networks, from the layer's arguments.

    Args:
        networks: number of networks.
        first: number of the first network, where the numbers are consecutive.
        numbers: number of each network, or None where they are consecutive.
    """
    return list(range(first, first + networks) if numbers is None else numbers)


def are_consecutive(numbers: Sequence[int]) -> bool:
    """Whether each number is one more than the one before."""
    return list(numbers) == list(range(numbers[0], numbers[0] + len(numbers)))


def config_of(numbers: Sequence[int]) -> dict[str, Any]:
    """The arguments from which :func:`numbers_of` makes these numbers, for a layer's ``get_config``."""
    return {"first": numbers[0]} if are_consecutive(numbers) else {"first": numbers[0], "numbers": list(numbers)}
