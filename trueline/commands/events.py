"""Events of a command, which ``--on-event`` asks for: each goes as JSON to a shell command or to a URL."""

from __future__ import annotations

import functools
import http.client
import json
import os
import re
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from typing import Any, Literal
from urllib.parse import urlsplit

import click

from artifact.errors import DataError, NotFoundError, RefusedError, TruelineError
from artifact.registry.entry import whoami
from trueline.terminal.consoles import tell_warning

Event = Literal["train", "promote", "rollback", "refusal"]
# A hook that takes longer is ended: a promotion must not wait for a chat server that is down.
SECONDS = 10.0
_URLS = ("http://", "https://")
_OTHER_URL = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)


class Events:
    """Tells a hook what a command did. A hook that fails or hangs gives a warning; the command goes on.

    Args:
        hook: a shell command that gets the JSON on standard input, a URL to which it is posted, or None for no hook.
        command: name of Trueline's command, such as ``promote``.
        seconds: longest time for a hook, which is then given up. Defaults to 10.
    """

    def __init__(self, hook: str | None, command: str, seconds: float = SECONDS) -> None:
        self._hook, self._command, self._seconds = hook, command, seconds
        self._about: dict[str, Any] = {}
        # The last error of which the hook was told.
        self._refusal: TruelineError | None = None

    def about(self, name: str, version: str | None = None) -> None:
        """Set the model and the version that the next event is about, even if that event is a refusal."""
        self._about = {"model_name": name, "model_version": version}

    def tell(self, event: Event, **further: Any) -> None:
        """Tell the hook of an event.

        Args:
            event: what happened.
            further: further keys of the JSON, beside those that say who did it, when, and with which command.
        """
        if self._hook is None:
            return
        now = datetime.now(UTC).isoformat(timespec="seconds")
        document = {"event": event, "when": now, "who": whoami(), "command": self._command, **self._about, **further}
        body = json.dumps(document, allow_nan=False).encode()
        is_url = self._hook.strip().lower().startswith(_URLS)
        problem = (_post if is_url else _run)(self._hook.strip(), body, self._seconds)
        if problem:
            tell_warning(
                f"Expected --on-event to take the event '{event}'. Received: {problem}. The command itself went on."
            )

    @contextmanager
    def refusals(self, *further: type[TruelineError]) -> Iterator[None]:
        """Tell the hook if a refusal ends the block. A name that does not exist is a wrong command, and no refusal.

        Args:
            further: errors that are refusals in this block, beside :class:`artifact.errors.RefusedError`.
        """
        try:
            yield
        except TruelineError as error:
            is_refusal = isinstance(error, (RefusedError, *further)) and not isinstance(error, NotFoundError)
            # Blocks may be inside each other.
            if is_refusal and error is not self._refusal:
                self._refusal = error
                self.tell("refusal", sentence=str(error))
            raise


def check_hook(hook: str) -> None:
    """Check before any work that a hook is a command or a URL to which events can be posted.

    Raises:
        DataError: it is empty, or a URL of another protocol, which a shell would take for a command.
    """
    if not hook.strip():
        raise DataError(
            "Expected --on-event as a shell command or a URL. Received: an empty text. Leave it out for no hook."
        )
    if _OTHER_URL.match(hook.strip()) and not hook.strip().lower().startswith(_URLS):
        raise DataError(
            f"Expected --on-event as a shell command, or as a URL of {' or '.join(_URLS)}. Received: {hook!r}. "
            "Send the event by a command that knows this protocol; it gets the JSON on standard input."
        )


def event_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--on-event``; the command takes it as ``events``. The hook is also told of a refusal that ends the command."""

    @functools.wraps(command)
    def with_events(*args: Any, on_event: str | None, **options: Any) -> Any:
        if on_event is not None:
            check_hook(on_event)
        events = Events(on_event, click.get_current_context().info_name or "")
        with events.refusals():
            return command(*args, events=events, **options)

    return click.option(
        "--on-event",
        metavar="COMMAND|URL",
        help="Report a training, a promotion, a rollback or a refusal: as JSON on the command's standard input, or "
        "posted to the URL. If the report fails, there is only a warning.",
    )(with_events)


def _run(hook: str, body: bytes, seconds: float) -> str:
    """Run a shell command with the JSON on its standard input; returns what went wrong, or nothing."""
    # The hook's output goes to a file and not to a pipe: a child of the hook could keep a pipe open, and we would wait.
    with tempfile.TemporaryFile() as printed:
        words = ["/bin/sh", "-c", hook]
        process = subprocess.Popen(  # noqa: S603
            words, stdin=subprocess.PIPE, stdout=printed, stderr=printed, start_new_session=True
        )
        try:
            process.communicate(body, timeout=seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return f"no end of '{hook}' within {seconds:g} s"
        if not process.returncode:
            return ""
        printed.seek(0)
        lines = printed.read()[-2000:].decode(errors="replace").strip().splitlines()
        return f"exit code {process.returncode} from '{hook}'" + (f": {lines[-1][:200]}" if lines else "")


def _post(url: str, body: bytes, seconds: float) -> str:
    """Post the JSON; returns what went wrong, or nothing."""
    too_late = f"no answer within {seconds:g} s"
    problems = [too_late]

    def post() -> None:
        try:
            place = urlsplit(url)
            kind = http.client.HTTPSConnection if place.scheme == "https" else http.client.HTTPConnection
            path = place.path + (f"?{place.query}" if place.query else "")
            with closing(kind(place.hostname or "", place.port, timeout=seconds)) as connection:
                connection.request("POST", path or "/", body, {"Content-Type": "application/json"})
                with connection.getresponse() as answer:
                    problems[0] = "" if 200 <= answer.status < 300 else f"status {answer.status}"
        except TimeoutError:
            problems[0] = too_late
        except (OSError, ValueError, http.client.HTTPException) as error:
            problems[0] = str(error) or type(error).__name__

    # The time-out of a socket counts for each read alone: it would never end an answer that comes byte by byte.
    thread = threading.Thread(target=post, name="on-event", daemon=True)
    thread.start()
    thread.join(seconds)
    return problems[0]
