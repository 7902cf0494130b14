"""Work that is ended from outside cleans up behind itself, as it does after Ctrl-C."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from typing import Any

# What a supervisor, a container or a closed terminal sends.
_SIGNALS = ("SIGTERM", "SIGHUP")


class EndedError(BaseException):
    """The process was asked to end. ``exit_code`` is 128 and the signal's number, as a shell has it.

    Args:
        number: of the signal.
    """

    def __init__(self, number: int) -> None:
        self.exit_code = 128 + number
        super().__init__(f"Ended by {signal.Signals(number).name}. Nothing was stored or changed.")


@contextlib.contextmanager
def ended_by_signals() -> Iterator[None]:
    """Within the block SIGTERM and SIGHUP raise, so that helper processes and temporary files go as well.

    A signal that is ignored stays ignored: ``nohup`` is asked for. Outside the main thread nothing changes.

    Raises:
        EndedError: a signal came.
    """
    before: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():
        # Windows has no SIGHUP.
        numbers = [getattr(signal, name) for name in _SIGNALS if hasattr(signal, name)]
        before = {n: signal.signal(n, _raise) for n in numbers if signal.getsignal(n) is signal.SIG_DFL}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _raise(number: int, _: Any) -> None:
    # A second signal, while the first is answered, would stop the cleaning up half-way.
    signal.signal(number, signal.SIG_IGN)
    raise EndedError(number)
