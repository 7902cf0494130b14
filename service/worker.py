"""One worker process: its settings, metrics, live model and batcher, and the way of a request through them."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from prometheus_client import CollectorRegistry

from artifact.registry import Reference, Registry
from service.batcher import Batcher
from service.errors import ApiError
from service.exposition import render
from service.inference import Answer
from service.live import Live, LiveModel
from service.metrics import Metrics
from service.requests import PredictRequest
from service.settings import Settings
from service.source import Source

logger = logging.getLogger("bentoml.trueline")


class Worker:
    """What serves in one process, without any wire protocol.

    Args:
        settings: see :class:`Settings`.
        registry: the model store.
        metrics: a fresh one; its counts are written out by this worker.
        bundled: models of the running Bento, see :class:`Source`.
        metrics_folder: where the metrics of all workers are, or None where this process is the only one.
    """

    def __init__(
        self,
        settings: Settings,
        registry: Registry,
        metrics: Metrics,
        *,
        bundled: Mapping[str, Reference] | None = None,
        metrics_folder: Path | None = None,
    ) -> None:
        self.settings = settings
        self.registry = registry
        self.metrics = metrics
        self._metrics_folder = metrics_folder
        self._flush_due = False
        self.live = Live(
            Source(registry, settings.model, bundled),
            metrics,
            max_rows=settings.max_rows,
            watch_seconds=settings.watch_seconds,
        )
        self.batcher = Batcher(
            metrics,
            max_batch_rows=settings.max_batch_rows,
            max_queue_rows=settings.max_queue_rows,
            inline_seconds=settings.inline_seconds,
            deadline_seconds=settings.deadline_seconds,
        )

    @classmethod
    def from_environment(cls, environ: Mapping[str, str], bundled: Mapping[str, Reference] | None = None) -> Worker:
        """The worker of a ``bentoml serve`` process.

        Raises:
            DataError: a setting that is not allowed.
        """
        settings = Settings.from_environment(environ)
        for sentence in Settings.unknown(environ):
            logger.warning("%s", sentence)
        folder = environ.get("PROMETHEUS_MULTIPROC_DIR")
        return cls(
            settings,
            Registry.from_environment(environ),
            Metrics(CollectorRegistry()),
            bundled=bundled,
            metrics_folder=Path(folder) if folder else None,
        )

    async def start(self) -> None:
        """Load the model, then let requests come. A worker that begins later thus never answers "not ready"."""
        await self.live.start()
        # Modules and model stay for good: the collector need not walk them again and again.
        gc.collect()
        gc.freeze()

    async def stop(self) -> None:
        await self.live.stop()
        await asyncio.to_thread(self.batcher.close)
        self.metrics.flush()

    async def predict(self, body: bytes) -> bytes:
        """Answer the body of a ``POST /predict``.

        Raises:
            ApiError: the request cannot be answered.
        """
        model = self.live.model()
        request, answer = await self.answer(model, partial(model.reader.read, body))
        return model.writer.write(request, answer)

    async def answer(self, model: LiveModel, read: Callable[[], PredictRequest]) -> tuple[PredictRequest, Answer]:
        """Read a request of whatever wire format and answer it by ``model``; its faults and warnings are counted.

        Raises:
            ApiError: the request cannot be answered.
        """
        try:
            request = read()
            answer = await self.batcher.submit(model, request)
        except ApiError as error:
            if error.faults:
                self.metrics.faults(error.faults, model.known)
            raise
        for warning in answer.warnings:
            self.metrics.warning(warning.kind)
        return request, answer

    def count(self, route: str, status: int, seconds: float) -> None:
        """Count an answer; soon after, all counts are written out."""
        self.metrics.request(route, status, seconds)
        if not self._flush_due:
            self._flush_due = True
            asyncio.get_running_loop().call_later(self.settings.metrics_seconds, self._flush)

    async def metrics_text(self) -> bytes:
        """The metrics of all workers, this one's up to now."""
        self.metrics.queue(self.batcher.queued_rows)
        self.metrics.flush()
        return await asyncio.to_thread(render, self.metrics.registry, self._metrics_folder)

    def _flush(self) -> None:
        self._flush_due = False
        self.metrics.queue(self.batcher.queued_rows)
        self.metrics.flush()
