"""The rules by which a table is prepared, in memory or streamed: each over the little that both ways know of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from artifact.errors import DataError, unknown_name
from artifact.facts import ColumnLeftOut, EmptyRows, Note, RepeatedRows, UntargetedRows
from artifact.rows.encoding import Encoded
from artifact.rows.schema import Feature, FeatureSchema, Target
from artifact.rows.texts.format import TextFormat
from training.objectives.kind import BINARY
from training.objectives.kinds import KINDS
from training.prepare.request import Request
from training.settings.config import TrainConfig
from training.suspects.absence import Untargeted
from training.suspects.formulas import formulas
from training.suspects.heavy import Heaviest, heavy_values
from training.suspects.leakage import leaks
from training.table import split
from training.table.corrections import TargetCorrection
from training.table.targets import TargetFacts, described_target


@dataclass(frozen=True, slots=True)
class AllRows:
    """What all usable rows of a table say, those too that are not in memory.

    Attributes:
        usable: how many have a value of each target.
        empty: how many have no value in any feature.
        missing: share of them in which a feature is missing, by name.
        heaviest: the value farthest from the mean of each target, by the target's name.
        untargeted: the other rows, which have no value of some target.
    """

    usable: int
    empty: int
    missing: Mapping[str, float]
    heaviest: Mapping[str, Heaviest]
    untargeted: Untargeted


def shares_of(config: TrainConfig, n_rows: int) -> dict[str, float]:
    """Share of each part that is held out of so many rows: as the user sets it, else by their number."""
    return {name: getattr(config, f"{name}_fraction") or share for name, share in split.fractions(n_rows).items()}


def rows_left_out(n_rows: int, usable: int) -> list[UntargetedRows]:
    """The rows without a target, if there are any."""
    return [UntargetedRows(count=n_rows - usable, rows=n_rows)] if usable < n_rows else []


def repeated_rows(count: int, n_rows: int, *, across_parts: bool) -> list[RepeatedRows]:
    """Rows that stand more than once, if there are any, see :class:`RepeatedRows`."""
    return [RepeatedRows(count=count, rows=n_rows, across_parts=across_parts)] if count else []


def in_order(features: Sequence[Feature], moments: split.Moments) -> tuple[list[Feature], list[Note]]:
    """Features of rows that are ordered by time, and what is said of the order and of its column.

    The time column tells where in the year, week or day a row lies; how late it is lies outside what was seen.

    Raises:
        DataError: no feature is left.
    """
    said: list[Note] = [split.time_note(moments)]
    ordered = []
    for feature in features:
        parts = tuple(part for part in feature.parts if part != "days")
        if feature.name != moments.name:
            ordered.append(feature)
        elif parts:
            ordered.append(feature.model_copy(update={"parts": parts, "minimum": None, "maximum": None}))
        else:
            said.append(ColumnLeftOut(column=feature.name, why="order"))
    if not ordered:
        raise DataError(f"Expected a feature beside the time column '{moments.name}'. Received: none.")
    return ordered, said


def targets_of(
    request: Request, objective: str, facts: Sequence[TargetFacts], formats: Mapping[str, TextFormat]
) -> tuple[Target, ...]:
    """The targets of a schema.

    Args:
        request: what to train.
        objective: its name.
        facts: of the rows that networks see, of each target.
        formats: how the texts of a column are written, by name.
    """
    said = request.corrections.targets
    keeps_zero = KINDS[objective].plain_scale
    return tuple(
        described_target(name, known, said.get(name, TargetCorrection()), text=formats.get(name), keeps_zero=keeps_zero)
        for name, known in zip(request.targets, facts, strict=True)
    )


def group_column_of(schema: FeatureSchema, name: str | None) -> int | None:
    """Column of the encoded categories whose categories get intervals of their own; None where none is asked for.

    Raises:
        DataError: no such feature, or none of categories.
    """
    if not name:
        return None
    names = [feature.name for feature in schema.categorical]
    if name not in names:
        if name in schema.names:
            kind = schema.feature(name).kind
            raise DataError(
                f"Expected --interval-groups to be a feature of kind 'category'. Received: '{name}', a {kind}. "
                'Say kind = "category" in schema.toml, or choose one of: '
                + (", ".join(f"'{n}'" for n in names) or "there are none")
                + "."
            )
        raise DataError(unknown_name("categorical feature", name, names))
    return names.index(name)


def suspicions(
    schema: FeatureSchema,
    frame: pl.DataFrame,
    X: Encoded,
    y: npt.NDArray[np.float64],
    config: TrainConfig,
    rows: AllRows,
) -> list[Note]:
    """Each thing that looks like a leak, or like a row that decides everything.

    Args:
        schema: of the table.
        frame: the rows in memory.
        X: the same, encoded.
        y: float64 (n_samples, n_targets), their targets as they stand in the table.
        config: settings.
        rows: what all rows say.
    """
    said: list[Note] = [EmptyRows(count=rows.empty, rows=rows.usable)] if rows.empty else []
    said += leaks(schema, X, y, config.seed)
    said += formulas(frame, schema.features, schema.target_names, config.seed)
    said += rows.untargeted.suspects(rows.missing, schema.target_names)
    # Either of 0 and 1 may be rare.
    return said if KINDS[config.objective].takes is BINARY else [*said, *heavy_values(rows.heaviest)]
