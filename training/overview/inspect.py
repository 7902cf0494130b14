"""``trueline inspect``: reads and judges a table as ``train`` would, and trains nothing."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from artifact.errors import DataError
from artifact.facts import sentences
from artifact.rows.schema import Feature, Target
from training.overview.overview import Overview, overview, overview_of, roles_of
from training.overview.skeleton import skeleton
from training.prepare.bounds import Bounds
from training.prepare.choose import parquet_source
from training.prepare.in_memory import prepare
from training.prepare.request import Request, check_request, text_rules
from training.prepare.rules import repeated_rows
from training.table.data import read_raw
from training.table.infer import fit_categories, usable_features
from training.table.texts.table import read_texts


@dataclass(frozen=True, slots=True)
class Inspected:
    """The result of inspecting a table.

    Attributes:
        overview: the table's overview.
        features: the features that training would use.
        targets: the targets that training would use; empty if none is named, or if training refuses the table.
        refusal: why ``train`` would refuse the table, or None.
    """

    overview: Overview
    features: list[Feature]
    targets: tuple[Target, ...] = ()
    refusal: DataError | None = None

    def schema_toml(self) -> str:
        """The text of a ``schema.toml`` that says what training decides by itself, so that it changes nothing."""
        sentence_of = {alert.columns[0]: alert.sentence for alert in self.overview.alerts if len(alert.columns) == 1}
        left_out = [
            (c.name, sentence_of[c.name].partition(": ")[2] or sentence_of[c.name])
            for c in self.overview.columns
            if c.role == "left out"
        ]
        return skeleton(self.overview.data, self.features, self.targets, left_out)


def inspect(request: Request, bounds: Bounds | None = None) -> Inspected:
    """Look at a table.

    Args:
        request: what would be trained; it may have no targets.
        bounds: how many rows are looked at, if ``train`` would stream the table. Defaults to those of :class:`Bounds`.

    Raises:
        DataError: the table cannot be read, or the request names columns that the table lacks.
    """
    request, table, notes, rows = _read_table(request, bounds or Bounds())
    if not request.targets:
        return _without_targets(table, request, notes, rows, None)
    check_request(table, request)
    try:
        prepared = prepare(table, request, reading_notes=notes)
    except DataError as error:
        return _without_targets(table, request, notes, rows, error)
    return Inspected(overview_of(prepared, request, rows), [*prepared.schema.features], prepared.schema.targets)


def _read_table(request: Request, bounds: Bounds) -> tuple[Request, pl.DataFrame, list[str], int]:
    """The request with the table's names, the table or a sample, notes on reading, and the table's number of rows."""
    source = parquet_source(request.source, request.stream, keep=request.names_in_use, ids=request.ids)
    if source is None:
        raw = read_raw(request.source, request.reading, keep=request.names_in_use)
        frame, notes, rows, unnamed = raw.frame, list(raw.notes), raw.frame.height, raw.unnamed.columns
    else:
        step = -(-source.rows // bounds.sample(len(source.types)))
        # Take every ``step``-th row of the table; the count goes on from one batch to the next.
        frame = pl.concat(
            rows.gather_every(step, offset=-start % step) for start, rows in source.batches(bounds.batch_rows)
        )
        notes, rows, unnamed = list(source.notes), source.rows, source.left_out
        if step > 1:
            notes.append(f"One of {step:,} rows was looked at: {frame.height:,} of {rows:,}.")
    request = request.with_names_of(frame.columns, unnamed)
    return request, frame, notes, rows


def _without_targets(
    table: pl.DataFrame, request: Request, notes: list[str], rows: int, refusal: DataError | None
) -> Inspected:
    """The result for features alone, since there are no targets or training refuses the table."""
    roles = roles_of(request)
    texts = read_texts(table, text_rules(request), strict=False)
    table = texts.frame
    candidates = [name for name in table.columns if name not in roles]
    corrections = request.corrections.without(texts.unread)
    inferred = usable_features(table, candidates, corrections, texts.formats)
    features = fit_categories(inferred.features, inferred.frame, corrections)
    columns = table.select([f.name for f in features] or table.columns)
    repeated = sentences(repeated_rows(int(columns.is_duplicated().sum()), table.height, across_parts=False))
    # Errors that the refusal says already are not repeated.
    errors = [error for error in texts.errors if refusal is None or error not in str(refusal)]
    all_notes = [*notes, *texts.notes, *errors, *inferred.sentences, *repeated]
    result = overview(inferred.frame, features, roles, all_notes, data=request.data, rows=rows)
    return Inspected(result, features, refusal=refusal)
