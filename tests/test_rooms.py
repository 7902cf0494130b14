"""The rooms of each package, in the order of docs/architecture.md: a room imports only rooms below it."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("artifact", "training", "service", "trueline")
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")


class Arrow(NamedTuple):
    """One import of a file by a file, each relative to the root of the packages."""

    importer: str
    imported: str


def file_of(root: Path, module: str) -> str | None:
    """The file of a module under ``root``, or None where there is none."""
    path = module.replace(".", "/")
    return next((f for f in (f"{path}.py", f"{path}/__init__.py") if (root / f).is_file()), None)


def arrows_of(root: Path, package: str) -> list[Arrow]:
    """Every import within a package: lazy ones and those for type checkers alone, too."""
    arrows: list[Arrow] = []
    for path in sorted((root / package).rglob("*.py")):
        importer = path.relative_to(root).as_posix()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                whole = [f"{node.module}.{alias.name}" for alias in node.names]
                names = [name if file_of(root, name) else node.module for name in whole]
            files = {file_of(root, name) for name in names if name.partition(".")[0] == package}
            arrows += [Arrow(importer, file) for file in sorted(files - {None, importer}, key=str) if file]
    return arrows


def room_of(file: str) -> str:
    """``training/fit/fit.py`` stands in ``fit/``; ``training/train.py`` is a room of its own."""
    first, *rest = file.split("/")[1:]
    return f"{first}/" if rest else first


def rooms_of(package: str) -> list[tuple[str, str]]:
    """Each room and its line in the page, from the top to the ground; ``make docs`` writes them."""
    part = PAGE.partition(f"### {package}/\n")[2].partition("\n#")[0]
    return re.findall(r"^\| `([\w./]+)` \| (.*) \|$", part, re.MULTILINE)


def upward(arrows: list[Arrow], order: list[str]) -> list[str]:
    """The arrows that do not go down, each in words."""
    rank = {room: i for i, room in enumerate(order)}
    between = [a for a in arrows if room_of(a.importer) != room_of(a.imported) and room_of(a.importer) in rank]
    return [
        f"{a.importer} ({room_of(a.importer)}) -> {a.imported} ({room_of(a.imported)})"
        for a in between
        if rank[room_of(a.importer)] >= rank[room_of(a.imported)]
    ]


def circle_of(arrows: list[Arrow]) -> list[str]:
    """Files that import each other in a circle, the first again at its end; empty where there is none."""
    imports: dict[str, list[str]] = {}
    for arrow in arrows:
        imports.setdefault(arrow.importer, []).append(arrow.imported)
    visited: set[str] = set()

    def visit(file: str, way: list[str]) -> list[str]:
        if file in way:
            return [*way[way.index(file) :], file]
        if file in visited:
            return []
        for other in imports.get(file, ()):
            if circle := visit(other, [*way, file]):
                return circle
        visited.add(file)
        return []

    return next((circle for file in sorted(imports) if (circle := visit(file, []))), [])


@pytest.mark.parametrize("package", PACKAGES)
def test_rooms_import_only_rooms_below_them(package):
    order = [room for room, _ in rooms_of(package)]
    assert upward(arrows_of(ROOT, package), order) == []


@pytest.mark.parametrize("package", PACKAGES)
def test_no_files_import_each_other_in_a_circle(package):
    assert circle_of(arrows_of(ROOT, package)) == []


@pytest.mark.parametrize("package", PACKAGES)
def test_a_floor_has_at_most_16_rooms(package):
    assert 0 < len(rooms_of(package)) <= 16


def test_an_arrow_up_and_a_circle_are_seen_and_named(tmp_path):
    files = {
        "pkg/__init__.py": "",
        "pkg/top/__init__.py": "",
        "pkg/top/story.py": "from pkg.ground import words\n",
        "pkg/ground/__init__.py": "",
        "pkg/ground/words.py": "def f():\n    from pkg.top.story import x\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    arrows = arrows_of(tmp_path, "pkg")
    assert upward(arrows, ["top/", "ground/"]) == ["pkg/ground/words.py (ground/) -> pkg/top/story.py (top/)"]
    assert circle_of(arrows) == ["pkg/ground/words.py", "pkg/top/story.py", "pkg/ground/words.py"]
