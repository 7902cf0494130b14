"""``trueline report``."""

from __future__ import annotations

import webbrowser
from pathlib import Path

import click

from artifact.errors import DataError
from artifact.files import replace_text
from artifact.manifest import REPORT
from trueline.commands.options import json_option, print_json
from trueline.environment import registry
from trueline.terminal.consoles import stdout


@click.command("report")
@click.argument("model")
@click.option("--open", "opens", is_flag=True, help="Open the report in the browser.")
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="Write a copy with its pictures.")
@json_option
def report_command(model: str, opens: bool, output: Path | None, as_json: bool) -> None:
    """Print where a version's report is, open it, or write a copy. MODEL is NAME, NAME:VERSION or NAME:champion.

    \b
    Example:
      trueline report houses --open
    """
    version = registry().resolve(model)
    path = version.path / REPORT / "report.html"
    if not path.is_file():
        raise DataError(f"Expected a report in {version.name}:{version.version}. Received: none at {path}.")
    if output is not None:
        if not output.absolute().parent.is_dir():
            raise DataError(f"Expected a file in a folder that exists. Received: {output}.")
        if output.is_dir():
            raise DataError(f"Expected a file to write. Received: {output}, which is a folder.")
        replace_text(output, path.read_text(encoding="utf-8"))
        path = output
    if as_json:
        print_json({"model_name": version.name, "model_version": version.version, "report": str(path)})
    else:
        stdout().print(str(path), markup=False)
    if opens and not webbrowser.open(path.absolute().as_uri()):
        raise DataError(f"Expected a browser to open the report with. Received: none. The report is {path}.")
