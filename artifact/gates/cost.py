"""The gates of what a version costs: the size of its files, and the time of one row beside the champion's."""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from artifact.errors import ArtifactError
from artifact.gates import limits
from artifact.gates.gate import GateResult
from artifact.gates.side import Side
from artifact.golden import read_golden
from artifact.manifest import Manifest
from artifact.predictor import Predictor
from artifact.words.display import number

_MB = 1e6
# Most and fewest rounds, in which both versions answer in turn; most calls in a round; and seconds after which no
# further round begins.
_ROUNDS, _LEAST_ROUNDS, _CALLS, _ENOUGH_SECONDS = 15, 3, 20, 2.0


def size_gate(candidate: Side, champion: Side | None) -> GateResult:
    """The size of the files, beside that of the champion's files."""
    if candidate.manifest is None or candidate.folder is None:
        return GateResult.unmeasured("size", candidate.unmeasured)
    size = _size(candidate.folder, candidate.manifest)
    limit, comparison = limits.SIZE_LARGEST, ""
    if champion is not None and champion.manifest is not None and champion.folder is not None:
        champions_size = _size(champion.folder, champion.manifest)
        limit = min(limits.SIZE_LARGEST, max(limits.SIZE_SMALL, limits.SIZE_TIMES * champions_size))
        comparison = f"; those of {champion.reference} take {number(champions_size)} MB"
    sentence = f"The files take {number(size)} MB{comparison}."
    return GateResult(
        gate="size", passed=size <= limit, figure=round(size, 3), limit=round(limit, 3), unit="MB", sentence=sentence
    )


def latency_gate(candidate: Side, champion: Side | None) -> GateResult:
    """The time in which one row is answered, on one thread and without HTTP: the median of the best of several rounds.

    Both versions answer in turn, so that a machine that is busy with other work slows down both.
    """
    if candidate.predictor is None or candidate.folder is None:
        return GateResult.unmeasured("latency", candidate.unmeasured)
    calls = [_row_call(candidate.predictor, candidate.folder)]
    if champion is not None and champion.predictor is not None and champion.folder is not None:
        calls.append(_row_call(champion.predictor, champion.folder))
    own_time, *others = best_medians(calls)
    limit = max(limits.FAST, limits.SLOWER * others[0]) if others else limits.ALONE
    comparison = f"; {champion.reference} takes {others[0]:.3f} ms" if champion is not None and others else ""
    sentence = f"One row takes {own_time:.3f} ms on one thread{comparison}."
    return GateResult(
        gate="latency",
        passed=own_time <= limit,
        figure=round(own_time, 4),
        limit=round(limit, 4),
        unit="ms",
        sentence=sentence,
    )


def best_medians(calls: list[Callable[[], object]]) -> list[float]:
    """Milliseconds of each call: the lowest of its medians over several rounds. In a round all calls take turns."""
    first_times = [_seconds(call) for call in calls]
    n_calls = [int(np.clip(0.02 / max(seconds, 1e-6), 3, _CALLS)) for seconds in first_times]
    best = [np.inf] * len(calls)
    started = time.perf_counter()
    for n_rounds in range(_ROUNDS):
        if n_rounds >= _LEAST_ROUNDS and time.perf_counter() - started > _ENOUGH_SECONDS:
            break
        for i, call in enumerate(calls):
            median = float(np.median([_seconds(call) for _ in range(n_calls[i])]))
            best[i] = min(best[i], median)
    return [1e3 * seconds for seconds in best]


def _size(folder: Path, manifest: Manifest) -> float:
    """MB of the files that the manifest names; a file that is gone counts as 0."""
    paths = (folder / name for name in manifest.files)
    return sum(path.stat().st_size for path in paths if path.is_file()) / _MB


def _row_call(predictor: Predictor, folder: Path) -> Callable[[], object]:
    """A function that answers one row at each call; the rows are as requests hold them."""
    rows: list[dict[str, Any]] = [predictor.schema.example_row()]
    with contextlib.suppress(ArtifactError):
        rows = read_golden(folder).rows[:_CALLS] or rows
    turns = itertools.cycle(rows)
    return lambda: predictor.predict_rows([next(turns)])


def _seconds(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started
