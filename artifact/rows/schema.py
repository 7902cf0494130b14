"""FeatureSchema: what one row holds. Training writes it, and all code that handles rows reads it."""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter
from functools import cached_property
from typing import Any, Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from artifact.errors import DataError, unknown_name
from artifact.rows.example import example_of
from artifact.rows.texts.format import TextFormat

Kind = Literal["number", "integer", "boolean", "category", "datetime"]
DatetimePart = Literal["days", "season_sin", "season_cos", "weekday_sin", "weekday_cos", "hour_sin", "hour_cos"]

MISSING_CODE = 0
OTHER_CODE = 1
FIRST_CATEGORY_CODE = 2


class NumericColumn(NamedTuple):
    """One column of the numeric input: a feature, and for a datetime the part of it."""

    feature: str
    part: DatetimePart | None

    @property
    def name(self) -> str:
        return self.feature if self.part is None else f"{self.feature}.{self.part}"


class Feature(BaseModel):
    """One feature: its kind, the range or categories that training saw, and what to do beyond them.

    Attributes:
        minimum, maximum: the training range in the feature's unit (seconds since 1970 UTC for a datetime).
        offset: subtracted in float64 before the value becomes float32; 0 unless the offset dwarfs the spread.
        categories: known categories, most frequent first; code of the first is 2 (0 missing, 1 other).
        rare: categories that stood in the table, but in too few rows for a code of their own; they are answered as
            ``other``. At most 1,000, the most frequent first.
        rare_left: number of further rare categories, which are not kept. Such a value counts as unseen, and its message
            says that it may be rare. Schemas from before rare categories existed have none.
        missing: ``impute`` where training saw the feature missing, ``refuse`` where training never did.
        unseen: ``other`` answers an unknown category through the model's own bucket, ``refuse`` refuses it. A rare
            category is answered in both cases.
        out_of_range: ``warn`` answers a value outside the range with a warning, ``refuse`` refuses it.
        parts: for a datetime, which numeric columns it becomes.
        example: one usual value of the table, as it would stand in JSON. Examples of requests show the value of
            :func:`artifact.rows.example.example_of`, which the schema never refuses.
        text: how the texts of a table or CSV are written; None: as JSON would write them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1)
    kind: Kind
    unit: str | None = None
    description: str | None = None
    minimum: float | None = Field(default=None, allow_inf_nan=False)
    maximum: float | None = Field(default=None, allow_inf_nan=False)
    offset: float = Field(default=0.0, allow_inf_nan=False)
    categories: tuple[str, ...] = ()
    # These and ``text`` are not written where they are empty, so that such a schema keeps its digest.
    rare: tuple[str, ...] = Field(default=(), exclude_if=lambda value: not value)
    rare_left: int = Field(default=0, ge=0, exclude_if=lambda value: not value)
    missing: Literal["impute", "refuse"] = "refuse"
    unseen: Literal["other", "refuse"] = "other"
    out_of_range: Literal["warn", "refuse"] = "warn"
    parts: tuple[DatetimePart, ...] = ()
    example: Any = None
    text: TextFormat | None = Field(default=None, exclude_if=lambda value: value is None)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            raise ValueError(
                f"Expected minimum <= maximum for '{self.name}'. Received: {self.minimum} > {self.maximum}."
            )
        if self.kind != "category" and (self.categories or self.rare):
            raise ValueError(f"Expected categories only for kind 'category'. Received: '{self.name}' is '{self.kind}'.")
        if len({*self.categories, *self.rare}) != len(self.categories) + len(self.rare):
            raise ValueError(f"Expected distinct categories for '{self.name}'.")
        if (self.kind == "datetime") != bool(self.parts):
            raise ValueError(f"Expected parts for kind 'datetime' and no other. Received: '{self.name}': {self.parts}.")
        return self

    @property
    def is_numeric(self) -> bool:
        """True where the feature enters the numeric input, False where it enters the categorical one."""
        return self.kind != "category"


class Target(BaseModel):
    """One predicted column.

    Attributes:
        minimum, maximum: the range of the training rows, in ``unit``.
        offset: added in float64 to the network's float32 output; 0 unless the mean dwarfs the spread.
        std: standard deviation over the training rows, in ``unit``; tolerances are stated in it.
        text: how the texts of a table are written; None: as JSON would write them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1)
    unit: str | None = None
    description: str | None = None
    minimum: float = Field(allow_inf_nan=False)
    maximum: float = Field(allow_inf_nan=False)
    std: float = Field(gt=0, allow_inf_nan=False)
    offset: float = Field(default=0.0, allow_inf_nan=False)
    text: TextFormat | None = Field(default=None, exclude_if=lambda value: value is None)


