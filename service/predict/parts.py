"""Parts of a large request: some rows as columns, whatever wire format they came in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from artifact.errors import Fault
from artifact.rows.absent import MissingColumns, absence, absent_features, nearest_column
from artifact.rows.encoding import RowWarning
from artifact.rows.schema import FeatureSchema
from artifact.rows.values import DictionaryColumn
from service.predict.hints import no_feature
from service.wire.errors import DETAILS_LIMIT, Described, InvalidRequestError

PART_ROWS = 512
# How a caller has a feature without a column answered as missing.
WAY_OUT = "ask with ?missing_columns=impute"
# Names that are compared with others by likeness, which costs.
RANKED = 10
# Of columns that are arrays already, where a part costs nothing but its number.
_SLICE_ROWS = 2048

Numbers = npt.NDArray[np.floating]


class Options(NamedTuple):
    """What a caller asks for beside the rows.

    Attributes:
        interval: level of the interval, or None for the model's default.
        by_row: answer the good rows and report the bad in their places, instead of refusing the request.
        ignore_extra: leave out columns that are no feature, instead of refusing them.
        missing_columns: ``impute`` answers a feature that has no column as missing, where training saw it missing.
    """

    interval: float | None = None
    by_row: bool = False
    ignore_extra: bool = False
    missing_columns: MissingColumns = "refuse"


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


def absent_faults(
    schema: FeatureSchema,
    names: Sequence[str],
    missing_columns: MissingColumns,
    *,
    what: str = "column",
    way_out: str = WAY_OUT,
) -> list[Fault]:
    """A fault for each feature that has to have a column and has none.

    Args:
        names: of the columns that came.
        what: a column in the protocol's word.
        way_out: how the protocol asks to have it answered as missing.
    """
    absent = absent_features(schema, names, missing_columns)
    # Ranking names by likeness costs: only the first absent ones get it.
    nearest = [nearest_column(schema, f.name, names) for f in absent[:RANKED]]
    nearest += [None] * (len(absent) - len(nearest))
    return [
        Fault(None, feature.name, absence(feature, near, way_out, what), None, "missing")
        for feature, near in zip(absent, nearest, strict=True)
    ]


def chosen_columns(schema: FeatureSchema, names: Sequence[str], options: Options) -> list[int]:
    """Which of a table's columns are features, by position.

    Raises:
        InvalidRequestError: a column that comes twice, that is no feature, or that is needed and not there.
    """
    known, ignore_extra = frozenset(schema.names), options.ignore_extra
    faults = [
        Fault(None, name, "Expected each column once.", Described(f"{times} times"), "type")
        for name, times in Counter(names).items()
        if times > 1 and (name in known or not ignore_extra)
    ]
    absent = absent_faults(schema, names, options.missing_columns)
    if not ignore_extra:
        extra = [name for name in dict.fromkeys(names) if name not in known][:DETAILS_LIMIT]
        # Ranking the features by likeness costs: only the first wrong names get it.
        faults += [
            Fault(None, name, no_feature(schema, name, whole=not absent, listed=i < RANKED), name, "unknown")
            for i, name in enumerate(extra)
        ]
    faults += absent
    if not faults and not known & set(names):
        faults.append(
            Fault(None, None, "Expected at least one feature's column.", Described(f"{len(names)} columns"), "missing")
        )
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


def taken(columns: Mapping[str, Any], rows: npt.NDArray[np.intp]) -> dict[str, Any]:
    """Some rows of columns, by position."""
    found: dict[str, Any] = {}
    for name, values in columns.items():
        if isinstance(values, DictionaryColumn):
            found[name] = values.take(rows)
        elif isinstance(values, np.ndarray):
            found[name] = values[rows]
        else:
            found[name] = [values[i] for i in rows.tolist()]
    return found


def spread(answers: Numbers, rows: npt.NDArray[np.intp], n_rows: int) -> Numbers:
    """Answers (n_answered, n_targets) in their places among ``n_rows``; NaN in the others."""
    out = np.full((n_rows, answers.shape[1]), np.nan, dtype=answers.dtype)
    out[rows] = answers
    return out
