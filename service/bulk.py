"""Large requests: decoded, predicted and written part by part, in a thread beside the event loop.

A part is a few hundred rows as columns, whatever wire format they came in: as many as the network runs fastest on, and
so few that neither memory nor the interpreter's lock is held for long. Between slices of ten milliseconds the thread
takes the next request, so that a large one delays another by that much and no more.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from artifact.encoding import Encoded, RowWarning
from artifact.errors import DataError, Fault, SchemaMismatchError, unknown_name
from artifact.predictor import Predictor
from artifact.schema import FeatureSchema
from artifact.values import DictionaryColumn
from service.errors import DETAILS_LIMIT, InvalidRequestError, ModelError, OverloadedError, TooLargeError
from service.metrics import Metrics
from service.policy import Policy

logger = logging.getLogger("bentoml.trueline")

PART_ROWS = 512
# Of columns that are arrays already, where a part costs nothing but its number.
_SLICE_ROWS = 2048
_SLICE_SECONDS = 0.01

T = TypeVar("T")
Work = Generator[None, None, T]
Numbers = npt.NDArray[np.floating]


class Options(NamedTuple):
    """What a caller asks for beside the rows.

    Attributes:
        interval: level of the interval, or None for the model's default.
        by_row: answer the good rows and report the bad in their places, instead of refusing the request.
        ignore_extra: leave out columns that are no feature, instead of refusing them.
    """

    interval: float | None = None
    by_row: bool = False
    ignore_extra: bool = False


class Part(NamedTuple):
    """Some rows of a request, decoded.

    Attributes:
        columns: feature name to ``n_rows`` values, as :meth:`Encoder.encode_columns` takes them.
        n_rows: number of rows.
        faults: what the decoder found wrong; rows counted from the part's first.
    """

    columns: Mapping[str, Any]
    n_rows: int
    faults: Sequence[Fault] = ()


class Answered(NamedTuple):
    """The answers to a part.

    Attributes:
        start: the request's row that is the part's first.
        value, lower, upper: (n_rows, n_targets), NaN in rows that have an error.
        warnings: rows counted from the request's first.
        errors: for each row that is not answered, by its place in the part, what is wrong with it.
    """

    start: int
    value: Numbers
    lower: Numbers
    upper: Numbers
    warnings: list[RowWarning]
    errors: dict[int, list[Fault]]

    @property
    def n_rows(self) -> int:
        return len(self.value)


class BulkRun:
    """One request's rows through the model, a part at a time.

    Args:
        predictor: the version that answers all of them.
        options: what the caller asked for.
        max_rows: most rows of the request, or None for a stream without an end.
        policy: what becomes of unusual values. Defaults to a warning.

    Raises:
        InvalidRequestError: an interval that the calibration cannot promise.
    """

    def __init__(self, predictor: Predictor, options: Options, max_rows: int | None, policy: Policy = "warn") -> None:
        self._policy = policy
        self.predictor = predictor
        self.options = options
        self.rows = 0
        self._max_rows = max_rows
        self._faults: list[Fault] = []
        self._batches: list[tuple[int, float]] = []
        self._counted: list[Fault] = []
        self._warnings: Counter[str] = Counter()
        try:
            self._bound = predictor.bound(options.interval)
        except DataError as error:
            rule = str(error).partition(" Received:")[0]
            raise InvalidRequestError([Fault(None, "interval", rule, options.interval, "range")]) from None

    def answer(self, part: Part) -> Answered | None:
        """Predict a part; None where the request is going to be refused and only its faults are of interest.

        Raises:
            InvalidRequestError: more faults than are reported, or one of the whole request.
            TooLargeError: too many rows.
            ModelError: the network failed.
        """
        start, self.rows = self.rows, self.rows + part.n_rows
        if self._max_rows is not None and self.rows > self._max_rows:
            raise TooLargeError(f"Expected at most {self._max_rows} rows in a request. Received: more.")
        began = time.perf_counter()
        errors: dict[int, list[Fault]] = {}
        self._note(part.faults, None, errors)
        X, good = self._encode(part, errors)
        if errors:
            for row in sorted(errors):
                self._counted.extend(f._replace(row=row + start) for f in errors[row])
            if not self.options.by_row:
                self._faults.extend(f._replace(row=row + start) for row in sorted(errors) for f in errors[row])
        if self._faults:
            if len(self._faults) >= DETAILS_LIMIT:
                self.finish()
            return None
        answered = self._run(X, good, part.n_rows, start, errors)
        self._batches.append((len(X), time.perf_counter() - began))
        self._warnings.update(w.kind for w in answered.warnings)
        return answered

    def finish(self) -> None:
        """After the last part.

        Raises:
            InvalidRequestError: the faults of the parts; or there was no row at all.
        """
        if self._faults:
            raise InvalidRequestError(self._faults)
        if self.rows == 0:
            raise InvalidRequestError([Fault(None, None, "Expected at least one row.", "0 rows", "length")])

    def count(self, metrics: Metrics) -> None:
        """Count what was answered since the last call; on the event loop's thread."""
        batches, self._batches = self._batches, []
        faults, self._counted = self._counted, []
        warnings, self._warnings = self._warnings, Counter()
        for rows, seconds in batches:
            metrics.batch(rows, seconds)
        if faults:
            metrics.faults(faults, frozenset(self.predictor.schema.names))
        for kind, times in warnings.items():
            for _ in range(times):
                metrics.warning(kind)

    def _note(self, faults: Iterable[Fault], rows: npt.NDArray[np.intp] | None, errors: dict[int, list[Fault]]) -> None:
        """Sort faults to their rows; one of the whole request ends it."""
        for fault in faults:
            if fault.row is None:
                raise InvalidRequestError([f for f in faults if f.row is None])
            row = fault.row if rows is None else int(rows[fault.row])
            errors.setdefault(row, []).append(fault)

    def _encode(self, part: Part, errors: dict[int, list[Fault]]) -> tuple[Encoded, npt.NDArray[np.intp]]:
        """Encode the rows that can be; the others' faults are added to ``errors``."""
        columns = part.columns
        good = np.arange(part.n_rows)
        if errors:
            good = np.delete(good, list(errors))
            columns = _taken(part.columns, good)
        while len(good) and columns:
            try:
                X = self.predictor.encoder.encode_columns(columns)
                if self._policy == "warn" or not X.warnings:
                    return X, good
                if self._policy == "ignore":
                    return replace(X, warnings=[]), good
                self._note([Fault(w.row, w.field, w.message, None, w.kind) for w in X.warnings], good, errors)
            except SchemaMismatchError as error:
                self._note(error.faults, good, errors)
            if not self.options.by_row:
                break
            good = np.delete(np.arange(part.n_rows), list(errors))
            columns = _taken(part.columns, good)
        return self._nothing, good[:0]

    @property
    def _nothing(self) -> Encoded:
        schema = self.predictor.schema
        numeric = np.empty((0, len(schema.numeric_columns)), np.float32)
        return Encoded(numeric, np.empty((0, len(schema.categorical)), np.int32))

    def _run(
        self, X: Encoded, good: npt.NDArray[np.intp], n_rows: int, start: int, errors: dict[int, list[Fault]]
    ) -> Answered:
        n_targets = len(self.predictor.schema.targets)
        if not len(X):
            empty = np.full((n_rows, n_targets), np.nan)
            return Answered(start, empty, empty, empty, [], errors)
        try:
            outputs = self.predictor.run(X.numeric, X.categorical)
            with np.errstate(over="ignore", invalid="ignore"):
                prediction = self.predictor.finish(outputs, self._bound, X.warnings)
            if len(prediction.value) != len(X):
                raise ModelError(f"Expected {len(X)} answers. Received: {len(prediction.value)}.")
        except ModelError:
            raise
        except Exception as error:
            logger.exception("%s:%s failed on a request", self.predictor.model_name, self.predictor.model_version)
            raise ModelError("The model failed on these rows.") from error
        ends = [prediction.value, prediction.lower, prediction.upper]
        finite = np.isfinite(prediction.lower) & np.isfinite(prediction.upper)
        if not finite.all():
            message = "Expected values for which the model has a finite answer."
            for i in map(int, np.flatnonzero(~finite.all(axis=1))):
                errors[int(good[i])] = [Fault(int(good[i]), None, message, None, "no_answer")]
                for end in ends:
                    end[i] = np.nan
            if not self.options.by_row:
                raise InvalidRequestError([f._replace(row=row + start) for row in errors for f in errors[row]])
        if len(good) < n_rows:
            ends = [_spread(end, good, n_rows) for end in ends]
        warnings = [w._replace(row=int(good[w.row]) + start) for w in prediction.warnings]
        return Answered(start, ends[0], ends[1], ends[2], warnings, errors)


