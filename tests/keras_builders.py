"""Small whole artifacts of a real Keras network: layers of the artifact, random weights, exported as training does."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from artifact import manifest as files
from artifact.manifest import Manifest
from artifact.registry.base import Reference
from artifact.registry.entry import Statement
from artifact.registry.local import LocalRegistry
from artifact.rows.encoding import Encoder
from artifact.rows.schema import FeatureSchema
from artifact.runtimes import CATEGORICAL_INPUT, NUMERIC_INPUT
from tests.builders import build_schema, sample_rows, write_version


def build_network(schema: FeatureSchema, *, hidden: Sequence[int] = (16, 16), seed: int = 0) -> Any:
    """A Keras model as training makes them: imputation, scaling, embeddings, hidden layers, value and spread."""
    import keras

    from artifact.layers import (
        CategoryEmbedding,
        JoinFeatures,
        NumericPreprocessing,
        PiecewiseLinearEmbedding,
        TargetScaling,
    )

    keras.utils.set_random_seed(seed)
    X = Encoder(schema).encode_rows(sample_rows(schema, 400, seed=seed))
    inputs, parts = {}, []
    if X.numeric.shape[1]:
        inputs[NUMERIC_INPUT] = keras.Input((X.numeric.shape[1],), dtype="float32", name=NUMERIC_INPUT)
        flagged = np.flatnonzero(np.isnan(X.numeric).any(axis=0)).tolist()
        layer = NumericPreprocessing.adapted(X.numeric, flagged)
        prepared = keras.ops.expand_dims(layer(inputs[NUMERIC_INPUT]), 0)
        Z = np.asarray(keras.ops.convert_to_numpy(layer(X.numeric)))
        embedding = PiecewiseLinearEmbedding.adapted(1, Z, 8, dim=4)
        parts += [prepared, embedding(prepared)]
        # As training would leave them: nothing that a runtime could skip.
        embedding.set_weights([np.random.default_rng(seed).normal(size=w.shape) for w in embedding.get_weights()])
    if X.categorical.shape[1]:
        inputs[CATEGORICAL_INPUT] = keras.Input((X.categorical.shape[1],), dtype="int32", name=CATEGORICAL_INPUT)
        codes = keras.ops.expand_dims(inputs[CATEGORICAL_INPUT], 0)
        parts.append(CategoryEmbedding(1, schema.cardinalities)(codes))
    x = JoinFeatures(1)(parts)
    for units in hidden:
        x = keras.layers.Dense(units, activation="silu")(x)
    n_targets = len(schema.targets)
    scaling = TargetScaling([0.0] * n_targets, [target.std for target in schema.targets])
    model = keras.Model(inputs, scaling(keras.layers.Dense(2 * n_targets)(x)))
    # The export needs a model that was called once.
    model({name: getattr(X, name) for name in inputs})
    return model


def write_keras_version(
    folder: Path,
    version: str,
    *,
    name: str = "houses",
    schema: FeatureSchema | None = None,
    hidden: Sequence[int] = (16, 16),
    seed: int = 0,
    with_onnx: bool = True,
) -> Manifest:
    """Write a version of ``model.keras`` and, unless told otherwise, ``model.onnx``; needs the TensorFlow backend.

    Skips the test where there is no TensorFlow, as on Python 3.14.
    """
    pytest.importorskip("tensorflow")
    from training.export.models import export_onnx

    schema = schema or build_schema()
    model = build_network(schema, hidden=hidden, seed=seed)
    with tempfile.TemporaryDirectory() as scratch:
        export_onnx(model, Path(scratch) / files.ONNX_MODEL)
        manifest = write_version(
            folder, version, name=name, schema=schema, graph=onnx.load(Path(scratch, files.ONNX_MODEL))
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.save(folder / files.KERAS_MODEL)
    if not with_onnx:
        (folder / files.ONNX_MODEL).unlink()
    return manifest.write(folder)


def build_keras_version(
    registry: LocalRegistry, *, name: str = "houses", promote: bool = False, **options: Any
) -> Reference:
    """A whole version in the registry; the options are :func:`write_keras_version`'s."""
    with registry.create(name) as (version, folder):
        write_keras_version(folder, version, name=name, **options)
    reference = registry.resolve(f"{name}:{version}")
    if promote:
        registry.promote(f"{name}:{version}", statement=Statement(forced=("verdict",)))
    return reference
