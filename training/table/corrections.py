"""``schema.toml``: what the user says of features and targets, where that differs from what the table shows."""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from artifact.errors import DataError, unknown_name
from artifact.rows.schema import Kind
from artifact.rows.texts.dates import format_of_dates
from artifact.rows.texts.format import Decimal, Epoch, TextFormat, Thousands
from artifact.words.settings import setting_sentence
from training.table.names import canonical

_T = TypeVar("_T")

# Values of ``unit`` for a datetime whose values are numbers.
EPOCHS: dict[str, Epoch] = {epoch: epoch for epoch in get_args(Epoch)}


class TextRules(BaseModel):
    """How texts are written, as the user says: for one column or, at the top of ``schema.toml``, for all columns.

    None leaves it to the column's texts. :func:`artifact.rows.texts.dates.format_of_dates` reads ``format``.
    """

    model_config = ConfigDict(extra="forbid")

    decimal: Decimal | None = Field(default=None, description="Mark before the fraction of a number.")
    thousands: Thousands | None = Field(
        default=None, description="Mark between groups of three digits; a space is every kind of space."
    )
    missing_values: tuple[str, ...] | None = Field(
        default=None, description='Texts or numbers that mean "no value" as well.', examples=["unknown", -999]
    )
    format: str | None = Field(
        default=None,
        description="How dates are written: in letters such as `dd/mm/yyyy`, or in the codes of `strptime`.",
        examples=["dd/mm/yyyy", "mm/dd/yyyy", "dd.mm.yy", "%d.%m.%Y %H:%M"],
    )

    @field_validator("missing_values", mode="before")
    @classmethod
    def _as_texts(cls, value: object) -> object:
        """The values as texts, since numbers are allowed too: ``missing_values = [-999]``."""
        return [str(v) if isinstance(v, (int, float)) else v for v in value] if isinstance(value, list) else value

    @field_validator("format")
    @classmethod
    def _readable(cls, value: str | None) -> str | None:
        if value is not None:
            format_of_dates(value)
        return value

    @model_validator(mode="after")
    def _distinct_marks(self) -> TextRules:
        if self.decimal is not None and self.decimal == self.thousands:
            raise ValueError(
                f"Expected different marks for decimals and thousands. Received: {self.decimal!r} for both."
            )
        return self

    @property
    def of_numbers(self) -> bool:
        """Whether a rule for numbers is set."""
        return self.decimal is not None or self.thousands is not None


def rules_of(text: TextFormat | None) -> dict[str, object]:
    """The keys of ``schema.toml`` for how a column's texts are written; units and brackets have none."""
    if text is None:
        return {}
    rules: dict[str, object] = {}
    if text.decimal != "." or text.thousands:
        rules["decimal"] = text.decimal
    if text.thousands:
        rules["thousands"] = text.thousands
    if text.missing_values:
        rules["missing_values"] = list(text.missing_values)
    date_form = text.strptime or {"dmy": "dd/mm/yyyy", "mdy": "mm/dd/yyyy", None: None}[text.order]
    if date_form is not None:
        rules["format"] = date_form
    if text.epoch is not None:
        rules["unit"] = text.epoch
    return rules


class _OfFeature(BaseModel):
    """Keys of ``[features.NAME]`` beside those for texts."""

    kind: Kind | None = Field(default=None, description="What the column is.")
    unit: str | None = Field(
        default=None,
        description="Shown in `/schema`, in tables and in the report. Where numbers are dates, it says what they "
        "count: `s`, `ms`, `us`, `ns` or `excel`.",
    )
    description: str | None = Field(default=None, description="Shown in `/schema` and in the report.")
    minimum: float | None = Field(
        default=None, description="Lower end of the range; for a date, seconds since 1970 UTC."
    )
    maximum: float | None = Field(default=None, description="Upper end of the range, in the same unit.")
    categories: tuple[str, ...] | None = Field(default=None, description='The categories; any other is "other".')
    missing: Literal["impute", "refuse"] | None = Field(
        default=None, description="What happens when a value is missing in a request."
    )
    unseen: Literal["other", "refuse"] | None = Field(
        default=None, description="What happens with a category that is not in the table, or not in your list."
    )
    out_of_range: Literal["warn", "refuse"] | None = Field(
        default=None, description="What happens with a value outside the range."
    )
    drop: bool = Field(default=False, description="Whether the column is left out.")


