"""Rows for the gates: a table with known targets, answered by both versions as they are served."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from artifact.errors import DataError, SchemaMismatchError
from artifact.gates.cells import cells_of
from artifact.gates.rows import Answers, Rows
from artifact.gates.side import Side
from artifact.predictor import Predictor, target_offsets
from artifact.rows.encoding import Encoded
from artifact.rows.schema import FeatureSchema
from trueline.evaluation import labelled, meaning_of, read_known
from trueline.scoring import by_row, features_of

if TYPE_CHECKING:
    import polars as pl

    from artifact.rows.absent import MissingColumns
    from training.table.reading import Reading

# With fewer rows nothing is compared.
LEAST_ROWS = 30
# More rows would only take more time, so this many are drawn at random.
MOST_ROWS = 50_000
# If at least the first share of the rows trained a version, the rows are no test of it, and are not compared. From the
# second share on, a sentence says so.
_KNOWN, _TOLD = 0.10, 0.01
# If more than this share of the rows repeat an earlier row, a row that is equal to one of training may still be new.
_ALIKE = 0.10
# Rows that a schema refuses are left out. Each pass finds at most a thousand faults, and there are at most this many
# passes.
_PASSES = 20
_NO_NUMBER = 1e100


@dataclass(frozen=True, slots=True)
class Given:
    """Rows with known targets that somebody gives.

    Attributes:
        rows: see :func:`training.table.data.read_raw`.
        reading: how files are read.
        missing_columns: see :func:`training.table.encode.encode_frame`.
        groups: further columns whose values form groups.
        note: called with each note about how the table was read.
    """

    rows: str | pl.DataFrame
    reading: Reading
    missing_columns: MissingColumns = "refuse"
    groups: tuple[str, ...] = ()
    note: Callable[[str], None] = lambda _: None


class Compared(NamedTuple):
    """The rows with both versions' answers, or why there are none.

    Attributes:
        rows: rows and answers for the gates; None where the rows cannot be used.
        why_not: a sentence that says why the champion's answers are not among them; empty where they are.
    """

    rows: Rows | None
    why_not: str = ""


def compared(given: Given, candidate: Side, champion: Side | None) -> Compared:
    """Have both versions answer the same rows.

    Args:
        given: the rows.
        candidate: the version that is to go live.
        champion: the version that is live, or None.

    Raises:
        DataError: the table cannot be read, lacks a target, a feature of the candidate or a group, or has fewer than 30
            rows that have a target and that both answer.
    """
    if candidate.predictor is None:
        return Compared(None, candidate.problem)
    schema = candidate.predictor.schema
    known = [side.schema for side in (candidate, champion) if side is not None and side.schema is not None]
    raw = read_known(given.rows, known, given.reading, given.note)
    frame, table, usable = labelled(raw.frame, schema, given.missing_columns)
    _check_groups(given.groups, table)
    X, answered = _encoded(table, schema, given.missing_columns)
    taken = usable.to_numpy() & answered
    other, why_not = _champions(given, raw.frame, candidate, champion)
    if other is not None:
        taken &= other.answered
    at = _taken(taken, usable, table)
    X = _of(X, at)
    told = [] if len(at) == taken.sum() else [f"They are drawn at random from {int(taken.sum()):,}."]
    left_out = int(usable.sum() - taken.sum())
    if left_out:
        told.append(f"{left_out:,} rows are left out, which the schema of one of the two refuses.")
    stale = _trained_on(candidate, frame, X, told)
    if other is not None and champion is not None:
        other = other._replace(X=_of(other.X, at))
        stale = stale or _trained_on(champion, frame, other.X, told)
    if stale:
        return Compared(None, stale)
    weight = _weights(table, at, candidate.predictor, told)
    y = table.select(schema.target_names).to_numpy()[at]
    groups = {name: [table[name].to_list()[i] for i in at] for name in given.groups}
    return Compared(_judged(candidate.predictor, X, other, y, weight, groups, tuple(told)), why_not)


class _Champion(NamedTuple):
    """The rows as the champion takes them; ``columns`` are the places of the candidate's targets in its answers."""

    predictor: Predictor
    X: Encoded
    answered: Any
    columns: list[int]


