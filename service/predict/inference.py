"""One batch: the rows of several requests through one run of the network, and back to each its own answer."""

from __future__ import annotations

import logging
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from artifact.errors import DataError, Fault, SchemaMismatchError
from artifact.predictor import Predictor
from artifact.rows.encoding import Encoded, RowWarning
from service.predict.requests import PredictRequest
from service.wire.errors import ApiError, InvalidRequestError, ModelError

logger = logging.getLogger("bentoml.trueline")

Row = list[float]


class Answer(NamedTuple):
    """The answer to one request.

    Attributes:
        value, lower, upper: for each row one number a target.
        warnings: with row numbers of this request.
    """

    value: list[Row]
    lower: list[Row]
    upper: list[Row]
    warnings: list[RowWarning]


Outcome = Answer | ApiError


def answer(predictor: Predictor, requests: Sequence[PredictRequest]) -> list[Outcome]:
    """Answer requests together; each gets the same numbers as if it had come alone.

    A request that cannot be answered gets its error and does not hurt the others.
    """
    rows: list[dict[str, Any]] = []
    for request in requests:
        if request.rows is None or request.interval is not None:
            break
        rows += request.rows
    else:
        # The usual batch: one encoding, one bound.
        try:
            X = predictor.encoder.encode_rows(rows, checked=True)
            return _run(predictor, requests, X, [predictor.bound()])
        except SchemaMismatchError:
            pass  # Some request's fault: sort out whose.
    outcomes: list[Outcome | None] = [None] * len(requests)
    taken: list[int] = []
    bounds: list[npt.NDArray[np.float64]] = []
    for i, request in enumerate(requests):
        try:
            bounds.append(predictor.bound(request.interval))
            taken.append(i)
        except DataError as error:
            rule = str(error).partition(" Received:")[0]
            outcomes[i] = InvalidRequestError([Fault(None, "interval", rule, request.interval, "range")])
    groups = _encode(predictor, requests, taken, outcomes)
    if groups:
        order = [i for group, _ in groups for i in group]
        bound_of = dict(zip(taken, bounds, strict=True))
        X = _joined([encoded for _, encoded in groups])
        answers = _run(predictor, [requests[i] for i in order], X, [bound_of[i] for i in order])
        for i, found in zip(order, answers, strict=True):
            outcomes[i] = found
    return [o if o is not None else ModelError("The request was lost in its batch.") for o in outcomes]


def _encode(
    predictor: Predictor, requests: Sequence[PredictRequest], taken: list[int], outcomes: list[Outcome | None]
) -> list[tuple[list[int], Encoded]]:
    """Requests of rows encoded together, requests of columns one by one; refused ones get their outcome here."""
    by_row = [i for i in taken if requests[i].rows is not None]
    if len(by_row) > 1:
        rows = [row for i in by_row for row in requests[i].rows or ()]
        try:
            joint = [(by_row, predictor.encoder.encode_rows(rows, checked=True))]
            alone = [i for i in taken if requests[i].rows is None]
        except SchemaMismatchError:
            joint, alone = [], taken
    else:
        joint, alone = [], taken
    for i in alone:
        try:
            joint.append(([i], requests[i].encode(predictor.encoder)))
        except SchemaMismatchError as error:
            outcomes[i] = InvalidRequestError(error.faults)
    return joint


def _run(
    predictor: Predictor, requests: Sequence[PredictRequest], X: Encoded, bounds: list[npt.NDArray[np.float64]]
) -> list[Outcome]:
    """Run the network on the encoded rows of ``requests``, in their order; one bound for all, or one a request."""
    sizes = [request.n_rows for request in requests]
    try:
        outputs = predictor.run(X.numeric, X.categorical)
        if len(outputs.value) != len(X):
            raise ModelError(f"Expected {len(X)} answers. Received: {len(outputs.value)}.")
        bound = predictor.row_bounds(bounds, sizes, X)
        # Infinite outputs are answered for below, not warned of in the log.
        with np.errstate(over="ignore", invalid="ignore"):
            ends = predictor.ends(outputs, bound)
    except Exception as error:
        if len(requests) > 1:
            return _halved(predictor, requests, X, sizes, bounds)
        logger.exception("%s:%s failed on a request", predictor.model_name, predictor.model_version)
        return [error if isinstance(error, ModelError) else ModelError("The model failed on these rows.")]
    finite = np.isfinite(ends)
    all_finite = b"\0" not in finite.tobytes()  # faster than all() by a microsecond
    if all_finite and len(X) == len(requests) and ends.shape[1] == 1 and not X.warnings:
        # The usual batch: single rows and one target.
        return [Answer([[value]], [[lower]], [[upper]], []) for lower, value, upper in ends[:, 0].tolist()]
    broken = None if all_finite else ~finite.all(axis=(1, 2))
    lowers, values, uppers = (ends[:, :, k].tolist() for k in range(3))
    stops = list(accumulate(sizes))
    warnings = _share(X.warnings, stops) if X.warnings else None
    answers: list[Outcome] = []
    start = 0
    for k, stop in enumerate(stops):
        if broken is not None and broken[start:stop].any():
            message = "Expected values for which the model has a finite answer."
            rows = np.flatnonzero(broken[start:stop])
            answers.append(InvalidRequestError([Fault(int(r), None, message, None, "no_answer") for r in rows]))
        else:
            own = warnings[k] if warnings else []
            answers.append(Answer(values[start:stop], lowers[start:stop], uppers[start:stop], own))
        start = stop
    return answers


def _halved(
    predictor: Predictor,
    requests: Sequence[PredictRequest],
    X: Encoded,
    sizes: list[int],
    bounds: list[npt.NDArray[np.float64]],
) -> list[Outcome]:
    """After a failed batch: each half alone, down to the requests that fail. One of n costs 2 log2(n) runs."""
    half = len(requests) // 2
    at = sum(sizes[:half])
    answers: list[Outcome] = []
    for part, rows in ((slice(half), slice(at)), (slice(half, None), slice(at, None))):
        start = rows.start or 0
        stop = len(X) if rows.stop is None else rows.stop
        warnings = [w._replace(row=w.row - start) for w in X.warnings if start <= w.row < stop]
        encoded = Encoded(X.numeric[rows], X.categorical[rows], warnings)
        answers.extend(_run(predictor, requests[part], encoded, bounds if len(bounds) == 1 else bounds[part]))
    return answers


def _joined(parts: list[Encoded]) -> Encoded:
    if len(parts) == 1:
        return parts[0]
    warnings: list[RowWarning] = []
    offset = 0
    for part in parts:
        warnings.extend(w._replace(row=w.row + offset) for w in part.warnings)
        offset += len(part)
    numeric: npt.NDArray[Any] = np.concatenate([part.numeric for part in parts])
    return Encoded(numeric, np.concatenate([part.categorical for part in parts]), warnings)


def _share(warnings: list[RowWarning], ends: list[int]) -> list[list[RowWarning]]:
    """Warnings by request, row numbers counted from each request's first row."""
    shares: list[list[RowWarning]] = [[] for _ in ends]
    for warning in warnings:
        k = bisect_right(ends, warning.row)
        shares[k].append(warning._replace(row=warning.row - (ends[k - 1] if k else 0)))
    return shares
