"""Finds the items that make a run of several items fail."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

Items = TypeVar("Items", bound=Sequence[Any])
Result = TypeVar("Result")


def by_halves(
    items: Items, error: Exception, run: Callable[[Items], Result], alone: Callable[[Items, Exception], Result]
) -> list[Result]:
    """Run halves of the items, and halves of those that fail, until each failing item is alone.

    Call this after a run of all items has failed. One failing item of n costs at most 2 ceil(log2(n)) runs, and k of
    them cost at most k times that.

    Args:
        items: a list, a range, or another sequence whose slices have its own type.
        error: the error of the run of all items.
        run: gets a slice of the items; it may raise.
        alone: gets a slice of one item on which ``run`` raised, and the error.

    Returns:
        The results of ``run`` and ``alone``, in the order of the items.

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
        except Exception as problem:  # noqa: BLE001 - no error of one item may stop the others
            error = problem
        # This call is outside of the handler: inside it, each error would keep the earlier ones as its context.
        results.extend(by_halves(part, error, run, alone))
    return results
