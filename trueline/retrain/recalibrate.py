"""Fits the intervals of a version again on other rows: the network stays, and TensorFlow is not needed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from artifact import manifest as files
from artifact.errors import DataError, SchemaMismatchError
from artifact.golden import read_golden
from artifact.intervals.calibration import Calibration
from artifact.manifest import Coverage, Manifest
from artifact.predictor import Predictor, target_offsets
from artifact.recipe import RECIPE, Derivation, Recipe, recipe_if_any
from artifact.registry.base import Reference, Registry
from trueline.evaluation import Measuring, labelled, read_known
from trueline.frames import Source
from trueline.retrain.scores import Scoring, folds_of, weights_of
from trueline.scoring import by_row

# With fewer rows, the bounds would vary too much from table to table.
MIN_ROWS = 100


@dataclass(frozen=True, slots=True)
class Calibrated:
    """Scores from new rows, and how well intervals from them cover.

    Attributes:
        calibration: the calibration by all rows.
        coverage: coverage of the intervals; each row's interval comes from the scores of the nine tenths without it.
        rows: number of rows.
    """

    calibration: Calibration
    coverage: Coverage
    rows: int


def recalibrate(
    store: Registry,
    version: Reference,
    source: Source,
    measuring: Measuring,
    note: str = "",
    raise_if_ended: Callable[[], None] = lambda: None,
) -> Manifest:
    """Store a version that has the network of an earlier one, and intervals fitted on other rows.

    Args:
        store: the model store.
        version: the earlier version.
        source: the rows.
        measuring: how the rows are read, and what is called with notes on that.
        note: the user's own words; empty for those of the earlier version. Defaults to empty.
        raise_if_ended: called before anything is stored; an exception from it ends the work. Defaults to doing nothing.

    Raises:
        DataError: the rows cannot be read, lack a feature or a target, are too few, or trained the version.
        ArtifactError: the earlier version is damaged.
        OSError: the disk is full or cannot be written.
    """
    store.check_writable(version.name)
    predictor = Predictor.load(version.path, device="cpu")
    calibrated, data = _calibrate(predictor, version, source, measuring), source.name
    former, recipe = predictor.manifest, recipe_if_any(version.path, predictor.manifest)
    has_kept_rows = recipe is not None and bool(recipe.kept_tables)
    raise_if_ended()
    with store.tables.naming() if has_kept_rows else nullcontext(), store.create(version.name) as (name, folder):
        _copy(version.path, folder)
        fresh = Predictor(predictor.schema, predictor.runtime, calibrated.calibration, former)
        _write(folder / files.CALIBRATION, calibrated.calibration)
        _write(folder / files.GOLDEN, fresh.golden(read_golden(version.path).rows))
        sentence = _sentence(version, calibrated, data)
        _head_report(folder / files.REPORT / "report.html", sentence)
        if recipe is not None:
            _derived(recipe, version, calibrated.rows, data, note).write(folder)
        manifest = former.model_copy(
            update={
                "model_version": name,
                "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
                "coverage": calibrated.coverage,
                "lineage": former.lineage.model_copy(update={"made_by": "recalibrate"}),
                "notes": (*former.notes, sentence),
                "note": note or former.note,
            }
        ).write(folder)
        Predictor.load(folder, device="cpu")
        if manifest.int8 is not None:
            Predictor.load(folder, runtime="onnx-int8")
    return manifest


def _calibrate(predictor: Predictor, version: Reference, source: Source, measuring: Measuring) -> Calibrated:
    from training.table.encode import encode_frame
    from training.table.ranges import outside_sentences
    from training.transfer.seen import is_its_table, share_known

    schema, reference = predictor.schema, f"{version.name}:{version.version}"
    raw = read_known(source.rows, [schema], measuring.reading, measuring.note)
    frame, table, usable = labelled(raw.frame, schema, measuring.missing_columns)
    rows = table.filter(usable)
    for sentence in outside_sentences(frame, schema, predictor.manifest):
        measuring.note(sentence)
    if is_its_table(frame, predictor.manifest.lineage):
        raise DataError(
            f"Expected rows that {reference} has not seen. Received: the table that trained it, on which its errors "
            "are too small and so the intervals would be too narrow. Give new rows."
        )
    if rows.height < MIN_ROWS:
        raise DataError(f"Expected at least {MIN_ROWS} rows with a target in {source.name}. Received: {rows.height}.")
    if left_out := len(usable) - rows.height:
        measuring.say(f"{left_out:,} of {len(usable):,} rows are left out: they have no finite value of the target.")
    try:
        X = encode_frame(rows, schema.lenient())
    except SchemaMismatchError as error:
        raise by_row(error, [int(i) + 1 for i in usable.arg_true()]) from error
    share = share_known(version.path, predictor.manifest, schema, X)
    if share >= 0.01:
        measuring.say(
            f"Note: the intervals will be too narrow: about {share:.0%} of these rows stand, equal in every feature, "
            f"in the table that trained {reference}."
        )
    offsets = target_offsets(schema)
    y = rows.select(schema.target_names).to_numpy().astype(np.float64) - (0.0 if offsets is None else offsets)
    outputs = predictor.run(X.numeric, X.categorical)
    scoring = Scoring(predictor, outputs, y, X.categorical, weights_of(predictor, rows))
    return Calibrated(scoring.fit(np.arange(len(y))), scoring.coverage(folds_of(predictor, rows)), len(y))


def _copy(source: Path, folder: Path) -> None:
    """Copy all files of a version except those that are written anew."""
    anew = {files.MANIFEST, files.STORE_RECORD, files.CALIBRATION, files.GOLDEN, RECIPE}
    for path in source.iterdir():
        if path.is_dir():
            shutil.copytree(path, folder / path.name)
        elif path.name not in anew:
            shutil.copyfile(path, folder / path.name)


def _write(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content.model_dump(mode="json"), indent=1) + "\n", encoding="utf-8")


def _derived(recipe: Recipe, version: Reference, rows: int, data: str, note: str) -> Recipe:
    derivation = Derivation(
        by="recalibrate", version=f"{version.name}:{version.version}", data=data, new_rows=rows, calibrated=rows
    )
    changed = {"derivation": derivation, "note": note or recipe.note, "added": recipe.is_data_a_part}
    return recipe.model_copy(update=changed)


def _sentence(version: Reference, calibrated: Calibrated, data: str) -> str:
    covered = ", ".join(f"{share:.1%}" for share in calibrated.coverage.covered.values())
    return (
        f"The intervals were calibrated anew on {calibrated.rows:,} rows of {data}, and cover {covered} of them. The "
        f"network and its measured errors are those of {version.name}:{version.version}."
    )


def _head_report(path: Path, sentence: str) -> None:
    """Say at the top of the copied report which part of it is no longer true."""
    if not path.is_file():
        return
    head = f"<body>\n<p><b>{escape(sentence)} What this report says about intervals belongs to that version.</b></p>\n"
    path.write_text(path.read_text(encoding="utf-8").replace("<body>\n", head, 1), encoding="utf-8")
