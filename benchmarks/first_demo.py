"""Times the first ``make demo``, from a clone to the shown answer: ``python -m benchmarks.first_demo --old COMMIT``.

The old commit and the present one are cloned from this repository, with nothing in any cache of pip or uv, and take
turns in running first. The ratio is new over old. Needs git, make, and the package index that pip is set up for.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from benchmarks.launch import free_ports
from benchmarks.machine import describe
from benchmarks.servers import ROOT

# The demo's last line, while the service answers.
_ANSWERED = "Ctrl-C ends the service"
_MOST_SECONDS = 1800.0


class Demo(NamedTuple):
    """Seconds from the start of ``make demo`` until all is installed, and until the answer is shown."""

    installed: float
    answered: float


def first_demo(commit: str, python: str) -> Demo:
    """Clone a commit, and run its demo once.

    Raises:
        RuntimeError: the demo ended before it had shown an answer.
    """
    with tempfile.TemporaryDirectory(prefix="trueline-first-demo-") as temporary:
        folder = Path(temporary)
        clone = folder / "clone"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        subprocess.run(["git", "-C", str(clone), "checkout", "--quiet", "--detach", commit], check=True)
        caches = {"PIP_CACHE_DIR": str(folder / "pip"), "UV_CACHE_DIR": str(folder / "uv")}
        environ = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
        command = ["make", "demo", f"PORT={free_ports(1)[0]}", f"PYTHON={python}"]
        started = time.perf_counter()
        process = subprocess.Popen(
            command,
            cwd=clone,
            env=environ | caches,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        limit = threading.Timer(_MOST_SECONDS, os.killpg, (process.pid, signal.SIGKILL))
        limit.start()
        try:
            return _watch(process, clone, started)
        finally:
            limit.cancel()
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGINT)
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)


def _watch(process: subprocess.Popen[str], clone: Path, started: float) -> Demo:
    installed, lines = 0.0, []
    assert process.stdout is not None
    for line in process.stdout:
        lines.append(line)
        seconds = time.perf_counter() - started
        if not installed and list((clone / ".venv").glob("installed-training-*")):
            installed = seconds
        if _ANSWERED in line:
            return Demo(installed, seconds)
    raise RuntimeError(f"make demo showed no answer:\n{''.join(lines[-20:])}")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.first_demo", description=__doc__)
    parser.add_argument("--old", required=True, help="the commit to compare with")
    parser.add_argument("--pairs", type=int, default=2, help="how often each runs; defaults to 2")
    parser.add_argument("--python", default=sys.executable, help="the Python of both; defaults to this one")
    options = parser.parse_args(arguments)
    missing = [tool for tool in ("git", "make") if not shutil.which(tool)]
    if missing:
        print(f"Expected git and make in PATH. Received: no {' and no '.join(missing)}.", file=sys.stderr)
        return 2
    idle = os.getloadavg()[0]
    new = subprocess.run(
        ["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"], check=True, capture_output=True, text=True
    ).stdout.strip()
    demos: dict[str, list[Demo]] = {options.old: [], new: []}
    for i in range(options.pairs):
        for commit in (options.old, new)[:: 1 if i % 2 else -1]:
            demo = first_demo(commit, options.python)
            demos[commit].append(demo)
            print(f"{commit}: {demo.installed:.0f} s, {demo.answered:.0f} s", file=sys.stderr, flush=True)
    print(f"{datetime.now(UTC):%Y-%m-%d}, {describe()}, load before {idle:.2f}; {options.pairs} pairs, medians.\n")
    print("| commit | installed after | answer shown after |\n| --- | --- | --- |")
    for commit, times in demos.items():
        installed, answered = (statistics.median(values) for values in zip(*times, strict=True))
        print(f"| {commit} | {installed:.0f} s | {answered:.0f} s |")
    ratios = [b.answered / a.answered for a, b in zip(*demos.values(), strict=True)]
    print(f"\nNew over old: {statistics.median(ratios):.2f} (asked: at most 0.5).")
    return 0


if __name__ == "__main__":
    sys.exit(main())
