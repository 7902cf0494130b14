"""From a table and a request to encoded rows in parts that never mix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import polars as pl

from artifact.errors import DataError, unknown_name
from artifact.intervals.calibration import Grouping
from artifact.rows.encoding import Encoded
from artifact.rows.schema import Feature, FeatureSchema
from artifact.rows.texts.format import TextFormat
from training.objectives.kind import BINARY
from training.objectives.kinds import KINDS, check_target
from training.prepare.request import Request, check_request
from training.settings.augmentation import ALIKE
from training.settings.config import TrainConfig
from training.suspects.absence import known_with_target
from training.suspects.formulas import formulas
from training.suspects.heavy import heavy_note
from training.suspects.leakage import empty_rows, leaks
from training.table import split
from training.table.corrections import TargetCorrection
from training.table.encode import encode_frame
from training.table.folds import Plan, cross_validation
from training.table.infer import fit_categories, infer_features
from training.table.rare import rare_notes, with_rare
from training.table.targets import check_range, check_targets, deviation, infer_target
from training.table.texts.table import Sayings, TableTexts, read_texts
from training.table.weights import weights_of
from training.transfer.earlier import Earlier
from training.transfer.features import in_terms_of, text_columns, with_known
from training.transfer.seen import seen_note, share_seen
from training.transfer.settings import settings_from

if TYPE_CHECKING:
    from training.prepare.stream import Stream

Float64 = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Prepared:
    """A table ready to fit: the schema, all rows encoded by it, targets less their offsets, folds and notes.

    Attributes:
        weight: float64 (n_samples,), of each row, their mean 1; None for equal ones.
        group_column: of the encoded categories, whose categories get intervals of their own; None for none.
        earlier: version to start from, or None.
        seen: share of the rows that measure which the earlier version has seen, as it looks.
        stream: all training rows, of which those in memory are a sample; None where all rows are in memory.
    """

    frame: pl.DataFrame
    schema: FeatureSchema
    X: Encoded
    y: Float64
    plan: Plan
    config: TrainConfig
    notes: list[str]
    weight: Float64 | None = None
    group_column: int | None = None
    earlier: Earlier | None = None
    seen: float = 0.0
    stream: Stream | None = None

    @property
    def objective(self) -> str:
        """What is minimised, by name."""
        return self.config.objective

    @property
    def n_rows(self) -> int:
        """Rows that train, those of a streamed table too."""
        return len(self.y) if self.stream is None else self.stream.n_train

    def sizes(self) -> dict[str, int]:
        """Rows by what they do, for the lineage."""
        found = self.plan.sizes()
        return found if self.stream is None else {**found, "train": self.stream.n_train, "sample": found["train"]}

    def weights(self, indices: npt.NDArray[np.int64]) -> Float64 | None:
        return None if self.weight is None else self.weight[indices]

    def grouping(self, indices: npt.NDArray[np.int64]) -> Grouping | None:
        """Which interval group each of some rows is in."""
        if self.group_column is None:
            return None
        codes = self.X.categorical[indices, self.group_column]
        return Grouping(self.group_column, self.schema.cardinalities[self.group_column], codes)

    def rows(self, indices: npt.NDArray[np.int64]) -> tuple[Encoded, Float64]:
        return take(self.X, indices), self.y[indices]


def prepare(
    table: pl.DataFrame,
    request: Request,
    earlier: Earlier | None = None,
    told: Sequence[str] = (),
    texts: TableTexts | None = None,
) -> Prepared:
    """Decide the schema, encode the rows and split them.

    Args:
        table: as it was read.
        request: what to train.
        earlier: version to start from, whose settings and terms are kept. Defaults to None.
        told: sentences on what reading decided. Defaults to none.
        texts: what the table's texts are, where that was decided. Defaults to None.

    Raises:
        DataError: see :func:`train`.
    """
    notes = list(told)
    check_request(table, request)
    texts = texts or read_texts(table, sayings(request, earlier))
    notes += texts.notes
    if request.time:
        split.check_time(texts.frame[request.time])
    usable = _usable(texts.frame, list(request.targets), notes)
    frame, rows = texts.frame.filter(pl.Series(usable)), np.flatnonzero(usable)
    y = frame.select(request.targets).cast(pl.Float64).to_numpy().astype(np.float64)
    for name, column in zip(request.targets, y.T, strict=True):
        if column.max() == column.min():
            raise DataError(f"Expected '{name}' to vary. Received: {column[0]} in each of {len(column)} rows.")
        check_range(name, float(column.min()), float(column.max()), deviation(column))
    config = (
        request.config.resolved(frame.height)
        if earlier is None
        else settings_from(earlier, request.config, frame.height)
    )
    for name, column in zip(request.targets, y.T, strict=True):
        check_target(config.objective, name, column)
    plan = _plan(frame, request, config)
    weight = weights_of(frame, request.weight, request.targets, plan) if request.weight else None
    seen = plan.seen()
    candidates = [c for c in frame.columns if c not in (*request.targets, request.group, request.weight)]
    said = request.corrections if earlier is None else with_known(earlier.schema, request.corrections, candidates)
    inferred = infer_features(frame, candidates, said, texts.formats, texts.notes)
    notes += inferred.notes
    frame = inferred.frame
    features = fit_categories(inferred.features, frame[seen], request.corrections)
    if earlier is not None:
        features = in_terms_of(earlier.schema, features, request.corrections)
    features = with_rare(features, frame, said)
    notes += rare_notes(features)
    if request.time:
        notes.append(split.time_note(frame[request.time]))
        features = without_days(features, request.time, notes)
    corrections = request.corrections.targets
    y_train = y[seen]
    targets = [
        infer_target(name, y_train[:, j], corrections.get(name, TargetCorrection())).model_copy(
            update={"text": texts.formats.get(name)}
        )
        for j, name in enumerate(request.targets)
    ]
    if KINDS[config.objective].plain_scale:
        # Rates and probabilities are what they are: their 0 must stay where it is.
        targets = [target.model_copy(update={"offset": 0.0}) for target in targets]
    schema = FeatureSchema(features=tuple(features), targets=tuple(targets))
    if earlier is None:
        # Once more, now that the columns are known.
        config = request.config.resolved(frame.height, len(schema.numeric_columns))
    group_column = group_column_of(schema, request.interval_groups) if request.interval_groups else None
    notes += _shared(frame.select(*schema.names, *request.targets), plan)
    X = encode_frame(frame, schema.lenient())
    empty = empty_rows(X)
    notes += [*([empty] if empty else []), *leaks(schema, X, y, config.seed)]
    notes += formulas(frame, schema.features, request.targets, config.seed)
    if len(rows) < table.height:
        notes += known_with_target(texts.frame.filter(~pl.Series(usable)), frame, schema.names, request.targets)
    for name, column in zip(request.targets, y.T, strict=True):
        heavy = heavy_note(name, column, weight)
        if heavy is not None and KINDS[config.objective].takes is not BINARY:
            notes.append(f"Row {rows[heavy[0]] + 1:,} of the table has {heavy[1]}")
    offsets = np.array([t.offset for t in targets])
    prepared = Prepared(frame, schema, X, y - offsets, plan, config, notes, weight, group_column)
    return prepared if earlier is None else _starting(prepared, earlier)


def sayings(request: Request, earlier: Earlier | None = None) -> Sayings:
    """What is said of the texts of a table's columns."""
    corrections = request.corrections
    as_text = corrections.text_columns() if earlier is None else text_columns(earlier.schema, corrections)
    known: dict[str, TextFormat | None] = {}
    if earlier is not None:
        known = {f.name: f.text for f in earlier.schema.features} | {t.name: t.text for t in earlier.schema.targets}
    return Sayings(corrections, request.targets, [request.group] if request.group else [], as_text, known)


