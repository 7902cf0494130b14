"""Parts of a large request: some rows as columns, the same for every wire format."""

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
# How a caller asks that a feature without a column is taken as missing.
WAY_OUT = "ask with ?missing_columns=impute"
# Most names that are compared with others by similarity, which is slow.
RANKED = 10
# Rows of a part whose columns are arrays already. There may be more of them, because such a part needs no decoding.
_SLICE_ROWS = 2048

Numbers = npt.NDArray[np.floating]


class Options(NamedTuple):
    """A caller's options beside the rows.

    Attributes:
        interval: level of the interval, or None for the model's default.
        by_row: whether to answer good rows and report bad ones in their places, instead of refusing the request.
        ignore_extra: whether to ignore columns that are no feature, instead of refusing them.
        missing_columns: ``impute`` takes a feature without a column as missing, where training saw it missing.
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
        faults: the decoder's faults, with rows counted from the part's first.
    """

    columns: Mapping[str, Any]
    n_rows: int
    faults: Sequence[Fault] = ()


class PartAnswer(NamedTuple):
    """The answers to a part.

    Attributes:
        start: number of the part's first row in the request.
        value, lower, upper: float (n_rows, n_targets), NaN in rows that have an error.
        warnings: warnings, with rows counted from the request's first.
        errors: the faults of each row without an answer, by the row's place in the part.
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
    """A fault for each feature that needs a column and has none.

    Args:
        schema: schema of the model that answers.
        names: names of the table's columns.
        missing_columns: see :class:`Options`.
        what: the protocol's word for a column.
        way_out: how a caller of the protocol asks that such a feature is taken as missing.
    """
    absent = absent_features(schema, names, missing_columns)
    # Ranking names by similarity is slow: only the first absent features get it.
    nearest = [nearest_column(schema, f.name, names) for f in absent[:RANKED]]
    nearest += [None] * (len(absent) - len(nearest))
    return [
        Fault(None, feature.name, absence(feature, near, way_out, what), None, "missing")
        for feature, near in zip(absent, nearest, strict=True)
    ]


def feature_columns(schema: FeatureSchema, names: Sequence[str], options: Options) -> list[int]:
    """The positions of the table's columns that are features.

    Raises:
        InvalidRequestError: a column is there twice, is no feature, or is required and absent.
    """
    features, ignore_extra = frozenset(schema.names), options.ignore_extra
    faults = [
        Fault(None, name, "Expected each column once.", Described(f"{times} times"), "type")
        for name, times in Counter(names).items()
        if times > 1 and (name in features or not ignore_extra)
    ]
    absent = absent_faults(schema, names, options.missing_columns)
    if not ignore_extra:
        extra = [name for name in dict.fromkeys(names) if name not in features][:DETAILS_LIMIT]
        # Ranking the features by similarity is slow: only the first wrong names get it.
        faults += [
            Fault(None, name, no_feature(schema, name, whole=not absent, listed=i < RANKED), name, "unknown")
            for i, name in enumerate(extra)
        ]
    faults += absent
    if not faults and not features & set(names):
        faults.append(
            Fault(None, None, "Expected at least one feature's column.", Described(f"{len(names)} columns"), "missing")
        )
    if faults:
        raise InvalidRequestError(faults)
    return [i for i, name in enumerate(names) if name in features]


def sliced(columns: Mapping[str, Any], n_rows: int) -> Iterator[Part]:
    """Cut columns into parts."""
    for start in range(0, n_rows, _SLICE_ROWS):
        end = min(start + _SLICE_ROWS, n_rows)
        yield Part({name: _between(values, start, end) for name, values in columns.items()}, end - start)


def _between(values: Any, start: int, end: int) -> Any:
    if isinstance(values, DictionaryColumn):
        return DictionaryColumn(values.indices[start:end], values.values)
    return values[start:end]


def take_rows(columns: Mapping[str, Any], rows: npt.NDArray[np.intp]) -> dict[str, Any]:
    """The rows at some positions, of each column."""
    subset: dict[str, Any] = {}
    for name, values in columns.items():
        if isinstance(values, DictionaryColumn):
            subset[name] = values.take(rows)
        elif isinstance(values, np.ndarray):
            subset[name] = values[rows]
        else:
            subset[name] = [values[i] for i in rows.tolist()]
    return subset


def spread(answers: Numbers, rows: npt.NDArray[np.intp], n_rows: int) -> Numbers:
    """A new array (n_rows, n_targets) with answers (n_answered, n_targets) at ``rows``, and NaN in all other rows."""
    out = np.full((n_rows, answers.shape[1]), np.nan, dtype=answers.dtype)
    out[rows] = answers
    return out
