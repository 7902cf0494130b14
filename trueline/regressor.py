"""``TruelineRegressor``: training as a scikit-learn estimator, for pipelines, cross-validation and searches."""

from __future__ import annotations

import io
import tempfile
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import (
    _check_sample_weight,
    check_array,
    check_consistent_length,
    check_is_fitted,
    validate_data,
)

from trueline.frames import Source, is_frame, source_of
from trueline.ridge import Ridge, encoded

if TYPE_CHECKING:
    import polars as pl

    from artifact.predictor import Prediction, Predictor

Float64 = npt.NDArray[np.float64]


class FewRowsWarning(UserWarning):
    """The table is too small for a network: ridge regression answers instead."""


class StoredVersion:
    """A version as the bytes of its files; a pickle holds these bytes and no code.

    Args:
        files: a zip archive of the version's folder.
    """

    def __init__(self, files: bytes) -> None:
        self.files = files
        self._predictor: Predictor | None = None

    @classmethod
    def of(cls, folder: Path) -> Self:
        """The version in a folder."""
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted(folder.rglob("*")):
                if path.is_file():
                    archive.write(path, path.relative_to(folder).as_posix())
        return cls(buffer.getvalue())

    @property
    def predictor(self) -> Predictor:
        """The version, loaded once, with its checksums compared and its golden rows answered."""
        if self._predictor is None:
            from artifact.predictor import Predictor

            with tempfile.TemporaryDirectory() as folder:
                with zipfile.ZipFile(io.BytesIO(self.files)) as archive:
                    archive.extractall(folder)
                self._predictor = Predictor.load(Path(folder))
        return self._predictor

    def answer(self, frame: pl.DataFrame, level: float | None = None) -> Prediction:
        """Answer rows; see :meth:`trueline.ridge.Ridge.answer`."""
        return self.predictor.predict(encoded(frame, self.predictor.schema), level)

    def __getstate__(self) -> dict[str, Any]:
        return {"files": self.files}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.files, self._predictor = state["files"], None


