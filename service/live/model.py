"""One loaded version with everything to serve it: checked, warmed, and its speed measured."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import NotRequired, TypedDict, Unpack

from artifact.files import no_rest
from artifact.golden import read_golden
from artifact.manifest import Manifest
from artifact.predictor import Predictor
from artifact.registry.base import Reference
from artifact.runtimes import Device, Runtime, RuntimeName, has_model, open_runtime
from service.predict.core import Core
from service.predict.explain import labels
from service.predict.inference import Outcome, answer
from service.predict.policy import Policy
from service.predict.requests import PredictRequest, RequestReader
from service.predict.responses import ResponseWriter
from service.watching.tap import Tap

logger = logging.getLogger("bentoml.trueline")

_WARM_ROUNDS = 3
# More rows would only make the load of a version longer, beside requests that want the same core.
_WARM_ROWS = 32


class Loading(TypedDict):
    """How a version is loaded; a key left out has the default of :class:`service.settings.settings.Settings`.

    Attributes:
        max_rows: most rows in a request.
        threads: threads inside one run of the network.
        policy: how unusual values are answered.
        runtime, device: see :func:`artifact.runtimes.open_runtime`.
        tap: gets the version's answers.
    """

    max_rows: int
    threads: NotRequired[int]
    policy: NotRequired[Policy]
    runtime: NotRequired[RuntimeName]
    device: NotRequired[Device]
    tap: NotRequired[Tap | None]


class LiveModel:
    """One loaded version with everything to serve it.

    Attributes:
        predictor: the version.
        core: computes the answers to rows.
        reader, writer: read requests and write answers in JSON.
        field_labels: the fields that metrics name.
        loaded_at: time of loading, ISO 8601, UTC.
        seconds_per_batch, seconds_per_row: the version's speed, measured at warm-up.
    """

    def __init__(self, predictor: Predictor, *, max_rows: int, policy: Policy = "warn", tap: Tap | None = None) -> None:
        self.predictor = predictor
        self.core = Core(predictor, policy=policy, tap=tap)
        self.reader = RequestReader(predictor.schema, max_rows=max_rows)
        self.writer = ResponseWriter(predictor)
        self.field_labels = labels(predictor.schema)
        self.loaded_at = datetime.now(UTC).isoformat(timespec="milliseconds")
        self._computed_rows = predictor.runtime.computed_rows
        self.seconds_per_batch = 0.0
        self.seconds_per_row = 0.0

    @classmethod
    def load(cls, reference: Reference, **how: Unpack[Loading]) -> LiveModel:
        """Check, open and prove a version, see :meth:`check`, :meth:`open` and :meth:`prove`."""
        cls.check(reference)
        model = cls.around(cls.open(reference, **how), reference, **how)
        model.prove(reference)
        return model

    @staticmethod
    def check(reference: Reference, rest: Callable[[], None] = no_rest) -> None:
        """Compare each file of a version with its checksum.

        Args:
            reference: the version.
            rest: called after each piece of the work. Defaults to no rest.

        Raises:
            ArtifactError: the version is damaged, or its folder holds a copy of another version.
        """
        manifest = Manifest.read(reference.path)
        manifest.check_is(reference.name, reference.version)
        rest()
        manifest.check_files(reference.path, rest)

    @staticmethod
    def has_threads(reference: Reference, **how: Unpack[Loading]) -> bool:
        """Whether a version's runtime starts threads of its own when it is opened: they get the opener's priority."""
        is_onnx = how.get("runtime", "auto") in ("auto", "onnx", "onnx-int8") and has_model(reference.path, "onnx")
        return how.get("threads", 1) > 1 or not is_onnx or how.get("device", "auto") == "cuda"

    @staticmethod
    def open(reference: Reference, **how: Unpack[Loading]) -> Runtime:
        """Open the runtime of a version whose files were checked.

        Raises:
            ArtifactError: the network cannot be read.
            DataError: this machine lacks something that the runtime or the device needs.
        """
        runtime = how.get("runtime", "auto")
        if runtime == "onnx-int8" and not has_model(reference.path, runtime):
            # A version has an int8 copy only if a comparison at export allows it. A promotion must not fail because a
            # version has none.
            logger.warning("%s:%s has no int8 copy; its float32 network serves", reference.name, reference.version)
            runtime = "auto"
        return open_runtime(reference.path, runtime, threads=how.get("threads", 1), device=how.get("device", "auto"))

    @classmethod
    def around(cls, opened: Runtime, reference: Reference, **how: Unpack[Loading]) -> LiveModel:
        """A version whose files were checked, with its open runtime.

        Raises:
            ArtifactError: a file cannot be read as what it should be.
        """
        predictor = Predictor.load(reference.path, runtime=opened, check=False)
        return cls(predictor, max_rows=how["max_rows"], policy=how.get("policy", "warn"), tap=how.get("tap"))

    def prove(self, reference: Reference, rest: Callable[[], None] | None = None) -> None:
        """Answer the golden rows as at training, and then a few times more, see :meth:`warm`.

        Args:
            reference: the version.
            rest: called after each piece of the work. Defaults to None: it is done in one go.

        Raises:
            ArtifactError: the version does not answer as it did at training.
        """
        golden = read_golden(reference.path)
        self.predictor.replay(golden, rest)
        self.warm(golden.rows[:_WARM_ROWS], rest or no_rest)

    def __str__(self) -> str:
        return str(self.core)

    @property
    def name(self) -> str:
        return self.predictor.model_name

    @property
    def version(self) -> str:
        return self.predictor.model_version

    def answer(self, requests: Sequence[PredictRequest]) -> list[Outcome]:
        """Answer requests together, see :func:`service.predict.inference.answer`."""
        return answer(self.core, requests)

    def seconds(self, n_rows: int) -> float:
        """Seconds that a batch of ``n_rows`` takes, by the speed at warm-up; rows of padding are counted too."""
        return self.seconds_per_batch + self._computed_rows(n_rows) * self.seconds_per_row

    def warm(self, rows: list[dict[str, object]], rest: Callable[[], None] = no_rest) -> None:
        """Answer rows a few times, so that no request pays for a first run, and measure the speed.

        Args:
            rows: records.
            rest: called after each answer. Defaults to no rest.
        """
        few = self._fastest(rows[:1], rest)
        many = self._fastest(rows, rest)
        least, most = self._computed_rows(1), self._computed_rows(len(rows))
        self.seconds_per_row = max(many - few, 0.0) / max(most - least, 1)
        self.seconds_per_batch = max(few - least * self.seconds_per_row, 0.0)

    def _fastest(self, rows: list[dict[str, object]], rest: Callable[[], None]) -> float:
        request = PredictRequest(rows, None, len(rows), None)
        unwatched = Core(self.predictor, policy=self.core.policy)
        best = float("inf")
        for _ in range(_WARM_ROUNDS):
            started = time.perf_counter()
            answer(unwatched, [request])
            best = min(best, time.perf_counter() - started)
            rest()
        return best
