"""Tables of schemas and results, for terminals and notebooks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

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
    """For each target a table of the models, the best first, and a sentence on its intervals; last the verdict."""
    for target in manifest.metrics:
        headers, rows = comparison(manifest, target)
        figures = (Column(header, justify="right") for header in headers[1:])
        table = Table(headers[0], *figures, title=f"{target}: {measured_on(manifest)}", title_justify="left")
        for row in rows:
            table.add_row(*row)
        yield table
        yield _intervals(manifest, target)
    yield from _verdict(manifest)


def comparison(manifest: Manifest, target: str) -> tuple[list[str], list[list[str]]]:
    """Headers, and a row for each model with its metrics on one target, the best first."""
    own = [m for m in manifest.metrics[target] if m == manifest.verdict.metric or m == "nll"]
    names = ["rmse", "mae", "r2", *(m for m in own if m not in ("rmse", "mae"))]
    models = by_error(manifest.compared(target), manifest.verdict.metric)
    rows = [[model, *(metric(m, figures.get(m)) for m in names)] for model, figures in models]
    return ["model", *(_HEADERS.get(m, m) for m in names)], rows


def sentences(manifest: Manifest) -> list[str]:
    """Sentences beside the tables: each target's intervals, the verdict, and what to try next."""
    several = len(manifest.metrics) > 1
    intervals = [f"{target}: " * several + _intervals(manifest, target) for target in manifest.metrics]
    return [*intervals, *_verdict(manifest)]


def _intervals(manifest: Manifest, target: str) -> str:
    covered, width = manifest.coverage.covered[target], manifest.coverage.mean_width[target]
    return f"{manifest.coverage.level:.0%} intervals cover {covered:.1%} of these rows; mean width {number(width)}."


def _verdict(manifest: Manifest) -> Iterator[str]:
    from training.evaluation.advice import next_step, question

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


def html_table(caption: str, headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table as HTML for a notebook, with all texts escaped."""
    head = "".join(f"<th>{escape(text)}</th>" for text in headers)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
