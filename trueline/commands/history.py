"""``trueline history``: which versions of a model were live."""

from __future__ import annotations

import click
from rich.text import Text

from artifact.errors import ArtifactError, DataError
from artifact.registry.entry import Entry
from artifact.words.remarks import one_line
from trueline.commands.options import json_option, print_json
from trueline.environment import registry
from trueline.gates.live import history_of
from trueline.terminal.consoles import stdout
from trueline.terminal.listing import blocks, listing, listing_width

# These cells never break over lines: half a date or a version would be read as another one.
_UNBROKEN = ("entry", "when", "what", "champion", "challenger", "mode")
# Columns that a cell of several words needs to be read with ease.
_EASE = 20


@click.command("history")
@click.argument("name")
@json_option
def history_command(name: str, as_json: bool) -> None:
    """List the versions of a model that were live, the newest first: since when, by whom, and why.

    \b
    Example:
      trueline history houses
    """
    model, colon, _ = name.partition(":")
    if colon:
        raise DataError(
            f"Expected the name of a model: its history is that of all its versions. Received: '{name}'. "
            f"See trueline history {model}, and for one version trueline show {name}."
        )
    store = registry()
    entries, problem = history_of(store, name)
    if as_json:
        listed = [entry.model_dump(mode="json") for entry in entries]
        print_json({"model_name": name, "entries": listed, "problem": problem or None})
    elif entries:
        _show([_line(entry) for entry in entries])
    elif not problem:
        stdout().print(f"No version of '{name}' was ever live. Promote a version: trueline promote {name}:VERSION")
    if problem:
        raise ArtifactError(problem)


def _show(lines: list[dict[str, str]]) -> None:
    """A table, or blocks of lines where the terminal is too narrow for a table that reads with ease."""
    out = stdout()
    if listing_width(lines, unbroken=_UNBROKEN, ease=_EASE) <= out.width:
        out.print(listing(lines, unbroken=_UNBROKEN))
    else:
        out.print(Text(blocks(lines, ("entry", "when", "what"), out.width)))


def _line(entry: Entry) -> dict[str, str]:
    """The cells of one entry, by column."""
    share = f" {entry.share:.0%}" if entry.share else ""
    refused = ", ".join(gate.gate for gate in entry.gates if not gate.passed and gate.gate not in entry.forced)
    return {
        "entry": str(entry.number),
        "when": entry.when.partition(".")[0].replace("T", " "),
        "what": entry.action,
        "champion": entry.champion or "",
        "challenger": entry.challenger or "",
        "mode": "" if entry.mode == "none" else f"{entry.mode}{share}",
        "forced": ", ".join(entry.forced),
        "refused": refused,
        "who": one_line(entry.who),
        "by": one_line(entry.source),
        "why": one_line(entry.why),
    }
