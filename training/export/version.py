"""Writes a fitted network as a version: models, calibration, golden rows, profile, report, manifest."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from artifact import manifest as files
from artifact.facts import Facts
from artifact.golden import Golden
from artifact.lineage import Lineage
from artifact.manifest import Manifest
from artifact.predictor import Predictor, target_offsets
from artifact.profile import Profile
from artifact.registry.base import Registry
from artifact.rows.encoding import Encoder
from training.devices import computed as lineage
from training.evaluation.measure import Measured
from training.evaluation.metrics import by_target
from training.evaluation.verdict import coverage, verdict
from training.export.int8 import write_int8
from training.export.models import write_model
from training.export.recipe import write_recipe
from training.families import FAMILIES
from training.fit.fitter import Model
from training.networks.model import Fitted
from training.overview.overview import overview_of
from training.prepare.in_memory import Prepared
from training.prepare.request import Origin
from training.report.content import gather
from training.report.sample import values as answered
from training.report.write import write_report
from training.settings.config import TrainConfig
from training.table.usual import golden_rows
from training.transfer.sentence import sentence


def store(registry: Registry, origin: Origin, model: Model, measured: Measured) -> Manifest:
    """Store a version: all of its files, or none.

    Args:
        registry: the model store.
        origin: the request of this training, and its table.
        model: the fitted networks, and the rows and settings that they were fitted on.
        measured: results on unseen rows.

    Raises:
        TruelineError: the exported files do not answer as the network does.
        OSError: the disk is full or cannot be written.
    """
    request, prepared, fitted = origin.request, model.prepared, model.fitted
    schema, names, config = prepared.schema, prepared.schema.target_names, prepared.config
    golden = golden_rows(prepared.frame, schema, config.seed)
    y, answer = measured.y, measured.answer
    value = answer.value.astype(np.float64)
    metrics = partial(by_target, names, y, config=config, weight=measured.weight)
    has_kept_rows = origin.table.aside is not None or request.held_out is not None
    with (
        registry.tables.naming() if has_kept_rows else nullcontext(),
        registry.create(request.name) as (version, folder),
    ):
        runtime, note = write_model(fitted.model, folder, schema, Encoder(schema.lenient()).encode_rows(golden))
        manifest = Manifest(
            model_name=request.name,
            model_version=version,
            created_at=datetime.now(UTC).isoformat(timespec="seconds"),
            family=fitted.model.name,
            objective=config.objective,
            parameters=int(sum(np.prod(w.shape) for w in fitted.model.trainable_weights)),
            schema_digest=schema.digest(),
            metrics=metrics(value, outputs=measured.outputs, offsets=target_offsets(schema)),
            baselines={name: metrics(other) for name, other in measured.baselines.items()},
            verdict=verdict(y, value, measured.baselines, config, rows_are=measured.rows_are, weight=measured.weight),
            coverage=coverage(names, y, answer, measured.level, measured.weight),
            lineage=_lineage(origin, model),
            notes=(
                *prepared.notes,
                *_rows_note(config),
                *_start_note(fitted),
                *fitted.notes,
                *((note,) if note else ()),
            ),
            note=request.note,
            augmentation=fitted.augmentation,
            facts=Facts.of([*prepared.facts, *fitted.facts]),
        )
        predictor = Predictor(schema, runtime, measured.calibration, manifest)
        answers = _write_documents(folder, predictor, prepared, golden)
        if config.int8:
            manifest = _write_int8(folder, predictor, answers, prepared)
        overview = overview_of(prepared, request, origin.table.facts.rows)
        content = gather(manifest, predictor, model, measured, overview)
        manifest = write_report(folder / files.REPORT, content)
        if request.accept is not None:
            request.accept(predictor)
        write_recipe(folder, request, origin.table, registry.tables)
        sealed = manifest.write(folder)
        # Load it as the service will: with checksums, schema and golden rows.
        Predictor.load(folder, device="cpu")
        if sealed.int8 is not None:
            Predictor.load(folder, runtime="onnx-int8")
        return sealed


def _rows_note(config: TrainConfig) -> Iterator[str]:
    """A note where the version stores rows of the table, which anyone with its files can read."""
    keeping = [name for name in config.mix or (config.required("model"),) if FAMILIES[name].keeps_rows]
    if keeping:
        yield f"The version's files contain rows of the table, which {', '.join(keeping)} needs to answer."


def _write_int8(folder: Path, predictor: Predictor, golden: Golden, prepared: Prepared) -> Manifest:
    """Write the copy in 8-bit integers; the manifest has its errors, or a note on why it was not kept."""
    X_train, _ = prepared.rows(prepared.plan.folds[0].train)
    X, y = prepared.rows(prepared.plan.folds[0].validation)
    int8, note = write_int8(folder, predictor, golden, X_train, X, y)
    manifest = predictor.manifest
    return manifest.model_copy(update={"int8": int8, "notes": (*manifest.notes, *([note] if note else []))})


def _write_documents(folder: Path, predictor: Predictor, prepared: Prepared, golden: list[dict[str, Any]]) -> Golden:
    schema = predictor.schema
    answers = predictor.golden(golden)
    X_train, _ = prepared.rows(prepared.plan.folds[0].train)
    # In parts: for a million rows at once, activations alone would take 20 GiB.
    values = answered(predictor, X_train)
    for name, content in (
        (files.SCHEMA, schema),
        (files.CALIBRATION, predictor.calibration),
        (files.PROFILE, Profile.fit(schema, X_train, {n: values[:, j] for j, n in enumerate(schema.target_names)})),
        (files.GOLDEN, answers),
    ):
        (folder / name).write_text(content.model_dump_json(indent=1) + "\n", encoding="utf-8")
    return answers


def _start_note(fitted: Fitted) -> list[str]:
    return [] if fitted.init is None else [sentence(fitted.init)]


def _lineage(origin: Origin, model: Model) -> Lineage:
    request, table = origin.request, origin.table.facts
    prepared, fitted, config = model.prepared, model.fitted, model.prepared.config
    settings = config.model_dump(mode="json")
    settings.update(targets=list(request.targets), group=request.group, time=request.time)
    settings.update(weight=request.weight, interval_groups=request.interval_groups, init=request.init)
    settings["schema"] = request.corrections.model_dump(mode="json", exclude_defaults=True)
    return Lineage(
        data=request.data,
        data_fingerprint=table.fingerprint,
        rows=table.rows,
        columns=table.columns,
        parts=prepared.sizes(),
        seed=config.seed,
        git_commit=lineage.git_commit(),
        packages=lineage.packages(),
        config=settings,
        seconds=round(time.perf_counter() - origin.started, 3),
        **(fitted.computed or lineage.Computed.solved())._asdict(),
        init=None if fitted.init is None else fitted.init.model_copy(update={"seen": round(prepared.share_seen, 4)}),
        command=request.command,
        made_by="train" if request.derivation is None else request.derivation.by,
    )