class BulkLane:
    """The thread that large requests share, a slice of time each.

    Args:
        max_requests: large requests that may be open at once; each holds its body in memory.
    """

    def __init__(self, max_requests: int) -> None:
        self._max_requests = max_requests
        self._open = 0
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="trueline-bulk")

    @contextlib.contextmanager
    def place(self, metrics: Metrics) -> Iterator[None]:
        """A place among the open requests.

        Raises:
            OverloadedError: there is none.
        """
        if self._open >= self._max_requests:
            metrics.shed()
            raise OverloadedError(
                f"Expected at most {self._max_requests} large requests at once. Received: one more. "
                "Try again in a second."
            )
        self._open += 1
        try:
            yield
        finally:
            self._open -= 1

    async def run(self, work: Work[T]) -> T:
        """What ``work`` returns; it runs from one ``yield`` to the next in the thread."""
        loop = asyncio.get_running_loop()
        found: list[T] = []
        while not found:
            await loop.run_in_executor(self._thread, _slice, work, found)
        return found[0]

    async def call(self, function: Callable[..., T], *args: Any) -> T:
        """One short call in the thread."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, function, *args)

    def close(self) -> None:
        """Wait for what runs; call it when no request is open."""
        self._thread.shutdown()


def _slice(work: Work[T], found: list[T]) -> None:
    end = time.perf_counter() + _SLICE_SECONDS
    try:
        while time.perf_counter() < end:
            next(work)
    except StopIteration as done:
        found.append(done.value)


def chosen_columns(schema: FeatureSchema, names: Sequence[str], *, ignore_extra: bool) -> list[int]:
    """Which of a table's columns are features, by position.

    Raises:
        InvalidRequestError: a column that comes twice, that is no feature, or that is needed and not there.
    """
    known = frozenset(schema.names)
    faults = [
        Fault(None, name, "Expected each column once.", f"{times} times", "type")
        for name, times in Counter(names).items()
        if times > 1 and (name in known or not ignore_extra)
    ]
    if not ignore_extra:
        extra = [name for name in dict.fromkeys(names) if name not in known][:DETAILS_LIMIT]
        # Ranking the features by likeness costs: only the first wrong names get it.
        faults += [
            Fault(None, name, unknown_name("feature", name, schema.names), name, "unknown") for name in extra[:10]
        ]
        rest = "No feature has this name. GET /schema lists those there are."
        faults += [Fault(None, name, rest, name, "unknown") for name in extra[10:]]
    absent = {f.name for f in schema.features if f.missing == "refuse"} - set(names)
    message = "Expected this column: training never saw the feature missing."
    faults += [Fault(None, name, message, None, "missing") for name in schema.names if name in absent]
    if not faults and not known & set(names):
        faults.append(Fault(None, None, "Expected at least one feature's column.", f"{len(names)} columns", "missing"))
    if faults:
        raise InvalidRequestError(faults)
    return [i for i, name in enumerate(names) if name in known]


def sliced(columns: Mapping[str, Any], n_rows: int) -> Iterator[Part]:
    """Columns as parts."""
    for start in range(0, n_rows, _SLICE_ROWS):
        end = min(start + _SLICE_ROWS, n_rows)
        yield Part({name: _between(values, start, end) for name, values in columns.items()}, end - start)


def _between(values: Any, start: int, end: int) -> Any:
    if isinstance(values, DictionaryColumn):
        return DictionaryColumn(values.indices[start:end], values.values)
    return values[start:end]


def _taken(columns: Mapping[str, Any], rows: npt.NDArray[np.intp]) -> dict[str, Any]:
    taken: dict[str, Any] = {}
    for name, values in columns.items():
        if isinstance(values, DictionaryColumn):
            taken[name] = values.take(rows)
        elif isinstance(values, np.ndarray):
            taken[name] = values[rows]
        else:
            taken[name] = [values[i] for i in rows.tolist()]
    return taken


def _spread(answers: Numbers, rows: npt.NDArray[np.intp], n_rows: int) -> Numbers:
    out = np.full((n_rows, answers.shape[1]), np.nan, dtype=answers.dtype)
    out[rows] = answers
    return out
