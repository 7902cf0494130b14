"""How good a version is on rows whose target is known, for ``trueline evaluate`` and ``trueline.evaluate``."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any, NamedTuple

from artifact.errors import DataError
from artifact.manifest import Coverage, Manifest, Metrics
from artifact.words.display import metric, number
from trueline.scoring import encoded_in_parts
from trueline.terminal.tables import html_table

if TYPE_CHECKING:
    import polars as pl

    from artifact.predictor import Prediction, Predictor
    from artifact.registry.base import Reference
    from artifact.rows.absent import MissingColumns
    from artifact.rows.schema import FeatureSchema
    from artifact.runtimes import Outputs
    from training.settings.config import TrainConfig
    from training.table.reading import Raw, Reading


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Measures of a version on rows whose target is known.

    Attributes:
        model_name, model_version: names of the model and the version.
        rows: number of rows that were measured.
        rows_left_out: number of rows in which some target has no finite value.
        metrics: metrics by target, then by name.
        coverage: coverage of the intervals.
        same_table: this is the table that trained the version.
        share_known: estimated share of these rows on which the version was trained.
    """

    model_name: str
    model_version: str
    rows: int
    rows_left_out: int
    metrics: dict[str, Metrics]
    coverage: Coverage
    same_table: bool
    share_known: float

    @property
    def reference(self) -> str:
        """``NAME:VERSION``."""
        return f"{self.model_name}:{self.model_version}"

    def document(self) -> dict[str, Any]:
        """The evaluation as a JSON object."""
        return {
            "model_name": self.model_name,
            "model_version": self.model_version,
            "rows": self.rows,
            "rows_left_out": self.rows_left_out,
            "metrics": self.metrics,
            "coverage": self.coverage.model_dump(),
            "trained_on": {"same_table": self.same_table, "share": self.share_known},
        }

    def title(self, target: str) -> str:
        """Heading of one target's figures: the target, the rows and the version."""
        return f"{target}: {self.rows:,} rows by {self.reference}"

    def intervals(self, target: str) -> str:
        """A sentence about the intervals of one target."""
        covered, width = self.coverage.covered[target], self.coverage.mean_width[target]
        return f"{self.coverage.level:.0%} intervals cover {covered:.1%} of the rows; mean width {number(width)}."

    def _repr_html_(self) -> str:
        """The HTML for a notebook: metrics and intervals of each target."""
        return "\n".join(
            html_table(self.title(target), ("metric", "value"), self.figures(target))
            + f"<p>{escape(self.intervals(target))}</p>"
            for target in self.metrics
        )

    def figures(self, target: str) -> list[tuple[str, str]]:
        """The metrics of one target by name, written for a reader."""
        return [(name, metric(name, value)) for name, value in self.metrics[target].items()]


@dataclass(frozen=True, slots=True)
class Measuring:
    """How a version is measured.

    Attributes:
        reading: how files are read.
        level: level of the intervals, or None for 0.9.
        missing_columns: see :func:`training.table.encode.encode_frame`.
        note: called with each note about how the table was read.
        say: called with each other sentence for the reader of the figures.
    """

    reading: Reading
    level: float | None
    missing_columns: MissingColumns
    note: Callable[[str], None]
    say: Callable[[str], None]


