"""The documentation is complete and names only what there is."""

from __future__ import annotations

import ast
import json
import re
import shlex
import tomllib
import typing
from collections.abc import Iterator

import click
import pytest
from prometheus_client import CollectorRegistry

from artifact.errors import unknown_name
from artifact.manifest import KERAS_MODEL, ONNX_MODEL
from service.app.app import ROUTES
from service.app.front import EXPOSED
from service.metrics.metrics import Metrics
from service.protocols.paths import PATHS
from service.settings.settings import PREFIX, Settings
from service.wire import errors
from tests.processes import ROOT
from training.settings.config import Preset, TrainConfig
from training.table.corrections import FeatureCorrection, TargetCorrection
from trueline.main import COMMANDS, cli

PAGES = {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in ROOT.glob("docs/**/*.md")}
PAGES["README.md"] = (ROOT / "README.md").read_text(encoding="utf-8")
HTTP, CLI, TRAINING = (PAGES[f"docs/{name}.md"] for name in ("http", "cli", "training"))
# First folders of paths that the pages may name: a container's, and those of examples.
KNOWN_FOLDERS = {"opt", "srv", "var", "etc", "v1", "v2", "inference.GRPCInferenceService", "static_content"}


def section(page: str, heading: str) -> str:
    """A heading's text, up to the next heading of its rank or above."""
    rank = len(heading) - len(heading.lstrip("#"))
    found = re.search(rf"^{re.escape(heading)}$(.*?)(?=^#{{1,{rank}}} |\Z)", page, re.MULTILINE | re.DOTALL)
    assert found, f"no heading {heading!r}"
    return re.sub(r"^```\w*\n.*?^```$", "", found[1], flags=re.MULTILINE | re.DOTALL)


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
        found = re.match(r"(?:\w+=\S* )*trueline (.+?)(?: &)?$", line.strip(), re.DOTALL)
        if found:
            yield found[1]


def parse(command: str) -> None:
    """Let click read a command without running it."""
    words = shlex.split(command, comments=True)
    if words[0].startswith("-"):
        assert words[0] in ("--version", "--help", "-h"), words[0]
        return
    found = cli.get_command(click.Context(cli), words[0])
    assert found, f"no command {words[0]!r}"
    found.make_context(words[0], words[1:])


def anchors(page: str) -> set[str]:
    """The anchors of a page's headings, by the rule of the usual renderers."""
    headings = re.findall(r"^#+ (.+)$", page, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_route_is_documented_with_its_methods_an_example_and_no_other():
    rows = table(section(HTTP, "## Routes").partition("###")[0])
    assert {route: cells[0] for route, cells in rows.items()} == {
        route: ", ".join(found.methods) for route, found in ROUTES.items()
    }
    for route, found in ROUTES.items():
        assert re.search(rf"^###.*`{found.methods[0]} {route}`", HTTP, re.MULTILINE), route
        assert route == "/" or f"localhost:3000{route}" in HTTP or route == "/docs", route


def test_every_setting_of_the_service_is_documented_as_it_is():
    assert table(section(HTTP, "## Settings")) == {
        PREFIX + name.upper(): ["unset" if field.default is None else str(field.default), field.description]
        for name, field in Settings.model_fields.items()
    }


def test_the_limits_are_the_settings_defaults():
    units = {"": 1, "s": 1, "MiB": 2**20, "KiB": 2**10}
    named = 0
    for limit, *_ in table(section(HTTP, "## Limits")).values():
        for number, unit, name in re.findall(r"([\d,]+) ?(MiB|KiB|s|)[\w ]*, `?TRUELINE_(\w+)", limit):
            assert int(number.replace(",", "")) * units[unit] == Settings.model_fields[name.lower()].default, name
            named += 1
    assert named == section(HTTP, "## Limits").count("TRUELINE_")


def test_every_header_that_the_service_reads_or_writes_is_documented_and_no_other():
    named = {name for cell in table(section(HTTP, "## Headers")) for name in cell.lower().split("`, `")}
    in_words = {"accept", "allow", "authorization", "connection", "traceparent", "tracestate", "upgrade", "vary"}
    found = set()
    for path in (ROOT / "service").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, bytes):
                text = node.value.decode("latin-1")
                if text in in_words or re.fullmatch(r"[a-z]+(-[a-z]+)+", text):
                    found.add(text)
    from_elsewhere = {"date", "origin"} | {name for name in named if name.startswith("access-control-")}
    assert named == found | from_elsewhere
    # A browser's page may read those that are ours, where another origin is allowed at all.
    assert {name for name in found if name.startswith("x-")} - {"x-api-key"} <= set(EXPOSED)


