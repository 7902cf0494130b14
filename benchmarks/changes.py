"""Checks whether a change made anything slower or larger: ``python -m benchmarks.changes --old FOLDER``.

FOLDER is a checkout of the version before (``git worktree add FOLDER COMMIT``); this checkout is the new one. Both run
in this environment, in pairs; the old and the new one take turns in running first, so that a slow minute of the machine
hits both. Each figure's ratio is new over old, above 1 where the new one is worse: the geometric mean of the pairs,
with the 95% interval that their spread gives. A figure counts as worse where this interval lies wholly above 1.03.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import statistics
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from benchmarks.changes_figures import GROUPS, Checkout, Measured
from benchmarks.checkouts import is_checkout
from benchmarks.machine import describe
from benchmarks.servers import ROOT

ALLOWED = 1.03
# 97.5% points of Student's t for 1 to 30 degrees of freedom; beyond, that of the normal distribution is near enough.
_STUDENT = (
    *(12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131),
    *(2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042),
)


class Ratio(NamedTuple):
    """The ratio of a figure, new over old, above 1 where the new one is worse.

    Attributes:
        mean: geometric mean over the pairs.
        low, high: its 95% interval.
    """

    mean: float
    low: float
    high: float

    @property
    def is_worse(self) -> bool:
        """Whether the whole interval lies above :data:`ALLOWED`."""
        return self.low > ALLOWED


def ratio(old: Sequence[float], new: Sequence[float], *, higher_is_better: bool) -> Ratio:
    """The ratio of paired measurements, at least two pairs.

    Args:
        old, new: positive figures, one of each for every pair.
        higher_is_better: True for requests/s, False for seconds.
    """
    sign = -1.0 if higher_is_better else 1.0
    logs = [sign * math.log(b / a) for a, b in zip(old, new, strict=True)]
    mean = statistics.fmean(logs)
    student = _STUDENT[len(logs) - 2] if len(logs) - 2 < len(_STUDENT) else 1.96
    half = student * statistics.stdev(logs) / math.sqrt(len(logs))
    return Ratio(math.exp(mean), math.exp(mean - half), math.exp(mean + half))


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parse(arguments)
    needed = ("wrk", "taskset") if "serving" in options.only else ()
    missing = [tool for tool in needed if not shutil.which(tool)]
    if missing:
        print(f"Expected wrk and taskset in PATH. Received: no {' and no '.join(missing)}.", file=sys.stderr)
        return 2
    idle = os.getloadavg()[0]
    pairs: list[tuple[Measured, Measured]] = []
    with tempfile.TemporaryDirectory(prefix="trueline-changes-") as temporary:
        folder = Path(temporary)
        checkouts = Checkout(options.old.resolve(), folder / "old"), Checkout(ROOT, folder / "new")
        for checkout in checkouts:
            checkout.build(options.only)
        for i in range(options.pairs):
            first = i % 2
            measured = {j: checkouts[j].measure(options.only, options.seconds) for j in (first, 1 - first)}
            pairs.append((measured[0], measured[1]))
            print(f"pair {i + 1} of {options.pairs}", file=sys.stderr, flush=True)
    print(f"{datetime.now(UTC):%Y-%m-%d}, {describe()}, load before {idle:.2f}; {options.pairs} pairs.\n")
    lines, worse = report(pairs)
    print("\n".join(lines))
    if options.json:
        plain = [{"old": old, "new": new} for old, new in pairs]
        options.json.write_text(json.dumps(plain, indent=2) + "\n", encoding="utf-8")
    return 1 if worse else 0


def report(pairs: Sequence[tuple[Measured, Measured]]) -> tuple[list[str], list[str]]:
    """A Markdown table with a line a figure, and the names of those that are worse."""
    lines = [
        "| figure | old | new | new over old, above 1 is worse | 95% interval | worse |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    worse = []
    for figure in (figure for group in GROUPS.values() for figure in group):
        if figure.name not in pairs[0][0]:
            continue
        old, new = ([pair[j][figure.name] for pair in pairs] for j in (0, 1))
        change = ratio(old, new, higher_is_better=figure.higher_is_better)
        worse += [figure.name] if change.is_worse else []
        medians = [f"{statistics.median(values):,.{figure.digits}f} {figure.unit}" for values in (old, new)]
        lines.append(
            f"| {figure.name} | {medians[0]} | {medians[1]} | {change.mean:.3f} | {change.low:.3f} - {change.high:.3f} "
            f"| {'yes' if change.is_worse else 'no'} |"
        )
    return lines, worse


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.changes", description=__doc__)
    parser.add_argument("--old", type=Path, required=True, help="checkout of the version before")
    parser.add_argument("--pairs", type=int, default=20, help="at least 2; defaults to 20")
    parser.add_argument("--seconds", type=int, default=2, help="seconds of each load; defaults to 2")
    parser.add_argument("--only", nargs="+", choices=list(GROUPS), default=list(GROUPS), help="defaults to all")
    parser.add_argument("--json", type=Path, help="write every measurement to this file too")
    options = parser.parse_args(arguments)
    if options.pairs < 2:
        parser.error(f"Expected at least 2 pairs. Received: {options.pairs}.")
    if not is_checkout(options.old):
        parser.error(f"Expected a checkout of Trueline. Received: {options.old}.")
    return options


if __name__ == "__main__":
    sys.exit(main())
