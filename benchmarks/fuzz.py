"""Fuzzes every body parser: ``python -m benchmarks.fuzz --minutes 10 [--parser NAME]``.

Valid requests of each format are damaged and sent to the real app, in a process that is watched. Each must get an
answer or a refusal below 500, in little time and memory. Anything else is a finding, also a crash of a native library.
Its input is made as small as possible, printed, and stored in a folder; ``--again FILE`` sends it once more.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.fuzz_corpus import CORPORA, Current
from benchmarks.machine import describe

ROOT = Path(__file__).resolve().parent.parent
# An input that takes far longer than a child's own limit never ends.
HANGS_AFTER = 60.0


@dataclass
class Outcome:
    """The outcome of one parser's inputs.

    Attributes:
        counts: inputs by the status of their answer, or ``wrong``.
        findings: one object each: ``kind``, ``more`` and the ``file`` with its input.
    """

    parser: str
    inputs: int = 0
    seconds: float = 0.0
    counts: Counter[str] = field(default_factory=Counter)
    findings: list[dict[str, Any]] = field(default_factory=list)

    def line(self) -> str:
        answered = self.counts["200"]
        refused = sum(n for status, n in self.counts.items() if status.startswith("4"))
        rate = self.inputs / self.seconds if self.seconds else 0
        return f"| {self.parser} | {self.inputs:,} | {rate:,.0f} | {answered:,} | {refused:,} | {len(self.findings)} |"


def watched(command: Sequence[str], folder: Path, *, seconds: float) -> tuple[list[dict[str, Any]], str | None]:
    """Run a child to its end.

    Args:
        folder: folder in which the child stores the input that it reads, as ``current``.
        seconds: after this time the child counts as hanging.

    Returns:
        The objects that it printed, and how it ended if it failed; its input is then stored in the folder under another
        name.
    """
    current = folder / "current"
    current.unlink(missing_ok=True)
    how = None
    try:
        process = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=seconds)
        printed = process.stdout
        if process.returncode:
            how = f"exit {process.returncode}: {process.stderr[-1500:]}"
    except subprocess.TimeoutExpired as late:
        printed = late.stdout.decode() if isinstance(late.stdout, bytes) else late.stdout or ""
        how = f"no answer within {seconds:.0f} s"
    entries = [json.loads(line) for line in printed.splitlines() if line.startswith("{")]
    if how is not None and current.exists():
        crash = folder / f"crash-{time.time_ns()}"
        crash.write_bytes(Current.last(current))
        entries.append({"kind": "crash", "more": how, "file": crash.name})
    return entries, how


def fuzz(parser: str, folder: Path, *, seconds: float, inputs: int = 10**9, seed: int = 0) -> Outcome:
    """Fuzz one parser; after a child that fails, another is started, until the time is over."""
    outcome = Outcome(parser)
    deadline = time.monotonic() + seconds
    while (remaining := deadline - time.monotonic()) > 0 and outcome.inputs < inputs:
        numbers = map(str, (remaining, inputs - outcome.inputs, seed))
        command = [sys.executable, "-m", "benchmarks.fuzz_child", parser, *numbers, str(folder)]
        entries, how = watched(command, folder, seconds=remaining + HANGS_AFTER)
        for entry in entries:
            if "kind" in entry:
                outcome.findings.append(entry)
            else:
                outcome.inputs += entry["inputs"]
                outcome.seconds += entry["seconds"]
                outcome.counts.update(entry["counts"])
        if how is None:
            break
        if not any(entry.get("kind") == "crash" for entry in entries) or len(outcome.findings) > 50:
            raise RuntimeError(f"Expected the fuzzer's child to start. Received: {how}")
        seed += 1
    return outcome


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=1, help="for all parsers together; defaults to 1")
    parser.add_argument("--inputs", type=int, default=10**9, help="most inputs of each parser; defaults to no limit")
    parser.add_argument("--parser", choices=sorted(CORPORA), help="only this one")
    parser.add_argument("--seed", type=int, default=0, help="defaults to 0")
    parser.add_argument("--out", type=Path, default=ROOT / ".bench" / "fuzz", help="folder of the inputs found")
    parser.add_argument("--again", type=Path, help="send one such input once more")
    options = parser.parse_args(arguments)
    if options.again is not None:
        command = [sys.executable, "-m", "benchmarks.fuzz_child", "again", "0", "0", "0", str(options.again.resolve())]
        return subprocess.run(command, cwd=ROOT).returncode
    options.out.mkdir(parents=True, exist_ok=True)
    names = [options.parser] if options.parser else list(CORPORA)
    print(f"{datetime.now(UTC):%Y-%m-%d}, {describe()}. {options.minutes:g} minutes, seed {options.seed}.\n")
    print("| parser | inputs | inputs/s | answered | refused | findings |\n| --- | --- | --- | --- | --- | --- |")
    findings = []
    for name in names:
        seconds = 60 * options.minutes / len(names)
        outcome = fuzz(name, options.out, seconds=seconds, inputs=options.inputs, seed=options.seed)
        print(outcome.line(), flush=True)
        findings += [(name, entry) for entry in outcome.findings]
    for name, entry in findings:
        print(f"\n{name}: {entry['kind']}, {options.out / entry['file']}\n{entry['more']}")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
