"""Which version is live in this worker, and how another takes its place.

A new version is loaded, checked and warmed in a thread while the old one answers; then one reference changes. A version
that cannot be loaded is refused and the old one keeps serving. The former version stays in memory, so that a rollback
is instant.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import NotRequired, TypedDict, Unpack

from artifact.errors import NotFoundError, TruelineError
from artifact.golden import read_golden
from artifact.predictor import Predictor
from artifact.registry.local import Reference
from artifact.runtimes import Device, RuntimeName, has_model
from service.live.source import MissingVersionError, Source, Stamp
from service.metrics.metrics import Metrics
from service.predict.explain import labels
from service.predict.inference import Outcome, answer
from service.predict.policy import Policy, apply
from service.predict.requests import PredictRequest, RequestReader
from service.predict.responses import ResponseWriter
from service.wire.errors import NotReadyError

logger = logging.getLogger("bentoml.trueline")

_WARM_ROUNDS = 5
# A load that failed is tried again although nothing was promoted: a full disk or a late volume mends itself. The wait
# doubles, for a damaged version does not, and hashing it again and again costs the requests beside it.
_FIRST_RETRY_SECONDS = 2.0
_LAST_RETRY_SECONDS = 60.0


class Loading(TypedDict):
    """How a version is loaded; what is left out has the default of :class:`service.settings.settings.Settings`.

    Attributes:
        max_rows: most rows in a request.
        threads: threads inside one run of the network.
        policy: what becomes of unusual values.
        runtime, device: see :func:`artifact.runtimes.open_runtime`.
    """

    max_rows: int
    threads: NotRequired[int]
    policy: NotRequired[Policy]
    runtime: NotRequired[RuntimeName]
    device: NotRequired[Device]


class LiveModel:
    """One loaded version with what it takes to serve it.

    Attributes:
        predictor: the version.
        reader, writer: bodies in and out.
        known: the fields that metrics name.
        loaded_at: ISO 8601, UTC.
    """

    def __init__(self, predictor: Predictor, *, max_rows: int, policy: Policy = "warn") -> None:
        self.predictor = predictor
        self._policy: Policy = policy
        self.reader = RequestReader(predictor.schema, max_rows=max_rows)
        self.writer = ResponseWriter(predictor)
        self.known = labels(predictor.schema)
        self.loaded_at = datetime.now(UTC).isoformat(timespec="milliseconds")
        self._computed_rows = predictor.runtime.computed_rows
        self._seconds_per_batch = 0.0
        self._seconds_per_row = 0.0

    @classmethod
    def load(cls, reference: Reference, **how: Unpack[Loading]) -> LiveModel:
        """Load, check and warm a version.

        Raises:
            ArtifactError: the version is damaged or does not answer as it did at training.
            DataError: what the runtime or the device needs is not on this machine.
        """
        runtime = how.get("runtime", "auto")
        if runtime == "onnx-int8" and not has_model(reference.path, runtime):
            # Parity may allow one version and not the next; a promotion must not fail of that.
            logger.warning("%s:%s has no int8 copy; it serves without", reference.name, reference.version)
            runtime = "auto"
        device, threads = how.get("device", "auto"), how.get("threads", 1)
        predictor = Predictor.load(reference.path, runtime=runtime, device=device, threads=threads)
        model = cls(predictor, max_rows=how["max_rows"], policy=how.get("policy", "warn"))
        model.warm(reference)
        return model

    @property
    def name(self) -> str:
        return self.predictor.model_name

    @property
    def version(self) -> str:
        return self.predictor.model_version

    def answer(self, requests: Sequence[PredictRequest]) -> list[Outcome]:
        outcomes = answer(self.predictor, requests)
        return outcomes if self._policy == "warn" else apply(self._policy, outcomes)

    def seconds(self, n_rows: int) -> float:
        """How long a batch takes, as measured at warm-up, of the rows that the runtime fills it up to."""
        return self._seconds_per_batch + self._computed_rows(n_rows) * self._seconds_per_row

    def warm(self, reference: Reference) -> None:
        """Answer golden rows a few times, so that no request pays for first use, and measure the speed."""
        rows = read_golden(reference.path).rows
        few = self._fastest(rows[:1])
        many = self._fastest(rows)
        least, most = self._computed_rows(1), self._computed_rows(len(rows))
        self._seconds_per_row = max(many - few, 0.0) / max(most - least, 1)
        self._seconds_per_batch = max(few - least * self._seconds_per_row, 0.0)

    def _fastest(self, rows: list[dict[str, object]]) -> float:
        request = PredictRequest(rows, None, len(rows), None)
        best = float("inf")
        for _ in range(_WARM_ROUNDS):
            started = time.perf_counter()
            self.answer([request])
            best = min(best, time.perf_counter() - started)
        return best


class Live:
    """The live version of this worker, kept up to date.

    Args:
        source: says which version should be live.
        metrics: counts loads and refusals.
        watch_seconds: how often the source is asked.
        on_live: called when a version goes live.
        how: see :class:`Loading`.
    """

    def __init__(
        self,
        source: Source,
        metrics: Metrics,
        *,
        watch_seconds: float,
        on_live: Callable[[], None] | None = None,
        **how: Unpack[Loading],
    ) -> None:
        self.source = source
        self.current: LiveModel | None = None
        self._former: LiveModel | None = None
        self._metrics = metrics
        self._how = how
        self._on_live = on_live
        self._watch_seconds = watch_seconds
        self._problem = "No model is live yet: the service is starting."
        self._stamp: Stamp | None = None
        self._retry_at: float | None = None
        self._retry_seconds = _FIRST_RETRY_SECONDS
        self._watcher: asyncio.Task[None] | None = None

    def model(self) -> LiveModel:
        """The live version.

        Raises:
            NotReadyError: there is none; the message says what to do.
        """
        if self.current is None:
            raise NotReadyError(self._problem)
        return self.current

    async def start(self) -> None:
        """Load what should be live, then watch. Without a model the watch goes on until there is one."""
        await self.refresh()
        self._watcher = asyncio.get_running_loop().create_task(self._watch())

    async def stop(self) -> None:
        if self._watcher is not None:
            self._watcher.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watcher
            self._watcher = None

    async def refresh(self) -> None:
        """Make live what the source wants; on failure keep what is."""
        # Read before the aliases themselves: what changes after this is seen by the next look.
        self._stamp = self.source.stamp()
        self._retry_at = None
        try:
            wanted = self.source.wanted()
            model = self._in_memory(wanted)
            if model is None:
                model = await asyncio.to_thread(LiveModel.load, wanted, **self._how)
        except NotFoundError as error:
            # A store that went away whole takes the alias along: then what is live is missing all the same.
            gone = self.current is not None and not self.source.holds(self.current.name, self.current.version)
            self._metrics.missing(gone or isinstance(error, MissingVersionError))
            self._refuse(str(error))
        except TruelineError as error:
            self._refuse(str(error), failed=True)
        except Exception as error:  # noqa: BLE001 - a full memory, a library: the live version goes on all the same
            self._refuse(f"The version could not be loaded: {error!r}.", failed=True)
        else:
            self._swap(model)

    def _in_memory(self, wanted: Reference) -> LiveModel | None:
        for model in (self.current, self._former):
            if model is not None and (model.name, model.version) == (wanted.name, wanted.version):
                return model
        return None

    def _swap(self, model: LiveModel) -> None:
        self._problem = ""
        self._metrics.missing(False)
        self._retry_seconds = _FIRST_RETRY_SECONDS
        if model is self.current:
            return
        self._former, self.current = self.current, model
        self._metrics.loaded(model.name, model.version, model.predictor.schema.targets)
        if self._on_live is not None:
            self._on_live()
        runtime = model.predictor.runtime
        logger.info("%s:%s is live by %s on %s", model.name, model.version, runtime.name, runtime.device)

    def _refuse(self, problem: str, *, failed: bool = False) -> None:
        if problem != self._problem:
            self._retry_seconds = _FIRST_RETRY_SECONDS
        self._retry_at = time.monotonic() + self._retry_seconds
        self._retry_seconds = min(2 * self._retry_seconds, _LAST_RETRY_SECONDS)
        if problem == self._problem:
            return
        self._problem = problem
        if failed:
            self._metrics.refused()
        if self.current is None:
            logger.warning("Not ready. %s", problem)
        else:
            logger.error("%s:%s keeps serving. %s", self.current.name, self.current.version, problem)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self._watch_seconds)
            try:
                due = self._retry_at is not None and time.monotonic() >= self._retry_at
                if due or self.source.stamp() != self._stamp:
                    await self.refresh()
            except OSError as error:
                # A store that cannot be read for a while must not end the watch.
                self._refuse(f"The model store could not be read: {error}.")
