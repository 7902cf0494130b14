"""Transcripts of commands in the pages. ``make transcripts`` runs the commands; ``make docs`` keeps the last ones.

Each page has a command twice: in the call, and in the transcript. Where the two differ, the page is stale.
"""

from __future__ import annotations

import datetime
import functools
import json
import re
import sys
from collections.abc import Sequence
from typing import Any

from docs.reference.markdown import pretty_json
from docs.reference.session import Session
from trueline.terminal.progress import STAGES

# A version's name, which differs at each run: commands in the pages say OLDEST and NEWEST instead.
_VERSION = r"\d{8}-\d{6}-\d{6}"
_PLACES = {"OLDEST": 0, "NEWEST": -1}
# A log's lines of progress, every ten seconds; a terminal shows a bar instead.
_PROGRESS = re.compile(rf"^(?:{'|'.join(STAGES.values())})(?:: .*)?, after \d.*\n", re.MULTILINE)
_STALE = "Expected a transcript of '{}'. Received: a page that shows another one. Run: make transcripts"


class _Mode:
    """Whether the commands run, or the page's transcripts stay."""

    runs = False


def run_commands() -> None:
    """Run the pages' commands from now on, and show what they print."""
    _Mode.runs = True


def date() -> str:
    """The day on which the page's commands were run."""
    if not _Mode.runs:
        return _previous().strip("\n")
    today = datetime.datetime.now(tz=datetime.UTC)
    return f"The outputs on this page were printed on {today.day} {today:%B %Y} by the commands above them."


def prepare(*commands: str) -> str:
    """Run commands without showing them on the page."""
    if _Mode.runs:
        for command in commands:
            _session().run(command, may_fail=False)
    return ""


def serve(command: str, *, log: bool = False, **environment: str) -> str:
    """Start a service for the commands that follow, in place of the last one; ``log``: show its log."""
    if not _Mode.runs:
        return _previous(command) if log else ""
    printed = _session().serve(command, **environment)
    return _block([(command, printed)]) if log else ""


def file(name: str, text: str) -> str:
    """A file that the following commands read."""
    if _Mode.runs:
        (_session().folder / name).write_text(text.lstrip("\n"), encoding="utf-8")
    return f"\n```{name.rpartition('.')[2]}\n{text.strip()}\n```\n"


def console(*commands: str, only: str = "", without: str = "") -> str:
    """Commands, each with what it prints.

    Args:
        commands: the commands as they are typed; a continued line begins with four spaces. One that serves and ends
            with ``&`` serves for the commands that follow.
        only: pattern of the output to show; empty for all of it. A command without it is shown alone.
        without: pattern of the output that three points replace.
    """
    if not _Mode.runs:
        return _previous(*commands)
    printed = [_run(command) for command in commands]
    shown = [(command, _cut(text, only, without)) for command, text in printed]
    if only and not any(text for _, text in shown):
        raise RuntimeError(f"Expected '{only}' in what the commands print. Received: {printed}")
    return _block(shown)


def answer(command: str, *keep: str, shown: bool = True) -> str:
    """A command, and the JSON that is the last line of its standard output.

    Args:
        command: the command as it is typed.
        keep: parts to show, such as ``metrics.price.rmse``; without any, all.
        shown: show the command too.
    """
    if not _Mode.runs:
        return _previous(*([command] if shown else []))
    command, text = _run(command, errors=False)
    document = json.loads(text.strip().splitlines()[-1])
    if keep:
        try:
            document = parts_of(document, [part.split(".") for part in keep])
        except (KeyError, IndexError, ValueError) as error:
            raise RuntimeError(f"Expected {', '.join(keep)}. Received: {document} from: {command}") from error
    block = f"\n```json\n{pretty_json(document)}\n```\n"
    return _block([(command, "")]) + block if shown else block


def program(text: str) -> str:
    """A Python program, and what it prints."""
    text = text.strip()
    if not _Mode.runs:
        previous = _previous()
        if text not in previous:
            raise ValueError(_STALE.format(text))
        return previous
    _, printed = _run(f"python -W ignore - <<'PROGRAM'\n{text}\nPROGRAM", errors=False)
    return f"\n```python\n{text}\n```\n\n```text\n{printed.strip()}\n```\n"


def _previous(*commands: str) -> str:
    """The transcript that the page has now, which must show these commands.

    Raises:
        ValueError: it shows other commands.
    """
    previous: str = sys.modules["cog"].previous
    for command in commands:
        pattern = re.sub("OLDEST|NEWEST", _VERSION.replace("\\", r"\\"), re.escape(f"$ {command}"))
        if not re.search(rf"^{pattern}$", previous, re.MULTILINE):
            raise ValueError(_STALE.format(command))
    # Cog's print adds the last end of a line.
    return previous.removesuffix("\n")


def _run(command: str, *, errors: bool = True) -> tuple[str, str]:
    """A command with this run's versions, and its output, standard error first."""
    session = _session()

    def version(place: re.Match[str]) -> str:
        return f"{place[1]}:{session.versions(place[1])[_PLACES[place[2]]]}"

    command = re.sub(r"(\w+):(OLDEST|NEWEST)\b", version, command)
    if command.startswith("trueline serve") and command.endswith(" &"):
        session.serve(command.removesuffix(" &"))
        return command, ""
    out, err = session.run(command)
    if not errors and not out.strip():
        raise RuntimeError(f"Expected an answer. Received: '{err}' from: {command}")
    return command, _PROGRESS.sub("", err if errors else "") + out


def _cut(text: str, only: str, without: str) -> str:
    if only:
        match = re.search(only, text, re.DOTALL | re.MULTILINE)
        text = "" if match is None else match[0]
    return re.sub(without, "...\n", text, flags=re.DOTALL | re.MULTILINE) if without else text


def _block(printed: Sequence[tuple[str, str]]) -> str:
    lines = [f"$ {command}\n{text.rstrip()}".rstrip() for command, text in printed]
    return "\n```console\n" + "\n".join(lines) + "\n```\n"


def parts_of(document: Any, paths: list[list[str]]) -> Any:
    """The parts of a document that the paths lead to."""
    if [] in paths or not isinstance(document, (dict, list)):
        return document
    rest: dict[str, list[list[str]]] = {}
    for first, *others in paths:
        rest.setdefault(first, []).append(others)
    if isinstance(document, list):
        return [parts_of(document[int(place)], others) for place, others in rest.items()]
    return {name: parts_of(document[name], others) for name, others in rest.items()}


@functools.cache
def _session_of(_page: str) -> Session:
    return Session()


def _session() -> Session:
    """The session of the page that is being written."""
    return _session_of(sys.modules["cog"].inFile)
