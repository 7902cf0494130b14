"""Versions that cannot serve: the live one answers on, one sentence and a metric say it, and the promotion is kept."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from artifact import manifest as files
from artifact.manifest import MANIFEST, Manifest, digest_of
from artifact.registry.local import LocalRegistry
from service.live.live import Live
from service.live.source import Source
from service.metrics.metrics import Metrics
from tests.builders import build_schema, build_version, plain_features, sample_rows

pytestmark = pytest.mark.anyio


def truncated(folder: Path, _other: Path) -> None:
    path = folder / files.ONNX_MODEL
    path.write_bytes(path.read_bytes()[:1000])


def flipped(folder: Path, _other: Path) -> None:
    path = folder / files.ONNX_MODEL
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def newer(folder: Path, _other: Path) -> None:
    path = folder / MANIFEST
    content = json.loads(path.read_bytes()) | {"format_version": 2}
    path.write_text(json.dumps(content | {"digest": digest_of(content)}))


def half_manifest(folder: Path, _other: Path) -> None:
    path = folder / MANIFEST
    path.write_bytes(path.read_bytes()[:200])


def nested_manifest(folder: Path, _other: Path) -> None:
    (folder / MANIFEST).write_bytes(b"[" * 100_000)


def other_schema(folder: Path, other: Path) -> None:
    shutil.copy(other / files.SCHEMA, folder / files.SCHEMA)


def other_schema_with_its_checksum(folder: Path, other: Path) -> None:
    """As a faulty tool may store it: each file is as the manifest says, and they do not belong together."""
    other_schema(folder, other)
    Manifest.read(folder).write(folder)


def other_network_with_its_checksum(folder: Path, other: Path) -> None:
    shutil.copy(other / files.ONNX_MODEL, folder / files.ONNX_MODEL)
    Manifest.read(folder).write(folder)


def golden_is_a_folder(folder: Path, _other: Path) -> None:
    (folder / files.GOLDEN).unlink()
    (folder / files.GOLDEN).mkdir()


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (truncated, "Expected model.onnx with sha256"),
        (flipped, "Expected model.onnx with sha256"),
        (newer, "Expected artifact format 1. Received: 2"),
        (half_manifest, "Expected JSON in"),
        (nested_manifest, "Expected JSON in"),
        (other_schema, "Expected schema.json with sha256"),
        (other_schema_with_its_checksum, "Expected golden rows that fit the schema"),
        (other_network_with_its_checksum, "Expected a network that takes the columns of its version's schema"),
        (golden_is_a_folder, "Expected golden.json in"),
    ],
)
async def test_a_version_that_cannot_serve_leaves_the_live_one(
    registry: LocalRegistry, log: logging.Handler, damage: Callable[[Path, Path], None], sentence: str
) -> None:
    first, second = registry.versions("houses")
    other = build_version(registry, name="other", schema=build_schema(plain_features(3))).path
    metrics, now = Metrics(CollectorRegistry()), [0.0]
    live = Live(Source(registry, "houses"), metrics, max_rows=100, watch_seconds=60, clock=lambda: now[0])
    await live.refresh()
    predictor = live.deployment.route().predictor
    rows = sample_rows(predictor.schema, 20)
    before = predictor.predict_rows(rows).value.tolist()

    registry.promote(f"houses:{second}")
    folder, whole = registry.models / "houses" / second, registry.home / "whole"
    shutil.copytree(folder, whole)
    damage(folder, other)
    for _ in range(3):
        await live.refresh()
    # The champion serves on.
    assert live.deployment.route().predictor.predict_rows(rows).value.tolist() == before
    # One clear sentence, once, for the operator and for who waits.
    assert log.text.count("keeps serving") == 1
    [line] = [line for line in log.text.splitlines() if "keeps serving" in line]
    assert f"houses:{first} keeps serving. {sentence}" in line
    assert "Traceback" not in log.text
    assert (live.deployment.number, live.deployment.refused) == (1, 2)
    # A metric.
    assert metrics.registry.get_sample_value("trueline_model_loads_total", {"result": "failed"}) == 1
    # The promotion is in the log, and holds as soon as the version is mended.
    assert [entry.champion for entry in registry.history("houses")] == [first, second]
    shutil.rmtree(folder)
    shutil.copytree(whole, folder)
    await live.refresh()
    assert live.deployment.route().version == second
    assert live.deployment.number == 2
