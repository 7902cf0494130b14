"""The earlier version from which another one is made, with its recipe."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Self

from artifact.errors import ArtifactError, DataError
from artifact.files import unreadable
from artifact.manifest import SCHEMA, Manifest
from artifact.recipe import Recipe
from artifact.registry.base import Reference, Registry
from artifact.rows.schema import FeatureSchema

if TYPE_CHECKING:
    from training.prepare.request import Request


@dataclass(frozen=True)
class Former:
    """An earlier version and all that is needed to repeat it.

    Attributes:
        store: the model store.
        version: the version.
        manifest: manifest of the version.
        recipe: recipe of the version.
    """

    store: Registry
    version: Reference
    manifest: Manifest
    recipe: Recipe

    @classmethod
    def find(cls, store: Registry, reference: str) -> Self:
        """The version meant by ``NAME``, ``NAME:VERSION`` or ``NAME:champion``.

        Raises:
            NotFoundError: no such model, version or alias; the message lists those that exist.
            DataError: a version without a recipe.
            ArtifactError: its recipe is damaged or of a newer format.
        """
        version = store.resolve(reference)
        manifest = store.manifest(version.name, version.version)
        return cls(store, version, manifest, Recipe.read(version.path, manifest))

    @property
    def reference(self) -> str:
        """``NAME:VERSION``."""
        return f"{self.version.name}:{self.version.version}"

    @cached_property
    def schema(self) -> FeatureSchema:
        """Its features and targets.

        Raises:
            ArtifactError: the file is damaged.
        """
        try:
            return FeatureSchema.model_validate_json((self.version.path / SCHEMA).read_bytes())
        except (OSError, ValueError) as error:
            raise ArtifactError(f"Expected the schema of {self.reference}. Received: {unreadable(error)}.") from error

    def kept_rows(self) -> Path:
        """The file of the rows on which the version was trained.

        Raises:
            DataError: no rows are kept.
            ArtifactError: the file is gone, damaged, or without a column of the recipe.
        """
        if self.recipe.table is None:
            raise DataError(
                f"Expected a version whose rows are kept. Received: {self.reference}, which was trained without "
                "--keep-data. Train it once more with --keep-data."
            )
        path = self.store.tables.path(self.recipe.table, f"training rows of {self.reference}")
        if problem := _without(path, self.recipe.columns):
            raise ArtifactError(
                f"Expected the training rows of {self.reference} in {path}, with the columns of its recipe. "
                f"Received: {problem}. Give the rows by --data."
            )
        return path

    def held_out_rows(self) -> Path | None:
        """The file of the rows that judged the version; None where none were held out.

        Raises:
            ArtifactError: the file is gone or damaged.
        """
        if self.recipe.held_out is None:
            return None
        return self.store.tables.path(self.recipe.held_out, f"held-out rows of {self.reference}")

    def request(self) -> Request:
        """The request that trained it, for the data that it was given.

        Raises:
            DataError: this Trueline no longer knows one of its settings.
        """
        from training.prepare.request import Request
        from training.settings.config import TrainConfig
        from training.table.corrections import Corrections
        from training.table.reading import Reading

        recipe = self.recipe
        # It starts from the same version as then, although the words of the recipe may mean another version now.
        start = self.manifest.lineage.init
        return Request(
            data=recipe.data,
            targets=recipe.targets,
            name=recipe.name,
            config=TrainConfig.build(settings=dict(recipe.settings)),
            corrections=Corrections.of(recipe.corrections, f"the recipe of {self.reference}"),
            group=recipe.group,
            time=recipe.time,
            weight=recipe.weight,
            interval_groups=recipe.interval_groups,
            init=None if start is None else f"{start.model_name}:{start.model_version}",
            stream=recipe.stream,
            note=recipe.note,
            reading=Reading(recipe.reading.separator, recipe.reading.encoding, recipe.reading.sheet),
        )


def _without(path: Path, columns: Iterable[str]) -> str:
    """What a Parquet file lacks of the columns; empty for nothing."""
    import polars as pl

    try:
        names = pl.read_parquet_schema(path)
    except pl.exceptions.PolarsError as error:
        return f"no Parquet file ({unreadable(error)})"
    return ", ".join(f"no column '{name}'" for name in columns if name not in names)
