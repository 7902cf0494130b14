"""All gates of a version, in order: beside the champion if there is one, and on rows if some are given."""

from __future__ import annotations

import math
from collections.abc import Iterator

from artifact.errors import ArtifactError
from artifact.gates.cost import latency_gate, size_gate
from artifact.gates.figures import coverage_by_figures, error_by_figures, width_by_figures
from artifact.gates.gate import GateResult
from artifact.gates.rows import Rows, coverage_gate, error_gate, groups_gate, width_gate
from artifact.gates.schema import schema_gate
from artifact.gates.side import Side
from artifact.gates.verdict import verdict_gate
from artifact.golden import read_golden

NO_CHAMPION = "There is no champion to compare with."


def judge(
    candidate: Side, champion: Side | None, rows: Rows | None = None, no_rows: str = ""
) -> tuple[GateResult, ...]:
    """What each gate says of a version.

    Args:
        candidate: the version that shall go live.
        champion: the version that is live, whole or damaged; None where no version is live.
        rows: both versions' answers to rows; None where no rows were given, or none that are new to both versions.
        no_rows: a sentence that says why there are no rows. By default it says that none were given.
    """
    return tuple(_results(candidate, champion, rows, no_rows or "No rows were given."))


def _results(candidate: Side, champion: Side | None, rows: Rows | None, no_rows: str) -> Iterator[GateResult]:
    yield files_gate(candidate)
    yield size_gate(candidate, champion)
    yield latency_gate(candidate, champion)
    yield schema_gate(candidate, champion)
    yield _error(candidate, champion, rows, no_rows)
    yield _groups(champion, rows, no_rows)
    yield _coverage(candidate, champion, rows)
    yield _width(candidate, champion, rows)
    if candidate.manifest is None:
        yield GateResult.unmeasured("verdict", candidate.unmeasured)
    else:
        yield verdict_gate(candidate.manifest, candidate.reference)


def files_gate(candidate: Side) -> GateResult:
    """Whether the version loads: checksums, and the golden rows' answers as at training."""
    predictor = candidate.predictor
    if predictor is None or candidate.folder is None:
        return GateResult(gate="files", passed=False, sentence=candidate.problem)
    try:
        worst = max(predictor.differences(read_golden(candidate.folder)).values())
    except ArtifactError as error:
        return GateResult(gate="files", passed=False, sentence=str(error))
    return GateResult(
        gate="files",
        passed=worst <= predictor.tolerance,
        figure=worst if math.isfinite(worst) else None,
        limit=predictor.tolerance,
        sentence="Each file has its checksum, and the golden rows get the answers of training, "
        f"within {predictor.tolerance:g} deviations of the target.",
    )


def _error(candidate: Side, champion: Side | None, rows: Rows | None, no_rows: str) -> GateResult:
    if champion is None:
        return GateResult.unmeasured("error", NO_CHAMPION)
    if rows is not None and rows.champion is not None:
        return error_gate(rows, rows.champion)
    if candidate.manifest is None or champion.manifest is None:
        return GateResult.unmeasured("error", _unreadable(champion, candidate))
    return error_by_figures(candidate.manifest, champion.manifest, no_rows)


def _groups(champion: Side | None, rows: Rows | None, no_rows: str) -> GateResult:
    if champion is None:
        return GateResult.unmeasured("groups", NO_CHAMPION)
    if rows is None or rows.champion is None:
        return GateResult.unmeasured("groups", f"{no_rows} Groups are compared on rows that are new to both versions.")
    return groups_gate(rows, rows.champion)


def _coverage(candidate: Side, champion: Side | None, rows: Rows | None) -> GateResult:
    if rows is not None:
        return coverage_gate(rows)
    if candidate.manifest is None:
        return GateResult.unmeasured("coverage", candidate.unmeasured)
    calibrated = 0
    if candidate.manifest.lineage.made_by == "recalibrate" and candidate.predictor is not None:
        calibrated = candidate.predictor.calibration.n_samples
    return coverage_by_figures(candidate.manifest, None if champion is None else champion.manifest, calibrated)


def _width(candidate: Side, champion: Side | None, rows: Rows | None) -> GateResult:
    if champion is None:
        return GateResult.unmeasured("width", NO_CHAMPION)
    if rows is not None and rows.champion is not None:
        return width_gate(rows, rows.champion)
    if candidate.manifest is None or champion.manifest is None:
        return GateResult.unmeasured("width", _unreadable(champion, candidate))
    return width_by_figures(candidate.manifest, champion.manifest)


def _unreadable(champion: Side, candidate: Side) -> str:
    """A sentence that says which version cannot be read, so that there is no comparison."""
    side, who = (champion, "champion") if champion.manifest is None else (candidate, "candidate")
    return f"The {who} cannot be compared: {side.unmeasured}"
