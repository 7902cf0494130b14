"""From a streamed table to rows that are ready to fit: a sample in memory, all training rows in a temporary file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import polars as pl

from artifact.errors import DataError
from artifact.rows.schema import Feature, FeatureSchema, Target
from training.families import FAMILIES, networks
from training.objectives.kinds import KINDS
from training.objectives.records import listed
from training.prepare.bounds import Bounds
from training.prepare.deal import Dealt, deal
from training.prepare.fingerprint import stream_fingerprint
from training.prepare.held_out import HeldOut
from training.prepare.in_memory import (
    Prepared,
    group_column_of,
    left_out_note,
    sayings,
    shared_notes,
    take,
    without_days,
)
from training.prepare.moments import Moments
from training.prepare.request import Request, check_request
from training.prepare.rows import Rows
from training.prepare.scan import Scan, Scanned
from training.prepare.spool import Spool, row_bytes
from training.prepare.stream import Stream
from training.prepare.texts import StreamTexts
from training.settings.config import TrainConfig
from training.suspects.formulas import formulas
from training.suspects.leakage import empty_count, empty_sentence, leaks
from training.table import split
from training.table.corrections import FeatureCorrection, TargetCorrection
from training.table.data import TableFacts, check_columns
from training.table.encode import encode_frame
from training.table.folds import Plan
from training.table.parquet import ParquetSource
from training.table.rare import rare_notes
from training.table.targets import check_targets, described_target
from training.table.weights import check_weight, weightless_part

Float64 = npt.NDArray[np.float64]


@contextmanager
def prepared_stream(request: Request, source: ParquetSource, bounds: Bounds) -> Iterator[tuple[Prepared, TableFacts]]:
    """Decide the schema, hold rows out and spool the encoded others; the spool is gone at the end.

    Args:
        request: what to train.
        source: the table.
        bounds: what may be in memory.

    Yields:
        Held-out rows and a sample of the training rows, as :func:`training.prepare.in_memory.prepare` gives them, with
        the stream of all training rows; and what the lineage says of the table.

    Raises:
        DataError: see :func:`training.prepare.in_memory.prepare`; or a streamed table cannot give what was asked for.
        OSError: the disk is full.
    """
    check_settings(request.config)
    texts = StreamTexts(source, bounds.batch_rows, sayings(request))
    rows, candidates = _rows(request, source, texts, bounds)
    shares = {name: getattr(request.config, f"{name}_fraction") or share for name, share in _shares(source).items()}
    held = HeldOut(request.config.seed, request.group, request.time)
    scanned = Scan(request, candidates, held, source.rows, shares, bounds).run(rows)
    notes = [*source.notes, *texts.notes]
    notes += [left_out_note(source.rows, scanned.usable)] if scanned.usable < source.rows else []
    schema = _with_formats(_schema(request, scanned, scanned.moments, notes), texts)
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
        dealt = deal(rows, held, scanned, schema, spool, request.weight)
        facts = TableFacts(stream_fingerprint(source, texts, bounds.batch_rows), source.rows, len(texts.types))
        yield _prepared(request, scanned, schema, dealt, spool, notes), facts


def check_settings(config: TrainConfig) -> None:
    """Refuse what cannot be had of a streamed table.

    Raises:
        DataError: a family that is solved from all rows at once, folds, or a second training on all rows.
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


def _shares(source: ParquetSource) -> dict[str, float]:
    return split.fractions(source.rows)


def _rows(request: Request, source: ParquetSource, texts: StreamTexts, bounds: Bounds) -> tuple[Rows, list[str]]:
    """The table's usable rows, and the columns that may be features."""
    types = texts.types
    empty = pl.DataFrame(schema=types)
    check_request(empty, request)
    if request.weight:
        check_weight(request.weight, types[request.weight], request.targets)
    if any(not (types[t].is_numeric() or types[t] == pl.Boolean) for t in request.targets):
        # Read for the message, which has some values.
        _, first = next(source.batches(bounds.batch_rows, list(request.targets)))
        check_targets(first, list(request.targets))
    candidates = [c for c in types if c not in (*request.targets, request.group, request.weight)]
    check_columns(empty[candidates], list(request.corrections.features), "feature in schema.toml")
    said = request.corrections.features
    kinds = {name: said.get(name, FeatureCorrection()).kind for name in candidates}
    dropped = {name for name in candidates if said.get(name, FeatureCorrection()).drop}
    kept = {name: kind for name, kind in kinds.items() if name not in dropped}
    return Rows(source, bounds.batch_rows, texts, request.targets, kept), list(kept)


