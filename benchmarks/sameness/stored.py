"""The facts of a stored version, read from its files without importing code of a checkout."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import h5py
import onnx
from onnx import numpy_helper

from benchmarks.sameness.facts import digest, leaves, masked

# Fields that depend on the clock, the commit or the version's name. Digests of files are compared file by file.
_CHANGING = {
    "manifest.created_at",
    "manifest.lineage.seconds",
    "manifest.lineage.git_commit",
    "manifest.digest",
    "report.created_at",
    "report.lineage.seconds",
    "report.lineage.git_commit",
}
_READ_BY_PARTS = {
    "manifest.json",
    "recipe.json",
    "model.keras",
    "model.onnx",
    "model-int8.onnx",
    "model.yaml",
    "report.json",
}
# Files whose text names the version and the day.
_LEFT_OUT = {"report.html"}
_OWN_KIND = ("metrics", "verdict", "notes", "baselines")


def read_version(folder: Path, *masks: str) -> dict[str, str]:
    """The facts of a version: weights, graphs, every field of the manifest and the report, digests of other files.

    Args:
        folder: folder of the version.
        masks: folders that belong to one run, see :func:`benchmarks.sameness.facts.masked`.
    """
    facts: dict[str, str] = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = path.relative_to(folder).as_posix()
        if path.suffix == ".keras":
            facts |= _keras(path)
        elif path.suffix == ".onnx":
            facts |= _onnx(path, path.stem)
        elif path.name not in _READ_BY_PARTS | _LEFT_OUT:
            facts[f"files/{name}"] = digest(path.read_bytes())
    facts |= _json(folder / "manifest.json", "manifest", masks)
    # Versions that were stored before there were recipes have none.
    if (folder / "recipe.json").exists():
        facts |= _json(folder / "recipe.json", "recipe", masks)
    return facts | _json(folder / "report" / "report.json", "report", masks)


def _keras(path: Path) -> dict[str, str]:
    """A digest of each weight, and the layers' settings without the modules that they come from."""
    facts: dict[str, str] = {}
    with zipfile.ZipFile(path) as archive:
        config = json.loads(archive.read("config.json"), object_hook=_without_place)
        weights = io.BytesIO(archive.read("model.weights.h5"))
    facts["network/keras"] = json.dumps(config)

    def add(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            values = item[()]
            facts[f"weights/keras {name}"] = f"{values.dtype}{list(values.shape)} {digest(values.tobytes())}"

    with h5py.File(weights) as file:
        file.visititems(add)
    return facts


def _without_place(item: dict[str, Any]) -> dict[str, Any]:
    """An item without the module of its class and the address that it had in memory."""
    return {key: value for key, value in item.items() if key not in ("module", "shared_object_id")}


def _onnx(path: Path, name: str) -> dict[str, str]:
    """A digest of each initialiser, and the graph without them."""
    model = onnx.load(path)
    facts: dict[str, str] = {}
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        facts[f"weights/{name} {tensor.name}"] = f"{values.dtype}{list(values.shape)} {digest(values.tobytes())}"
    del model.graph.initializer[:]
    return {**facts, f"network/{name}": str(model)}


def _json(path: Path, whole: str, masks: tuple[str, ...]) -> dict[str, str]:
    """The fields of a file: metrics, verdict, notes and baselines of the manifest are facts of their own kind."""
    facts = {}
    for name, value in leaves(json.loads(path.read_text(encoding="utf-8")), whole, depth=3).items():
        if name in _CHANGING or name.startswith("manifest.files."):
            continue
        field = name.partition(".")[2]
        own = whole == "manifest" and field.partition(".")[0] in _OWN_KIND
        facts[field.replace(".", "/", 1) if own else f"{whole}/{field}"] = masked(json.dumps(value), *masks)
    return facts
