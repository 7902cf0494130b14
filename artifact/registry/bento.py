"""BentoML's own files in the store, so that its commands list, export and import the versions."""

from __future__ import annotations

import contextlib
import json
from datetime import datetime
from pathlib import Path

from artifact.files import flush, replace_text
from artifact.manifest import STORE_RECORD, Manifest


def write_record(folder: Path, name: str, version: str, made_at: datetime) -> None:
    """Write BentoML's ``model.yaml`` of a version. JSON is YAML, and a record this plain needs no YAML writer.

    Raises:
        ArtifactError: the manifest in the folder is that of another version.
    """
    manifest = Manifest.read(folder)
    manifest.check_is(name, version)
    record = {
        "name": name,
        "version": version,
        "module": "",
        "labels": {"framework": "trueline", "family": manifest.family},
        "options": {},
        "metadata": {
            "targets": list(manifest.metrics),
            "rmse": [m.get("rmse") for m in manifest.metrics.values()],
            "schema_digest": manifest.schema_digest,
        },
        "context": {
            "framework_name": "trueline",
            "framework_versions": manifest.lineage.packages,
            "bentoml_version": manifest.lineage.packages.get("bentoml", ""),
            "python_version": manifest.lineage.packages.get("python", ""),
        },
        "signatures": {},
        "api_version": "v2",
        "creation_time": made_at.isoformat(),
    }
    (folder / STORE_RECORD).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def point_to_newest(folder: Path) -> None:
    """Point BentoML's ``latest`` at the newest version; without versions, remove the model's folder."""
    versions = sorted(path.name for path in folder.iterdir() if path.is_dir())
    if versions:
        replace_text(folder / "latest", versions[-1])
        return
    (folder / "latest").unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        folder.rmdir()
    flush(folder.parent)