def test_every_metric_is_documented_with_its_type_and_labels():
    metrics = Metrics(CollectorRegistry())
    found = {}
    for collector in (value for value in vars(metrics).values() if hasattr(value, "describe")):
        (metric,) = collector.describe()
        found[metric.name + "_total" * (metric.type == "counter")] = (
            metric.type,
            set(getattr(collector, "_labelnames", ())),
        )
    batches = {"trueline_batch_rows": ("histogram", set()), "trueline_inference_duration_seconds": ("histogram", set())}
    assert {metric.name for metric in metrics.registry.collect()} == {
        name.removesuffix("_total") for name in (*found, *batches)
    }
    rows = table(section(HTTP, "## Metrics"))
    named = {name: cells for name, cells in rows.items() if name.startswith("trueline_")}
    documented = {n: (kind, set(re.findall(r"\w+", labels)) - {"none"}) for n, (kind, labels, _) in named.items()}
    assert documented == found | batches
    for name in re.findall(r"\btrueline_\w+", "\n".join(PAGES.values())):
        assert re.sub(r"_(bucket|sum|count)$", "", name) in documented, name


def test_every_error_code_is_documented_with_its_status_and_an_example():
    kinds = [errors.ApiError, *errors.ApiError.__subclasses__()]
    rows = re.findall(r"^\| (\d{3}) \| `(\w+)` \|", section(HTTP, "## Errors"), re.MULTILINE)
    assert sorted(rows) == sorted((str(kind.status), kind.code) for kind in kinds)
    shown = {json.loads(block).get("error", {}).get("code") for block in blocks(HTTP, "json")}
    assert {kind.code for kind in kinds} <= shown


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_documented_with_its_options_an_example_and_no_others(name):
    command = cli.get_command(click.Context(cli), name)
    text = section(CLI, f"## trueline {name}")
    rows = [re.findall(r"(?<![\w-])--?[a-z][a-z-]*", first) for first in table(text)]
    expected = [sorted(p.opts) for p in command.params if isinstance(p, click.Option)]
    assert sorted(map(sorted, rows)) == sorted(expected)
    assert f"| [`{name}`](#trueline-{name}) |" in CLI
    assert any(shown.split()[0] == name for shown in shown_commands(CLI))
    for option in (p for p in command.params if isinstance(p, click.Option) and p.default not in (None, False)):
        if isinstance(option.default, int | str):
            (cells,) = (cells for first, cells in table(text).items() if option.opts[0] in first)
            assert str(option.default) in cells[0], option.name


def test_every_setting_of_training_is_documented_with_its_default():
    rows = table(section(TRAINING, "## Settings").partition("### ")[0])
    assert list(rows) == list(TrainConfig.model_fields)
    for name, field in TrainConfig.model_fields.items():
        shown = json.dumps(field.default) if isinstance(field.default, tuple) else str(field.default)
        assert rows[name][0] == shown if field.default is not None else rows[name][0].startswith("by "), name
        assert rows[name][2].startswith(field.description.partition(";")[0].rstrip(".")), name
        limits = [getattr(m, bound, None) for m in field.metadata for bound in ("ge", "gt", "le", "lt", "max_length")]
        for limit in (found for found in limits if found is not None):
            assert f"{limit:,}" in rows[name][1], (name, limit)
        for choice in literals(field.annotation):
            assert f"`{choice}`" in f"`{rows[name][1]}`", (name, choice)


def literals(annotation: object) -> list[str]:
    """The words that a setting takes."""
    if typing.get_origin(annotation) is typing.Literal:
        return list(typing.get_args(annotation))
    return [word for part in typing.get_args(annotation) for word in literals(part)]


