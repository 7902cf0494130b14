"""Pictures of what the network uses: permutation importance and partial dependence."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from training.report.content import Content
from training.report.dependence import Dependence
from training.report.drawing import BLUE, GREY, WIDTH, dates, labelled, plain_numbers, shortened

_MAX_BARS = 20
_COLUMNS = 3


def importance(content: Content, j: int) -> Figure:
    """Bars of the RMSE increase, the largest on top, with the range over the repeats."""
    target = content.schema.targets[j]
    increase = content.importance.increase[:, :, j]
    order = np.argsort(-increase.mean(axis=1), kind="stable")[:_MAX_BARS][::-1]
    bars = increase[order]
    mean, places = bars.mean(axis=1), np.arange(len(order))
    figure = Figure(figsize=(WIDTH, 1.1 + 0.27 * len(order)), layout="constrained")
    axes = figure.subplots()
    axes.barh(places, mean, height=0.7, color=BLUE, alpha=0.85)
    ends = np.maximum([mean - bars.min(axis=1), bars.max(axis=1) - mean], 0)
    axes.errorbar(mean, places, xerr=ends, fmt="none", color="#1c2430", capsize=2, linewidth=1)
    axes.axvline(0, color=GREY, linewidth=1)
    axes.set_yticks(places, [shortened(content.importance.features[i], 34) for i in order])
    axes.set(xlabel=f"RMSE increase, {labelled(target.name, target.unit)}", title="Importance by shuffling")
    axes.grid(visible=False, axis="y")
    plain_numbers(axes.xaxis, bins=7)
    return figure


def dependence(content: Content, j: int) -> Figure:
    """A panel for each feature, all with one scale of answers."""
    features = content.dependence
    rows = -(-len(features) // _COLUMNS)
    columns = min(_COLUMNS, len(features))
    figure = Figure(figsize=(WIDTH, 0.4 + 2.5 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, sharey=True, squeeze=False).ravel()
    for axes, curve in zip(panels, features, strict=False):
        if curve.labels:
            _bars(axes, curve, j)
        else:
            _curve(axes, curve, j)
        unit = content.schema.feature(curve.feature).unit
        axes.set_title(labelled(curve.feature, unit, 24 if columns == _COLUMNS else 60), fontsize=10)
    for axes in panels[len(features) :]:
        axes.set_axis_off()
    low, high = (np.array([ends(getattr(curve, name)[:, j]) for curve in features]) for name, ends in _ENDS)
    span = float(high.max() - low.min()) or max(1e-9 * abs(float(high.max())), 1e-12)
    # Leave room below the curves for the histogram of the rows.
    panels[0].set_ylim(float(low.min()) - 0.22 * span, float(high.max()) + 0.06 * span)
    plain_numbers(panels[0].yaxis)
    figure.supylabel(
        f"predicted {labelled(content.schema.targets[j].name, content.schema.targets[j].unit)}", fontsize=9
    )
    return figure


_ENDS = (("low", np.min), ("high", np.max))


def _curve(axes: Axes, curve: Dependence, j: int) -> None:
    axes.fill_between(curve.at, curve.low[:, j], curve.high[:, j], color=BLUE, alpha=0.15, linewidth=0)
    axes.plot(curve.at, curve.mean[:, j], color=BLUE, marker="o" if len(curve.at) < 12 else None, markersize=3)
    if curve.kind == "datetime":
        dates(axes.xaxis)
        axes.tick_params(axis="x", labelsize=8)
    else:
        plain_numbers(axes.xaxis, bins=4)
    largest_count = curve.count.max(initial=0.0)
    if largest_count > 0:
        # Heights are shares of the axes, since rows have another scale than answers.
        heights = 0.14 * curve.count / largest_count
        widths = np.diff(curve.edges)
        axes.bar(
            curve.edges[:-1],
            heights,
            widths,
            align="edge",
            color=GREY,
            alpha=0.45,
            transform=axes.get_xaxis_transform(),
        )


def _bars(axes: Axes, curve: Dependence, j: int) -> None:
    mean = curve.mean[:, j]
    ends = np.maximum([mean - curve.low[:, j], curve.high[:, j] - mean], 0)
    axes.errorbar(curve.at, mean, ends, fmt="none", color=BLUE, alpha=0.3, linewidth=9 if len(curve.at) < 8 else 5)
    axes.plot(curve.at, mean, "_", color=BLUE, markersize=12 if len(curve.at) < 8 else 7, markeredgewidth=2.5)
    shares = curve.count / max(curve.count.max(initial=1.0), 1.0)
    axes.bar(curve.at, 0.14 * shares, 0.6, color=GREY, alpha=0.45, transform=axes.get_xaxis_transform())
    turned = len(curve.at) > 3 or max(map(len, curve.labels)) > 8
    axes.set_xticks(
        curve.at, [shortened(label, 14) for label in curve.labels], fontsize=8, rotation=40 if turned else 0
    )
    if turned:
        for label in axes.get_xticklabels():
            label.set(ha="right", rotation_mode="anchor")
    axes.grid(visible=False, axis="x")
    axes.set_xlim(-0.6, len(curve.at) - 0.4)
