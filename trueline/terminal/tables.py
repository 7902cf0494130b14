"""Tables for the terminal: a schema, a result."""

from __future__ import annotations

from collections.abc import Iterator

from rich.table import Column, Table

from artifact.manifest import Manifest
from artifact.rows.schema import FeatureSchema
from artifact.words.display import by_error, extent, metric, number

_HEADERS = {"rmse": "RMSE", "mae": "MAE", "r2": "R2"}


def schema_table(schema: FeatureSchema, *, limit: int | None = 50) -> Table:
    """The features with their kinds, ranges and policies; at most ``limit`` of them."""
    table = Table("feature", "kind", "unit", "range or categories", "missing", title="Schema", title_justify="left")
    for feature in schema.features[:limit]:
        table.add_row(feature.name, feature.kind, feature.unit or "", extent(feature), feature.missing)
    if limit is not None and len(schema.features) > limit:
        table.caption = f"and {len(schema.features) - limit} more; trueline show lists all"
    return table


def result_tables(manifest: Manifest) -> Iterator[Table | str]:
    """For each target the models with their metrics, the best first, and its intervals; last the verdict."""
    from training.evaluation.advice import next_step, question

    for target, metrics in manifest.metrics.items():
        title = f"{target}: {measured_on(manifest)}"
        own = [m for m in metrics if m == manifest.verdict.metric or m == "nll"]
        shown = ["rmse", "mae", "r2", *(m for m in own if m not in ("rmse", "mae"))]
        figures = (Column(_HEADERS.get(m, m), justify="right") for m in shown)
        table = Table("model", *figures, title=title, title_justify="left")
        for model, found in by_error(manifest.compared(target), manifest.verdict.metric):
            table.add_row(model, *(metric(m, found.get(m)) for m in shown))
        yield table
        covered, width = manifest.coverage.covered[target], manifest.coverage.mean_width[target]
        level = manifest.coverage.level
        yield f"{level:.0%} intervals cover {covered:.1%} of these rows; mean width {number(width)}."
    if manifest.augmentation is not None:
        yield manifest.augmentation.sentence
    yield f"{question(manifest)} {manifest.verdict.sentence}"
    advice = next_step(manifest)
    if advice is not None:
        yield f"Next: {advice.sentence}\n    {advice.command}"


def measured_on(manifest: Manifest) -> str:
    """The rows that measured a version, in words."""
    from training.evaluation.advice import is_line

    parts = manifest.lineage.parts
    if "test" in parts:
        return f"{parts['test']:,} test rows"
    kind = "model" if is_line(manifest.family) else "network"
    return f"{parts['out_of_fold']:,} rows, each by a {kind} that did not see it"
