"""Rows for the gates: a table with known targets, answered by both versions as they are served."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from artifact.errors import DataError, SchemaMismatchError
from artifact.gates.rows import Rows
from artifact.gates.side import Side
from artifact.predictor import Predictor
from artifact.rows.encoding import Encoded
from artifact.rows.schema import FeatureSchema
from trueline.evaluation import labelled, read_known
from trueline.gates.judged import Asked, judged
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
_KNOWN, _WORTH_A_NOTE = 0.10, 0.01
# If more than this share of the rows repeat an earlier row, a row that is equal to one of training may still be new.
_ALIKE = 0.10
# Rows that a schema refuses are left out. Each pass finds at most a thousand faults, and there are at most this many
# passes.
_PASSES = 20


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
        return Compared(None, candidate.unmeasured)
    schema = candidate.predictor.schema
    known = [side.schema for side in (candidate, champion) if side is not None and side.schema is not None]
    raw = read_known(given.rows, known, given.reading, given.note)
    frame, table, usable = labelled(raw.frame, schema, given.missing_columns)
    _check_groups(given.groups, table)
    _tell_ranges(given, raw.frame, candidate, champion)
    X, answered = _encoded(table, schema, given.missing_columns)
    both = usable.to_numpy() & answered
    other, why_not = _champions(given, raw.frame, candidate, champion)
    if other is not None:
        both &= other.answered
    at = _drawn(both, usable, table)
    ours = Asked(candidate.predictor, X, list(range(len(schema.targets)))).at(at)
    theirs = None if other is None else other.asked.at(at)
    notes = [] if len(at) == both.sum() else [f"They are drawn at random from {int(both.sum()):,}."]
    left_out = int(usable.sum() - both.sum())
    if left_out:
        notes.append(f"{left_out:,} rows are left out, which the schema of one of the two refuses.")
    stale = _trained_on(candidate, frame, ours.X, notes)
    if theirs is not None and champion is not None:
        stale = stale or _trained_on(champion, frame, theirs.X, notes)
    if stale:
        return Compared(None, stale)
    weight = _weights(table, at, candidate.predictor, notes)
    y = table.select(schema.target_names).to_numpy()[at]
    groups = {name: [table[name].to_list()[i] for i in at] for name in given.groups}
    return Compared(judged(ours, theirs, y, weight, groups, tuple(notes)), why_not)


class _Champion(NamedTuple):
    """The champion with the rows as it takes them, and a mask of those that it answers."""

    asked: Asked
    answered: Any


def _champions(given: Given, raw: pl.DataFrame, candidate: Side, champion: Side | None) -> tuple[_Champion | None, str]:
    """The rows as the champion takes them; or None, and a sentence that says why it cannot answer."""
    from training.table.encode import check_features
    from training.table.names import in_terms_of

    if champion is None:
        return None, "There is no champion to compare with."
    if champion.predictor is None or candidate.predictor is None:
        return None, f"The champion gives no answers: {champion.unmeasured}"
    schema, names = champion.predictor.schema, candidate.predictor.schema.target_names
    if set(names) != set(schema.target_names):
        return None, f"The champion predicts {', '.join(schema.target_names)}, and not {', '.join(names)}."
    frame = in_terms_of(raw, schema.names)
    try:
        check_features(frame.columns, schema, given.missing_columns)
        X, answered = _encoded(features_of(frame, schema), schema, given.missing_columns)
    except DataError as error:
        return None, f"The champion cannot answer these rows: {error}"
    return _Champion(Asked(champion.predictor, X, [schema.target_names.index(name) for name in names]), answered), ""


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


def _tell_ranges(given: Given, raw: pl.DataFrame, *sides: Side | None) -> None:
    """Say which columns lie mostly outside of the range that a version saw at training: equal errors may hide that."""
    from training.table.names import in_terms_of
    from training.table.ranges import outside_sentences

    for side in sides:
        if side is not None and side.schema is not None and side.manifest is not None:
            frame = in_terms_of(raw, [*side.schema.names, *side.schema.target_names])
            for sentence in outside_sentences(frame, side.schema, side.manifest):
                given.note(sentence)


def _check_groups(groups: Sequence[str], table: pl.DataFrame) -> None:
    from training.table.data import check_columns

    check_columns(table, list(groups), "group column")


def _drawn(both: Any, usable: pl.Series, table: pl.DataFrame) -> Any:
    """The places of the rows that are compared: those with a target that both versions answer, or a sample of them."""
    if both.sum() < LEAST_ROWS:
        known = int(usable.sum())
        what = f"{int(both.sum()):,} of {known:,} that have one" if known else f"none of {table.height:,}"
        raise DataError(
            f"Expected at least {LEAST_ROWS} rows with a target that both versions answer. Received: {what}. "
            "Give more rows, or none: then the figures of both trainings are compared."
        )
    at = np.flatnonzero(both)
    if len(at) > MOST_ROWS:
        at = np.sort(np.random.default_rng(0).choice(at, MOST_ROWS, replace=False))
    return at


def _trained_on(side: Side, frame: pl.DataFrame, X: Encoded, notes: list[str]) -> str:
    """Why the rows are not new to a version; empty where they are.

    If a few are not, a sentence is added to ``notes``.
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
    if share >= _WORTH_A_NOTE:
        notes.append(f"{sentence}.")
    return ""


def _share_alike(X: Encoded) -> float:
    """The share of rows that are equal to an earlier one."""
    both = np.column_stack(
        [np.where(np.isnan(X.numeric), np.float32(1e38), X.numeric), X.categorical.astype(np.float32)]
    )
    return 1.0 - len(np.unique(both, axis=0)) / max(1, len(both))


def _weights(table: pl.DataFrame, at: Any, predictor: Predictor, notes: list[str]) -> Any:
    """The weight of each row, by the column that weighted the candidate's training; None where there is none."""
    from training.table.weights import Weights, check_weight, weights_in

    name = predictor.manifest.lineage.config.get("weight")
    if not name:
        return None
    if name not in table.columns:
        notes.append(f"All rows count the same: the table has no column '{name}', which weighted the training.")
        return None
    rows = table[at]
    check_weight(name, rows[name].dtype)
    weights = Weights(name)
    weights.add(rows)
    weights.check()
    return weights_in(rows, name)
