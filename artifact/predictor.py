"""Predictor: loads a version, checks it, predicts. Used by the service, by evaluation and by ``trueline predict``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from artifact import manifest as files
from artifact.errors import ArtifactError, SchemaMismatchError
from artifact.files import no_rest, unreadable
from artifact.golden import Golden, read_golden
from artifact.intervals.calibration import DEFAULT_LEVEL, Calibration
from artifact.manifest import Manifest
from artifact.rows.absent import MissingColumns
from artifact.rows.encoding import Encoded, Encoder, RowWarning
from artifact.rows.schema import FeatureSchema
from artifact.runtimes import (
    GOLDEN_TOLERANCE,
    OTHER_TOLERANCE,
    Device,
    Float32,
    Int32,
    Outputs,
    Runtime,
    RuntimeName,
    open_runtime,
)
from artifact.runtimes.chunks import chunks, join

# The number of rows of Keras's largest compiled call.
ROWS_AT_ONCE = 4_096
_MAX_BOUNDS = 64
# Golden rows are answered by so many at a time where other work may go on in between.
_FEW_ROWS = 64


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


class Predictor:
    """A loaded version.

    Example:
        >>> predictor = Predictor.load(open_registry(os.environ).resolve("houses").path)
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
    def load(
        cls,
        folder: Path,
        *,
        runtime: RuntimeName | Runtime = "auto",
        device: Device = "auto",
        threads: int = 1,
        check: bool = True,
    ) -> Self:
        """Load a version's folder.

        Args:
            folder: the folder, as :meth:`artifact.registry.base.Registry.resolve` gives it.
            runtime: ``auto``, ``onnx``, ``onnx-int8`` or ``keras``, see :func:`open_runtime`; or one that is open
                already, which then decides device and threads. Defaults to ``auto``.
            device: ``auto``, ``cpu`` or ``cuda``. Defaults to ``auto``: a GPU where the runtime has one.
            threads: threads inside one call of the runtime. Defaults to 1.
            check: compare checksums and replay the golden rows first. Defaults to True.

        Raises:
            ArtifactError: a file is missing, changed or unreadable, or the golden rows get other answers.
            DataError: what the runtime or the device needs is not on this machine.
        """
        manifest = Manifest.read(folder)
        if check:
            manifest.check_files(folder)
        try:
            schema = FeatureSchema.model_validate_json((folder / files.SCHEMA).read_bytes())
            calibration = Calibration.model_validate_json((folder / files.CALIBRATION).read_bytes())
        except (OSError, ValidationError) as error:
            raise ArtifactError(
                f"Expected a readable schema and calibration in {folder}. Received: {unreadable(error)}. "
                "Use another version."
            ) from error
        if isinstance(runtime, str):
            runtime = open_runtime(folder, runtime, threads=threads, device=device)
        predictor = cls(schema, runtime, calibration, manifest)
        if check:
            predictor.replay(read_golden(folder))
        return predictor

    @property
    def model_name(self) -> str:
        return self.manifest.model_name

    @property
    def model_version(self) -> str:
        return self.manifest.model_version

    def run(
        self,
        numeric: Float32,
        categorical: Int32,
        *,
        at_once: int = ROWS_AT_ONCE,
        rest: Callable[[], None] = no_rest,
    ) -> Outputs:
        """The network on encoded rows: float32 (n_samples, n_numeric), int32 (n_samples, n_categorical).

        Args:
            numeric, categorical: the rows.
            at_once: the most rows in one call. Defaults to 4,096, so that a million of them take little more memory
                than their answers.
            rest: called after each of several calls. Defaults to no rest.
        """
        if len(numeric) <= at_once:
            return self.runtime.run(numeric, categorical)
        parts = []
        for rows in chunks(len(numeric), at_once):
            parts.append(self.runtime.run(numeric[rows], categorical[rows]))
            rest()
        return join(parts)

    def bound(self, level: float | None = None) -> npt.NDArray[np.float64]:
        """The calibrated score at an interval level, float64 (n_targets,). Defaults to 0.9.

        With interval groups it has a row for each group, (n_codes, n_targets); :meth:`row_bounds` picks each row's.

        Raises:
            DataError: a level that the calibration cannot promise.
        """
        level = self.default_level if level is None else level
        bound = self._bounds.get(level)
        if bound is None:
            bound = self.calibration.bound(level)
            if len(self._bounds) < _MAX_BOUNDS:
                self._bounds[level] = bound
        return bound

    def row_bounds(
        self, bounds: Sequence[npt.NDArray[np.float64]], sizes: Sequence[int], X: Encoded
    ) -> npt.NDArray[np.float64]:
        """The bounds that :meth:`finish` and :meth:`ends` take, (n_targets,) or (n_samples, n_targets).

        Args:
            bounds: results of :meth:`bound`: one for all rows, or one for each request.
            sizes: rows of each request.
            X: encoded rows of all requests; their codes say which interval group each row is in.
        """
        if len(bounds) == 1:
            return self.calibration.of_rows(bounds[0], X.categorical)
        if self.calibration.groups is None:
            return np.repeat(np.stack(bounds), sizes, axis=0)
        request_of = np.repeat(np.arange(len(bounds)), sizes)
        return np.stack(bounds)[request_of, X.categorical[:, self.calibration.groups.column]]

    def finish(self, outputs: Outputs, bound: npt.NDArray[np.float64], warnings: list[RowWarning]) -> Prediction:
        """Add intervals and target offsets to the network's outputs."""
        return finish(outputs, self._offsets, self.calibration, bound, warnings)

    def ends(self, outputs: Outputs, bound: npt.NDArray[np.float64]) -> npt.NDArray[np.floating]:
        """The finished answers in one array: lower bound, value and upper bound, float (3, n_samples, n_targets)."""
        value = outputs.value if self._offsets is None else outputs.value + self._offsets
        return self.calibration.ends(value, outputs.spread, bound, outputs.quantiles)

    def predict(self, X: Encoded, level: float | None = None) -> Prediction:
        """Predict encoded rows."""
        bound = self.row_bounds([self.bound(level)], [len(X)], X)
        return self.finish(self.run(X.numeric, X.categorical), bound, X.warnings)

    def predict_rows(self, rows: Sequence[Mapping[str, Any]], level: float | None = None) -> Prediction:
        """Predict records.

        Raises:
            SchemaMismatchError: rows that break the schema.
        """
        return self.predict(self.encoder.encode_rows(rows), level)

    def predict_columns(
        self, columns: Mapping[str, Any], level: float | None = None, *, missing_columns: MissingColumns = "refuse"
    ) -> Prediction:
        """Predict columns, see :meth:`Encoder.encode_columns`."""
        return self.predict(self.encoder.encode_columns(columns, missing_columns=missing_columns), level)

    def golden(self, rows: list[dict[str, Any]]) -> Golden:
        """Answer rows for ``golden.json``."""
        answer = self.predict_rows(rows)
        return Golden(
            rows=rows,
            value=answer.value.astype(np.float64).tolist(),
            lower=answer.lower.astype(np.float64).tolist(),
            upper=answer.upper.astype(np.float64).tolist(),
        )

    @property
    def tolerance(self) -> float:
        """How far answers may differ from those at training, in standard deviations of the target."""
        if self.runtime.name == "onnx-int8":
            return GOLDEN_TOLERANCE if self.manifest.int8 is None else self.manifest.int8.tolerance
        on_cpu = self.runtime.name == "onnx" and self.runtime.device == "cpu"
        return GOLDEN_TOLERANCE if on_cpu else OTHER_TOLERANCE

    def replay(self, golden: Golden, rest: Callable[[], None] | None = None) -> None:
        """Answer the golden rows again.

        Args:
            golden: the rows and their answers.
            rest: see :meth:`differences`.

        Raises:
            ArtifactError: an answer is missing or differs by more than :attr:`tolerance`.
        """
        for name, worst in self.differences(golden, rest).items():
            if not worst <= self.tolerance:
                raise ArtifactError(
                    f"Expected the golden rows' {name} as at training, within {self.tolerance:g} deviations. "
                    f"Received: {worst:.3g} for {self.model_name}:{self.model_version} by {self.runtime.name} on "
                    f"{self.runtime.device}."
                )

    def differences(self, golden: Golden, rest: Callable[[], None] | None = None) -> dict[str, float]:
        """How far the answers to the golden rows are from the golden ones, see :meth:`Golden.differences`.

        Args:
            golden: the rows and their answers.
            rest: called after every 64 rows, which are then answered by themselves. Defaults to None: all rows are
                answered at once.

        Raises:
            ArtifactError: golden rows that break the schema, or have no answer for each row and target.
        """
        try:
            X = self.encoder.encode_rows(golden.rows)
        except SchemaMismatchError as error:
            raise ArtifactError(f"Expected golden rows that fit the schema. Received: {error}") from error
        if rest is None:
            outputs = self.run(X.numeric, X.categorical)
        else:
            rest()
            outputs = self.run(X.numeric, X.categorical, at_once=_FEW_ROWS, rest=rest)
        answer = self.finish(outputs, self.row_bounds([self.bound(None)], [len(X)], X), X.warnings)
        return golden.differences(answer.value, answer.lower, answer.upper, [t.std for t in self.schema.targets])


def target_offsets(schema: FeatureSchema) -> npt.NDArray[np.float64] | None:
    """The offsets added to the network's values, float64 (n_targets,), or None where all are 0."""
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
    lower, upper = calibration.interval(value, outputs.spread, bound, outputs.quantiles)
    return Prediction(value, lower, upper, warnings)
