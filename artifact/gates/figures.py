"""The gates that need only manifests: error and intervals, as training measured them on rows that no model had seen."""

from __future__ import annotations

import math

from artifact.gates.gate import GateResult
from artifact.gates.limits import COVERAGE_SLACK, OTHER_TABLE, SAME_TABLE, WIDER
from artifact.gates.verdict import constant_of, errors_of, metric_name
from artifact.manifest import Manifest

GIVE_ROWS = "Rows that are new to both versions show more: --data DATA."


def error_by_figures(candidate: Manifest, champion: Manifest, why: str) -> GateResult:
    """The errors that both trainings measured, each on rows that its model had not seen.

    Args:
        candidate, champion: manifests of the two versions.
        why: a sentence that says why no rows are compared.
    """
    metric = candidate.verdict.metric if candidate.verdict.metric == champion.verdict.metric else "rmse"
    same = _same_rows(candidate, champion)
    ours, theirs = (errors_of(manifest, metric, relative=not same) for manifest in (candidate, champion))
    ratios = [ours[t] / theirs[t] for t in ours if t in theirs and theirs[t] > 0]
    if not ratios:
        return GateResult.unmeasured("error", f"{why} The manifests have no errors in common.")
    ratio = max(ratios)
    limit = SAME_TABLE if same else OTHER_TABLE
    name = metric_name(metric)
    if same:
        source = "By the figures of both trainings, on the rows of one table,"
    else:
        source = (
            f"The tables of both trainings differ, so each {name} is divided by that of predicting the "
            f"{constant_of(candidate)}. By these figures"
        )
    sentence = f"{why} {source} the {name} is {beside(ratio)} the champion's. {GIVE_ROWS}"
    return GateResult(gate="error", passed=ratio <= limit, figure=round(ratio, 4), limit=limit, sentence=sentence)


def coverage_by_figures(candidate: Manifest, champion: Manifest | None, calibrated: int = 0) -> GateResult:
    """The share of unseen rows that the intervals covered when they were made.

    Args:
        candidate, champion: manifests of the two versions; None for no champion.
        calibrated: number of rows on which the candidate's intervals were fitted again after training; 0 where training
            fitted them. Defaults to 0.
    """
    level, n = candidate.coverage.level, calibrated or measured_rows(candidate)
    covered = min(candidate.coverage.covered.values())
    promised = level
    if champion is not None and champion.coverage.level == level:
        promised = min([level, *champion.coverage.covered.values()])
    chance = 1.96 * math.sqrt(max(covered * (1 - covered), 1 / max(n, 1)) / max(n, 1))
    when = "calibrated them anew" if calibrated else "measured them at training"
    sentence = f"The {level:.0%} intervals cover {covered:.1%} of the {n:,} rows that {when}."
    return coverage_result(covered, (max(0.0, covered - chance), min(1.0, covered + chance)), promised, sentence)


def coverage_result(covered: float, ends: tuple[float, float], promised: float, sentence: str) -> GateResult:
    """Whether intervals cover enough, beyond chance.

    Args:
        covered: share of the rows.
        ends: ends of the 95% interval of that share.
        promised: the share that the intervals promise, or the share that the champion's cover if that is less.
        sentence: the result in words.
    """
    limit = round(promised - COVERAGE_SLACK, 4)
    low, high = ends
    return GateResult(
        gate="coverage",
        passed=high >= limit,
        figure=round(covered, 4),
        limit=limit,
        low=round(low, 4),
        high=round(high, 4),
        sentence=sentence,
    )


def width_by_figures(candidate: Manifest, champion: Manifest) -> GateResult:
    """The mean width of the intervals at training, where both were measured on one table."""
    champions = champion.coverage
    if champions.level != candidate.coverage.level:
        return GateResult.unmeasured("width", f"The intervals were measured at different levels. {GIVE_ROWS}")
    if not _same_rows(candidate, champion):
        return GateResult.unmeasured("width", f"The intervals were measured on different tables. {GIVE_ROWS}")
    if min(champions.covered.values()) < champions.level - COVERAGE_SLACK:
        return GateResult.unmeasured("width", narrow_champion(min(champions.covered.values()), champions.level))
    widths = candidate.coverage.mean_width
    ratios = [widths[t] / width for t, width in champions.mean_width.items() if t in widths and width > 0]
    if not ratios:
        return GateResult.unmeasured("width", "The manifests have no widths in common.")
    ratio = max(ratios)
    return GateResult(gate="width", passed=ratio <= WIDER, figure=round(ratio, 4), limit=WIDER, sentence=wider(ratio))


def wider(ratio: float) -> str:
    """A ratio of widths in a sentence."""
    if _is_one(ratio):
        return "The intervals are as wide as the champion's."
    return f"The intervals are {abs(ratio - 1):.1%} {'wider' if ratio >= 1 else 'narrower'} than the champion's."


def beside(ratio: float) -> str:
    """How an error compares, in words that stand before "the champion's".

    Example:
        >>> beside(1.031), beside(1.0)
        ('3.1% above', 'equal to')
    """
    return "equal to" if _is_one(ratio) else f"{abs(ratio - 1):.1%} {'above' if ratio >= 1 else 'below'}"


def _is_one(ratio: float) -> bool:
    return abs(ratio - 1) < 5e-4


def narrow_champion(covered: float, level: float) -> str:
    """A sentence that says why no width is compared with the champion's."""
    return f"The champion's {level:.0%} intervals cover only {covered:.1%}: wider intervals are right."


def measured_rows(manifest: Manifest) -> int:
    """How many rows training measured a version on."""
    parts = manifest.lineage.parts
    return parts.get("test", parts.get("out_of_fold", 0))


def _same_rows(candidate: Manifest, champion: Manifest) -> bool:
    """Whether both were measured on rows of one table, and on the same number of rows."""
    tables = candidate.lineage.data_fingerprint, champion.lineage.data_fingerprint
    return tables[0] == tables[1] and measured_rows(candidate) == measured_rows(champion)
