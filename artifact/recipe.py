"""Recipe: everything that a training was asked for, so that it can be repeated, and the rows that are kept for that."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, ValidationError

from artifact.errors import ArtifactError, DataError
from artifact.files import unreadable
from artifact.lineage import Frozen
from artifact.manifest import Manifest, file_sha256

RECIPE = "recipe.json"
FORMAT = 1


class KeptTable(Frozen):
    """Rows that are kept beside the versions, see :class:`artifact.registry.tables.Tables`.

    Attributes:
        sha256: sha256 of the Parquet file, which is also the file's name.
        rows: number of the rows.
        size: bytes of the file.
    """

    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    rows: int
    size: int


class ReadingOptions(Frozen):
    """How the files were to be read, see :class:`training.table.reading.Reading`."""

    separator: str | None = None
    encoding: str | None = None
    sheet: str | None = None


class Derivation(Frozen):
    """The earlier version that this one was made from, and the new rows.

    Attributes:
        by: the command that made it.
        version: ``NAME:VERSION`` of the earlier version.
        data: the path or ``dataset:`` name of the new rows, as it was given.
        new_rows: number of the new rows, held-out ones included.
        appended: whether the new rows were added to the rows that are kept of the earlier version.
        newest: limit to the newest rows, as ``--newest`` was given; empty where all rows trained.
        calibrated: number of new rows on which the intervals were fitted again; 0 where training fitted them.
    """

    by: Literal["refit", "finetune", "recalibrate"]
    version: str
    data: str
    new_rows: int
    appended: bool = False
    newest: str = ""
    calibrated: int = 0


class Recipe(Frozen):
    """``recipe.json``: what ``trueline train`` was asked for. The manifest has the settings as they were resolved.

    Attributes:
        format: format of the file.
        name: name of the model.
        data: the path or ``dataset:`` name as it was given; for a table in memory, what kind of frame it was.
        added: whether the rows of ``data`` were added to kept rows, so that they are a part of what trained.
        targets, group, time, weight, interval_groups: columns by their roles.
        init: the version to start from, as it was given.
        stream: whether the user asked to stream the table, or not to; None where training was to decide.
        streamed: whether the table was streamed.
        settings: the settings that were given, by preset, file, option or ``--set``.
        corrections: corrections of the schema, as ``schema.toml`` has them.
        reading: how the files were to be read.
        note: the user's own words.
        command: the words after ``trueline train``; empty where training was started in another way.
        columns: type of each column of the table, as the table was read.
        table: the training rows, where they are kept.
        held_out: rows that no part of the training has seen, kept for the comparison before a promotion.
        derivation: the earlier version that this one was made from; None where ``trueline train`` made it.
    """

    format: int = FORMAT
    name: str
    data: str
    added: bool = False
    targets: tuple[str, ...]
    group: str | None = None
    time: str | None = None
    weight: str | None = None
    interval_groups: str | None = None
    init: str | None = None
    stream: bool | None = None
    streamed: bool = False
    settings: dict[str, Any]
    corrections: dict[str, Any]
    reading: ReadingOptions = ReadingOptions()
    note: str = ""
    command: tuple[str, ...] = ()
    columns: dict[str, str]
    table: KeptTable | None = None
    held_out: KeptTable | None = None
    derivation: Derivation | None = None

    @property
    def is_data_a_part(self) -> bool:
        """Whether other rows trained beside those of ``data``. Early recipes say so by their derivation alone."""
        return self.added or (self.derivation is not None and self.derivation.appended)

    @property
    def kept_tables(self) -> dict[str, KeptTable]:
        """The tables that are kept, by the words for their rows: ``training rows`` and ``held-out rows``."""
        tables = {"training rows": self.table, "held-out rows": self.held_out}
        return {words: table for words, table in tables.items() if table is not None}

    def write(self, folder: Path) -> None:
        """Write ``recipe.json`` into a version's folder, before its manifest takes the checksums."""
        text = json.dumps(self.model_dump(mode="json"), indent=2, allow_nan=False)
        (folder / RECIPE).write_text(text + "\n", encoding="utf-8")

    @classmethod
    def read(cls, folder: Path, manifest: Manifest) -> Self:
        """The recipe of a version.

        Args:
            folder: folder of the version.
            manifest: manifest of the version, which has the file's checksum.

        Raises:
            DataError: an earlier Trueline stored the version, without a recipe.
            ArtifactError: the file is gone, changed, or of a newer format.
        """
        reference = f"{manifest.model_name}:{manifest.model_version}"
        if RECIPE not in manifest.files:
            raise DataError(
                f"Expected a version with a {RECIPE}. Received: {reference}, which an earlier Trueline stored without "
                "one. Nobody knows which settings were given, how the files were to be read and which columns the "
                "table had. Train it once more by `trueline train`."
            )
        path = folder / RECIPE
        try:
            text = path.read_bytes()
            changed = file_sha256(path) != manifest.files[RECIPE]
            content = json.loads(text)
        except (OSError, ValueError, RecursionError) as error:
            raise ArtifactError(
                f"Expected the recipe of {reference} in {path}. Received: {unreadable(error)}."
            ) from error
        if changed:
            raise ArtifactError(
                f"Expected the recipe of {reference} in {path} as training wrote it. Received: a file that was "
                "changed later. Use another version."
            )
        if isinstance(content, dict) and isinstance(content.get("format"), int) and content["format"] > FORMAT:
            raise ArtifactError(
                f"Expected a recipe of format {FORMAT} or older in {path}. Received: format {content['format']}, which "
                "this Trueline does not know. Update Trueline."
            )
        try:
            return cls.model_validate(content)
        except ValidationError as error:
            raise ArtifactError(f"Expected a whole recipe in {path}. Received: {unreadable(error)}.") from error


def recipe_if_any(folder: Path, manifest: Manifest) -> Recipe | None:
    """The recipe of a version; None where an earlier Trueline stored it.

    Raises:
        ArtifactError: see :meth:`Recipe.read`.
    """
    return Recipe.read(folder, manifest) if RECIPE in manifest.files else None
