"""The gates that need rows: error, groups, coverage and width, by both versions' answers to the same rows."""

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
    """How good a version's answers to the rows are.

    Attributes:
        errors: float64 (n_samples, n_targets), at least 0; squared errors where the gates compare the RMSE.
        inside: bool (n_samples, n_targets), whether the interval covers the true value.
        width: float64 (n_samples, n_targets), width of the intervals in target units.
    """

    errors: Float64
    inside: npt.NDArray[np.bool_]
    width: Float64


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows whose target is known, and how both versions answer them as they are served.

    Attributes:
        targets: names of the targets.
        candidate: answers of the version that shall go live.
        champion: answers of the version that is live; None where it gives none.
        root: whether the error is the root of the mean of ``errors``.
        plain: name of the error in sentences.
        std: float64 (n_targets,), deviation of each target.
        level: level of the intervals.
        cells: the groups, categories and deciles that are compared.
        weight: float64 (n_samples,), each row's weight, or None.
        notes: sentences about the rows that a reader of the figures must know.
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
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.candidate.errors)


def error_gate(rows: Rows, champion: Answers) -> GateResult:
    """The error over all rows beside the champion's. The target with the highest lower bound decides."""
    everything = [np.arange(len(rows))]
    ratios = _ratios(rows, champion, everything)
    worst = int(np.argmax(ratios.low[0]))
    ratio, low, high = (float(part[0, worst]) for part in ratios)
    limit = 1 + TOLERANCE
    of_target = f" of '{rows.targets[worst]}'" if len(rows.targets) > 1 else ""
    chance = ""
    if low <= limit < high:
        chance = f" These rows cannot rule out that it is more than {TOLERANCE:.0%} above."
    sentence = f"On {len(rows):,} rows the {rows.plain}{of_target} is {beside(ratio)} the champion's.{chance}"
    return _ratio_result("error", (ratio, low, high), limit, _with_remarks(rows, sentence))


def groups_gate(rows: Rows, champion: Answers) -> GateResult:
    """The error in each cell beside the champion's, by bounds that hold for all cells and targets together."""
    if not rows.cells:
        return GateResult.unmeasured("groups", f"No group, category or decile has {MIN_ROWS} rows.")
    ratios = _ratios(rows, champion, [cell.rows for cell in rows.cells])
    i, target = divmod(int(np.argmax(ratios.low)), len(rows.targets))
    ratio, low, high = (float(part[i, target]) for part in ratios)
    limit = 1 + CELL_TOLERANCE
    worse = [cell.name for cell, lows in zip(rows.cells, ratios.low, strict=True) if lows.max() > limit]
    cell = rows.cells[i]
    of_target = f" of '{rows.targets[target]}'" if len(rows.targets) > 1 else ""
    others = [name for name in worse if name != cell.name]
    more = f" and {len(others) - _LISTED} more" if len(others) > _LISTED else ""
    other_cells = f" Also worse: {', '.join(others[:_LISTED])}{more}." if others else ""
    sentence = (
        f"{cell.name} ({len(cell.rows):,} rows) is the worst of {len(rows.cells):,} groups, categories and deciles: "
        f"its {rows.plain}{of_target} is {beside(ratio)} the champion's.{other_cells}"
    )
    return _ratio_result("groups", (ratio, low, high), limit, sentence)


def coverage_gate(rows: Rows) -> GateResult:
    """The share of the rows that the intervals cover. The target with the smallest share decides."""
    shares = np.average(rows.candidate.inside, axis=0, weights=rows.weight)
    worst = int(np.argmin(shares))
    inside = rows.candidate.inside[:, worst].astype(np.float64)
    covered = float(shares[worst])
    promised = rows.level
    comparison = ""
    if rows.champion is not None:
        champions_share = float(np.average(rows.champion.inside[:, worst], weights=rows.weight))
        promised = min(promised, champions_share)
        comparison = f", the champion's {champions_share:.1%}"
    chance = 1.96 * _error_of_mean(inside, rows.weight)
    sentence = f"The {rows.level:.0%} intervals cover {covered:.1%} of {len(rows):,} rows{comparison}."
    return coverage_result(covered, (max(0.0, covered - chance), min(1.0, covered + chance)), promised, sentence)


def width_gate(rows: Rows, champion: Answers) -> GateResult:
    """The mean width of the intervals beside the champion's. The target with the highest lower bound decides."""
    covered = float(np.average(champion.inside, axis=0, weights=rows.weight).min())
    if covered < rows.level - COVERAGE_SLACK:
        return GateResult.unmeasured("width", narrow_champion(covered, rows.level))
    everything = [np.arange(len(rows))]
    ratios = error_ratios(rows.candidate.width, champion.width, everything, rows.std, root=False, weight=rows.weight)
    worst = int(np.argmax(ratios.low[0]))
    ratio, low, high = (float(part[0, worst]) for part in ratios)
    return _ratio_result("width", (ratio, low, high), WIDER, wider(ratio))


def _ratios(rows: Rows, champion: Answers, cells: Sequence[npt.NDArray[np.intp]]) -> Ratios:
    return error_ratios(rows.candidate.errors, champion.errors, cells, rows.std, root=rows.root, weight=rows.weight)


def _ratio_result(gate: str, ratio: tuple[float, float, float], limit: float, sentence: str) -> GateResult:
    figure, low, high = (round(part, 4) for part in ratio)
    return GateResult(
        gate=gate, passed=ratio[1] <= limit, figure=figure, low=low, high=high, limit=round(limit, 4), sentence=sentence
    )


def _error_of_mean(values: Float64, weight: Float64 | None) -> float:
    """Standard error of a weighted mean of shares. It is never 0, because few rows can be all alike by chance."""
    w = np.full(len(values), 1.0) if weight is None else weight
    share = w / w.sum()
    mean = float(values @ share)
    spread = np.square(values - mean).clip(1 / (4 * len(values)))
    return float(np.sqrt(np.square(share) @ spread))


def _with_remarks(rows: Rows, sentence: str) -> str:
    return " ".join([sentence, *rows.notes])
