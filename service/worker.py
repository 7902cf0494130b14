"""One worker process: its settings, metrics, live model and batcher, and how a request passes through them."""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
from collections.abc import Callable, Collection, Mapping
from functools import partial
from pathlib import Path

from prometheus_client import CollectorRegistry

from artifact.registry.base import Registry
from artifact.registry.choose import open_registry
from service.live.choice import CHOICE, Choice
from service.live.leasing import Leasing
from service.live.live import Live
from service.live.model import LiveModel
from service.live.source import Source
from service.live.store import StoreWatch
from service.metrics.exposition import render
from service.metrics.metrics import Metrics
from service.predict.batcher import Batcher
from service.predict.inference import Answer
from service.predict.lane import BulkLane
from service.predict.requests import PredictRequest
from service.process.connections import Sweeper
from service.process.descriptors import DescriptorWatch
from service.process.drain import Drain
from service.process.fleet import WORKERS, Fleet
from service.process.orphan import PARENT, ParentWatch
from service.process.standing_back import stand_back
from service.settings.settings import Settings
from service.watching.positions import Positions
from service.watching.tap import Tap
from service.wire.context import client_left
from service.wire.errors import ApiError, NotReadyError
from service.wire.http import Receive

logger = logging.getLogger("bentoml.trueline")

_SWITCH_SECONDS = 0.001
# Workers begin to load a promoted version within this time, each at another moment.
_SPREAD_SECONDS = 1.5


