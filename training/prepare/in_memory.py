"""From a table and a request to encoded rows in parts that never mix."""

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
        weight: float64 (n_samples,), of each row, their mean 1; None for equal ones.
        group_column: of the encoded categories, whose categories get intervals of their own; None for none.
        earlier: version to start from, or None.
        seen: share of the rows that measure which the earlier version has seen, as it looks.
        facts: those of the notes that the manifest has as fields too.
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
    facts: tuple[Fact, ...] = ()

    def noting(self, *facts: Fact) -> Prepared:
        """With facts that it does not have yet, and their sentences among the notes."""
        new: list[Fact] = []
        for fact in facts:
            if fact not in (*self.facts, *new):
                new.append(fact)
        return replace(self, notes=[*self.notes, *sentences(new)], facts=(*self.facts, *new))

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
    names = list(request.targets)
    said: list[Note] = list(told)
    check_request(table, request)
    texts = texts or read_texts(table, text_rules(request, earlier))
    said += texts.notes
    if request.time:
        split.check_time(texts.frame[request.time])
    usable = _usable(texts.frame, names)
    rows, left_out = np.flatnonzero(usable), texts.frame.filter(~pl.Series(usable))
    said += rules.rows_left_out(table.height, len(rows))
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
    frame, features, told_of_columns = _features(frame, request, plan, texts, earlier)
    said += told_of_columns
    targets = rules.targets_of(
        request, config.objective, [TargetFacts.of(column) for column in y[plan.seen()].T], texts.formats
    )
    schema = FeatureSchema(features=tuple(features), targets=targets)
    if earlier is None:
        # Once more, now that the columns are known.
        config = request.config.resolved(frame.height, len(schema.numeric_columns))
    group_column = rules.group_column_of(schema, request.interval_groups)
    said += _shared(frame.select(*schema.names, *names), plan)
    X = encode_frame(frame, schema.lenient())
    said += rules.suspicions(schema, frame, X, y, config, _all_rows(schema, frame, X, y, weight, rows, left_out))
    offsets = np.array([t.offset for t in targets])
    prepared = Prepared(
        frame, schema, X, y - offsets, plan, config, sentences(said), weight, group_column, facts=facts_in(said)
    )
    return prepared if earlier is None else _starting(prepared, earlier)


def _features(
    frame: pl.DataFrame, request: Request, plan: Plan, texts: TableTexts, earlier: Earlier | None
) -> tuple[pl.DataFrame, list[Feature], list[Note]]:
    """The rows as their columns' kinds say, the features, and sentences on the columns."""
    candidates = request.candidates(frame.columns)
    said = request.corrections if earlier is None else with_known(earlier.schema, request.corrections, candidates)
    inferred = infer_features(frame, candidates, said, texts.formats, texts.notes)
    frame, notes = inferred.frame, inferred.notes
    features = fit_categories(inferred.features, frame[plan.seen()], request.corrections)
    if earlier is not None:
        features = in_terms_of(earlier.schema, features, request.corrections)
    features = with_rare(features, frame, said)
    notes += rare_notes(features)
    if request.time:
        features, told = rules.in_order(features, split.Moments.of(frame[request.time]))
        notes += told
    return frame, features, notes


def _all_rows(
    schema: FeatureSchema,
    frame: pl.DataFrame,
    X: Encoded,
    y: Float64,
    weight: Float64 | None,
    rows: npt.NDArray[np.int64],
    left_out: pl.DataFrame,
) -> rules.AllRows:
    untargeted = Untargeted(schema.names)
    untargeted.add(left_out)
    heaviest = [Heaviest.of(column, weight) for column in y.T]
    return rules.AllRows(
        usable=frame.height,
        empty=empty_count(X),
        missing={name: frame[name].null_count() / frame.height for name in schema.names},
        heaviest={
            name: found._replace(row=int(rows[found.row]))
            for name, found in zip(schema.target_names, heaviest, strict=True)
        },
        untargeted=untargeted,
    )


def _starting(prepared: Prepared, earlier: Earlier) -> Prepared:
    """With the version to start from, and a note on what that means for the figures."""
    seen = share_seen(earlier, prepared.frame, prepared.schema, prepared.plan)
    return replace(prepared, earlier=earlier, seen=seen, notes=[*prepared.notes, seen_note(earlier, seen)])


def take(X: Encoded, indices: npt.NDArray[np.int64]) -> Encoded:
    """Some rows, without their warnings."""
    return Encoded(X.numeric[indices], X.categorical[indices])


def _usable(table: pl.DataFrame, targets: list[str]) -> npt.NDArray[np.bool_]:
    """Which rows have a finite value of each target, bool (n_rows,)."""
    check_targets(table, targets)
    bad = [pl.col(t).is_null() | ~pl.col(t).cast(pl.Float64).is_finite() for t in targets]
    return np.asarray(table.select(~pl.any_horizontal(bad)).to_series().to_numpy(), bool)


def _plan(frame: pl.DataFrame, request: Request, config: TrainConfig) -> Plan:
    groups = frame[request.group] if request.group else None
    n_folds = config.required("folds")
    # Rows that come later must not train what is measured on earlier ones.
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
    """Rows that measure and stand, equal in every column, among those that train."""
    if plan.parts is not None:
        return rules.repeated_rows(split.shared_rows(rows, plan.parts), len(plan.parts.test), across_parts=True)
    return rules.repeated_rows(int(rows.is_duplicated().sum()), rows.height, across_parts=False)
