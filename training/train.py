"""A table in, a checked version out: the whole of ``trueline train``."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from artifact.manifest import Manifest
from artifact.registry import Registry, check_name
from artifact.schema import FeatureSchema
from training.backend import load_backend
from training.data import read_table
from training.prepare import Request, prepare


@dataclass(frozen=True, slots=True)
class Observer:
    """Hears how the work goes: a stage's name as it begins, each epoch, the schema once it is known, later notes."""

    stage: Callable[[str], None] = lambda name: None  # noqa: ARG005
    epoch: Callable[[int, int, float], None] = lambda epoch, epochs, rmse: None  # noqa: ARG005
    schema: Callable[[FeatureSchema, list[str]], None] = lambda schema, notes: None  # noqa: ARG005
    note: Callable[[str], None] = lambda note: None  # noqa: ARG005


def train(request: Request, registry: Registry, observer: Observer | None = None) -> Manifest:
    """Train a model and store it as a new version.

    Raises:
        DataError: the table or the request is wrong; nothing was written.
        TruelineError: training diverged twice, or export failed; nothing was written.
        OSError: the disk is full or cannot be written; nothing was written.
    """
    observer = observer or Observer()
    check_name(request.name)
    started = time.perf_counter()
    observer.stage("read")
    table = read_table(request.data, as_text=request.corrections.text_columns())
    prepared = prepare(table, request)
    observer.schema(prepared.schema, prepared.notes)

    observer.stage("fit")
    # Here and not above: a wrong table is told within a second, without loading TensorFlow.
    load_backend()
    from training.distil import distil
    from training.measure import final_fold, measure
    from training.retry import fit_or_retry, refit_or_keep
    from training.store import store

    prepared, fitted = fit_or_retry(prepared, observer.epoch, observer.note)
    observer.stage("distil")
    served = distil(prepared, fitted, progress=observer.epoch)
    observer.stage("compare")
    measured = measure(prepared, served)
    if prepared.plan.parts is not None and prepared.config.refit:
        observer.stage("refit")
        prepared, fitted = refit_or_keep(prepared, fitted, final_fold(prepared, fitted), observer.epoch, observer.note)
        served = distil(prepared, fitted, progress=observer.epoch, measured=True)
    observer.stage("store")
    return store(registry, request, table, prepared, served, measured, started)
