"""All figures of a report; the page, the pictures and the JSON show these same figures."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from artifact.manifest import Manifest
from artifact.predictor import Predictor
from artifact.rows.schema import FeatureSchema
from training.evaluation.measure import Measured
from training.evaluation.verdict import paired_ratios
from training.fit.fitter import Model
from training.overview.overview import Overview
from training.report.dependence import Dependence, partial_dependence
from training.report.importance import Importance, permutation_importance
from training.report.sample import Sample

Float64 = npt.NDArray[np.float64]

# Largest number of measured rows that the network answers again for importance and dependence.
_MAX_ROWS = 2_000
# Standard deviations of a 95% interval.
_Z = 1.96


@dataclass(frozen=True, slots=True)
class Level:
    """Intervals of one level on the measured rows.

    Attributes:
        level: the intervals' level.
        covered, low, high: float64 (n_targets,), share of rows inside their intervals, and its 95% interval by Wilson.
        width: float64 (n_targets,), mean width in target units.
    """

    level: float
    covered: Float64
    low: Float64
    high: Float64
    width: Float64


@dataclass(frozen=True, slots=True)
class Content:
    """All figures of a report.

    Attributes:
        manifest: the manifest without file hashes.
        schema: schema of features and targets.
        history: errors by epoch, see :class:`training.fit.epochs.Epochs`; empty if the model does not learn by epochs.
        best_epochs: best epoch of each network.
        y, value: float64 (n_samples, n_targets), true values and predictions.
        rows_are: what sentences call these rows.
        ratios: ratio of the network's error to each baseline's, by the verdict's metric, with its 95% interval.
        levels: coverage and width of the intervals, level by level.
        importance: importance of the features.
        dependence: partial dependence on the most important features.
        overview: overview of the table.
    """

    manifest: Manifest
    schema: FeatureSchema
    history: dict[str, list[float]]
    best_epochs: tuple[int, ...]
    y: Float64
    value: Float64
    rows_are: str
    ratios: dict[str, tuple[float, float, float]]
    levels: tuple[Level, ...]
    importance: Importance
    dependence: list[Dependence]
    overview: Overview


def gather(manifest: Manifest, predictor: Predictor, model: Model, measured: Measured, overview: Overview) -> Content:
    """Gather all figures, and compute importance, dependence, ratios and levels.

    Args:
        manifest: manifest of the version, without file hashes.
        predictor: predictor of the stored model.
        model: networks with their history, and the rows that they were fitted on.
        measured: results on unseen rows.
        overview: overview of the table.
    """
    prepared, fitted = model.prepared, model.fitted
    seed = prepared.config.seed
    y, value = measured.y, measured.answer.value.astype(np.float64)
    rows = np.random.default_rng(seed).permutation(len(y))[:_MAX_ROWS]
    sample = Sample(prepared.rows(measured.rows[rows])[0], y[rows], measured.rows_are)
    importance = permutation_importance(predictor, sample, seed)
    return Content(
        manifest=manifest,
        schema=predictor.schema,
        history=fitted.history,
        best_epochs=fitted.best_epochs,
        y=y,
        value=value,
        rows_are=measured.rows_are,
        ratios=paired_ratios(y, value, measured.baselines, prepared.config, weight=measured.weight),
        levels=tuple(_level(at, y, *ends, measured.weight) for at, ends in sorted(measured.intervals.items())),
        importance=importance,
        dependence=partial_dependence(predictor, sample, importance.features),
        overview=overview,
    )


def _level(
    level: float,
    y: Float64,
    lower: npt.NDArray[np.floating],
    upper: npt.NDArray[np.floating],
    weight: Float64 | None,
) -> Level:
    # Rows with weights count as fewer rows: as that many rows of equal weight whose mean varies as much (Kish 1965).
    n = len(y) if weight is None else float(weight.sum() ** 2 / np.square(weight).sum())
    share = np.average((lower <= y) & (y <= upper), axis=0, weights=weight)
    middle = (share + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
    half = _Z * np.sqrt(share * (1 - share) / n + _Z**2 / (4 * n**2)) / (1 + _Z**2 / n)
    width = np.average(upper.astype(np.float64) - lower, axis=0, weights=weight)
    return Level(level, share, np.clip(middle - half, 0, 1), np.clip(middle + half, 0, 1), width)


def document(content: Content) -> dict[str, Any]:
    """The content as JSON: the manifest's fields, then the report's further fields."""
    targets = content.schema.target_names
    residuals = content.y - content.value
    shares = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
    figures: dict[str, Any] = content.manifest.model_dump(mode="json", exclude={"files", "digest"})
    figures["rows_are"] = content.rows_are
    figures["table"] = content.overview.document()
    figures["schema"] = content.schema.model_dump(mode="json")
    figures["history"] = content.history
    figures["best_epochs"] = list(content.best_epochs)
    figures["error_ratios"] = {
        name: {"ratio": ratio, "low": low, "high": high} for name, (ratio, low, high) in content.ratios.items()
    }
    figures["residual_quantiles"] = {
        name: {f"{share:g}": float(np.quantile(residuals[:, j], share)) for share in shares}
        for j, name in enumerate(targets)
    }
    figures["coverage_by_level"] = {
        name: [
            {
                "level": at.level,
                "covered": float(at.covered[j]),
                "low": float(at.low[j]),
                "high": float(at.high[j]),
                "mean_width": float(at.width[j]),
            }
            for at in content.levels
        ]
        for j, name in enumerate(targets)
    }
    figures["importance"] = _importance(content.importance, targets)
    figures["dependence"] = [_dependence(curve, targets) for curve in content.dependence]
    return {name: _finite(value) for name, value in figures.items()}


def _importance(importance: Importance, targets: tuple[str, ...]) -> dict[str, Any]:
    return {
        "rows": importance.rows,
        "repeats": importance.repeats,
        "features_of": importance.n_features,
        "rmse_increase": {
            name: {target: importance.increase[i, :, j].tolist() for j, target in enumerate(targets)}
            for i, name in enumerate(importance.features)
        },
    }


def _dependence(curve: Dependence, targets: tuple[str, ...]) -> dict[str, Any]:
    return {
        "feature": curve.feature,
        "kind": curve.kind,
        "at": list(curve.labels) or curve.at.tolist(),
        "rows": curve.rows,
        "answers": {
            name: {"mean": curve.mean[:, j].tolist(), "p10": curve.low[:, j].tolist(), "p90": curve.high[:, j].tolist()}
            for j, name in enumerate(targets)
        },
        "data": {"count": curve.count.tolist(), "edges": curve.edges.tolist()},
    }


def _finite(value: Any) -> Any:
    """A value with None for NaN and infinity, which JSON does not have."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
