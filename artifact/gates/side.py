"""A version as gates compare it: the parts of it that can be read, or the reason why it does not load."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from artifact import manifest as files
from artifact.errors import ArtifactError, DataError
from artifact.files import unreadable
from artifact.manifest import Manifest
from artifact.predictor import Predictor
from artifact.rows.schema import FeatureSchema
from artifact.runtimes import RuntimeName


@dataclass(frozen=True, slots=True)
class Side:
    """One of two versions that are compared.

    Attributes:
        reference: ``NAME:VERSION``.
        folder: folder of the version; None where it is gone.
        manifest, schema: the version's own; None where they cannot be read.
        predictor: the loaded version; None where it does not load.
        problem: why the version does not load; empty where it does.
    """

    reference: str
    folder: Path | None = None
    manifest: Manifest | None = None
    schema: FeatureSchema | None = None
    predictor: Predictor | None = None
    problem: str = ""

    @property
    def unmeasured(self) -> str:
        """A sentence for the gates that find nothing to measure, where another place has the whole problem."""
        return f"{self.reference} does not load."

    @classmethod
    def of(cls, reference: str, folder: Path, predictor: Predictor) -> Side:
        """A version that is loaded and was checked."""
        return cls(reference, folder, predictor.manifest, predictor.schema, predictor)

    @classmethod
    def candidate(cls, reference: str, folder: Path, runtime: RuntimeName = "auto") -> Side:
        """A version that shall go live, loaded and checked. For a damaged version, ``problem`` says what is wrong.

        Raises:
            DataError: what the runtime needs is not on this machine.
        """
        try:
            predictor = Predictor.load(folder, runtime=runtime)
            name, _, version = reference.partition(":")
            predictor.manifest.check_is(name, version)
            return cls.of(reference, folder, predictor)
        except ArtifactError as error:
            return cls._damaged(reference, folder, str(error))

    @classmethod
    def champion(cls, reference: str, folder: Path, runtime: RuntimeName = "auto") -> Side:
        """The version that is live. Whatever is wrong with it, another one must be able to take its place."""
        try:
            return cls.of(reference, folder, Predictor.load(folder, runtime=runtime))
        except (ArtifactError, DataError) as error:
            return cls._damaged(reference, folder, str(error))

    @classmethod
    def gone(cls, reference: str) -> Side:
        """A version that the log names as live, although the store no longer has it."""
        return cls(reference, problem=f"{reference} is not in the store any more.")

    @classmethod
    def _damaged(cls, reference: str, folder: Path, problem: str) -> Side:
        """A damaged version, with its manifest and schema where they can be read: such a schema can be compared."""
        try:
            manifest = Manifest.read(folder)
            schema = FeatureSchema.model_validate_json((folder / files.SCHEMA).read_bytes())
        except (ArtifactError, OSError, ValidationError) as error:
            return cls(reference, folder, problem=problem or unreadable(error))
        # A schema that somebody changed is not the one that callers know.
        trusted = schema if schema.digest() == manifest.schema_digest else None
        return cls(reference, folder, manifest, trusted, problem=problem)
