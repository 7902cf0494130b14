"""Finds what is left of versions whose manifest is gone. No command reads them, but they may need kept rows."""

from __future__ import annotations

import os
from pathlib import Path

from artifact.manifest import GOLDEN, MANIFEST
from artifact.recipe import RECIPE
from artifact.registry.naming import is_given
from artifact.registry.references import Damaged

# Files of a version that no other program writes into BentoML's store.
_OWN = (RECIPE, GOLDEN)


def damaged_in(models: Path, name: str) -> list[Damaged]:
    """The folders of a model's versions that have no manifest, in alphabetical order.

    Args:
        models: folder of all models.
        name: name of the model.

    Raises:
        OSError: the model's folder cannot be read.
    """
    folder = models / name
    if not folder.is_dir():
        if folder.exists() or not folder.is_symlink():
            return []
        problem = f"Expected the versions of '{name}' in {folder}. Received: a link that leads nowhere."
        return [Damaged(name, "", folder, f"{problem} Mount its disk, or remove the link.")]
    return [_without_manifest(name, path) for path in sorted(folder.iterdir()) if _has_lost_its_manifest(path)]


def no_models(models: Path) -> Damaged:
    """The folder of all models, which is not there."""
    problem = f"Expected the folder of all versions, {models}. Received: none, although rows of versions are kept."
    way_out = "Put it back or mount it. If there are no versions any more, make an empty folder."
    return Damaged("", "", models, f"{problem} {way_out}")


def _without_manifest(name: str, path: Path) -> Damaged:
    problem = f"Expected {MANIFEST} in {path}. Received: no such file."
    way_out = f"Put a copy of the file back, or delete what is left: trueline delete {name}:{path.name}"
    return Damaged(name, path.name, path, f"{problem} {way_out}")


def _has_lost_its_manifest(path: Path) -> bool:
    """Whether this was a version: it has the name of one, or files of one."""
    if (path / MANIFEST).is_file():
        return False
    return is_given(path.name) or any(os.path.lexists(path / file) for file in _OWN)