class FeatureSchema(BaseModel):
    """The features of a row, in the order of the model's inputs, and its targets."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    features: tuple[Feature, ...] = Field(min_length=1)
    targets: tuple[Target, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _check(self) -> Self:
        names = Counter([f.name for f in self.features] + [t.name for t in self.targets])
        repeated = sorted(name for name, times in names.items() if times > 1)
        if repeated:
            raise ValueError(f"Expected each name once. Received: {', '.join(repeated)} more than once.")
        return self

    @cached_property
    def names(self) -> tuple[str, ...]:
        """All feature names, in schema order."""
        return tuple(f.name for f in self.features)

    @cached_property
    def target_names(self) -> tuple[str, ...]:
        return tuple(t.name for t in self.targets)

    @cached_property
    def numeric(self) -> tuple[Feature, ...]:
        """Features of the numeric input, in schema order."""
        return tuple(f for f in self.features if f.is_numeric)

    @cached_property
    def categorical(self) -> tuple[Feature, ...]:
        """Features of the categorical input, in schema order."""
        return tuple(f for f in self.features if not f.is_numeric)

    @cached_property
    def numeric_columns(self) -> tuple[NumericColumn, ...]:
        """Columns of the numeric input (n_samples, n_numeric), in order."""
        columns: list[NumericColumn] = []
        for feature in self.numeric:
            parts: tuple[DatetimePart | None, ...] = feature.parts or (None,)
            columns.extend(NumericColumn(feature.name, part) for part in parts)
        return tuple(columns)

    @cached_property
    def cardinalities(self) -> tuple[int, ...]:
        """Number of codes of each categorical feature, missing and other included."""
        return tuple(len(f.categories) + FIRST_CATEGORY_CODE for f in self.categorical)

    def feature(self, name: str) -> Feature:
        """The feature of that name.

        Raises:
            DataError: no such feature; the message lists the features.
        """
        for feature in self.features:
            if feature.name == name:
                return feature
        raise DataError(unknown_name("feature", name, self.names))

    def digest(self) -> str:
        """sha256 of the schema's canonical JSON: schemas with equal digests have equal fields and targets."""
        canonical = json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"), allow_nan=False)
        return hashlib.sha256(canonical.encode()).hexdigest()

    def lenient(self) -> FeatureSchema:
        """The same columns without refusals: training and evaluation score every row of a table."""
        policies = {"missing": "impute", "unseen": "other", "out_of_range": "warn"}
        # The schema is built anew, because model_copy would keep the cached properties of the strict features.
        return FeatureSchema(features=tuple(f.model_copy(update=policies) for f in self.features), targets=self.targets)

    def example_row(self) -> dict[str, Any]:
        """One usual row as a request would hold it; a service answers it."""
        return {f.name: example_of(f) for f in self.features}

    def json_schema(self) -> dict[str, Any]:
        """The schema of one row as JSON Schema (draft 2020-12).

        ``unit``, ``range`` and ``categories`` are annotations: a value outside them is answered with a warning. Where
        the feature's policy refuses such a value, the constraint (``minimum``, ``enum``) is written too.
        """
        return {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": "row",
            "type": "object",
            "properties": {f.name: _property(f) for f in self.features},
            "required": [f.name for f in self.features if f.missing == "refuse"],
            "additionalProperties": False,
        }


_JSON_TYPES: dict[Kind, str] = {
    "number": "number",
    "integer": "integer",
    "boolean": "boolean",
    "category": "string",
    "datetime": "string",
}


def _property(feature: Feature) -> dict[str, Any]:
    json_type = _JSON_TYPES[feature.kind]
    nullable = feature.missing == "impute"
    entry: dict[str, Any] = {"type": [json_type, "null"] if nullable else json_type}
    description = [feature.description] if feature.description else []
    if feature.kind == "datetime":
        description.append("An ISO 8601 date or time; without a zone it is UTC.")
    if description:
        entry["description"] = " ".join(description)
    if feature.unit:
        entry["unit"] = feature.unit
    if feature.kind == "datetime":
        # Not `date-time`: RFC 3339 defines it with a time and a zone, and generated clients insist on both.
        entry["format"] = "iso-8601"
    elif feature.kind in ("number", "integer") and feature.minimum is not None and feature.maximum is not None:
        low, high = (_plain_number(v) for v in (feature.minimum, feature.maximum))
        entry["range"] = [low, high]
        if feature.out_of_range == "refuse":
            entry["minimum"], entry["maximum"] = low, high
    if feature.kind == "category":
        entry["categories"] = list(feature.categories)
        if feature.unseen == "refuse":
            entry["enum"] = [*feature.categories, *feature.rare, *([None] if nullable else [])]
    entry["examples"] = [example_of(feature)]
    return entry


def _plain_number(value: float) -> float | int:
    """3.0 as 3, as people write it."""
    return int(value) if math.isfinite(value) and value == int(value) and abs(value) < 2**53 else value
