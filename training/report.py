"""The report of a version: one JSON, one HTML page with its pictures inside, and the pictures as PNG."""

from __future__ import annotations

import base64
import html
import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, MaxNLocator, StrMethodFormatter

from artifact.display import extent, metric, number
from artifact.manifest import Manifest
from artifact.predictor import Prediction
from artifact.schema import FeatureSchema
from training.objectives.kinds import KINDS

Float64 = npt.NDArray[np.float64]

_SHOWN = ("rmse", "mae", "r2", "explained_variance", "mape", "rmsle")
_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1c2430 }
table { border-collapse: collapse; margin: 1rem 0 } th, td { padding: .3rem .8rem; border-bottom: 1px solid #d8dde4 }
th, td { text-align: right; font-variant-numeric: tabular-nums } .words th, .words td { text-align: left }
th:first-child, td:first-child { text-align: left }
.verdict { background: #eef4fb; border-left: 4px solid #2f6fb3; padding: .8rem 1rem } img { max-width: 100% }
"""


def write_report(
    folder: Path,
    manifest: Manifest,
    schema: FeatureSchema,
    history: dict[str, list[float]],
    y: Float64,
    answer: Prediction,
) -> None:
    """Write ``report.json``, ``report.html`` and the pictures.

    Args:
        folder: made by this function.
        manifest: without file hashes.
        schema: gives the targets.
        history: error by epoch, of training and validation rows, see :class:`training.epochs.Epochs`.
        y: float64 (n_samples, n_targets), what came true in the rows that measured.
        answer: the model's answers to them.
    """
    folder.mkdir()
    pictures = {"learning.png": _learning(history, KINDS[manifest.objective].shown)}
    for j, target in enumerate(schema.targets):
        name = "predictions.png" if len(schema.targets) == 1 else f"predictions-{j}.png"
        pictures[name] = _predictions(target.name, target.unit, y[:, j], answer, j, _measured_on(manifest))
    for name, figure in pictures.items():
        figure.savefig(folder / name, dpi=110)
    content: dict[str, Any] = manifest.model_dump(mode="json", exclude={"files"})
    content["history"] = history
    (folder / "report.json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    (folder / "report.html").write_text(_page(folder, manifest, schema, list(pictures)), encoding="utf-8")


def _learning(history: dict[str, list[float]], shown: str) -> Figure:
    figure = Figure(figsize=(8, 3.2), layout="constrained")
    axes = figure.subplots()
    for name, values in history.items():
        axes.plot(range(1, len(values) + 1), np.sqrt(values) if shown == "RMSE" else values, label=name)
    best = int(np.argmin(history["validation"])) + 1
    axes.axvline(best, color="0.6", linestyle=":", label=f"kept: epoch {best}")
    axes.set(xlabel="epoch", ylabel=f"{shown}, scaled target", title="Learning")
    # A likelihood can be below 0.
    if min(min(values, default=1.0) for values in history.values()) > 0:
        axes.set_yscale("log")
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.yaxis.set_minor_formatter(StrMethodFormatter("{x:g}"))
    axes.legend()
    return figure


def _predictions(name: str, unit: str | None, y: Float64, answer: Prediction, j: int, rows: str) -> Figure:
    value = answer.value[:, j].astype(np.float64)
    shown = np.random.default_rng(0).permutation(len(y))[:3000]
    figure = Figure(figsize=(8, 3.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    label = f"{name} ({unit})" if unit else name
    left.plot(value[shown], y[shown], ".", markersize=3, alpha=0.5)
    low, high = float(min(y.min(), value.min())), float(max(y.max(), value.max()))
    left.plot([low, high], [low, high], color="0.3", linewidth=1)
    left.set(xlabel=f"predicted {label}", ylabel="actual", title=f"Actual against predicted, {rows}")
    right.hist(y - value, bins=50)
    right.set(xlabel="actual - predicted", ylabel="rows", title="Residuals")
    for axis in (left.xaxis, left.yaxis, right.xaxis):
        axis.set_major_locator(MaxNLocator(5))
        axis.set_major_formatter(EngFormatter(sep=""))
    return figure


def _measured_on(manifest: Manifest) -> str:
    return "test rows" if "test" in manifest.lineage.parts else "rows out of fold"


def _page(folder: Path, manifest: Manifest, schema: FeatureSchema, pictures: list[str]) -> str:
    title = f"{manifest.model_name}:{manifest.model_version}"
    parts = [
        f"<h1>{html.escape(title)}</h1>",
        f'<p class="verdict"><b>Is a network worth it here?</b> {html.escape(manifest.verdict.sentence)}</p>',
    ]
    for target in schema.targets:
        unit = f" ({target.unit})" if target.unit else ""
        parts.append(f"<h2>{html.escape(target.name + unit)}: {_measured_on(manifest)}</h2>")
        rows = {manifest.family: manifest.metrics[target.name]}
        rows.update({name: m[target.name] for name, m in manifest.baselines.items()})
        # Those of the objective follow; a baseline has not all of them.
        own = [m for m in rows[manifest.family] if m not in (*_SHOWN, "mse", "msle")]
        body = [[name, *(metric(m, metrics.get(m)) for m in (*_SHOWN, *own))] for name, metrics in rows.items()]
        parts.append(_table(["model", *_SHOWN, *own], body))
        share = manifest.coverage.covered[target.name]
        parts.append(
            f"<p>{manifest.coverage.level:.0%} intervals cover {share:.1%} of these rows; "
            f"their mean width is {number(manifest.coverage.mean_width[target.name])}.</p>"
        )
    for name in pictures:
        data = base64.b64encode((folder / name).read_bytes()).decode()
        parts.append(f'<img alt="{html.escape(name)}" src="data:image/png;base64,{data}">')
    parts.append("<h2>Features</h2>")
    header = ["feature", "kind", "unit", "range or categories", "missing", "description"]
    cells = [(f.name, f.kind, f.unit, extent(f, limit=6), f.missing, f.description) for f in schema.features]
    parts.append(_table(header, [[cell or "" for cell in row] for row in cells], words=True))
    if manifest.notes:
        parts.append("<h2>Notes</h2><ul>" + "".join(f"<li>{html.escape(n)}</li>" for n in manifest.notes) + "</ul>")
    lineage = manifest.lineage.model_dump(mode="json")
    parts.append(f"<h2>Lineage</h2><pre>{html.escape(json.dumps(lineage, indent=2))}</pre>")
    head = f'<meta charset="utf-8"><title>{html.escape(title)}</title><style>{_STYLE}</style>'
    return f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body>\n' + "\n".join(parts) + "\n</body></html>\n"


def _table(header: list[str], rows: list[list[str]], *, words: bool = False) -> str:
    head = "".join(f"<th>{html.escape(h)}</th>" for h in header)
    body = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>\n" for row in rows)
    kind = ' class="words"' if words else ""
    return f"<table{kind}><tr>{head}</tr>\n{body}</table>"
