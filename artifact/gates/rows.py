"""The gates that rows answer: error, groups, coverage and width, of both versions' answers to the same rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from artifact.gates.cells import Cell
from artifact.gates.figures import beside, coverage_result, narrow_champion, wider
from artifact.gates.gate import GateResult
from artifact.gates.limits import CELL_TOLERANCE, COVERAGE_SLACK, MIN_ROWS, TOLERANCE, WIDER
from artifact.gates.ratios import Ratios, error_ratios

Float64 = npt.NDArray[np.float64]

# Most cells that a sentence names.
_LISTED = 8


@dataclass(frozen=True, slots=True)
class Answers:
    """A version's answers to the rows, judged.

    Attributes:
        errors: float64 (n_samples, n_targets), at least 0; squared ones where the error that counts is the RMSE.
        inside: bool (n_samples, n_targets), whether the interval covers what came true.
        width: float64 (n_samples, n_targets), of the intervals in target units.
    """

    errors: Float64
    inside: npt.NDArray[np.bool_]
    width: Float64


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows whose target is known, and what both versions answer to them as served.

    Attributes:
        targets: their names.
        candidate: of the version that shall go live.
        champion: of the one that is live; None where it gives no answers.
        root: whether the error is the root of the mean of ``errors``.
        plain: what sentences call the error.
        std: float64 (n_targets,), deviation of each target.
        level: of the intervals.
        cells: rows of groups, categories and deciles.
        weight: float64 (n_samples,), or None.
        told: what a reader of the figures must know of the rows, a sentence each.
    """

    targets: tuple[str, ...]
    candidate: Answers
    champion: Answers | None
    root: bool
    plain: str
    std: Float64
    level: float
    cells: Sequence[Cell]
    weight: Float64 | None = None
    told: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.candidate.errors)


def error_gate(rows: Rows, champion: Answers) -> GateResult:
    """The error over all rows beside the champion's, for each target; the one that is surely the worst decides."""
    everything = [np.arange(len(rows))]
    found = _ratios(rows, champion, everything)
    worst = int(np.argmax(found.low[0]))
    ratio, low, high = (float(part[0, worst]) for part in found)
    limit = 1 + TOLERANCE
    of = f" of '{rows.targets[worst]}'" if len(rows.targets) > 1 else ""
    chance = ""
    if low <= limit < high:
        chance = f" These rows cannot rule out that it is more than {TOLERANCE:.0%} above."
    sentence = f"On {len(rows):,} rows the {rows.plain}{of} is {beside(ratio)} the champion's.{chance}"
    return _of_ratio("error", (ratio, low, high), limit, _with(rows, sentence))


def groups_gate(rows: Rows, champion: Answers) -> GateResult:
    """The error in each cell beside the champion's, by bounds that hold for all cells and targets at once."""
    if not rows.cells:
        return GateResult.unmeasured("groups", f"No group, category or decile has {MIN_ROWS} rows.")
    found = _ratios(rows, champion, [cell.rows for cell in rows.cells])
    at, target = divmod(int(np.argmax(found.low)), len(rows.targets))
    ratio, low, high = (float(part[at, target]) for part in found)
    limit = 1 + CELL_TOLERANCE
    worse = [cell.name for cell, lows in zip(rows.cells, found.low, strict=True) if lows.max() > limit]
    cell = rows.cells[at]
    of = f" of '{rows.targets[target]}'" if len(rows.targets) > 1 else ""
    others = [name for name in worse if name != cell.name]
    more = f" and {len(others) - _LISTED} more" if len(others) > _LISTED else ""
    also = f" Also worse: {', '.join(others[:_LISTED])}{more}." if others else ""
    sentence = (
        f"{cell.name} ({len(cell.rows):,} rows) stands worst among {len(rows.cells):,} groups, categories and deciles: "
        f"its {rows.plain}{of} is {beside(ratio)} the champion's.{also}"
    )
    return _of_ratio("groups", (ratio, low, high), limit, sentence)


def coverage_gate(rows: Rows) -> GateResult:
    """The share of the rows that the intervals cover; the target for which it is least."""
    shares = np.average(rows.candidate.inside, axis=0, weights=rows.weight)
    worst = int(np.argmin(shares))
    inside = rows.candidate.inside[:, worst].astype(np.float64)
    covered = float(shares[worst])
    least = rows.level
    beside = ""
    if rows.champion is not None:
        other = float(np.average(rows.champion.inside[:, worst], weights=rows.weight))
        least = min(least, other)
        beside = f", the champion's {other:.1%}"
    chance = 1.96 * _error_of_mean(inside, rows.weight)
    sentence = f"The {rows.level:.0%} intervals cover {covered:.1%} of {len(rows):,} rows{beside}."
    return coverage_result(covered, (max(0.0, covered - chance), min(1.0, covered + chance)), least, sentence)


def width_gate(rows: Rows, champion: Answers) -> GateResult:
    """The mean width of the intervals beside the champion's; the target for which it is surely the widest decides."""
    covered = float(np.average(champion.inside, axis=0, weights=rows.weight).min())
    if covered < rows.level - COVERAGE_SLACK:
        return GateResult.unmeasured("width", narrow_champion(covered, rows.level))
    everything = [np.arange(len(rows))]
    found = error_ratios(rows.candidate.width, champion.width, everything, rows.std, root=False, weight=rows.weight)
    worst = int(np.argmax(found.low[0]))
    ratio, low, high = (float(part[0, worst]) for part in found)
    return _of_ratio("width", (ratio, low, high), WIDER, wider(ratio))


def _ratios(rows: Rows, champion: Answers, cells: Sequence[npt.NDArray[np.intp]]) -> Ratios:
    return error_ratios(rows.candidate.errors, champion.errors, cells, rows.std, root=rows.root, weight=rows.weight)


def _of_ratio(gate: str, ratio: tuple[float, float, float], limit: float, sentence: str) -> GateResult:
    figure, low, high = (round(part, 4) for part in ratio)
    return GateResult(
        gate=gate, passed=ratio[1] <= limit, figure=figure, low=low, high=high, limit=round(limit, 4), sentence=sentence
    )


def _error_of_mean(values: Float64, weight: Float64 | None) -> float:
    """Standard error of a weighted mean of shares; never 0, as rows that are all alike are few."""
    w = np.full(len(values), 1.0) if weight is None else weight
    share = w / w.sum()
    mean = float(values @ share)
    spread = np.square(values - mean).clip(1 / (4 * len(values)))
    return float(np.sqrt(np.square(share) @ spread))


def _with(rows: Rows, sentence: str) -> str:
    return " ".join([sentence, *rows.told])
