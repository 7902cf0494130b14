"""Facts of a run, each a text with a name, and the differences between two runs."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Mapping
from typing import Any

# From a fact's name, such as ``weights/keras layers/dense/vars/0``, to its text. The first part is its kind.
Facts = Mapping[str, str]
KINDS = (
    *("weights", "network", "answers", "metrics", "verdict", "notes", "baselines", "manifest", "recipe", "report"),
    *("files", "messages", "status", "headers", "body"),
)
# The name of the only fact of a run that failed.
FAILED = "failed"
# A checkout may write more facts of these kinds than an earlier one: a new field does not change an old one.
MAY_GROW = ("manifest", "recipe", "report")
_VERSION = re.compile(r"\b\d{8}-\d{6}-\d{6}\b")
_SHOWN = 60


def digest(content: bytes) -> str:
    """The sha256 of bytes, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def masked(text: str, *folders: str) -> str:
    """A text without names of versions and folders, which differ from run to run.

    Args:
        text: a command's output, or a field of a file.
        folders: paths that belong to one run.
    """
    for folder in folders:
        text = text.replace(folder, "FOLDER")
    return _VERSION.sub("VERSION", text)


def kind(name: str) -> str:
    """The kind of a fact: the first part of its name. A sentence on the fact begins with it."""
    return name.partition("/")[0].partition(":")[0]


def differences(old: Facts, new: Facts, ignored: Collection[str] = ()) -> list[str]:
    """A sentence for each fact that differs.

    Args:
        old, new: facts of one run by two checkouts.
        ignored: kinds of facts that are not compared.
    """
    names = [name for name in dict.fromkeys([*old, *new]) if kind(name) not in ignored]
    lines = []
    for name in names:
        if name not in new:
            lines.append(f"{name}: the new one lacks it, which was {_short(old[name], 0)}")
        elif name not in old:
            if kind(name) not in MAY_GROW:
                lines.append(f"{name}: only the new one has it, {_short(new[name], 0)}")
        elif old[name] != new[name]:
            at = _first_difference(old[name], new[name])
            lines.append(f"{name}: {_short(old[name], at)} became {_short(new[name], at)}")
    return lines


def additions(old: Facts, new: Facts) -> list[str]:
    """Names of the facts that only the new checkout writes, for kinds where that is allowed."""
    return [name for name in new if name not in old and kind(name) in MAY_GROW]


def leaves(value: Any, name: str, depth: int) -> dict[str, Any]:
    """The parts of a JSON value by their names, objects opened to a depth.

    Args:
        value: content of a JSON file.
        name: name of the whole value.
        depth: number of levels of objects that are opened.
    """
    if not isinstance(value, dict) or not depth or not value:
        return {name: value}
    parts = (leaves(part, f"{name}.{key}", depth - 1) for key, part in value.items())
    return {key: part for group in parts for key, part in group.items()}


def _first_difference(a: str, b: str) -> int:
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


def _short(text: str, at: int) -> str:
    """A text around a place, in quotes."""
    start = max(0, at - _SHOWN // 3) if at > _SHOWN // 2 else 0
    end = start + _SHOWN
    return f"{'...' if start else ''}{text[start:end]!r}{'...' if end < len(text) else ''}"
