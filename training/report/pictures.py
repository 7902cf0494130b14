"""Pictures of learning, predictions, residuals and intervals, and the list of all pictures."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullFormatter, PercentFormatter

from artifact.words.display import number
from training.objectives.kinds import KINDS
from training.report.content import Content
from training.report.drawing import BLUE, GREY, ORANGE, WIDTH, Picture, labelled, no_data, plain_numbers, png, style
from training.report.explained import dependence, importance

Float64 = npt.NDArray[np.float64]

# Largest number of targets that have pictures; the JSON has the figures of all.
MAX_TARGETS = 4
_MAX_POINTS = 3_000


def pictures(content: Content) -> list[Picture]:
    """All pictures of a report, in the order of the page."""
    with style():
        return list(_all(content))


def _all(content: Content) -> Iterator[Picture]:
    targets = content.schema.targets
    if content.history.get("validation") or content.history.get("train"):
        best = sorted(set(content.best_epochs))
        epochs_text = f"epoch {best[0]}" if len(best) == 1 else f"epochs {best[0]} to {best[-1]}"
        alt = f"Error of training and validation rows by epoch; kept: {epochs_text}."
        yield Picture("learning.png", "learning", alt, png(_learning(content, epochs_text)))
    for j, target in enumerate(targets[:MAX_TARGETS]):
        suffix = "" if len(targets) == 1 else f"-{j}"
        r2 = content.manifest.metrics[target.name].get("r2")
        alt = (
            f"Actual against predicted {target.name}, R2 {number(r2)}; residuals against predictions; their histogram."
        )
        yield Picture(f"predictions{suffix}.png", "predictions", alt, png(_predictions(content, j)))
        if content.levels:
            at = content.levels[-1]
            alt = (
                f"Share of rows inside their intervals for {target.name} at {len(content.levels)} levels; at "
                f"{at.level:.0%}: {at.covered[j]:.1%}. Mean width by level."
            )
            yield Picture(f"intervals{suffix}.png", "intervals", alt, png(_intervals(content, j)))
        first = ", ".join(content.importance.features[:3])
        alt = f"RMSE increase of {target.name} by shuffled feature; the most important: {first}."
        yield Picture(f"importance{suffix}.png", "importance", alt, png(importance(content, j)))
        if content.dependence:
            names = ", ".join(one.feature for one in content.dependence)
            alt = f"Mean predicted {target.name}, and the middle 80% of rows, by {names}."
            yield Picture(f"dependence{suffix}.png", "dependence", alt, png(dependence(content, j)))


def _learning(content: Content, epochs_text: str) -> Figure:
    history = content.history
    figure = Figure(figsize=(WIDTH, 3.2), layout="constrained")
    axes = figure.subplots()
    error_name = KINDS[content.manifest.objective].shown
    squared = error_name.endswith("RMSE")
    for name, colour in (("train", BLUE), ("validation", ORANGE)):
        errors, low, high = (_errors(history.get(f"{name}{end}", []), squared) for end in ("", "_low", "_high"))
        epochs = np.arange(1, len(errors) + 1)
        if not len(errors):
            continue
        axes.plot(epochs, errors, color=colour, label=name, marker="o" if len(errors) < 3 else None)
        if len(content.best_epochs) > 1 and len(low) == len(high) == len(errors):
            axes.fill_between(epochs, low, high, color=colour, alpha=0.15, linewidth=0)
    for i, epoch in enumerate(sorted(set(content.best_epochs))):
        axes.axvline(epoch, color=GREY, linestyle=":", linewidth=1.2, label=f"kept: {epochs_text}" if not i else None)
    networks = len(content.best_epochs)
    # The picture of a mix shows its first family.
    of = f" of {content.manifest.lineage.config['model']}" if content.manifest.family == "mix" else ""
    title = f"By epoch{of}" + (f", mean and range of {networks} networks" if networks > 1 else "")
    axes.set(xlabel="epoch", ylabel=f"{error_name}, scaled target", title=title)
    if all(value > 0 for values in history.values() for value in values):
        axes.set_yscale("log")
    plain_numbers(axes.xaxis, bins=8)
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    bottom, top = axes.get_ylim()
    # Within about one decade a logarithmic axis has too few ticks.
    if top < 20 * bottom:
        axes.set_yscale("linear")
        plain_numbers(axes.yaxis, bins=6)
        axes.yaxis.set_minor_formatter(NullFormatter())
    if axes.get_yscale() == "linear":
        means = [_errors(history.get(name, []), squared) for name in ("train", "validation")]
        bottom, top = without_spikes(np.concatenate(means), axes.get_ylim())
        axes.set_ylim(bottom, top)
    axes.legend()
    return figure


def without_spikes(means: Float64, ends: tuple[float, float]) -> tuple[float, float]:
    """Ends of an axis that show nine of ten epochs well: one far error would squeeze all others together."""
    low, usual = means.min(), np.quantile(means, 0.9)
    room = max(usual - low, 1e-9)
    return (low - 0.2 * room, usual + 0.6 * room) if ends[1] > usual + 3 * room else ends


def _errors(values: list[float], squared: bool) -> Float64:
    errors = np.asarray(values, np.float64)
    return np.sqrt(np.maximum(errors, 0)) if squared else errors


def _predictions(content: Content, j: int) -> Figure:
    target = content.schema.targets[j]
    y, value = content.y[:, j], content.value[:, j]
    residuals = y - value
    rows = np.random.default_rng(0).permutation(len(y))[:_MAX_POINTS]
    figure = Figure(figsize=(WIDTH, 6.2), layout="constrained")
    grid = figure.add_gridspec(2, 2, height_ratios=(1.5, 1))
    upper_left, upper_right = figure.add_subplot(grid[0, 0]), figure.add_subplot(grid[0, 1])
    below = figure.add_subplot(grid[1, :])
    dots: dict[str, Any] = {
        "markersize": 3 if len(rows) > 300 else 4,
        "alpha": 0.35 if len(rows) > 300 else 0.6,
        "color": BLUE,
    }
    upper_left.plot(value[rows], y[rows], ".", **dots)
    low, high = float(min(y.min(), value.min())), float(max(y.max(), value.max()))
    upper_left.plot([low, high], [low, high], color=GREY, linewidth=1.2)
    name = labelled(target.name, target.unit, 26)
    upper_left.set(xlabel=f"predicted {name}", ylabel=f"actual {name}", title="Actual against predicted")
    upper_right.plot(value[rows], residuals[rows], ".", **dots)
    upper_right.axhline(0, color=GREY, linewidth=1.2)
    upper_right.set(xlabel=f"predicted {name}", ylabel="actual - predicted", title="Residuals against predicted")
    inner = _inner(residuals)
    below.hist(inner, bins=60, color=BLUE)
    below.axvline(0, color=GREY, linewidth=1.2)
    beyond = len(residuals) - len(inner)
    title = "Residuals" + (f" ({beyond:,} of {len(residuals):,} rows lie further out)" if beyond else "")
    below.set(xlabel=f"actual - predicted {name}", ylabel="rows", title=title)
    plain_numbers(upper_left.xaxis, upper_left.yaxis, upper_right.xaxis, upper_right.yaxis, below.yaxis)
    plain_numbers(below.xaxis, bins=8)
    return figure


def _inner(residuals: Float64) -> Float64:
    """The residuals for the histogram, without a few far ones, which would squeeze all others into one bar."""
    low, high = np.quantile(residuals, [0.005, 0.995])
    margin = 2 * (high - low)
    inner = residuals[(residuals >= low - margin) & (residuals <= high + margin)]
    return inner if len(inner) and np.ptp(inner) > 0 else residuals


def _intervals(content: Content, j: int) -> Figure:
    target = content.schema.targets[j]
    figure = Figure(figsize=(WIDTH, 3.4), layout="constrained")
    coverage, width = figure.subplots(1, 2)
    levels = np.array([at.level for at in content.levels])
    covered, low, high = (
        np.array([getattr(at, name)[j] for at in content.levels]) for name in ("covered", "low", "high")
    )
    coverage.plot([0, 1], [0, 1], color=GREY, linewidth=1.2, label="as asked for")
    coverage.errorbar(
        levels,
        covered,
        np.maximum([covered - low, high - covered], 0),
        fmt="o",
        markersize=4,
        color=BLUE,
        capsize=2,
        label="measured, 95% interval",
    )
    coverage.set(
        xlabel="level asked for", ylabel="share of rows inside", title="Coverage", xlim=(0, 1.02), ylim=(0, 1.02)
    )
    for axis in (coverage.xaxis, coverage.yaxis):
        axis.set_major_formatter(PercentFormatter(1, decimals=0))
    coverage.legend(loc="upper left")
    widths = np.array([at.width[j] for at in content.levels])
    if np.isfinite(widths).all():
        width.plot(levels, widths, marker="o", markersize=4, color=BLUE)
        width.set(xlabel="level", ylabel=f"mean width, {labelled(target.name, target.unit, 20)}", title="Width")
        width.set(xlim=(0, 1.02), ylim=(0, None))
        width.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        plain_numbers(width.yaxis)
    else:
        no_data(width, "The widths are not finite.")
    return figure
