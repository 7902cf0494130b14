"""A table of the runs that are the same, and the differences in the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from typing import NamedTuple

from benchmarks.sameness.facts import FAILED, Facts, additions, differences, kind

# The most differences of each kind that are printed for one run.
_PRINTED = 3


class Compared(NamedTuple):
    """A run of both checkouts.

    Attributes:
        name: name of the run.
        facts: number of the old checkout's facts that were compared.
        differences: a sentence for each; empty where the runs are the same.
        additions: facts that only the new checkout writes, which is allowed.
    """

    name: str
    facts: int
    differences: list[str]
    additions: list[str]


def compared(name: str, old: Facts, new: Facts, ignored: Collection[str] = ()) -> Compared:
    """Compare the facts of a run.

    A run that fails is a difference, even if both fail in the same way, since then nothing was compared.

    Args:
        name: name of the run.
        old, new: its facts by each checkout.
        ignored: kinds of facts that may differ.
    """
    n_facts = sum(kind(fact) not in ignored for fact in old)
    failures = [
        f"{FAILED}: {which}: {facts[FAILED]}" for which, facts in (("old", old), ("new", new)) if FAILED in facts
    ]
    if failures:
        return Compared(name, n_facts, failures, [])
    return Compared(name, n_facts, differences(old, new, ignored), additions(old, new))


def report(rows: Sequence[Compared], *, all_lines: bool = False) -> list[str]:
    """A Markdown table with a line for each run, then the differences.

    Args:
        rows: the runs.
        all_lines: whether every difference is printed. Defaults to the first three of each kind in a run.
    """
    lines = ["| run | facts | same | what differs |", "| --- | --- | --- | --- |"]
    details: list[str] = []
    for row in rows:
        kinds = Counter(map(kind, row.differences))
        what = ", ".join(f"{name} ({count})" for name, count in kinds.items())
        new = f"{len(row.additions)} new fields" if row.additions and not what else ""
        lines.append(f"| {row.name} | {row.facts:,} | {'no' if what else 'yes'} | {what or new} |")
        if what:
            details += ["", f"{row.name}:", *_details(row, all_lines=all_lines)]
    added = dict.fromkeys(name for row in rows for name in row.additions)
    if added:
        details += ["", f"Fields that only the new checkout writes: {', '.join(added)}."]
    different = sum(bool(row.differences) for row in rows)
    verdict = f"{different} of {len(rows)} runs differ." if different else f"All {len(rows)} runs are the same."
    return [*lines, *details, "", verdict]


def _details(row: Compared, *, all_lines: bool) -> list[str]:
    seen: Counter[str] = Counter()
    lines = []
    for line in row.differences:
        seen[kind(line)] += 1
        if all_lines or seen[kind(line)] <= _PRINTED:
            lines.append(f"  {line}")
    left_out = len(row.differences) - len(lines)
    return [*lines, f"  and {left_out} more: see --all"] if left_out else lines
