"""Markdown from records: tables, and lists whose lines have the width of a page."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

_WIDTH = 120
_SPACE = "\N{SYMBOL FOR SPACE}"
# What a reader would type: options, variables, headers, files, their endings, paths of the service, settings.
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
        items: of each its name, what stands in brackets behind it, and its text.
    """
    lines = []
    for name, brief, text in items:
        behind = f" ({'; '.join(brief)})" if brief else ""
        line = f"- **{name}**{behind}: {text}"
        # What is in code marks stays on one line.
        whole = re.sub(r"`[^`]*`", lambda part: part[0].replace(" ", _SPACE), line)
        wrapped = textwrap.fill(whole, _WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
        lines.append(wrapped.replace(_SPACE, " "))
    return framed("\n".join(lines))


def framed(text: str) -> str:
    """A part of a page with the empty lines that set it off from the comments around it."""
    return f"\n{text}\n"


def typed(text: str) -> str:
    """A text that a terminal shows too, with all that a reader would type in code marks."""
    return _TYPED.sub(r"`\1`", text)


def code(*words: object) -> str:
    """Words in code marks, with commas between."""
    return ", ".join(f"`{word}`" for word in words)


def sentence(text: str, see: str | None = None) -> str:
    """A text that ends in a full stop, and where the pages say more."""
    text = text if text.endswith(".") else f"{text}."
    return f"{text} See {see}." if see else text


def check_names(what: str, given: Mapping[str, str], known: Collection[str]) -> None:
    """A page may say more only of what there is.

    Raises:
        ValueError: it names something else.
    """
    for name in given:
        if name not in known:
            raise ValueError(f"Expected a {what} that there is. Received: '{name}'. Take it out of the page.")


def pretty_json(document: Any, column: int = 0, behind: int = 0) -> str:
    """JSON in lines of a page's width, as many members on each as it can hold, below each other where they begin.

    Args:
        document: what it says.
        column: where it begins.
        behind: how many characters follow it on its last line.
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
        # What took several lines has nothing behind it.
        at = _WIDTH if "\n" in part else at + len(part)
    return text + flat[-1]
