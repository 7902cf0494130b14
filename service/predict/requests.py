"""The body of ``POST /predict`` to validated rows or columns.

``{"rows": [{feature: value, ...}, ...]}`` or ``{"columns": {feature: [value, ...], ...}}``, and optionally
``"interval": 0.9`` and ``"on_error": "row"`` (:mod:`service.predict.bulk` answers that one).
A key with the value ``null`` counts as left out; of a key that comes twice the last one counts.
The validator is generated from the model's schema and reads the bytes themselves: names, types and missing values are
checked here and once, ranges and categories by the encoding. A body that it refuses is read again, slowly, by
:mod:`service.predict.explain` to say everything that is wrong with it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pydantic_core import SchemaValidator, ValidationError, core_schema

from artifact.rows.absent import MissingColumns
from artifact.rows.encoding import Encoded, Encoder
from artifact.rows.schema import Feature, FeatureSchema
from service.predict.explain import explain, explain_document
from service.wire.errors import ApiError, TooLargeError


@dataclass(frozen=True, slots=True)
class PredictRequest:
    """What a caller asks for; either ``rows`` or ``columns`` is set.

    Attributes:
        rows: one mapping a row, feature name to value.
        columns: feature name to a list or array of ``n_rows`` values, a category's a list of strings and None.
        n_rows: number of rows.
        interval: level of the interval, or None for the model's default.
    """

    rows: list[dict[str, Any]] | None
    columns: dict[str, Any] | None
    n_rows: int
    interval: float | None

    def encode(self, encoder: Encoder) -> Encoded:
        """Encode by the schema that the request was validated by.

        Raises:
            SchemaMismatchError: values that the schema refuses.
        """
        if self.rows is not None:
            return encoder.encode_rows(self.rows, checked=True)
        # What has no column may have none: the reader let it pass.
        return encoder.encode_columns(self.columns or {}, checked=True, missing_columns="impute")


class RequestReader:
    """Reads bodies for one schema.

    Example:
        >>> RequestReader(schema, max_rows=10).read(b'{"rows": [{"age": 41}]}').rows
        [{'age': 41.0}]
    """

    def __init__(self, schema: FeatureSchema, *, max_rows: int) -> None:
        self._encoder = Encoder(schema)
        self._max_rows = max_rows
        self._validate = validator(schema, max_rows)

    @cached_property
    def _validate_imputing(self) -> Callable[[bytes], dict[str, Any]]:
        return validator(self._encoder.schema, self._max_rows, "impute")

    def read(self, body: bytes, missing_columns: MissingColumns = "refuse") -> PredictRequest:
        """Validate a body.

        Args:
            missing_columns: ``impute`` takes columns without a feature that training saw missing. Defaults to
                ``refuse``.

        Raises:
            NotJSONError: not JSON, or nested too deeply.
            TooLargeError: more rows than a request may hold.
            InvalidRequestError: anything that breaks the schema, every fault up to 100.
        """
        try:
            found = self._validate(body) if missing_columns == "refuse" else self._validate_imputing(body)
        except ValidationError as error:
            raise explain(body, self._encoder, self._max_rows, error, missing_columns) from None
        rows, columns = found.get("rows"), found.get("columns")
        counted = rows if rows is not None else next(iter((columns or {}).values()), ())
        n_rows = len(counted)
        if (rows is None) == (columns is None) or n_rows == 0:
            raise explain(body, self._encoder, self._max_rows, None, missing_columns)
        if n_rows > self._max_rows:
            raise TooLargeError.rows(self._max_rows, n_rows)
        return PredictRequest(rows, columns, n_rows, found.get("interval"))

    def refusal(self, found: dict[str, Any], missing_columns: MissingColumns = "refuse") -> ApiError:
        """The error of a body that was read already and holds what JSON has not: NaN, an infinity."""
        return explain_document(found, self._encoder, self._max_rows, None, missing_columns)


def validator(
    schema: FeatureSchema, max_rows: int, missing_columns: MissingColumns = "refuse"
) -> Callable[[bytes], dict[str, Any]]:
    """What reads a body for one schema; it raises pydantic's ValidationError with the first fault of each kind.

    Args:
        schema: of the model that answers.
        max_rows: most rows in a request.
        missing_columns: as in :meth:`RequestReader.read`.
    """
    return SchemaValidator(_request_schema(schema, max_rows, missing_columns)).validate_json


def _request_schema(schema: FeatureSchema, max_rows: int, missing_columns: MissingColumns) -> core_schema.CoreSchema:
    # fail_fast: a hostile body costs one fault here, not one object for each of its million faults.
    values = {f.name: _value_schema(f) for f in schema.features}
    required = {f.name: f.missing == "refuse" for f in schema.features}
    row = _object({name: (value, required[name]) for name, value in values.items()})
    # A row may leave out what training saw missing; a column that none of the rows has is refused.
    needed = {name: required[name] or missing_columns == "refuse" for name in values}
    columns = _object(
        {name: (core_schema.list_schema(value, fail_fast=True), needed[name]) for name, value in values.items()}
    )
    rows = core_schema.list_schema(row, max_length=max_rows, fail_fast=True)
    interval = core_schema.float_schema(strict=True, gt=0, lt=1, allow_inf_nan=False)
    on_error = core_schema.literal_schema(["request", "row"])
    parts = {"rows": rows, "columns": columns, "interval": interval, "on_error": on_error}
    return _object({name: (core_schema.nullable_schema(part), False) for name, part in parts.items()})


def _object(fields: dict[str, tuple[core_schema.CoreSchema, bool]]) -> core_schema.CoreSchema:
    return core_schema.typed_dict_schema(
        {name: core_schema.typed_dict_field(value, required=required) for name, (value, required) in fields.items()},
        extra_behavior="forbid",
        strict=True,
    )


def _value_schema(feature: Feature) -> core_schema.CoreSchema:
    value: core_schema.CoreSchema
    if feature.kind == "boolean":
        value = core_schema.bool_schema(strict=True)
    elif feature.kind in ("category", "datetime"):
        value = core_schema.str_schema(strict=True)
    else:
        # An integer too: 5.0 is one in JSON, and the encoding refuses 5.5.
        value = core_schema.float_schema(strict=True, allow_inf_nan=False)
    return core_schema.nullable_schema(value) if feature.missing == "impute" else value
