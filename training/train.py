"""A table in, a checked version out: the whole of ``trueline train``."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from artifact.manifest import Manifest
from artifact.predictor import target_offsets
from artifact.registry import Registry, check_name
from artifact.schema import FeatureSchema
from training.backend import load_backend
from training.baselines import baselines, predict
from training.data import read_table
from training.prepare import Request, prepare


@dataclass(frozen=True, slots=True)
class Observer:
    """Hears how the work goes: a stage's name as it begins, each epoch, and the schema once it is known."""

    stage: Callable[[str], None] = lambda name: None  # noqa: ARG005
    epoch: Callable[[int, int, float], None] = lambda epoch, epochs, rmse: None  # noqa: ARG005
    schema: Callable[[FeatureSchema, list[str]], None] = lambda schema, notes: None  # noqa: ARG005


def train(request: Request, registry: Registry, observer: Observer | None = None) -> Manifest:
    """Train a model and store it as a new version.

    Raises:
        DataError: the table or the request is wrong; nothing was written.
        TruelineError: training or export failed; nothing was written.
        OSError: the disk is full or cannot be written; nothing was written.
    """
    observer = observer or Observer()
    check_name(request.name)
    started = time.perf_counter()
    observer.stage("read")
    table = read_table(request.data, as_text=request.corrections.text_columns())
    prepared = prepare(table, request)
    observer.schema(prepared.schema, prepared.notes)
    schema, parts = prepared.schema, prepared.parts
    config = request.config.resolved(len(parts.train))

    observer.stage("fit")
    # Here and not above: a wrong table is told within a second, without loading TensorFlow.
    load_backend()
    from training.fit import fit
    from training.store import store

    fitted = fit(schema, *prepared.rows(parts.train), *prepared.rows(parts.validation), config, observer.epoch)
    observer.stage("compare")
    seen = np.concatenate([parts.train, parts.validation])
    X_test, _ = prepared.rows(parts.test)
    offsets = target_offsets(schema)
    others = {
        name: predict(model, X_test) + (0.0 if offsets is None else offsets)
        for name, model in baselines(schema, *prepared.rows(seen), config.seed)
    }
    observer.stage("store")
    return store(registry, request, config, table, prepared, fitted, others, started)
