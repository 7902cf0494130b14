"""``schema.toml``: what the user says of features and targets, against what the table shows."""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from artifact.errors import DataError, unknown_name
from artifact.schema import Kind
from training.setting_text import setting_sentence
from training.table.names import canonical

_T = TypeVar("_T")


class FeatureCorrection(BaseModel):
    """What ``schema.toml`` may say of a feature, under ``[features.NAME]``."""

    model_config = ConfigDict(extra="forbid")

    kind: Kind | None = None
    unit: str | None = None
    description: str | None = None
    minimum: float | None = None
    maximum: float | None = None
    categories: tuple[str, ...] | None = None
    missing: Literal["impute", "refuse"] | None = None
    unseen: Literal["other", "refuse"] | None = None
    out_of_range: Literal["warn", "refuse"] | None = None
    drop: bool = False


class TargetCorrection(BaseModel):
    """What ``schema.toml`` may say of a target, under ``[targets.NAME]``."""

    model_config = ConfigDict(extra="forbid")

    unit: str | None = None
    description: str | None = None


class Corrections(BaseModel):
    """The whole of ``schema.toml``."""

    model_config = ConfigDict(extra="forbid")

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

    @classmethod
    def read(cls, path: Path) -> Corrections:
        """Read ``schema.toml``.

        Raises:
            DataError: not readable, not TOML, or with keys that do not exist.
        """
        try:
            return cls.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise DataError(f"Expected a readable TOML file. Received: {path}: {error}.") from error
        except ValidationError as error:
            raise DataError(f"{path}: {_sentence(error)}") from error


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