def _champions(given: Given, raw: pl.DataFrame, candidate: Side, champion: Side | None) -> tuple[_Champion | None, str]:
    """The rows as the champion takes them; or None, and a sentence that says why it cannot answer."""
    from training.table.encode import check_features
    from training.table.names import in_terms_of

    if champion is None:
        return None, "There is no champion to compare with."
    if champion.predictor is None or candidate.predictor is None:
        return None, f"The champion gives no answers: {champion.problem}"
    schema, names = champion.predictor.schema, candidate.predictor.schema.target_names
    if set(names) != set(schema.target_names):
        return None, f"The champion predicts {', '.join(schema.target_names)}, and not {', '.join(names)}."
    frame = in_terms_of(raw, schema.names)
    try:
        check_features(frame.columns, schema, given.missing_columns)
        X, answered = _encoded(features_of(frame, schema), schema, given.missing_columns)
    except DataError as error:
        return None, f"The champion cannot answer these rows: {error}"
    return _Champion(champion.predictor, X, answered, [schema.target_names.index(name) for name in names]), ""


def _encoded(table: pl.DataFrame, schema: FeatureSchema, missing_columns: MissingColumns) -> tuple[Encoded, Any]:
    """The rows as a version takes them, and a mask of those that it answers; refused values are encoded as missing."""
    from training.table.encode import encode_frame

    try:
        lenient = encode_frame(table, schema.lenient(), missing_columns=missing_columns)
    except SchemaMismatchError as error:
        raise by_row(error, range(1, table.height + 1)) from error
    answered = np.ones(table.height, bool)
    for _ in range(_PASSES):
        at = np.flatnonzero(answered)
        try:
            encode_frame(table[at], schema, missing_columns=missing_columns)
        except SchemaMismatchError as error:
            refused = sorted({fault.row for fault in error.faults if fault.row is not None})
            if not refused:
                raise
            answered[at[refused]] = False
            last = by_row(error, [int(row) + 1 for row in at])
        else:
            return lenient, answered
    raise last


def _check_groups(groups: Sequence[str], table: pl.DataFrame) -> None:
    from training.table.data import check_columns

    check_columns(table, list(groups), "group column")


def _taken(taken: Any, usable: pl.Series, table: pl.DataFrame) -> Any:
    """The rows that are compared."""
    if taken.sum() < LEAST_ROWS:
        known = int(usable.sum())
        what = f"{int(taken.sum()):,} of {known:,} that have one" if known else f"none of {table.height:,}"
        raise DataError(
            f"Expected at least {LEAST_ROWS} rows with a target that both versions answer. Received: {what}. "
            "Give more rows, or none: then the figures of both trainings are compared."
        )
    at = np.flatnonzero(taken)
    if len(at) > MOST_ROWS:
        at = np.sort(np.random.default_rng(0).choice(at, MOST_ROWS, replace=False))
    return at


def _trained_on(side: Side, frame: pl.DataFrame, X: Encoded, told: list[str]) -> str:
    """Why the rows are not new to a version; empty where they are.

    If a few are not, a sentence is added to ``told``.
    """
    from training.transfer.seen import is_its_table, share_known

    if side.manifest is None or side.schema is None or side.folder is None:
        return ""
    if is_its_table(frame, side.manifest.lineage):
        return f"The table is the one that trained {side.reference}: its rows are not new to both versions."
    if _share_alike(X) > _ALIKE:
        return ""
    share = share_known(side.folder, side.manifest, side.schema, X)
    sentence = f"About {share:.0%} of the rows equal rows of the table that trained {side.reference} in every feature"
    if share >= _KNOWN:
        return f"{sentence}: they are not new to both versions."
    if share >= _TOLD:
        told.append(f"{sentence}.")
    return ""


def _share_alike(X: Encoded) -> float:
    """The share of rows that are equal to an earlier one."""
    both = np.column_stack(
        [np.where(np.isnan(X.numeric), np.float32(1e38), X.numeric), X.categorical.astype(np.float32)]
    )
    return 1.0 - len(np.unique(both, axis=0)) / max(1, len(both))


def _weights(table: pl.DataFrame, at: Any, predictor: Predictor, told: list[str]) -> Any:
    """The weight of each row, by the column that weighted the candidate's training; None where there is none."""
    from training.table.weights import Weights, check_weight, weights_in

    name = predictor.manifest.lineage.config.get("weight")
    if not name:
        return None
    if name not in table.columns:
        told.append(f"All rows count the same: the table has no column '{name}', which weighted the training.")
        return None
    rows = table[at]
    check_weight(name, rows[name].dtype)
    weights = Weights(name)
    weights.add(rows)
    weights.check()
    return weights_in(rows, name)


