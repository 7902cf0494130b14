"""Helpers for the tests of starts: versions in memory, and starts from them without a step."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import polars as pl
import pytest

from artifact import manifest as files
from artifact.golden import Golden
from artifact.manifest import Manifest
from artifact.predictor import target_offsets
from artifact.rows.encoding import Encoded
from artifact.rows.schema import FeatureSchema
from artifact.runtimes import Outputs
from tests.builders import build_manifest
from tests.training.conftest import mixed_table
from tests.training.fits import fit_on
from training.fit.loops.problem import Problem
from training.networks.model import Fitted
from training.networks.unseen import answers
from training.prepare.in_memory import Prepared, prepare
from training.prepare.request import Request
from training.settings.config import TrainConfig
from training.table.corrections import Corrections
from training.table.encode import encode_frame, records
from training.table.folds import all_rows
from training.transfer.earlier import Earlier

SMALL: dict[str, Any] = {"folds": 2, "repeats": 1, "hidden": (8, 8), "embedding_bins": 4}
TABLE = mixed_table(150)
# Other rows: the target's mean and deviation, and the features' medians and quantiles, differ.
OTHER = mixed_table(300, seed=5).filter((pl.col("price") > 90_000) & (pl.col("price") < 190_000))


class Version(NamedTuple):
    """A version in memory, and enough of it on disk to start from."""

    prepared: Prepared
    fitted: Fitted
    earlier: Earlier

    def value(self, frame: pl.DataFrame) -> Outputs:
        """Its answers to rows, in target units."""
        return in_units(self.prepared, self.fitted, encode_frame(frame, self.prepared.schema.lenient()))


def in_units(prepared: Prepared, fitted: Fitted, X: Encoded) -> Outputs:
    outputs = answers(fitted.model, X)
    offsets = target_offsets(prepared.schema)
    return outputs if offsets is None else outputs._replace(value=outputs.value + offsets)


class Still:
    """A loop that takes no steps."""

    def __init__(self, problem: Problem) -> None:
        self._variables = problem.core.trainable_variables

    def weights(self) -> list[np.ndarray]:
        return [np.array(keras.ops.convert_to_numpy(variable)) for variable in self._variables]

    def set_weights(self, weights: list[np.ndarray]) -> None:
        for variable, value in zip(self._variables, weights, strict=True):
            variable.assign(value)


def version(folder: Path, frame: pl.DataFrame = TABLE, target: str = "price", **settings: Any) -> Version:
    """Networks whose weights are changed as if by training, and all files that a start reads."""
    prepared = prepare(frame, Request("-", (target,), "m", TrainConfig(**{**SMALL, **settings})))
    fitted = fit_for(prepared, 2, 0)
    rng = np.random.default_rng(0)
    for variable in fitted.model.trainable_weights:
        values = np.asarray(keras.ops.convert_to_numpy(variable))
        variable.assign(values + rng.normal(scale=0.1, size=values.shape))
    fitted.model.save(folder / files.KERAS_MODEL)
    rows = records(frame.head(20), prepared.schema)
    nothing = [[0.0]] * len(rows)
    golden = Golden(rows=rows, value=nothing, lower=nothing, upper=nothing)
    (folder / files.GOLDEN).write_text(golden.model_dump_json())
    (folder / files.SCHEMA).write_text(prepared.schema.model_dump_json())
    manifest, config = build_manifest(prepared.schema, "m", "1"), prepared.config
    lineage = {"config": config.model_dump(mode="json"), "rows": frame.height}
    update = {"family": config.model, "objective": config.objective}
    update["lineage"] = manifest.lineage.model_copy(update=lineage)
    manifest.model_copy(update=update).write(folder)
    return Version(prepared, fitted, opened(folder))


def opened(folder: Path) -> Earlier:
    schema = FeatureSchema.model_validate_json((folder / files.SCHEMA).read_bytes())
    return Earlier(folder, Manifest.read(folder), schema)


def started(earlier: Earlier, frame: pl.DataFrame, networks: int = 2, epochs: int = 0, **settings: Any) -> Version:
    """Start from a version; by default without a step, with as many networks and the earlier settings."""
    target = settings.pop("target", "price")
    corrections = settings.pop("corrections", Corrections())
    config = TrainConfig(**{"folds": 2, "repeats": 1, **settings})
    prepared = prepare(frame, Request("-", (target,), "m", config, corrections), earlier)
    return Version(prepared, fit_for(prepared, networks, epochs), earlier)


def fit_for(prepared: Prepared, networks: int, epochs: int) -> Fitted:
    """Fit on all rows, for some epochs."""
    everything = (all_rows(len(prepared.y)),) * networks
    with pytest.MonkeyPatch.context() as patch:
        if not epochs:
            # Without steps, none must be compiled.
            patch.setattr("training.fit.fit.open_loop", Still)
        return fit_on(prepared, everything, repeats=networks, stop_at=epochs)


def check_same(before: Version, after: Version, rows: pl.DataFrame, earlier_rows: pl.DataFrame | None = None) -> None:
    """Check that both give the same answers, within float32's precision for a deviation."""
    std = before.prepared.schema.targets[0].std
    old, new = before.value(earlier_rows if earlier_rows is not None else rows), after.value(rows)
    for name, ours in old._asdict().items():
        if ours is not None:
            np.testing.assert_allclose(getattr(new, name), ours, atol=2e-5 * std, rtol=2e-5)


@pytest.fixture(scope="package")
def mlp(tmp_path_factory: pytest.TempPathFactory) -> Version:
    return version(tmp_path_factory.mktemp("mlp"), model="mlp")


@pytest.fixture(scope="package")
def line(tmp_path_factory: pytest.TempPathFactory) -> Version:
    """A line that is trained; with the squared error it would be solved for."""
    return version(tmp_path_factory.mktemp("line"), model="linear", objective="mae")


@pytest.fixture(params=["mlp", "line"])
def before(request: pytest.FixtureRequest) -> Version:
    """A version with a hidden layer, and one whose heads take the features."""
    version_of_family: Version = request.getfixturevalue(request.param)
    return version_of_family
