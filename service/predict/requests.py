"""Reads the body of ``POST /predict`` into validated rows or columns.

A body is ``{"rows": [{feature: value, ...}, ...]}`` or ``{"columns": {feature: [value, ...], ...}}``, and may have
``"interval": 0.9`` and ``"on_error": "row"`` (which :mod:`service.predict.bulk` answers).
A key whose value is ``null`` counts as absent; if a key is there twice, the last one counts.
The validator is generated from the model's schema and reads the bytes themselves. It checks names, types and missing
values, which are checked nowhere else; the encoding checks ranges and categories. A body that the validator refuses is
read again by :mod:`service.predict.explain`, which is slower and lists every fault.
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
    """A validated request; either ``rows`` or ``columns`` is set.

    Attributes:
        rows: a mapping for each row, feature name to value.
        columns: feature name to a list or array of ``n_rows`` values; a category has a list of strings and None.
        n_rows: number of rows.
        interval: level of the interval, or None for the model's default.
    """

    rows: list[dict[str, Any]] | None
    columns: dict[str, Any] | None
    n_rows: int
    interval: float | None

    def encode(self, encoder: Encoder) -> Encoded:
        """Encode the values with the encoder of the schema that validated the request.

        Raises:
            SchemaMismatchError: the schema refuses some values.
        """
        if self.rows is not None:
            return encoder.encode_rows(self.rows, checked=True)
        # The reader has let absent columns pass, so each of them may be absent.
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
            body: JSON.
            missing_columns: ``impute`` allows columns to lack a feature that training saw missing. Defaults to
                ``refuse``.

        Raises:
            NotJSONError: the body is not JSON, or is nested too deeply.
            TooLargeError: the request has too many rows.
            InvalidRequestError: the body breaks the schema; the error lists every fault, up to 100.
        """
        try:
            document = self._validate(body) if missing_columns == "refuse" else self._validate_imputing(body)
        except ValidationError as error:
            raise explain(body, self._encoder, self._max_rows, error, missing_columns) from None
        rows, columns = document.get("rows"), document.get("columns")
        values = rows if rows is not None else next(iter((columns or {}).values()), ())
        n_rows = len(values)
        if (rows is None) == (columns is None) or n_rows == 0:
            raise explain(body, self._encoder, self._max_rows, None, missing_columns)
        if n_rows > self._max_rows:
            raise TooLargeError.rows(self._max_rows, n_rows)
        return PredictRequest(rows, columns, n_rows, document.get("interval"))

    def refusal(self, document: dict[str, Any], missing_columns: MissingColumns = "refuse") -> ApiError:
        """The error for a body that is parsed already and holds NaN or an infinity, which JSON does not have."""
        return explain_document(document, self._encoder, self._max_rows, None, missing_columns)


def validator(
    schema: FeatureSchema, max_rows: int, missing_columns: MissingColumns = "refuse"
) -> Callable[[bytes], dict[str, Any]]:
    """A function that reads a body for one schema, and raises pydantic's ValidationError.

    Args:
        schema: schema of the model that answers.
        max_rows: most rows in a request.
        missing_columns: as in :meth:`RequestReader.read`.
    """
    return SchemaValidator(_request_schema(schema, max_rows, missing_columns)).validate_json


def _request_schema(schema: FeatureSchema, max_rows: int, missing_columns: MissingColumns) -> core_schema.CoreSchema:
    # fail_fast: a hostile body then makes one fault here, not one object for each of its million faults.
    values = {f.name: _value_schema(f) for f in schema.features}
    required = {f.name: f.missing == "refuse" for f in schema.features}
    row = _object({name: (value, required[name]) for name, value in values.items()})
    # A row may leave out a feature that training saw missing. A table may not lack its column.
    is_required = {name: required[name] or missing_columns == "refuse" for name in values}
    columns = _object(
        {name: (core_schema.list_schema(value, fail_fast=True), is_required[name]) for name, value in values.items()}
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
        # Integers are read as floats too: in JSON 5.0 is an integer, and the encoding refuses 5.5.
        value = core_schema.float_schema(strict=True, allow_inf_nan=False)
    return core_schema.nullable_schema(value) if feature.missing == "impute" else value
