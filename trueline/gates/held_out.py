"""The rows that ``refit`` held out, which the gates take where no other rows are given."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

from artifact.errors import ArtifactError
from artifact.recipe import recipe_if_any
from artifact.registry.base import Reference, Registry
from trueline.terminal.consoles import tell_note

if TYPE_CHECKING:
    from trueline.gates.rows import Given


def held_out_rows(store: Registry, version: Reference) -> Given | None:
    """The rows that are kept of a version for the comparison before its promotion.

    The answer is None where there are no such rows, where they are gone or damaged (a note says so), and where the
    training extra is missing, without which tables cannot be read.
    """
    try:
        recipe = recipe_if_any(version.path, store.manifest(version.name, version.version))
        if recipe is None or recipe.held_out is None:
            return None
        path = store.tables.path(recipe.held_out, f"held-out rows of {version.name}:{version.version}")
    except ArtifactError as error:
        tell_note(f"Without held-out rows the gates compare the figures of both trainings. {error}")
        return None
    if importlib.util.find_spec("polars") is None or importlib.util.find_spec("sklearn") is None:
        tell_note("Held-out rows are not compared: that needs the training extra.")
        return None
    from training.table.reading import Reading
    from trueline.gates.rows import Given

    return Given(str(path), Reading(), note=tell_note)
