"""Predictor: loads a version, checks it, predicts. Used by the service, by evaluation and by ``trueline predict``."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ValidationError

from artifact import manifest as files
from artifact.encoding import Encoded, Encoder, RowWarning
from artifact.errors import ArtifactError, SchemaMismatchError
from artifact.intervals import DEFAULT_LEVEL, Calibration
from artifact.manifest import Manifest
from artifact.runtimes import Float32, Int32, Outputs, Runtime, RuntimeName, open_runtime
from artifact.schema import FeatureSchema

# Golden answers may differ by this share of a target's standard deviation: another CPU sums in another order.
GOLDEN_TOLERANCE = 1e-5
_BOUNDS_KEPT = 64


@dataclass(frozen=True, slots=True)
class Prediction:
    """Answers to rows.

    Attributes:
        value, lower, upper: float32 (n_samples, n_targets) in the targets' units; float64 where a target has an offset.
        warnings: what the caller should know, see :class:`RowWarning`.
    """

    value: npt.NDArray[np.floating]
    lower: npt.NDArray[np.floating]
    upper: npt.NDArray[np.floating]
    warnings: list[RowWarning]


class Golden(BaseModel):
    """Rows and the answers that the model gave when it was exported; replayed at every load.

    Attributes:
        rows: records as a request would hold them, missing, unseen and extreme values among them.
        value, lower, upper: the answers, a list of targets a row, intervals at the default level.
    """

    rows: list[dict[str, Any]]
    value: list[list[float]]
    lower: list[list[float]]
    upper: list[list[float]]


class Predictor:
    """A loaded version.

    Example:
        >>> predictor = Predictor.load(Registry.from_environment(os.environ).resolve("houses").path)
        >>> predictor.predict_rows([{"rooms": 5, "town": "Leeds"}]).value
        array([[231050.5]], dtype=float32)
    """

    def __init__(self, schema: FeatureSchema, runtime: Runtime, calibration: Calibration, manifest: Manifest) -> None:
        self.schema = schema
        self.runtime = runtime
        self.calibration = calibration
        self.manifest = manifest
        self.encoder = Encoder(schema)
        self.default_level = min(DEFAULT_LEVEL, calibration.max_level)
        self._offsets = target_offsets(schema)
        self._bounds: dict[float, npt.NDArray[np.float64]] = {}

    @classmethod
    def load(cls, folder: Path, *, runtime: RuntimeName = "onnx", threads: int = 1, check: bool = True) -> Self:
        """Load a version's folder.

        Args:
            folder: as :meth:`Registry.path` gives it.
            runtime: ``onnx`` or ``keras``. Defaults to ``onnx``.
            threads: threads inside one call of the runtime. Defaults to 1.
            check: compare checksums and replay the golden rows first. Defaults to True.

        Raises:
            ArtifactError: a file is missing, changed or unreadable, or the golden rows get other answers.
        """
        manifest = Manifest.read(folder)
        if check:
            manifest.check_files(folder)
        try:
            schema = FeatureSchema.model_validate_json((folder / files.SCHEMA).read_bytes())
            calibration = Calibration.model_validate_json((folder / files.CALIBRATION).read_bytes())
        except (OSError, ValidationError) as error:
            raise ArtifactError(
                f"Expected a readable schema and calibration in {folder}. Received: {error}."
            ) from error
        predictor = cls(schema, open_runtime(folder, runtime, threads=threads), calibration, manifest)
        if check:
            predictor.replay(read_golden(folder))
        return predictor

    @property
    def model_name(self) -> str:
        return self.manifest.model_name

    @property
    def model_version(self) -> str:
        return self.manifest.model_version

    def run(self, numeric: Float32, categorical: Int32) -> Outputs:
        """The network on encoded rows: float32 (n_samples, n_numeric), int32 (n_samples, n_categorical)."""
        return self.runtime.run(numeric, categorical)

    def bound(self, level: float | None = None) -> npt.NDArray[np.float64]:
        """The calibrated score at an interval level, float64 (n_targets,). Defaults to 0.9.

        Raises:
            DataError: a level that the calibration cannot promise.
        """
        asked = self.default_level if level is None else level
        found = self._bounds.get(asked)
        if found is None:
            found = self.calibration.bound(asked)
            if len(self._bounds) < _BOUNDS_KEPT:
                self._bounds[asked] = found
        return found

    def finish(self, outputs: Outputs, bound: npt.NDArray[np.float64], warnings: list[RowWarning]) -> Prediction:
        """Add intervals and target offsets to the network's outputs."""
        return finish(outputs, self._offsets, self.calibration, bound, warnings)

    def predict(self, X: Encoded, level: float | None = None) -> Prediction:
        """Predict encoded rows."""
        bound = self.bound(level)
        return self.finish(self.run(X.numeric, X.categorical), bound, X.warnings)

    def predict_rows(self, rows: Sequence[Mapping[str, Any]], level: float | None = None) -> Prediction:
        """Predict records.

        Raises:
            SchemaMismatchError: rows that break the schema.
        """
        return self.predict(self.encoder.encode_rows(rows), level)

    def predict_columns(self, columns: Mapping[str, Any], level: float | None = None) -> Prediction:
        """Predict columns, see :meth:`Encoder.encode_columns`."""
        return self.predict(self.encoder.encode_columns(columns), level)

    def golden(self, rows: list[dict[str, Any]]) -> Golden:
        """Answer rows for ``golden.json``."""
        answer = self.predict_rows(rows)
        return Golden(
            rows=rows,
            value=answer.value.astype(np.float64).tolist(),
            lower=answer.lower.astype(np.float64).tolist(),
            upper=answer.upper.astype(np.float64).tolist(),
        )

    def replay(self, golden: Golden) -> None:
        """Answer the golden rows again.

        Raises:
            ArtifactError: an answer is missing or differs by more than 1e-5 of its target's standard deviation.
        """
        try:
            answer = self.predict_rows(golden.rows)
        except SchemaMismatchError as error:
            raise ArtifactError(f"Expected golden rows that fit the schema. Received: {error}") from error
        scale = np.array([t.std for t in self.schema.targets])
        for name in ("value", "lower", "upper"):
            found, answers = getattr(answer, name), getattr(golden, name)
            if [len(row) for row in answers] != [len(scale)] * len(golden.rows):
                raise ArtifactError(
                    f"Expected a golden {name} for each row and target. Received: {len(answers)} for "
                    f"{len(golden.rows)} rows and {len(scale)} targets."
                )
            expected = np.array(answers, dtype=np.float64).reshape(found.shape)
            # float32 holds 7 digits: an answer far from 0 cannot be nearer than its own resolution.
            with np.errstate(over="ignore", invalid="ignore"):
                allowed = GOLDEN_TOLERANCE * scale + 4 * np.spacing(np.abs(expected).astype(found.dtype))
                difference = np.abs(found.astype(np.float64) - expected)
            if not (difference <= allowed).all():
                worst = float(np.nanmax(difference / scale)) if np.isfinite(difference).any() else float("nan")
                raise ArtifactError(
                    f"Expected the golden rows' {name} as at training, within {GOLDEN_TOLERANCE:g} deviations. "
                    f"Received: {worst:.3g} for {self.model_name}:{self.model_version}."
                )


def target_offsets(schema: FeatureSchema) -> npt.NDArray[np.float64] | None:
    """What is added to the network's values, float64 (n_targets,), or None where it is 0 for every target."""
    offsets = np.array([t.offset for t in schema.targets], dtype=np.float64)
    return offsets if offsets.any() else None


def finish(
    outputs: Outputs,
    offsets: npt.NDArray[np.float64] | None,
    calibration: Calibration,
    bound: npt.NDArray[np.float64],
    warnings: list[RowWarning],
) -> Prediction:
    """The network's outputs as answers: target offsets added, intervals around them."""
    value: npt.NDArray[np.floating] = outputs.value if offsets is None else outputs.value + offsets
    lower, upper = calibration.interval(value, outputs.spread, bound)
    return Prediction(value, lower, upper, warnings)


def read_golden(folder: Path) -> Golden:
    """The golden rows of a version's folder.

    Raises:
        ArtifactError: no such file, or not readable.
    """
    try:
        return Golden.model_validate(json.loads((folder / files.GOLDEN).read_bytes()))
    except (OSError, ValueError) as error:
        raise ArtifactError(f"Expected golden rows in {folder}. Received: {error}.") from error
