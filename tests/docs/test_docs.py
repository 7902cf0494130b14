"""The documentation is complete and names only things that exist."""

from __future__ import annotations

import ast
import json
import re
import shlex
import tomllib
from collections.abc import Iterator

import click
import pytest

from artifact.errors import unknown_name
from artifact.manifest import KERAS_MODEL, ONNX_MODEL
from docs.reference import commands, rooms
from docs.reference.__main__ import write
from service.app.front import EXPOSED
from service.app.operations import OPERATIONS
from service.wire import errors
from tests.processes import ROOT
from training.settings.config import TrainConfig
from trueline.main import COMMANDS, cli

PAGES = {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in ROOT.glob("docs/**/*.md")}
PAGES["README.md"] = (ROOT / "README.md").read_text(encoding="utf-8")
HTTP, CLI, TRAINING = (PAGES[f"docs/{name}.md"] for name in ("http", "cli", "training"))
# First folders of paths that the pages may name: those of containers, of every machine, and of examples.
KNOWN_FOLDERS = {"opt", "dev", "srv", "var", "etc", "v1", "v2", "inference.GRPCInferenceService", "static_content"}


def section(page: str, heading: str) -> str:
    """A heading's text, up to the next heading of its rank or above."""
    rank = len(heading) - len(heading.lstrip("#"))
    match = re.search(rf"^{re.escape(heading)}$(.*?)(?=^#{{1,{rank}}} |\Z)", page, re.MULTILINE | re.DOTALL)
    assert match, f"no heading {heading!r}"
    return re.sub(r"^```\w*\n.*?^```$", "", match[1], flags=re.MULTILINE | re.DOTALL)


def table(text: str) -> dict[str, list[str]]:
    """Rows of the tables in a text by their first cell, header lines left out."""
    lines = re.findall(r"^\| (.+) \|$", text, re.MULTILINE)
    rows = [[cell.strip().strip("`") for cell in re.split(r"(?<!\\)\|", line)] for line in lines]
    rules = [i for i, row in enumerate(rows) if set("".join(row)) <= set("- ")]
    return {row[0]: row[1:] for i, row in enumerate(rows) if i not in rules and i + 1 not in rules}


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)


def shown_commands(page: str) -> Iterator[str]:
    """Every trueline command of console blocks (after ``$``) and of indented blocks, continuation lines joined."""
    consoles = "\n".join(blocks(page, "console"))
    lines = re.findall(r"^\$ (.*(?:\n {4}.*)*)", consoles, re.MULTILINE)
    indented = re.sub(r"^```.*?^```$", "", page, flags=re.MULTILINE | re.DOTALL).replace("\\\n", " ")
    lines += re.findall(r"^ {4}(.*)$", indented, re.MULTILINE)
    for line in lines:
        match = re.match(r"(?:\w+=\S* )*trueline (.+?)(?: &)?$", line.strip(), re.DOTALL)
        if match:
            yield match[1]


def parse(command: str) -> None:
    """Let click read a command without running it."""
    words = shlex.split(command, comments=True)
    if words[0].startswith("-"):
        assert words[0] in ("--version", "--help", "-h"), words[0]
        return
    command = cli.get_command(click.Context(cli), words[0])
    assert command, f"no command {words[0]!r}"
    command.make_context(words[0], words[1:])


def anchors(page: str) -> set[str]:
    """The anchors of a page's headings, by the rule of the usual renderers."""
    headings = re.findall(r"^#+ (.+)$", page, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_no_list_or_table_is_stale(capsys):
    assert write(check=True) == 0, capsys.readouterr().out


def test_a_stale_page_is_told_with_what_to_run(tmp_path, capsys):
    page = tmp_path / "page.md"
    page.write_text("<!--cog print(service.routes()) -->\n<!--end-->\n")
    assert write(page, check=True) != 0
    assert "make docs" in capsys.readouterr().err
    assert write(page) == 0
    assert "| `/predict` | POST |" in page.read_text()
    assert write(page, check=True) == 0


def test_a_page_may_say_more_only_of_what_there_is():
    with pytest.raises(ValueError, match=r"'--rows'.*Take it out of the page"):
        commands.options("train", see={"--rows": "[rows](training.md)"})


def test_the_order_of_rooms_names_each_of_them_once():
    with pytest.raises(ValueError, match=r"Wrong: (?=.*cellar/)(?=.*main\.py)"):
        rooms.rooms("trueline", "commands/ cellar/")


def test_every_route_has_its_heading_and_an_example():
    for operation in OPERATIONS:
        if operation.group.prefix:
            continue
        route = operation.path
        assert re.search(rf"^###.*`{operation.methods[0]} {route}`", HTTP, re.MULTILINE), route
        assert route == "/" or f"localhost:3000{route}" in HTTP or route == "/docs", route


def test_every_header_that_the_service_reads_or_writes_is_documented_and_no_other():
    listed = {name for cell in table(section(HTTP, "## Headers")) for name in cell.lower().split("`, `")}
    in_words = {"accept", "allow", "authorization", "connection", "traceparent", "tracestate", "upgrade", "vary"}
    sent = set()
    for path in (ROOT / "service").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, bytes):
                text = node.value.decode("latin-1")
                if text in in_words or re.fullmatch(r"[a-z]+(-[a-z]+)+", text):
                    sent.add(text)
    from_elsewhere = {"date", "origin"} | {name for name in listed if name.startswith("access-control-")}
    assert listed == sent | from_elsewhere
    # Where another origin is allowed, a browser's page may read Trueline's own headers.
    assert {name for name in sent if name.startswith("x-")} - {"x-api-key"} <= set(EXPOSED)


