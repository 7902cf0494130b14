"""No wait, deadline or duration of the service comes from the wall clock, which people and NTP set."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processes import ROOT

WALL = {"time.time", "time.time_ns", "time.gmtime", "time.localtime", "datetime.now", "datetime.utcnow", "date.today"}
# These write a time for people to read, and compare it with nothing.
MOMENTS = {"service/live/model.py": "loaded_at of GET /model"}
FILES = [path.relative_to(ROOT).as_posix() for path in sorted(ROOT.glob("service/**/*.py"))]


def wall_clock(source: str) -> Iterator[str]:
    """Every use of the wall clock in a source, however it was imported."""
    tree = ast.parse(source)
    names = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            names |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            names |= {alias.asname or alias.name: alias.name for alias in node.names}
    for node in ast.walk(tree):
        if isinstance(node, (ast.Attribute, ast.Name)):
            head, _, rest = ast.unparse(node).partition(".")
            whole = ".".join([names.get(head, head), *([rest] if rest else [])])
            if ".".join(whole.split(".")[-2:]) in WALL:
                yield f"line {node.lineno}: {whole}"


@pytest.mark.parametrize("file", FILES)
def test_no_file_of_the_service_asks_the_wall_clock(file: str) -> None:
    calls = list(wall_clock(Path(ROOT / file).read_text(encoding="utf-8")))
    assert bool(calls) == (file in MOMENTS), calls


@pytest.mark.parametrize(
    "source", ["import time\ntime.time()", "from time import time as now\nnow()", "import time as t\nx = t.time_ns"]
)
def test_it_would_see_it(source: str) -> None:
    assert list(wall_clock(source))


def test_the_clock_that_does_not_jump_is_no_fault() -> None:
    assert not list(wall_clock("import time\nloop.time()\ntime.monotonic(), time.perf_counter()"))
