"""Large requests: decoded, predicted and written part by part, in the thread of :mod:`service.predict.lane`.

A part is a few hundred rows as columns: as many as the network runs fastest on, and so few that neither memory nor the
interpreter's lock is held for long.
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
from service.predict.parts import Answered, Options, Part, spread, taken
from service.predict.policy import refused
from service.wire.errors import DETAILS_LIMIT, InvalidRequestError, ModelError, TooLargeError

_FAILED = "The model failed on this row; the log of the service says why."


class BulkRun:
    """One request's rows through the model, a part at a time.

    Args:
        core: takes rows through the version that answers all of them.
        options: what the caller asked for.
        max_rows: most rows of the request, or None for a stream without an end.

    Attributes:
        rows: how many have been read.

    Raises:
        InvalidRequestError: an interval that the calibration cannot promise.
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
        self._counted: list[Fault] = []
        self._is_logged = False
        self._warnings: Counter[str] = Counter()
        self._bound = core.bound(options.interval)

    def answer(self, part: Part) -> Answered | None:
        """Predict a part; None where the request is going to be refused and only its faults are of interest.

        Raises:
            InvalidRequestError: more faults than are reported, or one of the whole request.
            TooLargeError: too many rows.
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
            metrics.faults(faults, labels(self.predictor.schema))
        metrics.warnings(warnings)

    def _note(self, faults: Iterable[Fault], rows: npt.NDArray[np.intp] | None, errors: dict[int, list[Fault]]) -> None:
        """Sort faults to their rows, the first of each value; one of the whole request ends it."""
        for fault in faults:
            if fault.row is None:
                raise InvalidRequestError([f for f in faults if f.row is None])
            found = errors.setdefault(fault.row if rows is None else int(rows[fault.row]), [])
            if len(found) < DETAILS_LIMIT and all(fault.field != f.field for f in found):
                found.append(fault)

    def _encode(self, part: Part, errors: dict[int, list[Fault]]) -> tuple[Encoded, npt.NDArray[np.intp]]:
        """Encode the rows that can be; the others' faults are added to ``errors``."""
        columns = part.columns
        good = np.arange(part.n_rows)
        if errors:
            # A decoder's fault of one value leaves the others of its row to be looked at.
            self._look_closer(
                part, [row for row, found in errors.items() if all(f.field is not None for f in found)], errors
            )
            good = np.delete(good, list(errors))
            columns = taken(part.columns, good)
        while len(good) and columns:
            try:
                X = self.predictor.encoder.encode_columns(columns, missing_columns=self.options.missing_columns)
                if self._policy == "warn" or not X.warnings:
                    return X, good
                if self._policy == "ignore":
                    return replace(X, warnings=[]), good
                self._note(refused(X.warnings), good, errors)
            except SchemaMismatchError as error:
                self._note(error.faults, good, errors)
                if len(error.faults) >= FAULT_LIMIT or self._policy == "refuse":
                    # Some were left out, perhaps of rows that have others.
                    self._look_closer(
                        part, sorted({int(good[f.row]) for f in error.faults if f.row is not None}), errors
                    )
            if not self.options.by_row:
                break
            good = np.delete(np.arange(part.n_rows), list(errors))
            columns = taken(part.columns, good)
        return self._nothing, good[:0]

    def _look_closer(self, part: Part, rows: Sequence[int], errors: dict[int, list[Fault]]) -> None:
        """Add the faults that rows have besides those found: so few rows at a time that none is left out."""
        encoder = self.predictor.encoder
        step = max(1, FAULT_LIMIT // (3 * len(encoder.schema.features)))
        for start in range(0, len(rows), step):
            some = np.array(rows[start : start + step])
            columns = taken(part.columns, some)
            try:
                X = encoder.encode_columns(columns)
            except SchemaMismatchError as error:
                self._note(error.faults, some, errors)
                self._note(refused(error.warnings) if self._policy == "refuse" else (), some, errors)
            else:
                self._note(refused(X.warnings) if self._policy == "refuse" else (), some, errors)

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
        ends, failed = self._run_by_halves(X) if self.options.by_row else (self._run_all(X), frozenset())
        broken = without_answer(ends)
        if broken is not None:
            for i in map(int, np.flatnonzero(broken)):
                row = int(good[i])
                errors[row] = [Fault(row, None, _FAILED if i in failed else NO_ANSWER, None, "no_answer")]
            if not self.options.by_row:
                raise InvalidRequestError([f._replace(row=row + start) for row in errors for f in errors[row]])
            X = replace(X, warnings=[w for w in X.warnings if w.row not in failed])
        self._core.tap.add(self.predictor, X, ends, None if broken is None else ~broken)
        if broken is not None:
            ends[:, broken] = np.nan
        lower, value, upper = ends if len(good) == n_rows else (spread(end, good, n_rows) for end in ends)
        warnings = [w._replace(row=int(good[w.row]) + start) for w in X.warnings]
        return Answered(start, value, lower, upper, warnings, errors)

    def _run_all(self, X: Encoded) -> Ends:
        """As :meth:`Core.run`, with a line in the log where it fails."""
        try:
            return self._core.run(X, [self._bound], [len(X)])
        except ModelError as error:
            if not self._is_logged:  # once a request: it may fail on each of a million rows
                log_failure(self._core, error)
                self._is_logged = True
            raise

    def _run_by_halves(self, X: Encoded) -> tuple[Ends, frozenset[int]]:
        """The same, and the rows that the network fails on: they are NaN."""
        try:
            return self._run_all(X), frozenset()
        except ModelError as problem:
            error = problem
        failed: list[int] = []

        def run(rows: range) -> Ends:
            some = slice(rows.start, rows.stop)
            return self._run_all(Encoded(X.numeric[some], X.categorical[some]))

        def alone(row: range, _error: Exception) -> Ends:
            failed.append(row.start)
            return np.full((3, 1, len(self.predictor.schema.targets)), np.nan, dtype=np.float32)

        parts = by_halves(range(len(X)), error, run, alone)
        return np.concatenate(parts, axis=1), frozenset(failed)