def test_every_metric_that_a_page_names_is_one_of_the_service():
    listed = set(re.findall(r"^- \*\*`(trueline_\w+)`\*\*", section(HTTP, "## Metrics"), re.MULTILINE))
    for name in re.findall(r"\btrueline_\w+", "\n".join(PAGES.values())):
        assert re.sub(r"_(bucket|sum|count)$", "", name) in listed, name


def test_every_error_code_has_an_example():
    kinds = [errors.ApiError, *errors.ApiError.__subclasses__()]
    codes = {json.loads(block).get("error", {}).get("code") for block in blocks(HTTP, "json")}
    assert {kind.code for kind in kinds} <= codes


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_a_section_with_its_options_and_an_example(name):
    assert f'commands.options("{name}"' in section(CLI, f"## trueline {name}")
    assert any(command.split()[0] == name for command in shown_commands(CLI))


@pytest.mark.parametrize("page", PAGES)
def test_every_link_and_file_that_a_page_names_exists(page):
    folder = (ROOT / page).parent
    prose = re.sub(r"^```.*?^```$", "", PAGES[page], flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", prose):
        if re.match(r"https?://", target):
            continue
        path, _, anchor = target.partition("#")
        target_path = (folder / path).resolve() if path else ROOT / page
        assert target_path.exists(), target
        assert not anchor or anchor in anchors(target_path.read_text(encoding="utf-8")), target
    if "decisions" in page:
        return  # decisions may name former files too
    for path in re.findall(r"`((?:artifact|training|service|trueline|tests|benchmarks|examples)/[\w./-]*)`", prose):
        assert path.startswith(("trueline/deployments/", "trueline/leases/")) or (ROOT / path).exists(), path


@pytest.mark.parametrize("page", PAGES)
def test_json_blocks_parse_and_commands_are_ones_that_exist(page):
    for block in blocks(PAGES[page], "json"):
        json.loads(block)
    for command in shown_commands(PAGES[page]):
        try:
            parse(command)
        except click.UsageError as error:
            pytest.fail(f"trueline {command}: {error.format_message()}")


@pytest.mark.parametrize("page", PAGES)
def test_no_page_names_a_path_of_somebodys_machine(page):
    for path in re.findall(r"(?<![\w.:/~\]}*-])/(\w[\w.-]*)/[\w.-]", re.sub(r"https?://\S+", "", PAGES[page])):
        assert path in KNOWN_FOLDERS, path


def test_the_refusals_that_the_page_of_commands_shows_are_what_is_said():
    sentences = re.findall(r"^Error: (Unknown (\w+) '([\w-]+)'\. There are: .*)$", CLI, re.MULTILINE)
    assert {kind for _, kind, _ in sentences} >= {"setting", "column", "model"}
    for sentence, kind, name in sentences:
        listed = list(TrainConfig.model_fields) if kind == "setting" else re.findall(r"'([\w-]+)'", sentence)[1:]
        assert sentence == unknown_name(kind, name, listed)


def test_the_picture_names_files_formats_and_paths_that_there_are():
    picture = (ROOT / "docs" / "architecture.svg").read_text(encoding="utf-8")
    for name in set(re.findall(r"\b\w+\.py\b", picture)):
        assert list(ROOT.glob(f"artifact/**/{name}")) or list(ROOT.glob(f"service/**/{name}")), name
    for name in set(re.findall(r"\bmodel\.\w+", picture)):
        assert name in (ONNX_MODEL, KERAS_MODEL), name
    for path in set(re.findall(r"(?<=[ (])/\w+", picture)):
        assert any(operation.path.startswith(path) for operation in OPERATIONS), path


def test_nothing_tells_to_install_trueline_from_a_package_index():
    sources = [path for name in ("artifact", "service", "training", "trueline") for path in (ROOT / name).rglob("*.py")]
    for path in [*sources, *ROOT.glob("docs/*.md"), ROOT / "README.md"]:
        assert not re.search(r"install '?trueline\b|trueline\[", path.read_text(encoding="utf-8")), path
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    extras_named = set(re.findall(r"'\.\[([\w-]+)\]'", section_with_code(CLI, "## Install")))
    assert extras_named == set(extras) - {"dev"}


def section_with_code(page: str, heading: str) -> str:
    return page.partition(f"\n{heading}\n")[2].partition("\n## ")[0]