def _judged(
    predictor: Predictor,
    X: Encoded,
    other: _Champion | None,
    y: Any,
    weight: Any,
    groups: dict[str, list[Any]],
    told: tuple[str, ...],
) -> Rows:
    level = min(predictor.default_level, 1.0 if other is None else other.predictor.default_level)
    loss = _Loss.of(predictor, None if other is None else other.predictor, y)
    schema = predictor.schema
    order = list(range(len(schema.targets)))
    return Rows(
        targets=schema.target_names,
        candidate=_answers(predictor, X, y, order, level, loss),
        champion=None if other is None else _answers(other.predictor, other.X, y, other.columns, level, loss),
        root=loss.root,
        plain=loss.plain,
        std=np.array([target.std for target in schema.targets]),
        level=level,
        cells=cells_of(schema, X, groups, weight),
        weight=weight,
        told=(*told, *loss.told),
    )


class _Loss(NamedTuple):
    """How answers are judged: by the objective of both trainings, or by squared errors where the objectives differ.

    Attributes:
        settings: settings of the objective; None for squared errors.
        own: whether all outputs of the networks are judged, and not their values alone.
        root, plain: see :class:`artifact.gates.rows.Rows`.
        told: see :class:`artifact.gates.rows.Rows`.
    """

    settings: Any
    own: bool
    root: bool
    plain: str
    told: tuple[str, ...] = ()

    @classmethod
    def of(cls, predictor: Predictor, other: Predictor | None, y: Any) -> _Loss:
        """The loss for two versions, or for one.

        Raises:
            DataError: a target with a value that the objective does not take.
        """
        from training.objectives.kinds import KINDS, check_target

        ours, theirs = meaning_of(predictor.manifest), meaning_of((other or predictor).manifest)
        kind = KINDS[ours.objective]
        if any(getattr(ours, name) != getattr(theirs, name) for name in ("objective", *kind.settings)):
            objectives = f"{ours.objective} and {theirs.objective}"
            told = f"They are compared by the RMSE, for their objectives differ: {objectives}."
            return cls(None, own=False, root=True, plain="RMSE", told=(told,))
        for j, name in enumerate(predictor.schema.target_names):
            check_target(ours.objective, name, y[:, j])
        heads = [p for p in (predictor, other) if p is not None and p.calibration.method == "quantile"]
        if kind.own_errors is not None and len(heads) == (1 if other is None else 2):
            return cls(ours, own=True, root=False, plain=kind.shown)
        return cls(ours, own=False, root=kind.metric == "rmse", plain=kind.plain)

    def errors(self, y: Any, value: Any, outputs: Any, offsets: Any) -> Any:
        """Float64 (n_samples, n_targets), at least 0."""
        from training.objectives.kinds import KINDS

        if self.settings is None:
            return np.square(y - value)
        kind = KINDS[self.settings.objective]
        if self.own and kind.own_errors is not None:
            own = kind.own_errors(outputs, y - (0.0 if offsets is None else offsets), self.settings)
            if own is not None:
                return own
        return kind.errors(y, value, self.settings)


def _answers(predictor: Predictor, X: Encoded, y: Any, columns: list[int], level: float, loss: _Loss) -> Answers:
    """A version's answers, with its targets in the order of the candidate's."""
    outputs = predictor.run(X.numeric, X.categorical)
    answer = predictor.finish(outputs, predictor.row_bounds([predictor.bound(level)], [len(X)], X), [])
    value, lower, upper = (part.astype(np.float64)[:, columns] for part in (answer.value, answer.lower, answer.upper))
    offsets = target_offsets(predictor.schema)
    quantiles = None if outputs.quantiles is None else outputs.quantiles[:, columns]
    outputs = outputs._replace(quantiles=quantiles)
    errors = loss.errors(y, value, outputs, None if offsets is None else offsets[columns])
    # An answer that is not a number counts as the largest error.
    errors, width = (
        np.nan_to_num(np.maximum(part, 0.0), nan=_NO_NUMBER, posinf=_NO_NUMBER) for part in (errors, upper - lower)
    )
    return Answers(errors, (lower <= y) & (y <= upper), width)


def _of(X: Encoded, at: Any) -> Encoded:
    return Encoded(X.numeric[at], X.categorical[at])
