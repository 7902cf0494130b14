"""The report as one page, which a person reads to decide whether to promote a version."""

from __future__ import annotations

import json
from collections.abc import Iterator

from artifact.manifest import Augmentation
from artifact.rows.schema import Feature
from artifact.words.display import by_error, extent, metric, number
from training.evaluation.advice import next_step, question
from training.objectives.kinds import KINDS
from training.overview.columns import FIGURES, cells
from training.overview.overview import Overview
from training.report.content import Content
from training.report.drawing import Picture
from training.report.html import document, image, table, text
from training.report.pictures import MAX_TARGETS

_METRICS = {
    "rmse": "RMSE",
    "mae": "MAE",
    "r2": "R2",
    "explained_variance": "explained variance",
    "mape": "MAPE",
    "rmsle": "RMSLE",
}
# Largest number of features that a table shows; the others are in a folded table.
_MAX_FEATURES = 50
_SECTIONS = {
    "table": "The table",
    "against": "Against simpler models",
    "learning": "Learning",
    "predictions": "Predictions and residuals",
    "intervals": "Intervals",
    "uses": "What the network uses",
    "features": "Features",
    "notes": "Notes",
    "lineage": "Lineage",
}


def page(content: Content, pictures: list[Picture]) -> str:
    """The page as HTML with the pictures inside; it needs no script and no other file."""
    manifest = content.manifest
    title = f"{manifest.model_name}:{manifest.model_version}"
    return document(title, _parts(content, title, pictures))


def _parts(content: Content, title: str, pictures: list[Picture]) -> Iterator[str]:
    manifest = content.manifest
    lineage, verdict = manifest.lineage, manifest.verdict
    yield f"<h1>{text(title)}</h1>"
    yield (
        f'<p class="soft">Predicts {text(", ".join(manifest.metrics))}; {text(manifest.family)} of '
        f"{manifest.parameters:,} parameters, trained {text(manifest.created_at)} on {text(lineage.data)} "
        f"({lineage.rows:,} rows) in {number(lineage.seconds)} s.</p>"
    )
    links = "".join(f'<a href="#{key}">{text(name)}</a>' for key, name in _SECTIONS.items())
    if manifest.note:
        yield f"<p>Your note: {text(manifest.note)}</p>"
    yield f"<nav>{links}</nav>"
    yield (f'<p class="verdict {verdict.worth_it}"><b>{text(question(manifest))}</b>{text(verdict.sentence)}</p>')
    advice = next_step(manifest)
    if advice is not None:
        yield f'<p class="next">Next: {text(advice.sentence)} <code>{text(advice.command)}</code></p>'
    if not verdict.beats_mean:
        yield "<p>The service does not get this version: <code>trueline promote</code> refuses it.</p>"
    if manifest.notes:
        yield f'<p class="soft">{len(manifest.notes)} <a href="#notes">notes</a> on the training.</p>'
    yield from _table(content.overview)
    yield from _against(content)
    yield from _pictured(content, pictures)
    yield from _features(content)
    yield _heading("notes")
    notes = "".join(f"<li>{text(note)}</li>" for note in manifest.notes)
    yield f"<ul>{notes}</ul>" if notes else "<p>Nothing was left out or repaired, and nothing looks odd.</p>"
    yield from _lineage(content)


def _heading(key: str) -> str:
    return f'<h2 id="{key}">{text(_SECTIONS[key])}</h2>'


def _table(overview: Overview) -> Iterator[str]:
    yield _heading("table")
    fewer = f"; the figures are those of {overview.described:,} rows" if overview.described < overview.rows else ""
    yield f"<p>{overview.rows:,} rows, {len(overview.columns):,} columns{fewer}.</p>"
    checks = "".join(f"<li>{text(sentence)}</li>" for sentence in overview.checks)
    yield f"<p>Worth a look:</p><ul>{checks}</ul>" if checks else "<p>Nothing needs a look, apart from the notes.</p>"
    header, rows = cells(overview.columns)
    words = [name for name in header if name not in FIGURES]
    yield table(header, rows[:_MAX_FEATURES], words=words)
    if len(rows) > _MAX_FEATURES:
        rest = table(header, rows[_MAX_FEATURES:], words=words)
        yield f"<details><summary>{len(rows) - _MAX_FEATURES:,} more columns</summary>{rest}</details>"


def _against(content: Content) -> Iterator[str]:
    manifest = content.manifest
    yield _heading("against")
    same = f"{len(content.y):,} {text(content.rows_are)}"
    yield f"<p>All models are compared on the same {same}; each row is answered by models that have not seen it.</p>"
    kind = KINDS[manifest.objective].plain
    several = len(manifest.metrics) > 1
    over = ", mean over the targets" if several else ""
    yield table(
        [f"the network's {kind} over that of{over}", "ratio", "95% interval", "so the network is"],
        [
            [name, _ratio(ratio), f"{_ratio(low)} to {_ratio(high)}", _reading(low, high)]
            for name, (ratio, low, high) in sorted(content.ratios.items(), key=lambda entry: -entry[1][0])
        ],
    )
    yield '<p class="soft">The interval is a bootstrap over pairs of errors on the same row. Below 1 is better.</p>'
    for target in content.schema.targets:
        unit = f" ({target.unit})" if target.unit else ""
        yield f"<h3>{text(target.name + unit)}</h3>"
        rows = manifest.compared(target.name)
        # The objective's own metrics follow; a baseline may lack some of them.
        own = [m for m in manifest.metrics[target.name] if m not in (*_METRICS, "mse", "msle")]
        names = {**_METRICS, **dict(zip(own, own, strict=True))}
        ordered = by_error(rows, manifest.verdict.metric)
        body = [[name, *(metric(m, figures.get(m)) for m in names)] for name, figures in ordered]
        yield table(["model", *names.values()], body, ours=next(iter(rows)))


