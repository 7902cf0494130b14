"""A short run of ``python -m benchmarks.malformed``: the requests, and their outcome."""

from __future__ import annotations

import itertools
from pathlib import Path

from benchmarks import malformed
from benchmarks.malformed_client import Outcomes
from benchmarks.malformed_wire import Wire

REQUESTS = 2000
MOST_BYTES = 96 * 2**20


def test_two_thousand_malformed_requests_hurt_nobody(tmp_path: Path) -> None:
    # Bombs end early here, so that a short run shows the use of memory.
    limits = {"TRUELINE_MAX_UNPACKED_BYTES": str(2**20)}
    report = malformed.run(REQUESTS, tmp_path, seed=1, warm_up=1000, **limits)
    outcomes = report.outcomes
    assert outcomes.by_status(5) == 0
    assert outcomes.sent == REQUESTS
    assert (outcomes.good, outcomes.wrong, outcomes.late) == (REQUESTS // 20, [], [])
    assert {kind for kind, _ in outcomes.statuses} == {
        *("body", "request line", "headers", "content length", "chunks", "early close", "other protocol")
    }
    assert outcomes.by_status(4) > REQUESTS / 2
    assert set(report.before) == set(report.after)
    assert max(report.after.values()) - max(report.before.values()) < MOST_BYTES
    # Each message of the HTTP server may come at most twice in this time.
    assert len(report.lines) <= 8, report.lines[:20]
    assert "Traceback" not in "".join(report.lines)
    assert "| answers of 5xx | 0 | 0 |" in malformed.report(report, REQUESTS)


def test_it_would_tell() -> None:
    outcomes = Outcomes(good=5)
    well = malformed.Run(outcomes, {1: 100}, {1: 100}, [100] * 10, [], 60.0)
    assert well.faults() == []
    outcomes.statuses["body", 500] += 1
    outcomes.wrong.append("504")
    outcomes.late.append(b"")
    ill = malformed.Run(outcomes, {1: 100}, {2: 100}, [100] * 9 + [2**30], ["line"] * 100, 60.0)
    assert len(ill.faults()) == 6


def test_a_seed_says_all_of_it() -> None:
    first, second = (list(itertools.islice(iter(Wire(3).next, None), 300)) for _ in range(2))
    assert first == second
    assert len({request.kind for request in first}) == 7
