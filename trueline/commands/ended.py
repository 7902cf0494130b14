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


class EndSignals:
    """The signals that came. A handler's exception is lost where it interrupts a finalizer or a library's callback."""

    def __init__(self) -> None:
        self._number: int | None = None

    def raise_again(self) -> None:
        """Raise for a signal that came earlier and did not end the work.

        Raises:
            EndedError: there was one.
        """
        if self._number is not None:
            raise EndedError(self._number)

    def handle(self, number: int, _: Any) -> None:
        """Answer one signal; called by the interpreter."""
        # A second signal, while the first is answered, would stop the cleaning up half-way.
        signal.signal(number, signal.SIG_IGN)
        self._number = number
        raise EndedError(number)


@contextlib.contextmanager
def ended_by_signals() -> Iterator[EndSignals]:
    """Within the block SIGTERM and SIGHUP raise, so that helper processes and temporary files go as well.

    A signal that is ignored stays ignored: ``nohup`` is asked for. Outside the main thread nothing changes. What is
    given raises again where the work can end well, for a signal whose exception was lost.

    Raises:
        EndedError: a signal came.
    """
    signals = EndSignals()
    before: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():
        # Windows has no SIGHUP.
        numbers = [getattr(signal, name) for name in _SIGNALS if hasattr(signal, name)]
        before = {n: signal.signal(n, signals.handle) for n in numbers if signal.getsignal(n) is signal.SIG_DFL}
    try:
        yield signals
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
