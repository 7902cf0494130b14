"""An earlier version to start from: its files, whether a start is possible, and the tables that it has seen."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from pydantic import ValidationError

from artifact import manifest as files
from artifact.errors import ArtifactError, DataError
from artifact.files import unreadable
from artifact.lineage import Ancestor
from artifact.manifest import Manifest
from artifact.registry.base import Registry
from artifact.rows.schema import FeatureSchema
from training.families import FAMILIES

# `train --init` and `finetune` start from an earlier version.
FROM_THE_BEGINNING = "train from the beginning: without --init, or by `trueline refit` in the place of finetune"


@dataclass(frozen=True, slots=True)
class Earlier:
    """A stored version whose files have been checked.

    Attributes:
        folder: folder of the version.
        manifest: its manifest.
        schema: schema of its rows.
    """

    folder: Path
    manifest: Manifest
    schema: FeatureSchema

    @classmethod
    def find(cls, registry: Registry, reference: str) -> Self:
        """The version that ``NAME``, ``NAME:VERSION`` or ``NAME:ALIAS`` refers to.

        Raises:
            NotFoundError: no such model, version or alias; the message lists those that exist.
            ArtifactError: one of its files is missing, changed or unreadable.
            DataError: the version's family is solved for, not trained.
        """
        version = registry.resolve(reference)
        manifest = Manifest.read(version.path)
        manifest.check_files(version.path)
        try:
            schema = FeatureSchema.model_validate_json((version.path / files.SCHEMA).read_bytes())
        except (OSError, ValidationError) as error:
            raise ArtifactError(
                f"Expected a readable schema in {version.path}. Received: {unreadable(error)}. Use another version."
            ) from error
        earlier = cls(version.path, manifest, schema)
        family = FAMILIES.get(manifest.family)
        if family is None or not family.can_start(manifest.objective):
            raise DataError(
                "Expected an earlier version of a family that is trained "
                f"({', '.join(can_start(manifest.objective))}). "
                f"Received: {earlier.reference}, of family {manifest.family}. {FROM_THE_BEGINNING.capitalize()}."
            )
        return earlier

    @property
    def reference(self) -> str:
        return f"{self.manifest.model_name}:{self.manifest.model_version}"

    @property
    def config(self) -> dict[str, Any]:
        """Its settings, as they are stored in JSON."""
        return self.manifest.lineage.config

    @property
    def ancestors(self) -> tuple[Ancestor, ...]:
        """This version and those that it started from, the nearest first."""
        lineage = self.manifest.lineage
        own = Ancestor(
            model_name=self.manifest.model_name,
            model_version=self.manifest.model_version,
            data_fingerprint=lineage.data_fingerprint,
        )
        return (own, *(lineage.init.ancestors if lineage.init is not None else ()))

    def refuse_its_own(self, fingerprint: str) -> None:
        """Refuse a table that trained this version or one of its ancestors.

        Its networks have seen all rows of such a table, so no rows would be left to measure with, and the intervals
        would be too narrow.

        Raises:
            DataError: the table has the fingerprint of one that trained them.
        """
        for ancestor in self.ancestors:
            if ancestor.data_fingerprint == fingerprint:
                raise DataError(
                    f"Expected rows that {self.reference} has not seen. Received: the table that trained "
                    f"{ancestor.model_name}:{ancestor.model_version}; every figure and interval would be too good. "
                    f"Give it the new rows alone, or {FROM_THE_BEGINNING}."
                )


def can_start(objective: str) -> tuple[str, ...]:
    """Names of the families that learn step by step; a solved family has one solution, wherever it starts."""
    return tuple(name for name, family in FAMILIES.items() if family.can_start(objective))
