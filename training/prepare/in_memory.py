"""Prepares a table in memory: the schema, encoded rows, and parts that never overlap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import polars as pl

from artifact.facts import Fact, Note, RepeatedRows, facts_in, sentences
from artifact.intervals.calibration import Grouping
from artifact.rows.encoding import Encoded
from artifact.rows.schema import Feature, FeatureSchema
from training.families.settings import Samples
from training.objectives.kinds import check_target
from training.prepare import rules
from training.prepare.request import Request, check_request, text_rules
from training.prepare.spool import Stream
from training.settings.augmentation import ALIKE
from training.settings.config import TrainConfig
from training.suspects.absence import Untargeted
from training.suspects.heavy import Heaviest
from training.suspects.leakage import empty_count
from training.table import split
from training.table.encode import encode_frame
from training.table.folds import Plan, cross_validation
from training.table.infer import fit_categories, infer_features
from training.table.rare import rare_notes, with_rare
from training.table.targets import TargetFacts, check_spread, check_targets
from training.table.texts.table import TableTexts, read_texts
from training.table.weights import weights_of
from training.transfer.earlier import Earlier
from training.transfer.features import in_terms_of, with_known
from training.transfer.seen import seen_note, share_seen
from training.transfer.settings import settings_from

Float64 = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Prepared:
    """A table ready to fit: the schema, all rows encoded by it, targets less their offsets, folds and notes.

    Attributes:
        weight: float64 (n_samples,), each row's weight divided by the mean; None for equal weights.
        group_column: position, among the encoded categories, of the feature whose categories get intervals of their
            own; None for none.
        earlier: version to start from, or None.
        share_seen: estimated share of the measuring rows that the earlier version has seen already.
        facts: the notes that are also fields of the manifest.
        stream: all training rows, if those in memory are a sample of them; None if all rows are in memory.
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
    share_seen: float = 0.0
    stream: Stream | None = None
    facts: tuple[Fact, ...] = ()

    def noting(self, *facts: Fact) -> Prepared:
        """This table with further facts, unless it has them already, and with their sentences as notes."""
        new: list[Fact] = []
        for fact in facts:
            if fact not in (*self.facts, *new):
                new.append(fact)
        return replace(self, notes=[*self.notes, *sentences(new)], facts=(*self.facts, *new))

    @property
    def objective(self) -> str:
        """Name of the objective, which is minimised."""
        return self.config.objective

    @property
    def n_rows(self) -> int:
        """Number of rows that train, also where the table is streamed."""
        return len(self.y) if self.stream is None else self.stream.n_train

    @property
    def samples(self) -> Samples:
        """The rows in memory as solvers and trees take them."""
        return Samples(self.schema, self.X, self.y, self.config, self.weight)

    def sizes(self) -> dict[str, int]:
        """Numbers of rows by their use, for the lineage."""
        sizes = self.plan.sizes()
        return sizes if self.stream is None else {**sizes, "train": self.stream.n_train, "sample": sizes["train"]}

    def weights(self, indices: npt.NDArray[np.int64]) -> Float64 | None:
        return None if self.weight is None else self.weight[indices]

    def grouping(self, indices: npt.NDArray[np.int64]) -> Grouping | None:
        """The interval group of each of the given rows; None if there are no groups."""
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
    reading_notes: Sequence[str] = (),
    texts: TableTexts | None = None,
) -> Prepared:
    """Decide the schema, encode the rows and split them.

    Args:
        table: the table as it was read.
        request: what to train.
        earlier: version to start from; its settings, kinds and units stay. Defaults to None.
        reading_notes: sentences on what reading decided. Defaults to none.
        texts: the table with its texts read, if that is done already. Defaults to None.

    Raises:
        DataError: see :func:`train`.
    """
    names = list(request.targets)
    notes: list[Note] = list(reading_notes)
    check_request(table, request)
    texts = texts or read_texts(table, text_rules(request, earlier))
    notes += texts.notes
    if request.time:
        split.check_time(texts.frame[request.time])
    usable = _usable(texts.frame, names)
    rows, untargeted = np.flatnonzero(usable), texts.frame.filter(~pl.Series(usable))
    notes += rules.rows_left_out(table.height, len(rows))
    split.check_enough(len(rows))
    frame = texts.frame.filter(pl.Series(usable))
    y = frame.select(names).cast(pl.Float64).to_numpy().astype(np.float64)
    for name, column in zip(names, y.T, strict=True):
        check_spread(name, TargetFacts.of(column), len(column))
    config = (
        request.config.resolved(frame.height)
        if earlier is None
        else settings_from(earlier, request.config, frame.height)
    )
    for name, column in zip(names, y.T, strict=True):
        check_target(config.objective, name, column)
    plan = _plan(frame, request, config)
    weight = weights_of(frame, request.weight, plan) if request.weight else None
    frame, features, column_notes = _features(frame, request, plan, texts, earlier)
    notes += column_notes
    targets = rules.targets_of(
        request, config.objective, [TargetFacts.of(column) for column in y[plan.seen_rows()].T], texts.formats
    )
    schema = FeatureSchema(features=tuple(features), targets=targets)
    if earlier is None:
        # Resolve the settings once more, now that the number of columns is known.
        config = request.config.resolved(frame.height, len(schema.numeric_columns))
    group_column = rules.group_column_of(schema, request.interval_groups)
    notes += _shared(frame.select(*schema.names, *names), plan)
    X = encode_frame(frame, schema.lenient())
    notes += rules.suspicions(schema, frame, X, y, config, _all_rows(schema, frame, X, y, weight, rows, untargeted))
    offsets = np.array([t.offset for t in targets])
    prepared = Prepared(
        frame, schema, X, y - offsets, plan, config, sentences(notes), weight, group_column, facts=facts_in(notes)
    )
    return prepared if earlier is None else _starting(prepared, earlier)


