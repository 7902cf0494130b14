"""Ends work at a signal, so that it cleans up as after Ctrl-C."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Self

from artifact.errors import ArtifactError
from artifact.files import unreadable

if TYPE_CHECKING:
    from artifact.manifest import Manifest
    from artifact.registry.base import Reference

# The signals of a supervisor, a container, a closed terminal and Ctrl-C.
_SIGNALS = ("SIGTERM", "SIGHUP", "SIGINT")
GRACE_SECONDS = 5.0
NOTHING = "Nothing was stored or changed."


class EndedError(BaseException):
    """The process was asked to end. ``exit_code`` is 128 plus the signal's number, as in a shell.

    Args:
        number: number of the signal.
        state: what was stored or changed until then. Defaults to saying that nothing was.
    """

    def __init__(self, number: int, state: str = NOTHING) -> None:
        self.exit_code = 128 + number
        reason = "Interrupted" if number == signal.SIGINT else f"Ended by {signal.Signals(number).name}"
        super().__init__(f"{reason}. {state}")


@contextlib.contextmanager
def after_the_change(state: str, deed: str = "print what was done") -> Iterator[None]:
    """What a command prints and waits for when its change is made: no end of the block may deny the change.

    Args:
        state: the change, in a sentence.
        deed: what the block does, after "Expected to". Defaults to printing.

    Raises:
        EndedError: Ctrl-C came.
        ArtifactError: standard output, or whatever else the block writes, cannot be written.
    """
    try:
        yield
    except KeyboardInterrupt:
        raise EndedError(signal.SIGINT, state) from None
    except OSError as error:
        raise ArtifactError(f"Expected to {deed}. Received: {unreadable(error)}. {state}") from error


def champion_state(version: Reference) -> str:
    """The sentence for a command that ends after it has changed what is live."""
    return f"The change is made: {version.name}:{version.version} is the champion of '{version.name}'."


def stored_state(manifest: Manifest) -> str:
    """The sentence for a command that ends after it has stored a version."""
    return f"The version is stored: {manifest.model_name}:{manifest.model_version}."


class EndSignals:
    """The last signal that came within :func:`ended_by_signals`.

    Attributes:
        number: the signal's number, or None.
        state: what was stored or changed, in a sentence. The work sets it once that is not nothing any more.

    An exception from a signal's handler would interrupt the line that happens to run. TensorFlow and Keras would lose
    it, crash, or break if they are being imported. So the work calls :meth:`raise_if_any` where it can end cleanly.
    """

    def __init__(self) -> None:
        self.number: int | None = None
        self.state = NOTHING

    def raise_if_any(self) -> None:
        """End the work if a signal asked for it.

        Raises:
            EndedError: a signal came.
        """
        if self.number is not None:
            raise EndedError(self.number, self.state)


@contextlib.contextmanager
def ended_by_signals(clean: Callable[[], None], grace: float = GRACE_SECONDS) -> Iterator[EndSignals]:
    """Let SIGTERM, SIGHUP and SIGINT end the work in the block, with its helper processes and temporary files.

    The work ends where it calls :meth:`EndSignals.raise_if_any`. If it does not end within ``grace`` seconds
    (TensorFlow may be compiling), or if a second signal comes, a thread cleans up, says so, and ends the process.

    A signal that is ignored stays ignored, as ``nohup`` wants. Outside the main thread nothing changes.

    Args:
        clean: removes half-written files; called in another thread.
        grace: seconds. Defaults to 5, half of what ``docker stop`` gives.

    Raises:
        EndedError: a signal came, and the work called ``raise_if_any`` or ended.
    """
    signals = EndSignals()
    if threading.current_thread() is not threading.main_thread():
        yield signals
        return
    # Windows has no SIGHUP.
    numbers = [getattr(signal, name) for name in _SIGNALS if hasattr(signal, name)]
    numbers = [n for n in numbers if signal.getsignal(n) in (signal.SIG_DFL, signal.default_int_handler)]

    def note(number: int, _: Any) -> None:
        signals.number = number

    with _Watcher(numbers, clean, grace, lambda: signals.state) as watcher:
        before = {number: signal.signal(number, note) for number in numbers}
        # Python runs a handler only between its own instructions; the byte in the pipe comes at once.
        wakeup = signal.set_wakeup_fd(watcher.bell, warn_on_full_buffer=False)
        try:
            yield signals
            signals.raise_if_any()
        finally:
            signal.set_wakeup_fd(wakeup)
            for number, handler in before.items():
                signal.signal(number, handler)


class _Watcher(contextlib.AbstractContextManager["_Watcher"]):
    """A thread that ends the process some time after a signal, unless the block is over by then.

    Attributes:
        bell: the descriptor that takes the number of each signal as a byte.
    """

    def __init__(
        self, numbers: Sequence[int], clean: Callable[[], None], grace: float, state: Callable[[], str]
    ) -> None:
        self._numbers, self._clean, self._grace, self._state = numbers, clean, grace, state
        self._reader, self.bell = os.pipe()
        os.set_blocking(self.bell, False)
        # While TensorFlow loads, standard error is captured: this copy writes to the original.
        self._errors = os.dup(2)
        self._thread = threading.Thread(target=self._watch, name="end", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        # The end of the pipe tells the thread that the block is over.
        os.close(self.bell)
        self._thread.join()
        os.close(self._reader)
        os.close(self._errors)

    def _watch(self) -> None:
        if not (number := self._next_signal()):
            return
        over, _, _ = select.select([self._reader], [], [], self._grace)
        if over and not self._next_signal():
            return
        self._clean()
        error = EndedError(number, self._state())
        # Show the cursor again, which a progress bar hides.
        text = f"\x1b[?25h\n{error}\n" if os.isatty(self._errors) else f"{error}\n"
        os.write(self._errors, text.encode())
        os._exit(error.exit_code)

    def _next_signal(self) -> int:
        """The number of the next signal that ends work, 0 at the end of the block."""
        while byte := os.read(self._reader, 1):
            if byte[0] in self._numbers:
                return byte[0]
        return 0
