"""Prepares a streamed table: a sample of its rows in memory, and all training rows in a temporary file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import polars as pl

from artifact.errors import DataError
from artifact.facts import Note, facts_in, sentences
from artifact.rows.schema import FeatureSchema
from training.families import FAMILIES, networks
from training.objectives.records import listed
from training.prepare import rules
from training.prepare.bounds import Bounds
from training.prepare.deal import Dealt, deal
from training.prepare.held_out import HeldOut
from training.prepare.in_memory import Prepared, take
from training.prepare.request import Request, check_request, text_rules
from training.prepare.rows import Rows
from training.prepare.scan import Scan, Scanned
from training.prepare.spool import Spool, Stream, row_bytes
from training.prepare.texts import StreamTexts
from training.settings.config import TrainConfig
from training.suspects.leakage import empty_count
from training.table import split
from training.table.corrections import FeatureCorrection
from training.table.data import TableFacts, check_columns, fingerprint_of
from training.table.encode import encode_frame
from training.table.folds import Plan
from training.table.infer import Column, check_some, decided
from training.table.parquet import ParquetSource
from training.table.rare import rare_notes
from training.table.targets import check_targets, is_number
from training.table.weights import check_parts, check_weight, weights_in

Float64 = npt.NDArray[np.float64]


@contextmanager
def prepared_stream(request: Request, source: ParquetSource, bounds: Bounds) -> Iterator[tuple[Prepared, TableFacts]]:
    """Decide the schema, hold rows out, and write the other rows, encoded, to a file that is deleted at the end.

    Args:
        request: what to train.
        source: the table.
        bounds: limits on the rows in memory.

    Yields:
        The table ready to fit, as :func:`training.prepare.in_memory.prepare` gives it: in memory the held-out rows and
        a sample of the training rows, on disk all training rows. Then the table's facts for the lineage.

    Raises:
        DataError: see :func:`training.prepare.in_memory.prepare`; or a setting does not work with a streamed table.
        OSError: the disk is full.
    """
    check_settings(request.config)
    texts = StreamTexts(source, bounds.batch_rows, text_rules(request))
    rows, candidates = _rows(request, source, texts, bounds)
    held_out = HeldOut(request.config.seed, request.group, request.time)
    scanned = Scan(
        request, candidates, held_out, source.rows, rules.shares_of(request.config, source.rows), bounds
    ).run(rows)
    notes: list[Note] = [*source.notes, *texts.notes, *rules.rows_left_out(source.rows, scanned.usable)]
    schema, column_notes = _schema(request, list(texts.types), scanned, texts)
    notes += column_notes
    n_train = scanned.usable - sum(len(r) for name, r in scanned.parts.items() if name != "train")
    n_numeric, n_categorical = len(schema.numeric_columns), len(schema.categorical)
    width = n_numeric, n_categorical, len(request.targets)
    with Spool(
        n_train,
        bounds.chunk(row_bytes(*width)),
        n_numeric=n_numeric,
        n_categorical=n_categorical,
        n_targets=len(request.targets),
        weighted=request.weight is not None,
        seed=request.config.seed,
    ) as spool:
        dealt = deal(rows, held_out, scanned, schema, spool, request.weight)
        facts = TableFacts(fingerprint_of(texts.types, texts.parts), source.rows, len(texts.types))
        yield _prepared(request, scanned, schema, dealt, spool, notes), facts


def check_settings(config: TrainConfig) -> None:
    """Refuse settings that do not work with a streamed table.

    Raises:
        DataError: the family is solved from all rows at once, or folds or a second training on all rows are set.
    """
    if config.model is not None and not FAMILIES[config.model].can_stream(config.objective):
        raise DataError(
            f"Expected a network ({listed(networks())}) for a table that is streamed. Received: model={config.model}, "
            "which is solved from all rows in memory. Take --no-stream if the table fits into it."
        )
    if (config.folds or 1) > 1:
        raise DataError(
            f"Expected --cv 1 for a table that is streamed: rows are held out. Received: {config.folds} folds. "
            "Take --no-stream if the table fits into memory."
        )
    if config.refit:
        raise DataError(
            "Expected refit=false for a table that is streamed: few of its rows are held out. Received: refit=true."
        )


def _rows(request: Request, source: ParquetSource, texts: StreamTexts, bounds: Bounds) -> tuple[Rows, list[str]]:
    """The table's usable rows, and the columns that may be features and that the user does not drop."""
    types = texts.types
    empty = pl.DataFrame(schema=types)
    check_request(empty, request)
    _check_types(request, source, texts, bounds)
    candidates = request.candidates(types)
    check_columns(empty[candidates], list(request.corrections.features), "feature in schema.toml")
    corrections = {name: request.corrections.features.get(name, FeatureCorrection()) for name in candidates}
    kinds = {name: correction.kind for name, correction in corrections.items() if not correction.drop}
    return Rows(source, bounds.batch_rows, texts, request.targets, kinds), list(kinds)


