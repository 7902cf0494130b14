"""Transcripts show what commands print: the commands run, and a page with another command's transcript is stale."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from docs.reference.markdown import pretty_json
from docs.reference.transcripts import parts_of
from service.app.operations import OPERATIONS
from service.app.routes import Routes
from tests.processes import ROOT, clean_environment

HTTP = (ROOT / "docs" / "http.md").read_text(encoding="utf-8")
# Paths that BentoML answers, and paths that do not exist.
ELSEWHERE = {"/predicts", "/schema.json"}


def run(page: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "docs.reference", *options, str(page)]
    environment = clean_environment(page.parent, CUDA_VISIBLE_DEVICES="-1")
    return subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False, timeout=500)


def documents(page: str) -> list[Any]:
    return [json.loads(block) for block in re.findall(r"^```json\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)]


def shape(document: Any) -> Any:
    """The shape of an answer: names of members and kinds of values; for a list, its first item's."""
    if isinstance(document, dict):
        return {name: shape(value) for name, value in document.items()}
    return [shape(value) for value in document[:1]] if isinstance(document, list) else type(document) in (int, float)


def test_a_command_is_run_once_and_then_its_output_stays(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    call = "print(transcripts.console('trueline --version', 'echo ~ $((6 * 7))'))"
    page.write_text(f"<!--cog {call} -->\n<!--end-->\n")
    assert "Run: make transcripts" in run(page).stderr
    assert run(page, "--run").returncode == 0
    text = page.read_text()
    assert re.search(r"```console\n\$ trueline --version\ntrueline, version [\d.]+\n\$ echo ~ .*\n.* 42\n```", text)
    page.write_text(text.replace(" 42\n", " 41\n"))
    assert run(page).returncode == 0
    assert " 41\n" in page.read_text()
    page.write_text(text.replace("(6 * 7)", "(6 * 8)", 1))
    assert "Received: a page that shows another one" in run(page, "--check").stderr


def test_of_several_commands_one_must_print_what_is_wanted(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    call = "print(transcripts.console('echo one', 'echo two', only='^two$'))"
    page.write_text(f"<!--cog {call} -->\n<!--end-->\n")
    assert run(page, "--run").returncode == 0
    assert "```console\n$ echo one\n$ echo two\ntwo\n```" in page.read_text()
    page.write_text(page.read_text().replace("^two$", "^three$"))
    assert "Expected '^three$' in what the commands print" in run(page, "--run").stderr


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_a_service_of_a_transcript_answers_the_next_commands_and_the_machine_is_not_named(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    commands = '"trueline serve houses &", "curl -s localhost:3000/livez", "trueline history houses"'
    page.write_text(
        '<!--cog print(transcripts.prepare("python -m tests.docs.versions")) -->\n<!--end-->\n'
        f"<!--cog print(transcripts.console({commands})) -->\n<!--end-->\n"
    )
    process = run(page, "--run")
    assert process.returncode == 0, process.stderr
    text = page.read_text()
    assert re.search(r"^\$ trueline serve houses &\n\$ curl -s localhost:3000/livez\n\{.*\}$", text, re.MULTILINE)
    table = [line for line in text.splitlines() if line.startswith(("│", "┃"))]
    assert "ana@pc" in table[-1]
    assert f"@{socket.gethostname()}" not in text.replace("ana@pc", "")
    assert len({len(line) for line in table}) == 1


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_examples_of_http_are_answered_by_a_service_in_the_shape_that_is_shown(tmp_path: Path) -> None:
    """Run all commands before the errors, with untrained versions in place of the page's."""
    page_text = HTTP.partition("\n## Errors\n")[0]
    page = tmp_path / "http.md"
    instead = iter(('"python -m tests.docs.versions"', '"true"'))
    page.write_text(re.sub(r'"trueline train [^"]*"', lambda _: next(instead), page_text))
    process = run(page, "--run")
    assert process.returncode == 0, process.stderr
    answers = documents(page.read_text())
    assert len(answers) > 8
    assert [shape(answer) for answer in answers] == [shape(answer) for answer in documents(page_text)]


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("*.md")), ids=lambda path: path.name)
def test_every_path_that_an_example_asks_for_is_a_route(page: Path) -> None:
    routes = Routes(OPERATIONS)
    for path in re.findall(r"localhost:3000(/[\w./:{}-]*)", page.read_text(encoding="utf-8")):
        assert path in routes.fixed or path in ELSEWHERE or routes.find(path), path


@pytest.mark.parametrize(
    "page", [*sorted((ROOT / "docs").glob("*.md")), ROOT / "README.md"], ids=lambda path: path.name
)
def test_every_output_that_a_page_shows_was_printed_by_its_command(page: Path) -> None:
    """A console block that somebody typed has commands alone."""
    typed = re.sub(r"^<!--cog.*?^<!--end-->$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for block in re.findall(r"^```console\n(.*?)^```$", typed, re.MULTILINE | re.DOTALL):
        outputs = re.sub(r"^\$ .*(?:\n {4}.*)*\n", "", block, flags=re.MULTILINE)
        assert not outputs, "Write transcripts.console(...) in a cog call, then run: make transcripts"


def test_json_is_shown_in_lines_of_a_page_and_stays_what_it_was() -> None:
    rows = [{"name": f"feature {i}", "values": [i / 7, None, True], "text": "x" * i} for i in range(60)]
    document = {"rows": rows, "none": {}, "nested": {"deep": {"er": [list(range(99))]}}}
    text = pretty_json(document)
    assert json.loads(text) == document
    assert max(map(len, text.splitlines())) <= 120
    assert pretty_json({"a": 1}) == '{"a": 1}'


def test_parts_of_a_document() -> None:
    document = {"a": {"b": 1, "c": 2}, "rows": [{"x": 1}, {"x": 2}], "z": 3}
    assert parts_of(document, [["a", "c"], ["rows", "1", "x"]]) == {"a": {"c": 2}, "rows": [{"x": 2}]}
