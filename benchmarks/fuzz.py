"""Fuzz every body parser: ``python -m benchmarks.fuzz --minutes 10 [--parser NAME]``.

Valid requests of each format are damaged and given to the real app, in a process that is watched. Asked: an answer or
a refusal below 500, soon and in little memory. Anything else, a crash of a native library too, is made as small as it
can be, printed, and kept in a folder; ``--again FILE`` reads one once more.
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
# An input that takes longer than a child's own limit by far never comes back.
HANGS_AFTER = 60.0


@dataclass
class Found:
    """What became of one parser's inputs.

    Attributes:
        counts: inputs by the status of their answer, or ``wrong``.
        findings: one object each: ``kind``, ``more`` and the ``file`` that brings it about.
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
        folder: where the child keeps the input that it reads, as ``current``.
        seconds: after these it is taken to hang.

    Returns:
        What it printed, and how it ended where that was not well; its input is then in the folder under a name of its
        own.
    """
    current = folder / "current"
    current.unlink(missing_ok=True)
    how = None
    try:
        found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=seconds)
        printed = found.stdout
        if found.returncode:
            how = f"exit {found.returncode}: {found.stderr[-1500:]}"
    except subprocess.TimeoutExpired as late:
        printed = late.stdout.decode() if isinstance(late.stdout, bytes) else late.stdout or ""
        how = f"no answer within {seconds:.0f} s"
    told = [json.loads(line) for line in printed.splitlines() if line.startswith("{")]
    if how is not None and current.exists():
        kept = folder / f"crash-{time.time_ns()}"
        kept.write_bytes(Current.last(current))
        told.append({"kind": "crash", "more": how, "file": kept.name})
    return told, how


def fuzz(parser: str, folder: Path, *, seconds: float, inputs: int = 10**9, seed: int = 0) -> Found:
    """Fuzz one parser; a child that ends badly is followed by another, until the time is over."""
    found = Found(parser)
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0 and found.inputs < inputs:
        numbers = map(str, (left, inputs - found.inputs, seed))
        command = [sys.executable, "-m", "benchmarks.fuzz_child", parser, *numbers, str(folder)]
        told, how = watched(command, folder, seconds=left + HANGS_AFTER)
        for entry in told:
            if "kind" in entry:
                found.findings.append(entry)
            else:
                found.inputs += entry["inputs"]
                found.seconds += entry["seconds"]
                found.counts.update(entry["counts"])
        if how is None:
            break
        if not any(entry.get("kind") == "crash" for entry in told) or len(found.findings) > 50:
            raise RuntimeError(f"Expected the fuzzer's child to start. Received: {how}")
        seed += 1
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=1, help="for all parsers together; defaults to 1")
    parser.add_argument("--inputs", type=int, default=10**9, help="most inputs of each parser; defaults to no end")
    parser.add_argument("--parser", choices=sorted(CORPORA), help="only this one")
    parser.add_argument("--seed", type=int, default=0, help="defaults to 0")
    parser.add_argument("--out", type=Path, default=ROOT / ".bench" / "fuzz", help="folder of the inputs found")
    parser.add_argument("--again", type=Path, help="read one such input once more")
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
        found = fuzz(name, options.out, seconds=seconds, inputs=options.inputs, seed=options.seed)
        print(found.line(), flush=True)
        findings += [(name, entry) for entry in found.findings]
    for name, entry in findings:
        print(f"\n{name}: {entry['kind']}, {options.out / entry['file']}\n{entry['more']}")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