class TruelineRegressor(RegressorMixin, BaseEstimator):
    """A network with its preprocessing inside, as ``trueline.train`` fits it, behind scikit-learn's interface.

    X may be an array, or a pandas or polars frame with numbers, texts, dates and missing values: nothing needs to be
    encoded or imputed before. Nothing is stored: a fitted estimator holds its version, and a pickle of it is the bytes
    of that version's files. For a version that serves, use :func:`trueline.train`.

    Args:
        preset: how much work to spend: ``fast``, ``balanced`` or ``best``. Defaults to ``balanced``.
        model: model family, or None for the preset's. Defaults to None.
        objective: what is minimised; it decides what an answer is. Defaults to ``mse``.
        settings: other settings by name, as ``--set`` takes them, or None. Defaults to None.
        few_rows: with at most this many rows ridge regression is fitted, with a :class:`FewRowsWarning`; with fewer
            than 30 rows it always is. Defaults to 200.
        seed: seed of everything random. Defaults to 0.
        device: the device that computes: ``auto``, ``cpu``, ``gpu``, or GPUs by number. Defaults to ``auto``.
        verbose: show notes and progress. Defaults to False.

    Attributes:
        n_features_in_: number of columns of X.
        feature_names_in_: their names, where X was a frame with names of text.
        n_outputs_: number of columns of y.
        notes_: sentences about what training left out, repaired or suspected.
        fitted_: the version or ridge regression that answers.

    Example:
        >>> from sklearn.model_selection import cross_val_score
        >>> cross_val_score(trueline.TruelineRegressor(preset="fast"), houses.drop(columns="price"), houses["price"])
    """

    def __init__(
        self,
        *,
        preset: str = "balanced",
        model: str | None = None,
        objective: str = "mse",
        settings: Mapping[str, Any] | None = None,
        few_rows: int = 200,
        seed: int = 0,
        device: str = "auto",
        verbose: bool = False,
    ) -> None:
        self.preset = preset
        self.model = model
        self.objective = objective
        self.settings = settings
        self.few_rows = few_rows
        self.seed = seed
        self.device = device
        self.verbose = verbose

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.target_tags.multi_output = True
        return tags

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Fit.

        Args:
            X: (n_samples, n_features): numbers, or a frame with columns of any kind; a missing value is NaN or None.
            y: (n_samples,) or (n_samples, n_targets), finite.
            sample_weight: (n_samples,), how much each row counts, or None for equal ones. Defaults to None.

        Raises:
            ValueError: arrays of shapes or values that scikit-learn refuses.
            DataError: a table or settings that :func:`trueline.train` refuses.
        """
        if y is None:
            raise ValueError(f"This {type(self).__name__} requires y to be passed, but the target y is None.")
        frame = self._frame(X, reset=True)
        y = check_array(y, ensure_2d=False, dtype=np.float64, input_name="y", estimator=self)
        check_consistent_length(frame, y)
        weight = None
        if sample_weight is not None:
            weight = _check_sample_weight(sample_weight, frame, dtype=np.float64, ensure_non_negative=True)
            if not weight.any():
                raise ValueError("Sample weights must contain at least one non-zero number. Received: only zeros.")
        self.n_outputs_ = 1 if y.ndim == 1 else y.shape[1]
        self._is_flat = y.ndim == 1
        y = y.reshape(len(y), -1)
        if frame.height <= max(self.few_rows, _min_rows() - 1):
            self.notes_: tuple[str, ...] = (
                f"{frame.height} rows are answered by ridge regression: a network is trained on more than "
                f"{max(self.few_rows, _min_rows() - 1)} (few_rows).",
            )
            warnings.warn(self.notes_[0], FewRowsWarning, stacklevel=2)
            self.fitted_: Ridge | StoredVersion = Ridge.fit(frame, y, weight)
        else:
            self.fitted_ = self._trained(frame, y, weight)
        return self

    def predict(self, X: Any) -> Float64:
        """Predict, float64 (n_samples,), or (n_samples, n_targets) where y had two dimensions.

        Args:
            X: (n_samples, n_features), as in :meth:`fit`. A missing value and an unseen category are answered too.
        """
        value = np.asarray(self._answer(X, None).value, np.float64)
        return value[:, 0] if self._is_flat else value

    def predict_interval(self, X: Any, interval: float | None = None) -> Float64:
        """Lower and upper ends, float64 (n_samples, 2), or (n_samples, n_targets, 2) where y had two dimensions.

        Args:
            X: (n_samples, n_features), as in :meth:`predict`.
            interval: level, in (0, 1). Defaults to 0.9, or the highest that the rows of :meth:`fit` can promise.

        Raises:
            DataError: a level that these rows cannot promise.
        """
        answer = self._answer(X, interval)
        ends = np.stack([answer.lower, answer.upper], axis=2).astype(np.float64)
        return ends[:, 0] if self._is_flat else ends

    def _answer(self, X: Any, level: float | None) -> Prediction:
        check_is_fitted(self)
        return self.fitted_.answer(self._frame(X, reset=False), level)

    def _trained(self, frame: pl.DataFrame, y: Float64, weight: Float64 | None) -> StoredVersion:
        """Train a version in a store that lasts as long as this call."""
        import polars as pl

        from artifact.registry.local import LocalRegistry
        from trueline.environment import need_training
        from trueline.trainer import TrainWords, request_of, trained

        need_training("TruelineRegressor", "keras", "polars", "sklearn")
        targets = [_free(f"target {j}", frame.columns) for j in range(y.shape[1])]
        columns = [pl.Series(name, column) for name, column in zip(targets, y.T, strict=True)]
        words: TrainWords = {"name": "regressor", "preset": self.preset, "model": self.model}
        words |= {"objective": self.objective, "settings": self.settings, "seed": self.seed, "device": self.device}
        if weight is not None:
            words["weight"] = _free("weight", frame.columns)
            columns.append(pl.Series(words["weight"], weight))
        table = Source("a polars DataFrame", "polars", frame.with_columns(columns))
        with tempfile.TemporaryDirectory() as home:
            store = LocalRegistry(Path(home))
            manifest = trained(request_of(table, targets, words), store, quiet=not self.verbose)
            self.notes_ = manifest.notes
            return StoredVersion.of(store.resolve(f"{manifest.model_name}:{manifest.model_version}").path)

    def _frame(self, X: Any, *, reset: bool) -> pl.DataFrame:
        """X as a frame. Integers become Float64, because the same columns may hold floats in the next table."""
        import polars as pl
        import polars.selectors as cs

        if is_frame(X):
            validate_data(self, X, reset=reset, skip_check_array=True)
            frame = source_of(X).frame
            if frame is None or not frame.width or frame.height < (2 if reset else 1):
                raise ValueError(f"Expected at least {2 if reset else 1} sample(s) in X. Received: {np.shape(X)}.")
            return frame.with_columns(cs.integer().cast(pl.Float64))
        X = validate_data(
            self, X, reset=reset, dtype=None, ensure_all_finite="allow-nan", ensure_min_samples=2 if reset else 1
        )
        return pl.DataFrame([_column(f"x{j}", column) for j, column in enumerate(X.T)])


def _column(name: str, values: npt.NDArray[Any]) -> pl.Series:
    """A column of an array: as texts if it has any, which training reads as in a file, otherwise as numbers."""
    import polars as pl

    if values.dtype.kind in "OUS" and any(isinstance(value, str) for value in values):
        texts = [value if isinstance(value, str) else None if _is_missing(value) else str(value) for value in values]
        return pl.Series(name, texts, dtype=pl.String)
    return pl.Series(name, np.asarray(values, np.float64), nan_to_null=True)


def _is_missing(value: Any) -> bool:
    return value is None or bool(value != value)  # NaN alone differs from itself


def _min_rows() -> int:
    """The least number of rows for training a network."""
    from training.table.split import MIN_ROWS

    return MIN_ROWS


def _free(name: str, columns: list[str]) -> str:
    """A name that no column has."""
    while name in columns:
        name += "_"
    return name