def _starting(prepared: Prepared, earlier: Earlier) -> Prepared:
    """With the version to start from, and a note on what that means for the figures."""
    seen = share_seen(earlier, prepared.frame, prepared.schema, prepared.plan)
    return replace(prepared, earlier=earlier, seen=seen, notes=[*prepared.notes, seen_note(earlier, seen)])


def take(X: Encoded, indices: npt.NDArray[np.int64]) -> Encoded:
    """Some rows, without their warnings."""
    return Encoded(X.numeric[indices], X.categorical[indices])


def group_column_of(schema: FeatureSchema, name: str) -> int:
    """Column of the encoded categories whose categories get intervals of their own.

    Raises:
        DataError: no such feature, or none of categories.
    """
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


def left_out_note(n_rows: int, usable: int) -> str:
    """A sentence about rows without a target."""
    return f"{n_rows - usable} of {n_rows} rows are left out: no value of the target."


def _usable(table: pl.DataFrame, targets: list[str], notes: list[str]) -> npt.NDArray[np.bool_]:
    """Which rows have a finite value of each target, bool (n_rows,)."""
    check_targets(table, targets)
    bad = [pl.col(t).is_null() | ~pl.col(t).cast(pl.Float64).is_finite() for t in targets]
    usable = table.select(~pl.any_horizontal(bad)).to_series().to_numpy()
    count = int(usable.sum())
    if count < table.height:
        notes.append(left_out_note(table.height, count))
    if count < split.MIN_ROWS:
        raise DataError(f"Expected at least {split.MIN_ROWS} rows with a target. Received: {count}.")
    return np.asarray(usable, bool)