def test_the_presets_and_the_families_defaults_are_documented_as_they_are():
    text = section(TRAINING, "### Presets")
    presets, families = text.split("The families' own defaults:")
    for preset, (model, model_of_more, few, some, many, steps_of_few, steps, passes) in table(presets).items():
        small, middle, large = (TrainConfig(preset=preset).resolved(n) for n in (2_500, 20_000, 1_000_000))
        mixed = tuple(", ".join(config.mix) or config.model for config in (small, middle))
        assert (model, model_of_more) == mixed
        assert few == f"{small.folds} x {small.repeats}"
        assert some == f"{middle.folds} x {middle.repeats}"
        assert (1, int(many)) == (large.folds, large.repeats)
        for config, shown, n in ((small, steps_of_few, 2_500), (middle, steps, 20_000)):
            assert config.epochs == round(int(shown.replace(",", "")) / (n // config.batch_size))
        assert TrainConfig(preset=preset).resolved(40).epochs == int(passes)
    assert set(table(presets)) == set(typing.get_args(Preset))
    rows = table(families)
    for j, family in enumerate(("tabm", "realmlp", "mlp")):
        chosen = TrainConfig(model=family).resolved(20_000)
        for name, cells in rows.items():
            value = getattr(chosen, name)
            shown = f"{value:g}" if isinstance(value, int | float) else json.dumps(value).strip('"')
            assert cells[j] in (shown, "-"), (family, name)


def test_every_key_of_schema_toml_is_documented_with_its_values():
    features, targets = section(TRAINING, "## schema.toml").split("Under `[targets.NAME]`")
    for text, model in ((features, FeatureCorrection), (targets, TargetCorrection)):
        rows = table(text)
        assert list(rows) == list(model.model_fields)
        for name, field in model.model_fields.items():
            kinds = [a for a in typing.get_args(field.annotation) if typing.get_origin(a) is typing.Literal]
            for value in (value for kind in kinds for value in typing.get_args(kind)):
                assert f"`{value}`" in f"`{rows[name][0]}`", (name, value)


@pytest.mark.parametrize("page", PAGES)
def test_every_link_and_file_that_a_page_names_exists(page):
    folder = (ROOT / page).parent
    prose = re.sub(r"^```.*?^```$", "", PAGES[page], flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", prose):
        if re.match(r"https?://", target):
            continue
        path, _, anchor = target.partition("#")
        found = (folder / path).resolve() if path else ROOT / page
        assert found.exists(), target
        assert not anchor or anchor in anchors(found.read_text(encoding="utf-8")), target
    if "decisions" in page:
        return  # they tell what was, too
    for path in re.findall(r"`((?:artifact|training|service|trueline|tests|benchmarks|examples)/[\w./-]*)`", prose):
        assert path.startswith("trueline/aliases/") or (ROOT / path).exists(), path


def test_the_architecture_names_every_command_file():
    page = PAGES["docs/architecture.md"]
    text = section(page, "### trueline/")
    for path in (ROOT / "trueline").glob("*.py"):
        helper = path.name.startswith("__") or path.name in ("options.py", "tables.py")
        assert helper or f"`{path.name}`" in text, path.name


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
    shown = re.findall(r"^Error: (Unknown (\w+) '([\w-]+)'\. There are: .*)$", CLI, re.MULTILINE)
    assert {what for _, what, _ in shown} >= {"setting", "column", "model"}
    for sentence, what, name in shown:
        listed = list(TrainConfig.model_fields) if what == "setting" else re.findall(r"'([\w-]+)'", sentence)[1:]
        assert sentence == unknown_name(what, name, listed)


def test_the_picture_names_files_formats_and_paths_that_there_are():
    picture = (ROOT / "docs" / "architecture.svg").read_text(encoding="utf-8")
    for name in set(re.findall(r"\b\w+\.py\b", picture)):
        assert list(ROOT.glob(f"artifact/**/{name}")) or list(ROOT.glob(f"service/**/{name}")), name
    for name in set(re.findall(r"\bmodel\.\w+", picture)):
        assert name in (ONNX_MODEL, KERAS_MODEL), name
    for path in set(re.findall(r"(?<=[ (])/\w+", picture)):
        assert any(route.startswith(path) for route in ROUTES | PATHS), path


def test_nothing_tells_to_install_trueline_from_a_package_index():
    sources = [path for name in ("artifact", "service", "training", "trueline") for path in (ROOT / name).rglob("*.py")]
    for path in [*sources, *ROOT.glob("docs/*.md"), ROOT / "README.md"]:
        assert not re.search(r"install '?trueline\b|trueline\[", path.read_text(encoding="utf-8")), path
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    named = set(re.findall(r"'\.\[([\w-]+)\]'", section_with_code(CLI, "## Install")))
    assert named == set(extras) - {"dev"}


def section_with_code(page: str, heading: str) -> str:
    return page.partition(f"\n{heading}\n")[2].partition("\n## ")[0]
