"""Writes the files of a report."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from artifact.facts import sentences
from artifact.manifest import Manifest
from training.report.content import Content, document
from training.report.page import page
from training.report.pictures import pictures
from training.suspects.results import too_good


def write_report(folder: Path, content: Content) -> Manifest:
    """Write ``report.json``, ``report.html`` and the pictures.

    Args:
        folder: the folder that this function makes.
        content: the figures of the report.

    Returns:
        The manifest, with facts and notes added if results are too good.

    Raises:
        OSError: the disk is full or cannot be written.
    """
    folder.mkdir()
    manifest = content.manifest
    r2 = {t: {name: figures.get("r2") for name, figures in manifest.compared(t).items()} for t in manifest.metrics}
    suspects = too_good(r2, content.importance.features, content.importance.increase, content.importance.n_features)
    update = {"notes": (*manifest.notes, *sentences(suspects)), "facts": manifest.facts.plus(suspects)}
    content = replace(content, manifest=manifest.model_copy(update=update))
    images = pictures(content)
    for picture in images:
        (folder / picture.name).write_bytes(picture.png)
    text = json.dumps(document(content), indent=1, allow_nan=False)
    (folder / "report.json").write_text(text + "\n", encoding="utf-8")
    (folder / "report.html").write_text(page(content, images), encoding="utf-8")
    return content.manifest
