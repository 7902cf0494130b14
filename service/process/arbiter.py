"""BentoML's parent of the workers, with three more rules: about ports, hopeless starts, and too many workers.

Only the parent process imports this module.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bentoml._internal.utils.circus import Arbiter
from bentoml.exceptions import BentoMLException

from artifact.errors import NotFoundError, TruelineError
from service.live.choice import CHOICE, Choice
from service.live.source import SeveralModelsError, Source
from service.process import ports
from service.process.deaths import Deaths
from service.process.fleet import WORKERS, Fleet
from service.process.orphan import PARENT
from service.process.started import StartedWorkers
from service.settings.settings import Settings
from service.wire.errors import StartError

logger = logging.getLogger("bentoml.trueline")

# BentoML's arbiter looks for dead workers every 10 s. With one worker, nobody would answer for so long.
_CHECK_SECONDS = 1.0
_AGAIN_SECONDS = 0.2
# At most this many times the expected number of workers may run. If more run, circus has lost sight of some.
_MOST_TIMES = 2
_CANNOT_START = "No worker can start; the lines above say why."


class ServiceArbiter(Arbiter):
    """The parent of one service's workers.

    Args:
        settings: settings of the service.
        source: makes the source that finds the model, from the choice that all workers share.
        watchers, more: arguments of BentoML's arbiter, passed on.
    """

    def __init__(
        self, settings: Settings, source: Callable[[Choice], Source], watchers: list[Any], **more: Any
    ) -> None:
        super().__init__(watchers, **{**more, "check_delay": _CHECK_SECONDS})
        self._settings = settings
        self._source = source
        self._grpc_port: socket.socket | None = None
        self._fault: str | None = None
        self._started = StartedWorkers()
        metrics = watchers[-1].env.get("PROMETHEUS_MULTIPROC_DIR")
        self._metrics = None if metrics is None else Path(metrics)
        self._deaths = Deaths(Fleet(None if self._metrics is None else self._metrics / WORKERS).living_workers)
        for watcher in watchers:
            watcher.hooks["before_spawn"] = self._may_start
            watcher.hooks["after_spawn"] = self._has_started
            watcher.hooks["after_reap"] = self._count_death
            watcher.env[PARENT] = str(os.getpid())
        self._take_signals()

    def start(self, cb: Callable[[Any], Any] | None = None) -> None:
        """Start the workers, and return when the service has ended.

        Raises:
            BentoMLException: the service cannot start. BentoML's command prints the message and exits with 1.
        """
        try:
            self._take_ports()
            self._choose_model()
        except TruelineError as error:
            raise BentoMLException(str(error)) from None
        try:
            super().start(cb)
        except RuntimeError:  # circus raises it when no worker runs and none may be started
            self._fault = self._fault or _CANNOT_START
        finally:
            if self._grpc_port is not None:
                self._grpc_port.close()
        if self._fault is not None:
            self._started.end()
            raise BentoMLException(self._fault)

    def manage_watchers(self) -> Any:
        """Reap the workers that died and start others; circus calls this each second."""
        self._deaths.forget()
        return super().manage_watchers()

    def _take_signals(self) -> None:
        handlers = self.ctrl.sys_hdl
        for name in ("int", "term", "quit", "hup"):
            setattr(handlers, f"handle_{name}", lambda: self.loop.add_callback_from_signal(self._end))
        # A service that nohup started must outlive its terminal.
        if handlers._old.get(signal.SIGHUP) == signal.SIG_IGN:
            signal.signal(signal.SIGHUP, signal.SIG_IGN)

    def _end(self) -> None:
        # circus refuses to stop while it starts or reaps workers, and does not remember the request.
        self.ctrl.sys_hdl.quit()
        if not self._stopping:
            self.loop.call_later(_AGAIN_SECONDS, self._end_unless_ending)

    def _end_unless_ending(self) -> None:
        if not self._stopping:
            self._end()

    def _take_ports(self) -> None:
        grpc = self._settings.grpc_port
        for listener in self.sockets.values():
            if listener.is_unix:
                continue
            if listener.port == grpc:
                raise StartError(
                    f"TRUELINE_GRPC_PORT: Expected another port than the one of HTTP. Received: {grpc} for both."
                )
            ports.check("HTTP", listener.host, listener.port)
        if grpc is not None:
            self._grpc_port = ports.reserve("TRUELINE_GRPC_PORT", self._settings.grpc_host, grpc)

    def _choose_model(self) -> None:
        choice = Choice(None if self._metrics is None else self._metrics / CHOICE)
        try:
            self._source(choice).choose()
        except SeveralModelsError:
            raise
        except NotFoundError:
            pass  # An empty store, or no champion yet: the service waits, and its workers say so.

    def _may_start(self, **_more: Any) -> bool:
        """Whether one more worker may be started. circus asks before each start, and ends if the answer is no.

        circus believes that a worker has ended if ``/proc`` does not show it. Where ``/proc`` is not mounted, circus
        would start another worker each second until no memory is left.
        """
        expected, running = sum(watcher.numprocesses for watcher in self.iter_watchers()), self._started.running()
        if running < _MOST_TIMES * expected:
            return True
        self._fault = (
            f"Expected at most {expected} worker processes. Received: {running} that run, of which /proc does not show "
            "all. Mount /proc, and start the service again."
        )
        return False

    def _has_started(self, pid: int = 0, **_more: Any) -> bool:
        """Count a worker that was started; circus calls this, and keeps the worker if the answer is true."""
        self._started.add(pid)
        return True

    def _count_death(self, exit_code: int = 0, **_more: Any) -> None:
        """Count a worker that ended, and end the service if no worker can start; circus calls this."""
        if not self._stopping and self._deaths.add(exit_code):
            self._fault = _CANNOT_START
            for watcher in self.iter_watchers():
                watcher.respawn = False  # circus ends when no worker runs and none may be started
