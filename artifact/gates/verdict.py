"""The verdict gate: whether a version beats the best constant, as its training measured it."""

from __future__ import annotations

from artifact.gates.gate import GateResult
from artifact.manifest import Manifest


def verdict_gate(manifest: Manifest, reference: str) -> GateResult:
    """Whether the model beats the best constant, as its training measured it."""
    figure = _over_constant(manifest)
    does = "beats" if manifest.verdict.beats_mean else "does not beat"
    constant, name = constant_of(manifest), metric_name(manifest.verdict.metric)
    times = "" if figure is None else f"; its {name} is {figure:.3f} times that of the {constant}"
    return GateResult(
        gate="verdict",
        passed=manifest.verdict.beats_mean,
        figure=figure,
        limit=None if figure is None else 1.0,
        sentence=f"{reference} {does} predicting the {constant} beyond chance{times}.",
    )


def errors_of(manifest: Manifest, metric: str, *, relative: bool) -> dict[str, float]:
    """The error that training measured, by target.

    Args:
        manifest: manifest of the version.
        metric: name of the error.
        relative: divide it by the error of the best constant on the same rows.
    """
    errors = {}
    for target, figures in manifest.metrics.items():
        value = figures.get(metric)
        divisor = _constants_error(manifest, target, metric) if relative else 1.0
        if value is not None and divisor:
            errors[target] = value / divisor
    return errors


def _over_constant(manifest: Manifest) -> float | None:
    """The error over that of the best constant, for the worst target; None where the manifest lacks one of them."""
    errors = errors_of(manifest, manifest.verdict.metric, relative=True)
    return round(max(errors.values()), 4) if errors else None


def _constants_error(manifest: Manifest, target: str, metric: str) -> float | None:
    figures = manifest.baselines.get(constant_of(manifest), {}).get(target, {})
    return figures.get(metric)


def constant_of(manifest: Manifest) -> str:
    """The constant among the baselines, which training puts first: ``mean``, ``median``, or what the objective asks."""
    return next(iter(manifest.baselines), "mean")


def metric_name(metric: str) -> str:
    """The name of a metric as sentences have it."""
    return metric.upper() if metric in ("rmse", "mae") else metric.replace("_", " ")