def _features(
    frame: pl.DataFrame, request: Request, plan: Plan, texts: TableTexts, earlier: Earlier | None
) -> tuple[pl.DataFrame, list[Feature], list[Note]]:
    """The rows, each column in the type of its kind; the features; and notes on the columns."""
    candidates = request.candidates(frame.columns)
    corrections = (
        request.corrections if earlier is None else with_known(earlier.schema, request.corrections, candidates)
    )
    inferred = infer_features(frame, candidates, corrections, texts.formats, texts.notes)
    frame, notes = inferred.frame, inferred.notes
    features = fit_categories(inferred.features, frame[plan.seen_rows()], request.corrections)
    if earlier is not None:
        features = in_terms_of(earlier.schema, features, request.corrections)
    features = with_rare(features, frame, corrections)
    notes += rare_notes(features)
    if request.time:
        features, order_notes = rules.in_order(features, split.Moments.of(frame[request.time]))
        notes += order_notes
    return frame, features, notes


def _all_rows(
    schema: FeatureSchema,
    frame: pl.DataFrame,
    X: Encoded,
    y: Float64,
    weight: Float64 | None,
    rows: npt.NDArray[np.int64],
    untargeted_rows: pl.DataFrame,
) -> rules.AllRows:
    untargeted = Untargeted(schema.names)
    untargeted.add(untargeted_rows)
    heaviest = [Heaviest.of(column, weight) for column in y.T]
    return rules.AllRows(
        usable=frame.height,
        empty=empty_count(X),
        missing={name: frame[name].null_count() / frame.height for name in schema.names},
        heaviest={
            name: farthest._replace(row=int(rows[farthest.row]))
            for name, farthest in zip(schema.target_names, heaviest, strict=True)
        },
        untargeted=untargeted,
    )


def _starting(prepared: Prepared, earlier: Earlier) -> Prepared:
    """The table with the version to start from, and a note on what that means for its figures."""
    share = share_seen(earlier, prepared.frame, prepared.schema, prepared.plan)
    notes = [*prepared.notes, seen_note(earlier, share)]
    return replace(prepared, earlier=earlier, share_seen=share, notes=notes)


def take(X: Encoded, indices: npt.NDArray[np.int64]) -> Encoded:
    """The rows at ``indices``, without their warnings."""
    return Encoded(X.numeric[indices], X.categorical[indices])


def _usable(table: pl.DataFrame, targets: list[str]) -> npt.NDArray[np.bool_]:
    """Which rows have a finite value of each target: bool (n_rows,)."""
    check_targets(table, targets)
    bad = [pl.col(t).is_null() | ~pl.col(t).cast(pl.Float64).is_finite() for t in targets]
    return np.asarray(table.select(~pl.any_horizontal(bad)).to_series().to_numpy(), bool)


def _plan(frame: pl.DataFrame, request: Request, config: TrainConfig) -> Plan:
    groups = frame[request.group] if request.group else None
    n_folds = config.required("folds")
    # With times there are no folds: no row may measure a network that later rows have trained.
    if n_folds > 1 and not request.time:
        n_folds = min(n_folds, frame.height // 2)
        alike = ALIKE if config.augment else 1
        return cross_validation(frame.height, n_folds, config.required("repeats"), config.seed, groups, alike=alike)
    networks = config.required("repeats")
    shares = rules.shares_of(config, frame.height)
    if request.time:
        return Plan.held_out(split.split_time(frame[request.time], shares), networks)
    if groups is not None:
        return Plan.held_out(split.split_groups(groups, shares, config.seed), networks)
    return Plan.held_out(split.split_random(frame.height, shares, config.seed), networks)


def _shared(rows: pl.DataFrame, plan: Plan) -> list[RepeatedRows]:
    """A fact that some measuring rows are equal, in every column, to rows that train; no fact if there are none."""
    if plan.parts is not None:
        return rules.repeated_rows(split.shared_rows(rows, plan.parts), len(plan.parts.test), across_parts=True)
    return rules.repeated_rows(int(rows.is_duplicated().sum()), rows.height, across_parts=False)