def evaluation(rows: str | pl.DataFrame, version: Reference, predictor: Predictor, measuring: Measuring) -> Evaluation:
    """Measure a version on a table.

    Args:
        rows: see :func:`training.table.data.read_raw`.
        version: the version.
        predictor: the version, loaded.
        measuring: how to measure.

    Raises:
        DataError: the table cannot be read, lacks a feature or a target, has fewer than 2 rows with a target, or
            has values that the schema refuses; the message gives their rows.
    """
    from training.evaluation.verdict import coverage
    from training.table.ranges import outside_sentences
    from training.transfer.seen import is_its_table, known_note, share_known

    schema, say = predictor.schema, measuring.say
    raw = read_known(rows, [schema], measuring.reading, measuring.note)
    frame, all_rows, usable = labelled(raw.frame, schema, measuring.missing_columns)
    for sentence in outside_sentences(frame, schema, predictor.manifest):
        measuring.note(sentence)
    left_out = len(usable) - int(usable.sum())
    table = all_rows.filter(usable) if left_out else all_rows
    if left_out:
        say(f"{left_out:,} of {len(usable):,} rows are left out: they have no finite value of the target.")
    if table.height < 2:
        raise DataError(f"Expected at least 2 rows with a target. Received: {table.height}.")
    numbers = [int(i) + 1 for i in usable.arg_true()] if left_out else range(1, table.height + 1)
    X = encoded_in_parts(table, schema, measuring.missing_columns, numbers)
    outputs = predictor.run(X.numeric, X.categorical)
    bounds = predictor.row_bounds([predictor.bound(measuring.level)], [len(X)], X)
    answer = predictor.finish(outputs, bounds, X.warnings)
    y = table.select(schema.target_names).to_numpy()
    covered = coverage(schema.target_names, y, answer, measuring.level or predictor.default_level)
    imputed = [name for name in schema.names if name not in table.columns]
    if imputed:
        columns = ", ".join(f"'{name}'" for name in imputed)
        say(f"The table has no column {columns}: answered as missing in each row.")
    same_table = is_its_table(frame, predictor.manifest.lineage)
    share = 1.0 if same_table else share_known(version.path, predictor.manifest, schema, X)
    flatters = known_note(share, f"{version.name}:{version.version}", same_table=same_table)
    if flatters:
        say(f"Note: {flatters}")
    metrics = _metrics(predictor, y, answer, outputs)
    return Evaluation(version.name, version.version, table.height, left_out, metrics, covered, same_table, share)


def read_known(
    rows: str | pl.DataFrame, schemas: Iterable[FeatureSchema], reading: Reading, note: Callable[[str], None]
) -> Raw:
    """Read a table of rows whose target is known.

    Args:
        rows: see :func:`training.table.data.read_raw`.
        schemas: schemas of the versions; columns that they name stay, even if they look like an index.
        reading: how files are read.
        note: called with each note about how the table was read.

    Raises:
        DataError: the table cannot be read.
    """
    from training.table.data import read_raw

    raw = read_raw(rows, reading, keep={name for s in schemas for name in (*s.names, *s.target_names)})
    for sentence in raw.notes:
        note(sentence)
    return raw


class Labelled(NamedTuple):
    """A table as a version names and types its columns.

    Attributes:
        frame: the table as it was read, its columns named as the version names them.
        table: the same rows, typed; the targets are Float64.
        usable: a mask of the rows in which all targets are finite.
    """

    frame: pl.DataFrame
    table: pl.DataFrame
    usable: pl.Series


def labelled(raw: pl.DataFrame, schema: FeatureSchema, missing_columns: MissingColumns) -> Labelled:
    """The table with its columns named and typed as the version has them.

    Raises:
        DataError: it lacks a feature or a target, or a target has values that are no numbers.
    """
    import polars as pl

    from training.table.data import check_columns
    from training.table.encode import check_features, with_targets
    from training.table.ids import ids_as_text
    from training.table.names import in_terms_of
    from training.table.types import typed

    targets = list(schema.target_names)
    frame = in_terms_of(raw, [*schema.names, *targets])
    words = ids_as_text(frame, [f.name for f in schema.categorical])
    all_rows = typed(words, as_text=[*schema.names, *targets])
    check_columns(all_rows, targets, "target column")
    check_features(all_rows.columns, schema, missing_columns)
    table = with_targets(all_rows, schema)
    usable = table.select(pl.all_horizontal(pl.col(targets).is_finite().fill_null(value=False))).to_series()
    return Labelled(frame, table, usable)


def meaning_of(manifest: Manifest) -> TrainConfig:
    """The settings that say what a version's answers mean: its objective, and the settings that the objective reads."""
    from training.objectives.kinds import meaning
    from training.settings.config import TrainConfig

    trained = manifest.lineage.config
    return TrainConfig.build(settings={k: trained[k] for k in meaning() if k in trained})


def _metrics(predictor: Predictor, y: Any, answer: Prediction, outputs: Outputs) -> dict[str, Metrics]:
    """The metrics by target, with those of the version's objective."""
    from artifact.predictor import target_offsets
    from training.evaluation.metrics import by_target

    schema, config = predictor.schema, meaning_of(predictor.manifest)
    value = answer.value.astype("float64")
    offsets = target_offsets(schema)
    return by_target(schema.target_names, y, value, config=config, outputs=outputs, offsets=offsets)