class FeatureCorrection(TextRules, _OfFeature):
    """What ``schema.toml`` says of a feature, under ``[features.NAME]``."""

    @property
    def epoch(self) -> Epoch | None:
        """What the numbers of a datetime column count, as ``unit`` says; None for other kinds and units."""
        return EPOCHS.get(self.unit or "") if self.kind == "datetime" else None


class _OfTarget(BaseModel):
    """Keys of ``[targets.NAME]`` beside those for texts."""

    unit: str | None = Field(default=None, description="Shown in `/model`, in `/docs` and in the report.")
    description: str | None = Field(default=None, description="Shown in `/model`.")


class TargetCorrection(TextRules, _OfTarget):
    """What ``schema.toml`` says of a target, under ``[targets.NAME]``."""


class Corrections(TextRules):
    """The whole of ``schema.toml``. Rules for texts at its top hold for every column that they fit."""

    features: dict[str, FeatureCorrection] = Field(default_factory=dict)
    targets: dict[str, TargetCorrection] = Field(default_factory=dict)

    def text_columns(self) -> list[str]:
        """Columns that the user calls categories: their texts must not be read as numbers or dates."""
        return [canonical(name) for name, correction in self.features.items() if correction.kind == "category"]

    def with_canonical_names(self, left_out: Collection[str] = ()) -> Corrections:
        """These corrections with names in canonical form, as the table's columns have.

        Args:
            left_out: columns that are left out already; a correction may drop them once more.

        Raises:
            DataError: two names mean the same column.
        """
        features = {n: c for n, c in _canonical(self.features).items() if not (c.drop and n in left_out)}
        return self.model_copy(update={"features": features, "targets": _canonical(self.targets)})

    def without(self, names: Collection[str]) -> Corrections:
        """These corrections, where some features keep only ``drop``."""
        features = {n: FeatureCorrection(drop=c.drop) if n in names else c for n, c in self.features.items()}
        return self.model_copy(update={"features": features})

    def with_rules(self, **rules: object) -> Corrections:
        """These corrections with the command line's rules for all columns' texts, which win over the file's.

        Args:
            rules: values by the names of :class:`TextRules`; None leaves the file's rule.

        Raises:
            DataError: a rule is not valid.
        """
        own = {name: value for name, value in rules.items() if value is not None}
        try:
            TextRules.model_validate({**self.model_dump(include=set(TextRules.model_fields)), **own})
        except ValidationError as error:
            raise DataError(_sentence(error)) from error
        return self.model_copy(update=own)

    @classmethod
    def read(cls, path: Path) -> Corrections:
        """Read ``schema.toml``.

        Raises:
            DataError: the file is not readable, is no TOML, or has keys that do not exist or values that are not valid.
        """
        try:
            content = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise DataError(f"Expected a readable TOML file. Received: {path}: {error}.") from error
        return cls.of(content, path)

    @classmethod
    def of(cls, content: Mapping[str, Any], where: object = "schema") -> Corrections:
        """Corrections from the content of a ``schema.toml``.

        Args:
            content: its tables and keys.
            where: what holds them, for the message. Defaults to ``schema``.

        Raises:
            DataError: a key does not exist, or a value is not valid.
        """
        try:
            return cls.model_validate(content)
        except ValidationError as error:
            raise DataError(f"{where}: {_sentence(error)}") from error


def _canonical(corrections: Mapping[str, _T]) -> dict[str, _T]:
    by_name: dict[str, _T] = {}
    for name, correction in corrections.items():
        if canonical(name) in by_name:
            raise DataError(f"Expected each column once in schema.toml. Received: '{canonical(name)}' twice.")
        by_name[canonical(name)] = correction
    return by_name


def _sentence(error: ValidationError) -> str:
    first = error.errors()[0]
    if first["type"] == "extra_forbidden":
        keys = {"features": FeatureCorrection.model_fields, "targets": TargetCorrection.model_fields}
        names = keys.get(str(first["loc"][0]), Corrections.model_fields)
        return unknown_name("key", str(first["loc"][-1]), names)
    return setting_sentence(error)