def _ratio(value: float) -> str:
    return f"{value:.3f}" if value < 100 else number(value)


def _reading(low: float, high: float) -> str:
    return "better" if high < 1 else "worse" if low > 1 else "equal within chance"


def _pictured(content: Content, pictures: list[Picture]) -> Iterator[str]:
    by_section: dict[str, list[Picture]] = {}
    for picture in pictures:
        by_section.setdefault(picture.section, []).append(picture)
    yield _heading("learning")
    if content.manifest.augmentation is not None:
        yield from _augmented(content.manifest.augmentation)
    learning = by_section.get("learning", [])
    yield "".join(map(image, learning)) or "<p>This model is not trained by epochs.</p>"
    yield _heading("predictions")
    if len(content.schema.targets) > MAX_TARGETS:
        yield f"<p>Pictures show the first {MAX_TARGETS} targets; report.json has the figures of all.</p>"
    yield from map(image, by_section.get("predictions", []))
    yield _heading("intervals")
    coverage = content.manifest.coverage
    for name, share in coverage.covered.items():
        yield (
            f"<p>{coverage.level:.0%} intervals of {text(name)} cover {share:.1%} of the {text(content.rows_are)}; "
            f"their mean width is {number(coverage.mean_width[name])}.</p>"
        )
    yield from map(image, by_section.get("intervals", []))
    yield _heading("uses")
    importance = content.importance
    limited = (
        f" These are the {len(importance.features)} of {importance.n_features:,} features with which the predictions "
        "vary most."
        if len(importance.features) < importance.n_features
        else ""
    )
    yield (
        f"<p>This is how much the error grows when a feature's values are shuffled among {importance.rows:,} of the "
        f"{text(content.rows_are)} ({importance.repeats} times; the lines go from the least to the largest).{limited} "
        "The stored model answers, and it may have seen these rows in training. So this shows what the model relies "
        "on, not what another model could do without. Where several features hold the same information, each may show "
        "a small importance.</p>"
    )
    yield from map(image, by_section.get("importance", []))
    if content.dependence:
        yield (
            f"<p>This is what is predicted for {content.dependence[0].rows:,} rows as one feature takes each value and "
            "the others stay as they are. Line: mean; band: the middle 80% of rows; grey: how many rows have such a "
            "value. Values that never occur together are combined too.</p>"
        )
    yield from map(image, by_section.get("dependence", []))


def _augmented(effect: Augmentation) -> Iterator[str]:
    yield f"<p>{text(effect.sentence)}</p>"
    interval = f"{_ratio(effect.low)} to {_ratio(effect.high)}"
    yield table(
        ["augmentation", f"{effect.metric} with it over that without", "95% interval", "so with it is", "served"],
        [[effect.amounts, _ratio(effect.ratio), interval, _reading(effect.low, effect.high), effect.served]],
    )


def _features(content: Content) -> Iterator[str]:
    features = content.schema.features
    yield _heading("features")
    yield _feature_table(features[:_MAX_FEATURES])
    if len(features) > _MAX_FEATURES:
        rest = _feature_table(features[_MAX_FEATURES:])
        yield f"<details><summary>{len(features) - _MAX_FEATURES:,} more features</summary>{rest}</details>"


def _feature_table(features: tuple[Feature, ...]) -> str:
    header = ["feature", "kind", "unit", "range or categories", "missing", "description"]
    cells = [(f.name, f.kind, f.unit, extent(f, limit=6), f.missing, f.description) for f in features]
    filled = [i for i in range(len(header)) if any(row[i] for row in cells)]
    return table([header[i] for i in filled], [[row[i] or "" for i in filled] for row in cells], words=True)


def _lineage(content: Content) -> Iterator[str]:
    lineage = content.manifest.lineage
    yield _heading("lineage")
    parts = ", ".join(f"{name.replace('_', ' ')} {size:,}" for name, size in lineage.parts.items())
    yield table(
        ["what", "was"],
        [
            ["data", lineage.data],
            ["sha256 of its values", lineage.data_fingerprint],
            ["table", f"{lineage.rows:,} rows, {lineage.columns:,} columns"],
            ["rows by part", parts],
            ["seed", lineage.seed],
            ["git commit", lineage.git_commit or "none"],
            ["computed by", lineage.computed],
            ["schema digest", content.manifest.schema_digest],
        ],
        words=True,
    )
    for name, entries in (("Settings", lineage.config), ("Packages", lineage.packages)):
        rows = [[key, value if isinstance(value, str) else json.dumps(value)] for key, value in entries.items()]
        yield f"<h3>{name}</h3>{table(['name', 'value'], rows, words=True)}"