class Worker:
    """The part of one process that serves, without any wire protocol.

    Args:
        settings: see :class:`Settings`.
        registry: the model store.
        metrics: fresh metrics; this worker writes their counts out.
        source: finds the version to serve. Defaults to the store's source, as the settings say.
        metrics_folder: where the metrics of all workers are, or None where this process is the only one.
        expected_workers: how many workers the service has. Defaults to 1.
        parent: number of the process that started this one: when it ends, this worker ends. None where no parent is
            watched.

    Attributes:
        deployment: says which version answers a request; handlers ask it.
        open_requests: number of requests that are being answered, counted by :mod:`service.app.front`.
        read_requests: the server's tasks; each begins when a request's head has been read. None without a server.
        tap: gets every answer, and passes it to the watchers.
    """

    def __init__(
        self,
        settings: Settings,
        registry: Registry,
        metrics: Metrics,
        *,
        source: Source | None = None,
        metrics_folder: Path | None = None,
        expected_workers: int = 1,
        parent: int | None = None,
    ) -> None:
        self.settings = settings
        self.registry = registry
        self.metrics = metrics
        self._metrics_folder = metrics_folder
        self._flush_due = False
        self.open_requests = 0
        self.read_requests: Collection[object] | None = None
        self.fleet = Fleet(None if metrics_folder is None else metrics_folder / WORKERS, expected_workers)
        metrics.readiness.ask = self.is_ready
        self._drain = Drain(settings.drain_seconds, self._begin_drain)
        self._watches = [] if parent is None else [ParentWatch(parent, self._drain.hurry).looks]
        self.tap = Tap([Positions(metrics.predictions)])
        self.live = Live(
            source or Source(registry, settings.model),
            metrics,
            max_rows=settings.max_rows,
            watch_seconds=settings.watch_seconds,
            spread_seconds=_SPREAD_SECONDS,
            threads=settings.threads,
            policy=settings.warnings,
            runtime=settings.runtime,
            device=settings.device,
            tap=self.tap,
            on_live=partial(self.fleet.show, "ready"),
            on_change=self._renew_lease,
        )
        self.deployment = self.live.deployment
        self._leasing = Leasing(registry, lambda: self.live.source.followed, self.deployment)
        accesses = {"read": self.live.source.access, "write": self._leasing.access}
        self._watches.append(StoreWatch(accesses, metrics).looks)
        self.batcher = Batcher(
            metrics,
            max_batch_rows=settings.max_batch_rows,
            max_queue_rows=settings.max_queue_rows,
            inline_seconds=settings.inline_seconds,
            deadline_seconds=settings.deadline_seconds,
            batch_wait=settings.batch_wait_seconds,
        )

        self.bulk = BulkLane(settings.max_bulk_requests)

    @classmethod
    def from_environment(
        cls,
        environ: Mapping[str, str],
        source: Callable[[Settings, Choice], Source],
        *,
        expected_workers: int = 1,
    ) -> Worker:
        """The worker of a ``bentoml serve`` process.

        Args:
            environ: environment of the process.
            source: makes the source, which finds the version to serve, from the model that all workers chose.
            expected_workers: how many workers the service has.

        Raises:
            DataError: a setting has a value that is not allowed.
        """
        settings = Settings.from_environment(environ)
        metrics = environ.get("PROMETHEUS_MULTIPROC_DIR")
        folder = Path(metrics) if metrics else None
        parent = environ.get(PARENT)
        return cls(
            settings,
            open_registry(environ),
            Metrics(CollectorRegistry()),
            source=source(settings, Choice(None if folder is None else folder / CHOICE)),
            metrics_folder=folder,
            expected_workers=expected_workers,
            parent=int(parent) if parent else None,
        )

    async def start(self) -> None:
        """Load the model, then let requests come, so that a worker that starts later never answers "not ready".

        A worker that cannot load one waits for as long as others answer; meanwhile it follows promotions.
        """
        self._drain.install()
        server = self._drain.server
        if server is not None:
            # Imported here: the module needs uvicorn, which is installed where uvicorn serves.
            from service.wire.framing import Connection

            server.config.http_protocol_class = Connection
            self.read_requests = server.server_state.tasks
            connections = server.server_state.connections
            header, write = self.settings.header_seconds, self.settings.write_seconds
            self._watches += [
                Sweeper(connections, header_seconds=header, write_seconds=write).looks,
                DescriptorWatch(connections).looks,
            ]
        for watch in self._watches:
            watch.start()
        self.fleet.join()
        await self.live.start()
        self._leasing.start()
        self._flush()
        # Modules and model stay until the end: the garbage collector need not walk them again and again.
        gc.collect()
        gc.freeze()
        # A thread that works on a large request lets the event loop go on after this time. Python's default of 5 ms
        # is as long as five requests.
        sys.setswitchinterval(_SWITCH_SECONDS)
        if self.deployment.champion is None:
            self.fleet.show("empty")
            await stand_back(self.fleet, lambda: self.deployment.champion is not None or self._drain.draining)

    def check_ready(self) -> LiveModel:
        """Return the live version if the whole service is ready to answer with it.

        Raises:
            NotReadyError: no version is live here, another worker has no version yet, or the service is stopping.
        """
        model = self.deployment.route()
        try:
            ready, expected = self.fleet.ready_workers(), self.fleet.expected
        except OSError as error:
            message = f"Expected to see which workers are ready. Received: {error.strerror}. Try again in a second."
            raise NotReadyError(message) from error
        if ready < expected:
            state = "The service is stopping." if self.fleet.state == "draining" else "Try again in a second."
            raise NotReadyError(f"Expected {expected} ready workers. Received: {ready}. {state}")
        return model

    def is_ready(self) -> bool:
        """Whether the whole service is ready; ``trueline_ready`` and every protocol report this."""
        try:
            self.check_ready()
        except NotReadyError:
            return False
        return True

    async def stop(self) -> None:
        self._drain.uninstall()
        for watch in self._watches:
            await watch.stop()
        self.fleet.leave()
        await self.live.stop()
        await self._leasing.stop()
        await asyncio.to_thread(self.batcher.close)
        await asyncio.to_thread(self.bulk.close)
        await asyncio.to_thread(self.tap.close)
        self.metrics.flush()

    async def predict(self, body: bytes, receive: Receive | None = None) -> bytes:
        """Answer the body of a ``POST /predict``.

        Args:
            body: JSON.
            receive: the caller's ASGI channel. It shows that a caller has left before its rows are computed.

        Raises:
            ApiError: the request cannot be answered.
        """
        model = self.deployment.route()
        try:
            request = model.reader.read(body)
            has_left = None if receive is None else partial(client_left, receive)
            answer = await self.batcher.submit(model, request, has_left, last=self._is_last())
        except ApiError as error:
            self._failed(model, error)
            raise
        if answer.warnings:
            self._warned(answer)
        return model.writer.write(request, answer)

    async def answer(
        self, model: LiveModel, read: Callable[[], PredictRequest], receive: Receive | None = None
    ) -> tuple[PredictRequest, Answer]:
        """Read a request of any wire format, answer it with ``model``, and count its faults and warnings.

        Raises:
            ApiError: the request cannot be answered.
        """
        try:
            request = read()
            has_left = None if receive is None else partial(client_left, receive)
            answer = await self.batcher.submit(model, request, has_left)
        except ApiError as error:
            self._failed(model, error)
            raise
        self._warned(answer)
        return request, answer

    def _failed(self, model: LiveModel, error: ApiError) -> None:
        if error.faults:
            self.metrics.faults(error.faults, model.field_labels)

    def _warned(self, answer: Answer) -> None:
        self.metrics.warnings([warning.kind for warning in answer.warnings])

    def _is_last(self) -> bool:
        """Whether every request that the server has read is being answered already, so that none is still to come."""
        return self.read_requests is not None and len(self.read_requests) <= self.open_requests

    def count(self, route: str, status: int, seconds: float) -> None:
        """Count an answer, and write all counts out a little later."""
        self.metrics.request(route, status, seconds)
        if not self._flush_due:
            self._flush_due = True
            asyncio.get_running_loop().call_later(self.settings.metrics_seconds, self._flush)

    async def metrics_text(self) -> bytes:
        """The metrics of all workers; those of this worker are up to date.

        Raises:
            NotReadyError: a metrics file cannot be read. Without it a part would be taken for the whole.
        """
        await self.tap.flush()
        self._flush()
        try:
            return await asyncio.to_thread(render, self.metrics.registry, self._metrics_folder, self.metrics.readiness)
        except OSError as error:
            message = f"Expected to read the workers' metrics. Received: {error.strerror}. Try again in a second."
            raise NotReadyError(message) from error

    def _flush(self) -> None:
        self._flush_due = False
        self.tap.show_soon()
        self.metrics.queue(self.batcher.queued_rows)
        self.metrics.process()
        self.metrics.flush()

    def _renew_lease(self) -> None:
        self._leasing.renew()

    def _begin_drain(self) -> bool:
        was_ready = self.fleet.state == "ready"
        self.fleet.show("draining")
        return was_ready
