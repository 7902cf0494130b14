"""Manifest: what a version is, where it came from, how good it was, and the sha256 of every file."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import AliasChoices, Field, ValidationError

from artifact.errors import ArtifactError
from artifact.facts import Facts
from artifact.files import below, no_rest, unreadable
from artifact.lineage import Frozen, Lineage

FORMAT_VERSION = 1
MANIFEST = "manifest.json"
SCHEMA = "schema.json"
KERAS_MODEL = "model.keras"
ONNX_MODEL = "model.onnx"
INT8_MODEL = "model.int8.onnx"
CALIBRATION = "calibration.json"
PROFILE = "profile.json"
GOLDEN = "golden.json"
REPORT = "report"
# BentoML's own record of the version; written and read by its model store.
STORE_RECORD = "model.yaml"

# A file is hashed in pieces of this size, all read into one buffer: new memory for each would cost as much as hashing.
_PIECE_BYTES = 1 << 19

Metrics = dict[str, float | None]


class Verdict(Frozen):
    """Whether the model is worth it here: its test error beside those of simpler models.

    Attributes:
        worth_it: ``yes``: better than the best baseline beyond chance; ``no``: worse; ``tie``: neither.
        beats_mean: the error is below that of the best constant (for squared errors, the mean) beyond chance;
            the gate ``verdict`` refuses a model for which this is False.
        best_baseline: the baseline with the lowest error.
        metric: the error that was compared, a name of :attr:`Manifest.metrics`: ``rmse`` unless the objective asks for
            another.
        ratio: the model's error over the best baseline's; with several targets, each error is first
            divided by that of predicting the mean, and these are averaged.
        low, high: 95% bootstrap interval of ``ratio`` over paired test rows.
        sentence: the verdict in plain words.
    """

    worth_it: Literal["yes", "no", "tie"]
    beats_mean: bool
    best_baseline: str
    metric: str = "rmse"
    # Versions that were written before there were other objectives call it rmse_ratio.
    ratio: float = Field(validation_alias=AliasChoices("ratio", "rmse_ratio"))
    low: float
    high: float
    sentence: str


class Coverage(Frozen):
    """Intervals measured on the test rows: the level asked for, the share covered, the mean width in target units."""

    level: float
    covered: dict[str, float]
    mean_width: dict[str, float]


class Int8(Frozen):
    """The accuracy that ``model.int8.onnx`` loses, and the limits that it had to keep.

    Attributes:
        tolerance: largest difference that its golden answers may have from the network's, in standard deviations of the
            target; :meth:`Predictor.replay` checks it.
        difference: the largest such difference at export.
        rmse_ratio: its RMSE on the validation rows divided by the network's, for the worst target.
        rmse_limit: the largest ratio that was allowed.
    """

    tolerance: float
    difference: float
    rmse_ratio: float
    rmse_limit: float


class Augmentation(Frozen):
    """What augmentation was worth: networks with it and without it, compared on rows that neither has seen.

    Attributes:
        amounts: what was added, in words: ``noise 0.1, mixup 0.2``.
        metric: the error that was compared, see :attr:`Verdict.metric`.
        ratio: error of the networks with augmentation over the error of equally many networks without it.
        low, high: 95% bootstrap interval of ``ratio`` over pairs of errors on the same row.
        rows: number of rows that measured it.
        served: which networks are in the model: ``with`` augmentation, ``without`` it, or ``both``.
        sentence: the same in plain words.
    """

    amounts: str
    metric: str
    ratio: float
    low: float
    high: float
    rows: int
    served: Literal["with", "without", "both"]
    sentence: str


class Manifest(Frozen):
    """One immutable version.

    Attributes:
        created_at: ISO 8601, UTC.
        family: the model family, for example ``mlp``.
        parameters: trainable weights.
        metrics: test metrics by target.
        baselines: the same metrics by baseline and target, on the same rows.
        schema_digest: :meth:`FeatureSchema.digest` of ``schema.json``.
        digest: sha256 of all the rest of ``manifest.json``; empty until it is written.
        notes: what training dropped, repaired or warned about, one sentence each.
        note: what the user wrote by ``--note``; empty for nothing.
        int8: accuracy of ``model.int8.onnx``, or None where the version has none.
        augmentation: what it was worth, or None where it was not measured.
        facts: what was left out, repaired, suspected, chosen, mixed, distilled or retried; ``notes`` says it in words.
        files: sha256 by path relative to the version's folder, of every file but this one and BentoML's record.
    """

    format_version: int = FORMAT_VERSION
    model_name: str
    model_version: str
    created_at: str
    family: str
    objective: str
    parameters: int
    schema_digest: str
    metrics: dict[str, Metrics]
    baselines: dict[str, dict[str, Metrics]]
    verdict: Verdict
    coverage: Coverage
    lineage: Lineage
    notes: tuple[str, ...] = ()
    note: str = ""
    int8: Int8 | None = None
    augmentation: Augmentation | None = None
    # Not written where there are no facts, so that such a manifest keeps the bytes that it always had.
    facts: Facts = Field(default=Facts(), exclude_if=lambda facts: facts == Facts())
    files: dict[str, str] = Field(default_factory=dict)
    digest: str = ""

    def compared(self, target: str) -> dict[str, Metrics]:
        """A target's metrics by model: the version's own come first, then the baselines'.

        The names are distinct: a version that is a lasso is compared with a lasso too, which is fitted in another way.
        """
        clashes = {name for name in self.baselines if name.replace("_", "-") == self.family.replace("_", "-")}
        own = f"{self.family} (this version)" if clashes else self.family
        others = {f"{n} (baseline)" if n in clashes else n: metrics[target] for n, metrics in self.baselines.items()}
        return {own: self.metrics[target], **others}

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read ``manifest.json``.

        Raises:
            ArtifactError: no manifest, not readable, changed, or of a format that this version does not know.
        """
        path = folder / MANIFEST
        try:
            data = json.loads(path.read_bytes())
            digest = digest_of(data) if isinstance(data, dict) else ""
        except OSError as error:
            raise ArtifactError(
                f"Expected a Trueline artifact with a {MANIFEST}. Received: {folder} ({error})."
            ) from error
        except (ValueError, RecursionError) as error:
            raise ArtifactError(f"Expected JSON in {path}. Received: {error}. Use another version.") from error
        version = data.get("format_version") if isinstance(data, dict) else None
        if version != FORMAT_VERSION:
            raise ArtifactError(
                f"Expected artifact format {FORMAT_VERSION}. Received: {version!r} in {path}. "
                "Train again, or use the Trueline version that wrote it."
            )
        if data.get("digest") != digest:
            raise ArtifactError(f"Expected {path} as training wrote it. Received: another one; use another version.")
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            raise ArtifactError(
                f"Expected a whole manifest in {path}. Received: {unreadable(error)}. Use another version."
            ) from error

    def write(self, folder: Path) -> Manifest:
        """Hash every file of the folder, then write ``manifest.json`` with the hashes; returns what was written."""
        manifest = self.model_copy(update={"files": hash_files(folder)})
        manifest = manifest.model_copy(update={"digest": digest_of(manifest.model_dump(mode="json"))})
        text = json.dumps(manifest.model_dump(mode="json"), indent=2, allow_nan=False)
        (folder / MANIFEST).write_text(text + "\n", encoding="utf-8")
        return manifest

    def check_is(self, name: str, version: str) -> None:
        """Check that this is the manifest of a version, and not of another one that was copied into its folder.

        Raises:
            ArtifactError: it is another version's.
        """
        if (self.model_name, self.model_version) != (name, version):
            raise ArtifactError(
                f"Expected the manifest of {name}:{version}. Received: that of {self.model_name}:{self.model_version}. "
                "Use another version."
            )

    def check_present(self, folder: Path) -> None:
        """Check that every file is there; unlike :meth:`check_files`, this reads none of them.

        Raises:
            ArtifactError: a file is missing.
        """
        missing = [name for name in self.files if not (folder / name).is_file()]
        if missing:
            raise ArtifactError(f"Expected {missing[0]} in {folder}. Received: no such file. Use another version.")

    def check_files(self, folder: Path, rest: Callable[[], None] = no_rest) -> None:
        """Compare every file with its checksum.

        Args:
            folder: folder of the version.
            rest: called after each piece of a file: it may let other work go on for a while. Defaults to no rest.

        Raises:
            ArtifactError: a file is missing or differs.
        """
        for name, expected in self.files.items():
            try:
                actual = file_sha256(folder / name, rest)
            except OSError as error:
                raise ArtifactError(f"Expected {name} in {folder}. Received: {error}.") from error
            if actual != expected:
                raise ArtifactError(
                    f"Expected {name} with sha256 {expected[:12]}. Received: {actual[:12]} in {folder}. "
                    "The file changed after training; use another version."
                )


def digest_of(content: dict[str, Any]) -> str:
    rest = {name: value for name, value in content.items() if name != "digest"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def hash_files(folder: Path) -> dict[str, str]:
    """sha256 of every file below ``folder`` by relative path, except the manifest and BentoML's record.

    Raises:
        OSError: not all of them can be read.
    """
    names = sorted(path.relative_to(folder).as_posix() for path in below(folder)[0])
    return {name: file_sha256(folder / name) for name in names if name not in (MANIFEST, STORE_RECORD)}


def file_sha256(path: Path, rest: Callable[[], None] = no_rest) -> str:
    """sha256 of a file, in hexadecimal digits.

    Args:
        path: the file.
        rest: called after each piece of half a megabyte. Defaults to no rest.

    Raises:
        OSError: it cannot be read.
    """
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        buffer = memoryview(bytearray(min(_PIECE_BYTES, os.fstat(file.fileno()).st_size + 1)))
        while size := file.readinto(buffer):
            digest.update(buffer[:size])
            rest()
    return digest.hexdigest()
