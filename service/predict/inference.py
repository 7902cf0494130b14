"""One batch: the rows of several requests go through one run of the network, and each request gets its own answer."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from artifact.errors import Fault, SchemaMismatchError
from artifact.rows.encoding import Encoded, RowWarning
from service.predict.core import NO_ANSWER, Bound, Core, without_answer
from service.predict.policy import as_faults
from service.predict.requests import PredictRequest
from service.wire.errors import ApiError, InvalidRequestError, ModelError

Row = list[float]


class Answer(NamedTuple):
    """The answer to one request.

    Attributes:
        value, lower, upper: for each row a number for each target.
        warnings: warnings whose rows are counted from this request's first.
    """

    value: list[Row]
    lower: list[Row]
    upper: list[Row]
    warnings: list[RowWarning]


Outcome = Answer | ApiError


def answer(core: Core, requests: Sequence[PredictRequest]) -> list[Outcome]:
    """Answer requests together; each gets the same numbers as if it were alone.

    A request that cannot be answered gets its error, and the others their answers.

    Raises:
        ModelError: the network failed; it is unknown which of the requests is the cause.
    """
    rows: list[dict[str, Any]] = []
    for request in requests:
        if request.rows is None or request.interval is not None:
            break
        rows += request.rows
    else:
        # The usual batch: one encoding, one bound.
        try:
            X = core.encoder.encode_rows(rows, checked=True)
            return _run(core, requests, X, [core.usual_bound])
        except SchemaMismatchError:
            pass  # One of the requests has a fault: the code below finds which.
    outcomes: list[Outcome | None] = [None] * len(requests)
    bound_of: dict[int, Bound] = {}
    for i, request in enumerate(requests):
        try:
            bound_of[i] = core.bound(request.interval)
        except InvalidRequestError as error:
            outcomes[i] = error
    groups = _encode(core, requests, list(bound_of), outcomes)
    if groups:
        order = [i for group, _ in groups for i in group]
        X = _concatenate([encoded for _, encoded in groups])
        answers = _run(core, [requests[i] for i in order], X, [bound_of[i] for i in order])
        for i, outcome in zip(order, answers, strict=True):
            outcomes[i] = outcome
    return [o if o is not None else ModelError("The request was lost in its batch.") for o in outcomes]


def _encode(
    core: Core, requests: Sequence[PredictRequest], valid: list[int], outcomes: list[Outcome | None]
) -> list[tuple[list[int], Encoded]]:
    """Encode requests of rows together and requests of columns one by one; a refused request gets its outcome here."""
    by_row = [i for i in valid if requests[i].rows is not None]
    if len(by_row) > 1:
        rows = [row for i in by_row for row in requests[i].rows or ()]
        try:
            joint = [(by_row, core.encoder.encode_rows(rows, checked=True))]
            alone = [i for i in valid if requests[i].rows is None]
        except SchemaMismatchError:
            joint, alone = [], valid
    else:
        joint, alone = [], valid
    for i in alone:
        try:
            joint.append(([i], requests[i].encode(core.encoder)))
        except SchemaMismatchError as error:
            outcomes[i] = InvalidRequestError(error.faults)
    return joint


def _run(core: Core, requests: Sequence[PredictRequest], X: Encoded, bounds: list[Bound]) -> list[Outcome]:
    """Run the encoded rows of ``requests``, in their order, with one bound for all or one for each request."""
    sizes = [request.n_rows for request in requests]
    ends = core.run(X, bounds, sizes)
    unanswered = without_answer(ends)
    lowers, values, uppers = ends.tolist()
    if unanswered is None and len(X) == len(requests) and not X.warnings:
        # The usual batch: single rows.
        core.tap.add(core.predictor, X, ends)
        return [Answer([v], [lo], [up], []) for lo, v, up in zip(lowers, values, uppers, strict=True)]
    stops = list(accumulate(sizes))
    warnings = _share(X.warnings, stops) if X.warnings else None
    outcomes: list[Outcome] = []
    is_answered = np.ones(len(X), np.bool_)
    for k, (size, stop) in enumerate(zip(sizes, stops, strict=True)):
        start = stop - size
        own = warnings[k] if warnings and core.policy != "ignore" else []
        if unanswered is not None and unanswered[start:stop].any():
            faults = [Fault(int(r), None, NO_ANSWER, None, "no_answer") for r in np.flatnonzero(unanswered[start:stop])]
        else:
            faults = as_faults(own) if core.policy == "refuse" else []
        if faults:
            outcomes.append(InvalidRequestError(faults))
            is_answered[start:stop] = False
        else:
            outcomes.append(Answer(values[start:stop], lowers[start:stop], uppers[start:stop], own))
    core.tap.add(core.predictor, X, ends, None if is_answered.all() else is_answered)
    return outcomes


def _concatenate(parts: list[Encoded]) -> Encoded:
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
    """The warnings of each request, with rows counted from the request's first."""
    shares: list[list[RowWarning]] = [[] for _ in ends]
    for warning in warnings:
        k = bisect_right(ends, warning.row)
        shares[k].append(warning._replace(row=warning.row - (ends[k - 1] if k else 0)))
    return shares