def _schema(request: Request, scanned: Scanned, moments: Moments, notes: list[str]) -> FeatureSchema:
    said = request.corrections.features
    features: list[Feature] = []
    notes += [f"Column '{name}' is left out, as schema.toml says." for name, given in said.items() if given.drop]
    for name, summary in scanned.summaries.items():
        reason = summary.why_useless()
        notes += summary.notes()
        if reason and (name not in said or not summary.present):
            notes.append(f"Column '{name}' is left out: {reason}.")
        else:
            features.append(summary.with_categories(summary.feature(scanned.frame[name])))
    if not features:
        raise DataError(f"Expected at least one usable feature. Received: {'; '.join(notes) or 'no columns'}.")
    notes += rare_notes(features)
    if request.time:
        notes.append(
            f"Rows are ordered by '{request.time}'. Dates without a zone are UTC; rows of one moment stay together."
        )
        features = without_days(features, request.time, notes)
    return FeatureSchema(features=tuple(features), targets=tuple(_targets(request, moments)))


def _with_formats(schema: FeatureSchema, texts: StreamTexts) -> FeatureSchema:
    """With how the texts of each column are written."""
    formats = texts.formats
    return FeatureSchema(
        features=tuple(f.model_copy(update={"text": formats.get(f.name)}) for f in schema.features),
        targets=tuple(t.model_copy(update={"text": formats.get(t.name)}) for t in schema.targets),
    )


def _targets(request: Request, moments: Moments) -> list[Target]:
    found = []
    for j, name in enumerate(request.targets):
        correction = request.corrections.targets.get(name, TargetCorrection())
        ends = float(moments.minimum[j]), float(moments.maximum[j])
        target = described_target(name, float(moments.mean[j]), float(moments.std[j]), ends, correction)
        # Rates and probabilities are what they are: their 0 must stay where it is.
        plain = KINDS[request.config.objective].plain_scale
        found.append(target.model_copy(update={"offset": 0.0}) if plain else target)
    return found


def _prepared(
    request: Request, scanned: Scanned, schema: FeatureSchema, dealt: Dealt, spool: Spool, notes: list[str]
) -> Prepared:
    frame, parts = scanned.frame, split.Parts(**scanned.parts)
    y = frame.select(pl.col(list(request.targets)).cast(pl.Float64)).to_numpy().astype(np.float64)
    # As in memory a target is described by the rows that the networks see.
    dealt.seen.add(y[parts.validation])
    formats = {target.name: target.text for target in schema.targets}
    seen = [t.model_copy(update={"text": formats[t.name]}) for t in _targets(request, dealt.seen)]
    schema = schema.model_copy(update={"targets": tuple(seen)})
    n_train, config = int(spool.sizes.sum()), _resolved(request.config, scanned.usable, len(schema.numeric_columns))
    group_column = group_column_of(schema, request.interval_groups) if request.interval_groups else None
    X = encode_frame(frame, schema.lenient())
    notes += shared_notes(dealt.shared, len(parts.test))
    held_out = np.concatenate([parts.test, parts.calibration, parts.validation])
    empty = empty_sentence(dealt.empty + empty_count(take(X, held_out)), scanned.usable)
    notes += [*([empty] if empty else []), *leaks(schema, X, y, config.seed)]
    notes += [*formulas(frame, schema.features, request.targets, config.seed), *scanned.heavy]
    if len(parts.train) < n_train:
        notes.append(
            f"The table was streamed: the networks learn from {n_train} rows; medians, bins, the simpler models, the "
            f"profile and the search for leaks take a sample of {len(parts.train)} of them."
        )
    offsets = np.array([t.offset for t in schema.targets])
    weight = None
    if request.weight is not None:
        weight = frame[request.weight].cast(pl.Float64).to_numpy().astype(np.float64) / scanned.mean_weight
        if not all(weight[rows].any() for rows in parts):
            raise weightless_part(request.weight)
    plan = Plan.held_out(parts, config.required("repeats"))
    stream = Stream(spool, dealt.weighted, offsets, scanned.mean_weight, n_train)
    prepared = Prepared(frame, schema, X, y - offsets, plan, config, notes, weight, group_column)
    return replace(prepared, stream=stream)


def _resolved(config: TrainConfig, usable: int, n_numeric: int) -> TrainConfig:
    """Every setting for so many rows and numbers; rows are held out, and never trained on afterwards."""
    found = config.resolved(usable, n_numeric)
    return found.model_copy(update={"folds": 1, "refit": False})
