"""The service's metrics.

Counts are kept in plain Python lists and numbers and written to the Prometheus client a few times a second
(:meth:`flush`). With several workers each write goes to a memory-mapped file and costs a microsecond, and a request
would need twenty. ``python -m benchmarks.metrics_cost`` measures the cost that remains in a request.
"""

from __future__ import annotations

import resource
import time
from collections import Counter as Tally
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from artifact.errors import Fault
from artifact.rows.schema import Target
from service.metrics.distribution import PENDING, Distribution

DURATION_BUCKETS = (
    0.0001,
    0.00025,
    0.0005,
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
    10.0,
)
INFERENCE_BUCKETS = (0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.01, 0.05, 0.25, 1.0)
POSITION_BUCKETS = (-1.0, -0.5, -0.25, -0.1, *(i / 20 for i in range(21)), 1.1, 1.25, 1.5, 2.0)
_PAGE = resource.getpagesize()
WARNING_KINDS = ("out_of_range", "rare", "unseen", "missing_column")
# What a worker does with the model store: it reads what should be live, and writes what is live there.
STORE_DEEDS = ("read", "write")
ROW_BUCKETS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096, 16384)


class Readiness(Collector):
    """``trueline_ready``, computed at each scrape: a value that a worker wrote before it died could be wrong.

    Attributes:
        ask: says whether the service is ready. Returns false until a worker replaces it.
    """

    def __init__(self) -> None:
        self.ask: Callable[[], bool] = bool

    def describe(self) -> list[Metric]:
        return self._gauge([])

    def collect(self) -> list[Metric]:
        return self._gauge([float(self.ask())])

    def _gauge(self, values: Sequence[float]) -> list[Metric]:
        gauge = GaugeMetricFamily("trueline_ready", "1 while /readyz answers 200, else 0.")
        for value in values:
            gauge.add_metric([], value)
        return [gauge]


