"""Writes the report's files."""

from __future__ import annotations

import json
from pathlib import Path

from artifact.manifest import Manifest
from artifact.predictor import Predictor
from training.fitted import Fitted
from training.measure import Measured
from training.overview.overview import Overview
from training.prepare import Prepared
from training.report.content import document, gather
from training.report.page import page
from training.report.pictures import pictures


def write_report(
    folder: Path,
    manifest: Manifest,
    predictor: Predictor,
    prepared: Prepared,
    fitted: Fitted,
    measured: Measured,
    overview: Overview,
) -> None:
    """Write ``report.json``, ``report.html`` and the pictures.

    Args:
        folder: made by this function.
        manifest: without file hashes.
        predictor: of what is stored.
        prepared: the rows.
        fitted: the networks, for their history.
        measured: what unseen rows showed.
        overview: of the table.

    Raises:
        OSError: the disk is full or cannot be written.
    """
    folder.mkdir()
    content = gather(manifest, predictor, prepared, fitted, measured, overview)
    drawn = pictures(content)
    for picture in drawn:
        (folder / picture.name).write_bytes(picture.png)
    text = json.dumps(document(content), indent=1, allow_nan=False)
    (folder / "report.json").write_text(text + "\n", encoding="utf-8")
    (folder / "report.html").write_text(page(content, drawn), encoding="utf-8")
