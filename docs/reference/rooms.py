"""The tables in docs/architecture.md: the rooms of each package."""

from __future__ import annotations

import ast
from pathlib import Path

from docs.reference.markdown import code, table

ROOT = Path(__file__).parents[2]


def rooms(package: str, order: str) -> str:
    """The rooms of a package, each with the first lines of its docstring.

    Args:
        package: the package's folder.
        order: names of all rooms, from the top to the ground: a room imports only rooms below it.

    Raises:
        ValueError: the order lacks a room, or names one that does not exist.
    """
    folder = ROOT / package
    files = {path.name for path in folder.glob("*.py")} - {"__init__.py", "__main__.py"}
    expected = files | {f"{path.parent.name}/" for path in folder.glob("*/__init__.py")}
    names = order.split()
    if sorted(names) != sorted(expected):
        wrong = ", ".join(sorted(expected.symmetric_difference(names)))
        raise ValueError(
            f"Expected the order of rooms in docs/architecture.md to be those of {package}/. Wrong: {wrong}."
        )
    return table(["room", "what it is"], ([code(name), _first_lines(folder / name)] for name in names))


def _first_lines(room: Path) -> str:
    path = room / "__init__.py" if room.is_dir() else room
    doc = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return doc.partition("\n\n")[0].replace("\n", " ").replace("``", "`")
