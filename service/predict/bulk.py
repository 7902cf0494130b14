"""Large requests: decoded, predicted and written part by part, in the thread of :mod:`service.predict.lane`.

A part is a few hundred rows as columns: enough for the network's best speed, and few enough that a part uses little
memory and holds the interpreter's lock for a short time.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from artifact.errors import FAULT_LIMIT, Fault, SchemaMismatchError
from artifact.rows.encoding import Encoded
from service.metrics.metrics import Metrics
from service.predict.core import NO_ANSWER, Core, Ends, log_failure, without_answer
from service.predict.explain import labels
from service.predict.halving import by_halves
from service.predict.parts import Options, Part, PartAnswer, spread, take_rows
from service.predict.policy import as_faults
from service.wire.errors import DETAILS_LIMIT, InvalidRequestError, ModelError, TooLargeError

_FAILED = "The model failed on this row; the log of the service says why."


class BulkRun:
    """Answers one request's rows, a part at a time.

    Args:
        core: the version that answers all parts.
        options: the caller's options.
        max_rows: most rows of the request, or None for a stream without an end.

    Attributes:
        rows: number of rows read so far.

    Raises:
        InvalidRequestError: the interval's level is above that of the calibration.
    """

    def __init__(self, core: Core, options: Options, max_rows: int | None) -> None:
        self._core = core
        self._policy = core.policy
        self.predictor = core.predictor
        self.options = options
        self.rows = 0
        self._max_rows = max_rows
        self._faults: list[Fault] = []
        self._batches: list[tuple[int, float]] = []
        self._uncounted: list[Fault] = []
        self._is_logged = False
        self._warnings: Counter[str] = Counter()
        self._bound = core.bound(options.interval)

    def answer(self, part: Part) -> PartAnswer | None:
        """Predict a part. Returns None if the request will be refused and only its further faults are needed.

        Raises:
            InvalidRequestError: the faults fill the list of an error, or one of them is the whole request's.
            TooLargeError: the request has too many rows.
            ModelError: the network failed.
        """
        start, self.rows = self.rows, self.rows + part.n_rows
        if self._max_rows is not None and self.rows > self._max_rows:
            raise TooLargeError.rows(self._max_rows, "more")
        began = time.perf_counter()
        errors: dict[int, list[Fault]] = {}
        self._note(part.faults, None, errors)
        X, good = self._encode(part, errors)
        if errors:
            for row in sorted(errors):
                self._uncounted.extend(f._replace(row=row + start) for f in errors[row])
            if not self.options.by_row:
                self._faults.extend(f._replace(row=row + start) for row in sorted(errors) for f in errors[row])
        if self._faults:
            if len(self._faults) >= DETAILS_LIMIT:
                self.finish()
            return None
        answers = self._run(X, good, part.n_rows, start, errors)
        self._batches.append((len(X), time.perf_counter() - began))
        self._warnings.update(w.kind for w in answers.warnings)
        return answers

    def finish(self) -> None:
        """Raise the faults of all parts, after the last one.

        Raises:
            InvalidRequestError: the parts have faults, or the request has no row.
        """
        if self._faults:
            raise InvalidRequestError(self._faults)
        if self.rows == 0:
            raise InvalidRequestError([Fault(None, None, "Expected at least one row.", "0 rows", "length")])

    def count(self, metrics: Metrics) -> None:
        """Count the answers since the last call. The event loop's thread calls this."""
        batches, self._batches = self._batches, []
        faults, self._uncounted = self._uncounted, []
        warnings, self._warnings = self._warnings, Counter()
        for rows, seconds in batches:
            metrics.batch(rows, seconds)
        if faults:
            metrics.faults(faults, labels(self.predictor.schema))
        metrics.warnings(warnings)

    def _note(self, faults: Iterable[Fault], rows: npt.NDArray[np.intp] | None, errors: dict[int, list[Fault]]) -> None:
        """Add each value's first fault to its row in ``errors``; raise at once if a fault is the whole request's."""
        for fault in faults:
            if fault.row is None:
                raise InvalidRequestError([f for f in faults if f.row is None])
            own = errors.setdefault(fault.row if rows is None else int(rows[fault.row]), [])
            if len(own) < DETAILS_LIMIT and all(fault.field != f.field for f in own):
                own.append(fault)

    def _encode(self, part: Part, errors: dict[int, list[Fault]]) -> tuple[Encoded, npt.NDArray[np.intp]]:
        """Encode the rows that fit the schema, and add the faults of the others to ``errors``."""
        columns = part.columns
        good = np.arange(part.n_rows)
        if errors:
            # Where the decoder refused one value, the other values of the row are still to be checked.
            self._look_closer(
                part, [row for row, own in errors.items() if all(f.field is not None for f in own)], errors
            )
            good = np.delete(good, list(errors))
            columns = take_rows(part.columns, good)
        while len(good) and columns:
            try:
                X = self.predictor.encoder.encode_columns(columns, missing_columns=self.options.missing_columns)
                if self._policy == "warn" or not X.warnings:
                    return X, good
                if self._policy == "ignore":
                    return replace(X, warnings=[]), good
                self._note(as_faults(X.warnings), good, errors)
            except SchemaMismatchError as error:
                self._note(error.faults, good, errors)
                if len(error.faults) >= FAULT_LIMIT or self._policy == "refuse":
                    # The encoder may have left out further faults of the rows that it lists.
                    self._look_closer(
                        part, sorted({int(good[f.row]) for f in error.faults if f.row is not None}), errors
                    )
            if not self.options.by_row:
                break
            good = np.delete(np.arange(part.n_rows), list(errors))
            columns = take_rows(part.columns, good)
        return self._nothing, good[:0]

    def _look_closer(self, part: Part, rows: Sequence[int], errors: dict[int, list[Fault]]) -> None:
        """Add all further faults of some rows.

        The encoder gets only a few rows at a time, so that it leaves out no fault.
        """
        encoder = self.predictor.encoder
        step = max(1, FAULT_LIMIT // (3 * len(encoder.schema.features)))
        for start in range(0, len(rows), step):
            some = np.array(rows[start : start + step])
            columns = take_rows(part.columns, some)
            try:
                X = encoder.encode_columns(columns)
            except SchemaMismatchError as error:
                self._note(error.faults, some, errors)
                self._note(as_faults(error.warnings) if self._policy == "refuse" else (), some, errors)
            else:
                self._note(as_faults(X.warnings) if self._policy == "refuse" else (), some, errors)

    @property
    def _nothing(self) -> Encoded:
        schema = self.predictor.schema
        numeric = np.empty((0, len(schema.numeric_columns)), np.float32)
        return Encoded(numeric, np.empty((0, len(schema.categorical)), np.int32))

    def _run(
        self, X: Encoded, good: npt.NDArray[np.intp], n_rows: int, start: int, errors: dict[int, list[Fault]]
    ) -> PartAnswer:
        n_targets = len(self.predictor.schema.targets)
        if not len(X):
            empty = np.full((n_rows, n_targets), np.nan)
            return PartAnswer(start, empty, empty, empty, [], errors)
        ends, failures = self._run_by_halves(X) if self.options.by_row else (self._run_all(X), frozenset())
        unanswered = without_answer(ends)
        if unanswered is not None:
            for i in map(int, np.flatnonzero(unanswered)):
                row = int(good[i])
                errors[row] = [Fault(row, None, _FAILED if i in failures else NO_ANSWER, None, "no_answer")]
            if not self.options.by_row:
                raise InvalidRequestError([f._replace(row=row + start) for row in errors for f in errors[row]])
            X = replace(X, warnings=[w for w in X.warnings if w.row not in failures])
        self._core.tap.add(self.predictor, X, ends, None if unanswered is None else ~unanswered)
        if unanswered is not None:
            ends[:, unanswered] = np.nan
        lower, value, upper = ends if len(good) == n_rows else (spread(end, good, n_rows) for end in ends)
        warnings = [w._replace(row=int(good[w.row]) + start) for w in X.warnings]
        return PartAnswer(start, value, lower, upper, warnings, errors)

    def _run_all(self, X: Encoded) -> Ends:
        """Do the same as :meth:`Core.run`, and log a failure."""
        try:
            return self._core.run(X, [self._bound], [len(X)])
        except ModelError as error:
            if not self._is_logged:  # once for a request: the network may fail on each of a million rows
                log_failure(self._core, error)
                self._is_logged = True
            raise

    def _run_by_halves(self, X: Encoded) -> tuple[Ends, frozenset[int]]:
        """The answers, with NaN for rows on which the network fails, and the positions of these rows."""
        try:
            return self._run_all(X), frozenset()
        except ModelError as problem:
            error = problem
        failures: list[int] = []

        def run(rows: range) -> Ends:
            some = slice(rows.start, rows.stop)
            return self._run_all(Encoded(X.numeric[some], X.categorical[some]))

        def alone(row: range, _error: Exception) -> Ends:
            failures.append(row.start)
            return np.full((3, 1, len(self.predictor.schema.targets)), np.nan, dtype=np.float32)

        parts = by_halves(range(len(X)), error, run, alone)
        return np.concatenate(parts, axis=1), frozenset(failures)
