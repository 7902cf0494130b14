"""Markdown from records: tables, and lists that are wrapped to the width of a page."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

_WIDTH = 120
_SPACE = "\N{SYMBOL FOR SPACE}"
# The words that a reader would type: options, variables, headers, files, their endings, paths of the service, settings.
_TYPED = re.compile(
    r"(?<![\w`/.-])("
    r"--?[a-z][a-z-]*(?: refuse)?"
    r"|(?:TRUELINE|BENTOML)_\w+|trueline_\w+"
    r"|[a-z]+\.toml"
    r"|\.(?:csv|parquet|arrow|feather|ndjson)"
    r"|(?:GET )?/[a-z][\w.]*"
    r"|\d+\.\d+\.\d+\.\d+"
    r"|X-[\w-]+: KEY|Authorization: Bearer KEY|X-Request-ID|Accept-Encoding|Retry-After|Allow"
    r"|dd/mm/yyyy|mm/dd/yyyy|%d\.%m\.%Y"
    r"|NAME(?::\w+)?|TARGET_\w+"
    r")(?![\w`])"
)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; a bar inside a cell is escaped."""
    lines = [head, ["---"] * len(head), *rows]
    return framed("\n".join("| " + " | ".join(cell.replace("|", r"\|") for cell in line) + " |" for line in lines))


def bullets(items: Iterable[tuple[str, Sequence[str], str]]) -> str:
    """A list.

    Args:
        items: the name of each item, the remarks in brackets behind it, and its text.
    """
    lines = []
    for name, brief, text in items:
        behind = f" ({'; '.join(brief)})" if brief else ""
        line = f"- **{name}**{behind}: {text}"
        # Text in code marks stays on one line.
        unbroken = re.sub(r"`[^`]*`", lambda part: part[0].replace(" ", _SPACE), line)
        wrapped = textwrap.fill(
            unbroken, _WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
        )
        lines.append(wrapped.replace(_SPACE, " "))
    return framed("\n".join(lines))


def framed(text: str) -> str:
    """A part of a page between empty lines, which separate it from the comments around it."""
    return f"\n{text}\n"


def typed(text: str) -> str:
    """A text of the terminal, with code marks around the words that a reader would type."""
    return _TYPED.sub(r"`\1`", text)


def code(*words: object) -> str:
    """Words in code marks, with commas between."""
    return ", ".join(f"`{word}`" for word in words)


def sentence(text: str, see: str | None = None) -> str:
    """The text with a full stop, then the place where the pages say more."""
    text = text if text.endswith(".") else f"{text}."
    return f"{text} See {see}." if see else text


def check_names(kind: str, texts: Mapping[str, str], names: Collection[str]) -> None:
    """Check that a page adds texts only to names that exist.

    Args:
        kind: the kind of name, such as ``option``.
        texts: the page's texts by name.
        names: the names that exist.

    Raises:
        ValueError: another name.
    """
    for name in texts:
        if name not in names:
            raise ValueError(f"Expected a {kind} that exists. Received: '{name}'. Take it out of the page.")


def pretty_json(document: Any, column: int = 0, behind: int = 0) -> str:
    """JSON in lines of a page's width, with as many members on a line as fit, each line indented to its bracket.

    Args:
        document: the JSON value.
        column: the column where it begins.
        behind: number of characters that follow it on its last line.
    """
    flat = json.dumps(document, ensure_ascii=False)
    if column + len(flat) + behind <= _WIDTH or not isinstance(document, (dict, list)) or not document:
        return flat
    is_object = isinstance(document, dict)
    members = zip(document, document.values() if isinstance(document, dict) else document, strict=True)
    text, column = flat[0], column + 1
    at = column
    for place, (name, value) in enumerate(members):
        key = f"{json.dumps(name)}: " if is_object else ""
        after = behind + 1 if place == len(document) - 1 else 1
        if place:
            fits = at + 2 + len(key) + len(json.dumps(value, ensure_ascii=False)) + after <= _WIDTH
            text += ", " if fits else ",\n" + " " * column
            at = at + 2 if fits else column
        part = key + pretty_json(value, at + len(key), after)
        text += part
        # Nothing follows a member that took several lines on its last line.
        at = _WIDTH if "\n" in part else at + len(part)
    return text + flat[-1]
