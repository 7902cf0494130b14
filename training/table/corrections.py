"""``schema.toml``: what the user says of features and targets, against what the table shows."""

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

# What ``unit`` may say of a datetime whose values are numbers.
EPOCHS: dict[str, Epoch] = {epoch: epoch for epoch in get_args(Epoch)}


class TextRules(BaseModel):
    """What the user may say of how texts are written, for one column or, at the top of ``schema.toml``, for all.

    None stands for what the column shows. :func:`artifact.rows.texts.dates.format_of_dates` reads a format.
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
        description="How dates are written: in letters, or as `strptime` has it.",
        examples=["dd/mm/yyyy", "mm/dd/yyyy", "dd.mm.yy", "%d.%m.%Y %H:%M"],
    )

    @field_validator("missing_values", mode="before")
    @classmethod
    def _as_texts(cls, value: object) -> object:
        """Numbers may stand as numbers: ``missing_values = [-999]``."""
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
        """Whether something is said of numbers."""
        return self.decimal is not None or self.thousands is not None


def rules_of(text: TextFormat | None) -> dict[str, object]:
    """The keys of ``schema.toml`` that say how a column's texts are written; what stands beside them is found anew."""
    if text is None:
        return {}
    found: dict[str, object] = {}
    if text.decimal != "." or text.thousands:
        found["decimal"] = text.decimal
    if text.thousands:
        found["thousands"] = text.thousands
    if text.missing_values:
        found["missing_values"] = list(text.missing_values)
    written = text.strptime or {"dmy": "dd/mm/yyyy", "mdy": "mm/dd/yyyy", None: None}[text.order]
    if written is not None:
        found["format"] = written
    if text.epoch is not None:
        found["unit"] = text.epoch
    return found


class _OfFeature(BaseModel):
    """What may be said of a feature beside its texts."""

    kind: Kind | None = Field(default=None, description="What the column is.")
    unit: str | None = Field(
        default=None,
        description="Shown in `/schema`, in tables and in the report. For numbers that are dates: what they count, "
        "`s`, `ms`, `us`, `ns` or `excel`.",
    )
    description: str | None = Field(default=None, description="Shown in `/schema` and in the report.")
    minimum: float | None = Field(
        default=None, description="Lower end of the range; for a date, seconds since 1970 UTC."
    )
    maximum: float | None = Field(default=None, description="Upper end of the range, in the same unit.")
    categories: tuple[str, ...] | None = Field(default=None, description='The categories; any other is "other".')
    missing: Literal["impute", "refuse"] | None = Field(
        default=None, description="What becomes of a value that is missing in a request."
    )
    unseen: Literal["other", "refuse"] | None = Field(
        default=None, description="What becomes of a category that never stood in the table, or is not in your list."
    )
    out_of_range: Literal["warn", "refuse"] | None = Field(
        default=None, description="What becomes of a value outside the range."
    )
    drop: bool = Field(default=False, description="Whether the column is left out.")


class FeatureCorrection(TextRules, _OfFeature):
    """What ``schema.toml`` may say of a feature, under ``[features.NAME]``."""

    @property
    def epoch(self) -> Epoch | None:
        """What the numbers of a datetime count, by ``unit``."""
        return EPOCHS.get(self.unit or "") if self.kind == "datetime" else None


class _OfTarget(BaseModel):
    """What may be said of a target beside its texts."""

    unit: str | None = Field(default=None, description="Shown in `/model`, in `/docs` and in the report.")
    description: str | None = Field(default=None, description="Shown in `/model`.")


class TargetCorrection(TextRules, _OfTarget):
    """What ``schema.toml`` may say of a target, under ``[targets.NAME]``."""


class Corrections(TextRules):
    """The whole of ``schema.toml``; what it says of texts at its top holds for every column that it fits."""

    features: dict[str, FeatureCorrection] = Field(default_factory=dict)
    targets: dict[str, TargetCorrection] = Field(default_factory=dict)

    def text_columns(self) -> list[str]:
        """Columns that the user calls categories: their text must not be read as numbers or dates."""
        return [canonical(name) for name, correction in self.features.items() if correction.kind == "category"]

    def named(self, left_out: Collection[str] = ()) -> Corrections:
        """With names in the form that a table's columns have.

        Args:
            left_out: columns that are left out already; saying so once more is no fault.

        Raises:
            DataError: two names are one column's.
        """
        left = {n: c for n, c in _canonical(self.features).items() if not (c.drop and n in left_out)}
        return self.model_copy(update={"features": left, "targets": _canonical(self.targets)})

    def without(self, names: Collection[str]) -> Corrections:
        """Without what is said of some features, but whether they are left out."""
        kept = {n: FeatureCorrection(drop=c.drop) if n in names else c for n, c in self.features.items()}
        return self.model_copy(update={"features": kept})

    def with_rules(self, **rules: object) -> Corrections:
        """With what the command line says of all columns' texts, which goes before the file; None says nothing.

        Raises:
            DataError: a rule that cannot be.
        """
        given = {name: value for name, value in rules.items() if value is not None}
        try:
            TextRules.model_validate({**self.model_dump(include=set(TextRules.model_fields)), **given})
        except ValidationError as error:
            raise DataError(_sentence(error)) from error
        return self.model_copy(update=given)

    @classmethod
    def read(cls, path: Path) -> Corrections:
        """Read ``schema.toml``.

        Raises:
            DataError: not readable, not TOML, or with keys that do not exist.
        """
        try:
            content = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise DataError(f"Expected a readable TOML file. Received: {path}: {error}.") from error
        return cls.of(content, path)

    @classmethod
    def of(cls, content: Mapping[str, Any], where: object = "schema") -> Corrections:
        """Take what ``schema.toml`` would hold.

        Args:
            content: tables and keys.
            where: they stand, for the message. Defaults to ``schema``.

        Raises:
            DataError: keys that do not exist, or values that cannot be.
        """
        try:
            return cls.model_validate(content)
        except ValidationError as error:
            raise DataError(f"{where}: {_sentence(error)}") from error


def _canonical(said: Mapping[str, _T]) -> dict[str, _T]:
    found: dict[str, _T] = {}
    for name, correction in said.items():
        if canonical(name) in found:
            raise DataError(f"Expected each column once in schema.toml. Received: '{canonical(name)}' twice.")
        found[canonical(name)] = correction
    return found


def _sentence(error: ValidationError) -> str:
    first = error.errors()[0]
    if first["type"] == "extra_forbidden":
        keys = {"features": FeatureCorrection.model_fields, "targets": TargetCorrection.model_fields}
        known = keys.get(str(first["loc"][0]), Corrections.model_fields)
        return unknown_name("key", str(first["loc"][-1]), known)
    return setting_sentence(error)