class Metrics:
    """The service's metrics, in a registry that the caller passes.

    Args:
        registry: registry of the metrics. With several workers, :mod:`service.metrics.exposition` reads the workers'
            files instead.

    Attributes:
        readiness: the one metric that describes the whole service, not one worker.
        predictions: histogram that :class:`service.watching.positions.Positions` writes.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self._requests = Counter(
            "trueline_requests",
            "Requests answered; route is 'other' for a path that does not exist, status 499 is a client that left.",
            ["route", "status"],
            registry=registry,
        )
        self._durations = Histogram(
            "trueline_request_duration_seconds",
            "Time from the first byte of a request to the last of its answer.",
            ["route"],
            buckets=DURATION_BUCKETS,
            registry=registry,
        )
        self._rows = Counter("trueline_rows", "Rows predicted.", registry=registry)
        batch_rows = Histogram(
            "trueline_batch_rows", "Rows in one run of the network.", buckets=ROW_BUCKETS, registry=registry
        )
        inference = Histogram(
            "trueline_inference_duration_seconds",
            "Time of one batch: encoding, network, intervals.",
            buckets=INFERENCE_BUCKETS,
            registry=registry,
        )
        self._queue_waits = Histogram(
            "trueline_queue_wait_seconds",
            "Time that a request waited for its batch.",
            buckets=DURATION_BUCKETS,
            registry=registry,
        )
        self._failures = Counter(
            "trueline_validation_failures",
            "Values that broke the schema; field is a feature or a key of the request, 'unknown' for any other name, "
            "and empty for the body as a whole.",
            ["reason", "field"],
            registry=registry,
        )
        self._warnings = Counter("trueline_warnings", "Warnings given with answers.", ["kind"], registry=registry)
        self._shed = Counter("trueline_shed", "Requests refused because the queue was full (429).", registry=registry)
        self._deadlines = Counter("trueline_deadlines", "Requests that waited too long (504).", registry=registry)
        self._loads = Counter(
            "trueline_model_loads",
            "Versions loaded (ok) or refused (failed), by each worker.",
            ["result"],
            registry=registry,
        )
        self._queue = Gauge(
            "trueline_queue_rows",
            "Rows that wait, all workers together.",
            multiprocess_mode="livesum",
            registry=registry,
        )
        self.readiness = Readiness()
        registry.register(self.readiness)
        self._missing = Gauge(
            "trueline_version_missing",
            "1 where the version that should be live is not in the store, or not any more.",
            multiprocess_mode="livemax",
            registry=registry,
        )
        self._log_stopped = Gauge(
            "trueline_deployment_log_stopped",
            "1 where entries of the deployment log do not count: one before them is missing, or one cannot be read.",
            multiprocess_mode="livemax",
            registry=registry,
        )
        self._store_failing = Gauge(
            "trueline_store_failing",
            "1 where a worker cannot read what should be live or write what is live: the model store refuses or hangs.",
            ["deed"],
            multiprocess_mode="livemax",
            registry=registry,
        )
        self._info = Gauge(
            "trueline_model_info",
            "1 for the version that is live in a worker, 0 for those that were.",
            ["model_name", "model_version"],
            multiprocess_mode="liveall",
            registry=registry,
        )
        self.predictions = Histogram(
            "trueline_prediction_position",
            "Where predictions lie in the range of the training targets: 0 is its lower end, 1 its upper.",
            ["target"],
            buckets=POSITION_BUCKETS,
            registry=registry,
        )
        self._memory = Gauge(
            "trueline_process_resident_memory_bytes",
            "Memory that a worker holds.",
            multiprocess_mode="liveall",
            registry=registry,
        )
        self._cpu = Counter(
            "trueline_process_cpu_seconds", "Processor time that the workers used, from start.", registry=registry
        )
        self._cpu_seconds = 0.0
        # The seconds of each answer, by route and status.
        self._answer_seconds: defaultdict[tuple[str, int], list[float]] = defaultdict(list)
        self._rows_since_tally = 0
        self._counts: Tally[tuple[str, int]] = Tally()
        self._by_route: dict[str, Distribution] = {}
        self._batches = Distribution(batch_rows, ROW_BUCKETS)
        self._inference = Distribution(inference, INFERENCE_BUCKETS)
        self._waits = Distribution(self._queue_waits, DURATION_BUCKETS)
        self.queue_wait = self._waits.add
        self.queue_waits = self._waits.extend
        self._row_count = 0
        self._warning_counts: Tally[str] = Tally()
        self._live: tuple[str, str] | None = None
        # These series exist from the start, with 0: `rate` and `increase` see no rise where a series begins with its
        # first count.
        for result in ("ok", "failed"):
            self._loads.labels(result)
        for kind in WARNING_KINDS:
            self._warnings.labels(kind)
        for deed in STORE_DEEDS:
            self._store_failing.labels(deed)

    def request(self, route: str, status: int, seconds: float) -> None:
        """Count an answer. ``route`` is the path in an operation's record, never the raw path."""
        self._answer_seconds[route, status].append(seconds)

    def batch(self, rows: int, seconds: float) -> None:
        """Count one run of the network."""
        self._batches.add(rows)
        self._inference.add(seconds)
        self._row_count += rows
        self._rows_since_tally += rows
        if self._rows_since_tally > PENDING:  # flushes may be rare, as the settings say
            self._tally()

    def warnings(self, kinds: Iterable[str] | Tally[str]) -> None:
        """Count warnings, given as one kind for each warning or as a tally of kinds."""
        self._warning_counts.update(kinds)

    def faults(self, faults: Iterable[Fault], labels: frozenset[str]) -> None:
        """Count the values that broke the schema; fields outside ``labels`` share one label."""
        for (reason, field), count in Tally((f.reason, f.field) for f in faults).items():
            label = "" if field is None else field if field in labels else "unknown"
            self._failures.labels(reason, label).inc(count)

    def shed(self) -> None:
        self._shed.inc()

    def deadline(self) -> None:
        self._deadlines.inc()

    def queue(self, rows: int) -> None:
        self._queue.set(rows)

    def process(self) -> None:
        """Record this process's memory and processor time."""
        try:
            pages = int(Path("/proc/self/statm").read_bytes().split()[1])
        except OSError:
            return  # the system is not Linux
        self._memory.set(pages * _PAGE)
        seconds = time.process_time()
        self._cpu.inc(seconds - self._cpu_seconds)
        self._cpu_seconds = seconds

    def went_live(self, model_name: str, model_version: str, targets: Sequence[Target] = ()) -> None:
        """Record that a version went live in this worker.

        Args:
            model_name, model_version: the version.
            targets: the targets that it predicts.
        """
        for target in targets:
            self.predictions.labels(target.name)
        self._loads.labels("ok").inc()
        if self._live is not None:
            self._info.labels(*self._live).set(0)
        self._live = (model_name, model_version)
        self._info.labels(*self._live).set(1)

    def load_failed(self) -> None:
        """Count a version that could not be loaded."""
        self._loads.labels("failed").inc()

    def version_missing(self, is_missing: bool) -> None:
        """Record whether the version that should be live is missing from the store."""
        self._missing.set(is_missing)

    def log_stopped(self, is_stopped: bool) -> None:
        """Whether entries of the deployment log are there that do not count."""
        self._log_stopped.set(is_stopped)

    def store_failing(self, deed: str, is_failing: bool) -> None:
        """Record whether the model store can be used; ``deed`` is one of ``STORE_DEEDS``."""
        self._store_failing.labels(deed).set(is_failing)

    def flush(self) -> None:
        """Write the counts since the last flush."""
        self._tally()
        for (route, status), count in self._counts.items():
            self._requests.labels(route, str(status)).inc(count)
        self._counts.clear()
        warnings, self._warning_counts = self._warning_counts, Tally()
        for kind, count in warnings.items():
            self._warnings.labels(kind).inc(count)
        for distribution in (*self._by_route.values(), self._batches, self._inference, self._waits):
            distribution.flush()
        self._rows.inc(self._row_count)
        self._row_count = 0

    def _tally(self) -> None:
        """Sort the seconds of the answers so far into counts."""
        self._rows_since_tally = 0
        self._batches.sort()
        self._inference.sort()
        answers, self._answer_seconds = self._answer_seconds, defaultdict(list)
        for (route, status), seconds in answers.items():
            self._counts[route, status] += len(seconds)
            if route not in self._by_route:
                self._by_route[route] = Distribution(self._durations.labels(route), DURATION_BUCKETS)
            self._by_route[route].extend(seconds)
