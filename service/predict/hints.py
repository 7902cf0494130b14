"""What helps whoever sent a name that is no feature, or a number that JSON has not: sentences with the way out."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from artifact.errors import Fault, unknown_name
from artifact.rows.schema import Feature, FeatureSchema
from service.wire.errors import Described, number_name

IGNORE = "POST /predict?extra=ignore passes over what is no feature."
_NAME_LENGTH = 100
# As pandas writes an index: in Parquet and Arrow, and what it calls the column without a name of its own CSV.
_INDEX = re.compile(r"__index_level_\d+__|Unnamed: \d+(\.\d+|_level_\d+)?|index|level_\d+")


def no_feature(schema: FeatureSchema, name: str, *, whole: bool = False, listed: bool = True) -> str:
    """Why a name is no feature's, and what to do about it.

    Args:
        whole: whether every feature is there as well, so that this one is too many rather than misspelt.
        listed: list the features, those most like the name first. It costs: only the first wrong names are worth it.
    """
    shown = name[:_NAME_LENGTH]
    special = special_name(schema, name)
    if special is not None:
        return f"Unknown feature '{shown}'. {special} Or keep it: {IGNORE}"
    if listed:
        said = unknown_name("feature", shown, schema.names)
    else:
        said = f"Unknown feature '{shown}'. GET /schema lists those there are."
    return f"{said} {IGNORE}" if whole else said


def special_name(schema: FeatureSchema, name: str) -> str | None:
    """What a name that is no feature's is, where it is known."""
    if name in schema.target_names:
        return "It is the target, which the model predicts: leave it out."
    if not name:
        return (
            "A column without a name is the index of a pandas table (write the table with index=False) or comes from a "
            "comma at the end of each line."
        )
    if _INDEX.fullmatch(name):
        return "It looks like the index of a pandas table: write the table with index=False."
    return None


def is_whole(schema: FeatureSchema, names: Collection[str]) -> bool:
    """Whether each feature has its name among these: with one that is absent, another name may be meant for it."""
    return all(name in names for name in schema.names)


def is_not_finite(value: Any) -> bool:
    """Whether this is NaN or an infinity."""
    return type(value) is float and not math.isfinite(value)


def not_finite(row: int | None, feature: Feature | None, value: float, field: str | None = None) -> Fault:
    """The fault of a NaN or an infinity in JSON, which Python writes there and JSON does not have.

    Args:
        feature: whose value it is, or None.
        field: what to call the place where it is no feature's.
    """
    name = number_name(value)
    if feature is not None and feature.missing == "refuse":
        way_out = "null says that a value is missing, but training never saw this feature missing."
    else:
        way_out = "Send null for a missing value."
    more = "" if math.isnan(value) else ", and float64 ends at 1.8e308"
    message = f"Expected a finite number: JSON has no {name}{more}. {way_out}"
    return Fault(row, field if feature is None else feature.name, message, Described(name), "type")


def take_out(schema: FeatureSchema, rows: Sequence[Any]) -> list[Fault]:
    """Put None for each NaN and infinity of some rows, and say where they stood; rows that are no objects stay."""
    faults: list[Fault] = []
    features = {feature.name: feature for feature in schema.features}
    for i, row in enumerate(rows):
        if isinstance(row, dict) and any(map(is_not_finite, row.values())):
            for name, value in row.items():
                if is_not_finite(value) and name in features:
                    row[name] = None
                    faults.append(not_finite(i, features[name], value))
    return faults


def take_out_of_columns(schema: FeatureSchema, columns: Mapping[str, Any]) -> list[Fault]:
    """The same of columns; lists only."""
    faults: list[Fault] = []
    for feature in schema.features:
        values = columns.get(feature.name)
        if isinstance(values, list):
            for i, value in enumerate(values):
                if is_not_finite(value):
                    values[i] = None
                    faults.append(not_finite(i, feature, value))
    return faults