def _check_types(request: Request, source: ParquetSource, texts: StreamTexts, bounds: Bounds) -> None:
    """Check that the types of the columns fit their roles as target, time or weight."""
    types = texts.types
    if request.weight:
        check_weight(request.weight, types[request.weight])
    wrong = [name for name in request.targets if not is_number(types[name])]
    if request.time and not split.is_ordered(types[request.time]):
        wrong.append(request.time)
    if wrong:
        # Read some rows, since the message shows values.
        _, first = next(source.batches(bounds.batch_rows, wrong), (0, pl.DataFrame(schema=types)))
        check_targets(first, [name for name in wrong if name in request.targets])
        split.check_time(texts.column(first[wrong[-1]]))


def _schema(
    request: Request, columns: Sequence[str], scanned: Scanned, texts: StreamTexts
) -> tuple[FeatureSchema, list[Note]]:
    """The schema by all usable rows, and notes on the columns."""

    def column_of(name: str) -> Column:
        summary = scanned.summaries[name]
        return Column(summary.facts, lambda: summary.observed(scanned.frame[name]))

    candidates = request.candidates(columns)
    features, notes = decided(candidates, column_of, request.corrections, texts.formats)
    check_some(features, candidates, texts.notes, sentences(notes))
    features = [scanned.summaries[f.name].with_categories(f, request.corrections) for f in features]
    notes += rare_notes(features)
    if scanned.times is not None:
        features, order_notes = rules.in_order(features, scanned.times)
        notes += order_notes
    targets = rules.targets_of(request, request.config.objective, scanned.moments.facts, texts.formats)
    return FeatureSchema(features=tuple(features), targets=targets), notes


def _prepared(
    request: Request, scanned: Scanned, schema: FeatureSchema, dealt: Dealt, spool: Spool, notes: list[Note]
) -> Prepared:
    frame, parts = scanned.frame, split.Parts(**scanned.parts)
    y = frame.select(pl.col(list(request.targets)).cast(pl.Float64)).to_numpy().astype(np.float64)
    # All rows that networks see describe a target, as for a table in memory. So the validation rows are added.
    dealt.targets.add(y[parts.validation])
    formats = {target.name: target.text for target in schema.targets if target.text is not None}
    targets = rules.targets_of(request, request.config.objective, dealt.targets.facts, formats)
    schema = schema.model_copy(update={"targets": targets})
    n_train, config = int(spool.sizes.sum()), _resolved(request.config, scanned.usable, len(schema.numeric_columns))
    group_column = rules.group_column_of(schema, request.interval_groups)
    X = encode_frame(frame, schema.lenient())
    notes += rules.repeated_rows(dealt.shared, len(parts.test), across_parts=True)
    held_out = np.concatenate([parts.test, parts.calibration, parts.validation])
    every = rules.AllRows(
        usable=scanned.usable,
        empty=dealt.empty + empty_count(take(X, held_out)),
        missing={name: scanned.summaries[name].missing for name in schema.names},
        heaviest=scanned.heaviest,
        untargeted=dealt.untargeted,
    )
    notes += rules.suspicions(schema, frame, X, y, config, every)
    if len(parts.train) < n_train:
        notes.append(
            f"The table was streamed: the networks learn from {n_train} rows; medians, bins, the simpler models, the "
            f"profile and the search for leaks take a sample of {len(parts.train)} of them."
        )
    offsets = np.array([t.offset for t in schema.targets])
    weight = None
    if request.weight is not None:
        weight = weights_in(frame, request.weight) / scanned.mean_weight
        check_parts(request.weight, (float(weight[rows].sum()) for rows in parts))
    plan = Plan.held_out(parts, config.required("repeats"))
    stream = Stream(spool, dealt.weighted_targets, offsets, scanned.mean_weight, n_train)
    prepared = Prepared(frame, schema, X, y - offsets, plan, config, sentences(notes), weight, group_column)
    return replace(prepared, stream=stream, facts=facts_in(notes))


def _resolved(config: TrainConfig, usable: int, n_numeric: int) -> TrainConfig:
    """All settings for a table of this size: rows are held out, and they never train afterwards."""
    resolved = config.resolved(usable, n_numeric)
    return resolved.model_copy(update={"folds": 1, "refit": False})
