"""Rules for preparing a table, the same for tables in memory and streamed ones."""

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
    """Facts of all rows of a table, also of rows that are not in memory. Usable rows have a value of each target.

    Attributes:
        usable: number of usable rows.
        empty: number of usable rows without a value in any feature.
        missing: share of the usable rows in which a feature is missing, by the feature's name.
        heaviest: the value of each target that is farthest from its mean, by the target's name.
        untargeted: the rows that are not usable.
    """

    usable: int
    empty: int
    missing: Mapping[str, float]
    heaviest: Mapping[str, Heaviest]
    untargeted: Untargeted


def shares_of(config: TrainConfig, n_rows: int) -> dict[str, float]:
    """Share of each held-out part: the user's setting, else a default by the number of rows."""
    return {name: getattr(config, f"{name}_fraction") or share for name, share in split.fractions(n_rows).items()}


def rows_left_out(n_rows: int, usable: int) -> list[UntargetedRows]:
    """A fact of the rows without a target, if there are any."""
    return [UntargetedRows(count=n_rows - usable, rows=n_rows)] if usable < n_rows else []


def repeated_rows(count: int, n_rows: int, *, across_parts: bool) -> list[RepeatedRows]:
    """A fact of rows that occur more than once, if there are any, see :class:`RepeatedRows`."""
    return [RepeatedRows(count=count, rows=n_rows, across_parts=across_parts)] if count else []


def in_order(features: Sequence[Feature], moments: split.Moments) -> tuple[list[Feature], list[Note]]:
    """Features of rows that are ordered by time, with notes on the order and on its column.

    The time column keeps its parts of the year, week or day. Its days are left out: new rows are all later than the
    rows that the networks saw.

    Raises:
        DataError: no feature is left.
    """
    notes: list[Note] = [split.time_note(moments)]
    ordered = []
    for feature in features:
        parts = tuple(part for part in feature.parts if part != "days")
        if feature.name != moments.name:
            ordered.append(feature)
        elif parts:
            ordered.append(feature.model_copy(update={"parts": parts, "minimum": None, "maximum": None}))
        else:
            notes.append(ColumnLeftOut(column=feature.name, why="order"))
    if not ordered:
        raise DataError(f"Expected a feature beside the time column '{moments.name}'. Received: none.")
    return ordered, notes


def targets_of(
    request: Request, objective: str, facts: Sequence[TargetFacts], formats: Mapping[str, TextFormat]
) -> tuple[Target, ...]:
    """The targets of a schema.

    Args:
        request: what to train.
        objective: the objective's name.
        facts: statistics of each target over the rows that networks see.
        formats: how a column's texts are written, by the column's name.
    """
    corrections = request.corrections.targets
    keeps_zero = KINDS[objective].plain_scale
    return tuple(
        described_target(
            name, statistics, corrections.get(name, TargetCorrection()), text=formats.get(name), keeps_zero=keeps_zero
        )
        for name, statistics in zip(request.targets, facts, strict=True)
    )


def group_column_of(schema: FeatureSchema, name: str | None) -> int | None:
    """Position, among encoded categories, of the feature whose categories get their own intervals; None for no name.

    Raises:
        DataError: there is no such feature, or it is not of kind ``category``.
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
    """Notes on columns that look like leaks, and on rows that look as if they decide everything.

    Args:
        schema: the table's schema.
        frame: the rows in memory.
        X: these rows, encoded.
        y: float64 (n_samples, n_targets), their targets as in the table.
        config: settings.
        rows: facts of all rows.
    """
    notes: list[Note] = [EmptyRows(count=rows.empty, rows=rows.usable)] if rows.empty else []
    notes += leaks(schema, X, y, config.seed)
    notes += formulas(frame, schema.features, schema.target_names, config.seed)
    notes += rows.untargeted.suspects(rows.missing, schema.target_names)
    # A target of 0 and 1 has no heavy value: one of the two may just be rare.
    return notes if KINDS[config.objective].takes is BINARY else [*notes, *heavy_values(rows.heaviest)]