def _plan(frame: pl.DataFrame, request: Request, config: TrainConfig) -> Plan:
    groups = frame[request.group] if request.group else None
    n_folds = config.required("folds")
    # Rows that come later must not train what is measured on earlier ones.
    if n_folds > 1 and not request.time:
        n_folds = min(n_folds, frame.height // 2)
        alike = ALIKE if config.augment else 1
        return cross_validation(frame.height, n_folds, config.required("repeats"), config.seed, groups, alike=alike)
    networks = config.required("repeats")
    shares = split.fractions(frame.height)
    for name in shares:
        shares[name] = getattr(config, f"{name}_fraction") or shares[name]
    if request.time:
        return Plan.held_out(split.split_time(frame[request.time], shares), networks)
    if groups is not None:
        return Plan.held_out(split.split_groups(groups, shares, config.seed), networks)
    return Plan.held_out(split.split_random(frame.height, shares, config.seed), networks)


def _shared(rows: pl.DataFrame, plan: Plan) -> list[str]:
    """A note on rows that measure and stand, equal in every column, among those that train."""
    if plan.parts is not None:
        shared = split.shared_rows(rows, plan.parts)
        measured, where = len(plan.parts.test), "in another part too"
        kind = "test rows"
    else:
        shared = int(rows.is_duplicated().sum())
        measured, where, kind = rows.height, "more than once", "rows"
    return shared_notes(shared, measured, kind, where)


def shared_notes(shared: int, measured: int, kind: str = "test rows", where: str = "in another part too") -> list[str]:
    """A sentence about rows that stand more than once, if there are any."""
    return [f"{shared} of {measured} {kind} stand, equal in every column, {where}."] if shared else []


def without_days(features: list[Feature], name: str, notes: list[str]) -> list[Feature]:
    """The time column tells where in the year, week or day a row lies; how late it is lies outside what was seen."""
    kept = []
    for feature in features:
        if feature.name != name:
            kept.append(feature)
            continue
        parts = tuple(p for p in feature.parts if p != "days")
        if parts:
            kept.append(feature.model_copy(update={"parts": parts, "minimum": None, "maximum": None}))
        else:
            notes.append(f"Column '{name}' orders the rows and is no feature: later rows would lie outside its range.")
    if not kept:
        raise DataError(f"Expected a feature beside the time column '{name}'. Received: none.")
    return kept
