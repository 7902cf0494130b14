"""Writes the recipe of a version: what the user asked for, and which table it was for."""

from __future__ import annotations

from pathlib import Path

from artifact.recipe import ReadingOptions, Recipe
from artifact.registry.tables import Tables
from training.prepare.request import Request
from training.table.kept import TrainingTable


def write_recipe(folder: Path, request: Request, table: TrainingTable, tables: Tables) -> None:
    """Keep rows where the user asked for that, and write ``recipe.json``.

    Args:
        folder: folder of the version.
        request: what the user asked for, with the table's names.
        table: the table on which the model was trained.
        tables: the store of kept rows.

    Raises:
        OSError: the disk is full or cannot be written.
    """
    reading = request.reading
    Recipe(
        name=request.name,
        data=request.data,
        added=request.derivation is not None and request.derivation.appended,
        targets=request.targets,
        group=request.group,
        time=request.time,
        weight=request.weight,
        interval_groups=request.interval_groups,
        init=request.init,
        stream=request.stream,
        streamed=table.streamed,
        settings=request.config.model_dump(mode="json", exclude_unset=True),
        corrections=request.corrections.model_dump(mode="json", exclude_defaults=True),
        reading=ReadingOptions(separator=reading.separator, encoding=reading.encoding, sheet=reading.sheet),
        note=request.note,
        command=request.command,
        columns=dict(table.types),
        table=None if table.aside is None else tables.add(table.aside),
        held_out=None if request.held_out is None else tables.add(request.held_out),
        derivation=request.derivation,
    ).write(folder)
