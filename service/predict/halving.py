"""Which of several items make a run of all of them fail."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

Items = TypeVar("Items", bound=Sequence[Any])
Result = TypeVar("Result")


def by_halves(
    items: Items, error: Exception, run: Callable[[Items], Result], alone: Callable[[Items, Exception], Result]
) -> list[Result]:
    """After a run of all items failed: run each half, and each half of one that fails, until those that fail are alone.

    One of n that fails costs at most 2 ceil(log2(n)) runs, and k of them at most k times that.

    Args:
        items: a list, a range, or another sequence whose slices are of its kind.
        error: what the run of all items raised.
        run: what may raise; it is given a slice of the items.
        alone: called with a slice of one item on which ``run`` raised, and the error.

    Returns:
        What ``run`` and ``alone`` returned, in the order of the items.

    Example:
        >>> by_halves([1, 2, 0, 4], ZeroDivisionError(), lambda some: [8 // n for n in some], lambda one, error: [None])
        [[8, 4], [None], [2]]
    """
    if len(items) == 1:
        return [alone(items, error)]
    half = len(items) // 2
    parts: tuple[Any, Any] = (items[:half], items[half:])
    results: list[Result] = []
    for part in parts:
        try:
            results.append(run(part))
            continue
        except Exception as problem:  # noqa: BLE001 - whatever it is, the other items shall not pay for it
            error = problem
        # Outside of the handler, or each error would carry those before it along.
        results.extend(by_halves(part, error, run, alone))
    return results
