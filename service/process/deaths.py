"""Deaths of workers in a row, by which the parent process knows that no worker can start."""

from __future__ import annotations

from collections.abc import Callable

from service.wire.errors import CANNOT_START

# The service ends after this many deaths in a row of workers that had not begun to load a model.
_MOST_DEATHS = 5


class Deaths:
    """Counts the deaths of workers while no worker lives.

    Args:
        living_workers: gives the number of workers that are alive and have begun to load a model.
    """

    def __init__(self, living_workers: Callable[[], int]) -> None:
        self._living_workers = living_workers
        self._in_a_row = 0

    def add(self, exit_code: int) -> bool:
        """Count the death of a worker, and return whether no worker can start, so that the service has to end.

        Args:
            exit_code: the worker's exit status. A worker that could not start may also end with 0, for uvicorn hides
                the fault.
        """
        if self._living_workers():
            return False
        self._in_a_row += 1
        return exit_code == CANNOT_START or self._in_a_row >= _MOST_DEATHS

    def forget(self) -> None:
        """Begin a new row if a worker lives."""
        if self._in_a_row and self._living_workers():
            self._in_a_row = 0
