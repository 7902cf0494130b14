"""The service under each runtime: the one that serves, the messages about it, and a swap in a real server."""

from __future__ import annotations

import json
import logging
import re
import shutil
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
from prometheus_client import CollectorRegistry

from artifact import manifest as files
from artifact.manifest import Int8, Manifest
from artifact.predictor import Predictor
from artifact.registry.entry import Statement
from artifact.registry.local import LocalRegistry
from service.documents import documents
from service.live.live import Live
from service.live.model import LiveModel
from service.live.source import Source
from service.metrics.metrics import Metrics
from service.worker import Worker
from tests.builders import sample_rows
from tests.keras_builders import build_keras_version
from tests.processes import clean_environment, free_port, running, wait_until_ready
from tests.service.test_live_server import COMMAND, Server, wait_for
from training.devices.backend import load_backend


def live_of(registry, **how):
    return Live(Source(registry), Metrics(CollectorRegistry()), max_rows=100, watch_seconds=0.01, **how)


def test_the_settings_reach_the_live_version(registry):
    environ = {"BENTOML_HOME": str(registry.home), "TRUELINE_RUNTIME": "onnx-int8", "TRUELINE_DEVICE": "cpu"}
    worker = Worker.from_environment(environ, lambda settings, choice: Source(registry, settings.model, choice=choice))
    assert worker.live.how == {
        "max_rows": 32_768,
        "threads": 1,
        "policy": "warn",
        "runtime": "onnx-int8",
        "device": "cpu",
        "tap": worker.tap,
    }


@pytest.mark.anyio
async def test_the_model_document_and_the_log_name_runtime_and_device(registry, log):
    live = live_of(registry)
    await live.start()
    document = json.loads(documents.model_document(live.deployment.route(), registry))
    assert (document["runtime"], document["device"]) == ("onnx", "cpu")
    assert re.search(r"houses:\S+ is live by onnx on cpu", log.text)
    await live.stop()


@pytest.mark.anyio
async def test_a_version_with_a_copy_serves_it_and_one_without_serves_on_with_a_warning(registry, log):
    first, second = registry.versions("houses")
    folder = registry.resolve(f"houses:{second}").path
    shutil.copy(folder / files.ONNX_MODEL, folder / files.INT8_MODEL)
    int8 = Int8(tolerance=0.1, difference=0.0, rmse_ratio=1.0, rmse_limit=1.01)
    Manifest.read(folder).model_copy(update={"int8": int8}).write(folder)
    live = live_of(registry, runtime="onnx-int8")
    await live.start()
    assert live.deployment.route().predictor.runtime.name == "onnx"
    assert f"houses:{first} has no int8 copy; its float32 network serves" in log.text
    registry.promote(f"houses:{second}", statement=Statement(forced=("verdict",)))
    await live.refresh()
    assert live.deployment.route().predictor.runtime.name == "onnx-int8"
    await live.stop()


@pytest.mark.anyio
async def test_a_gpu_that_is_not_there_leaves_the_service_unready_with_the_reason(registry, log, monkeypatch):
    monkeypatch.setattr(ort, "get_available_providers", lambda: ["CPUExecutionProvider"])
    live = live_of(registry, device="cuda")
    await live.start()
    assert live.deployment.champion is None
    assert "Not ready. Expected ONNX Runtime with a GPU for device 'cuda'" in log.text
    await live.stop()


def test_the_cost_of_a_batch_counts_the_rows_that_fill_it_up(registry):
    class Buckets:
        """Takes ten thousand times as long a row as the encoding, in calls of 256 rows."""

        name, device = "fake", "cpu"

        def computed_rows(self, n_rows):
            return -(-n_rows // 256) * 256

    reference = registry.resolve("houses")
    predictor = Predictor.load(reference.path)
    fake = Buckets()
    fake.run = predictor.runtime.run
    model = LiveModel(Predictor(predictor.schema, fake, predictor.calibration, predictor.manifest), max_rows=100)
    model.seconds_per_row = 0.001
    assert model.seconds(1) == model.seconds(256) == pytest.approx(0.256)
    assert model.seconds(257) == pytest.approx(0.512)


@pytest.fixture(scope="module")
def by_keras(tmp_path_factory: pytest.TempPathFactory) -> LocalRegistry:
    """``houses`` for Keras; the older version is the champion, and the newer one has no ONNX model."""
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    load_backend()
    registry = LocalRegistry(tmp_path_factory.mktemp("keras"))
    build_keras_version(registry, promote=True, seed=0)
    build_keras_version(registry, seed=1, with_onnx=False)
    return registry


def answers(server: Server, rows: list[dict[str, object]]) -> list[float]:
    status, body = server.post(json.dumps({"rows": rows}))
    assert status == 200, body
    return [prediction["value"] for prediction in body["predictions"]]


def test_a_server_by_keras_answers_as_the_predictor_and_swaps(by_keras: LocalRegistry, tmp_path: Path) -> None:
    first, second = by_keras.versions("houses")
    rows = sample_rows(Predictor.load(by_keras.resolve(f"houses:{first}").path).schema, 70)
    port, log = free_port(), tmp_path / "log"
    environ = clean_environment(by_keras.home, TRUELINE_RUNTIME="keras", TRUELINE_THREADS="1")
    with running([*COMMAND, "--port", str(port)], log, environ) as process:
        wait_until_ready(process, port, log, seconds=120)
        server = Server(process, port, by_keras, log)
        (worker,) = server.workers()
        assert "tensorflow" in Path(f"/proc/{worker.pid}/maps").read_text()
        for version in (first, second, first):
            by_keras.promote(f"houses:{version}", statement=Statement(forced=("verdict",)))
            wait_for(lambda live=version: server.live_versions() == {live: 1}, seconds=120)
            document = server.get("/model")
            assert (document["model_version"], document["runtime"]) == (version, "keras")
            expected = Predictor.load(by_keras.resolve(f"houses:{version}").path).predict_rows(rows).value[:, 0]
            # The target's deviation is 10, so this is a tenth of the tolerance of 1e-4 deviations.
            np.testing.assert_allclose(answers(server, rows), expected, atol=1e-4, rtol=1e-5)
            np.testing.assert_allclose(answers(server, rows[:1]), expected[:1], atol=1e-4, rtol=1e-5)
    text = log.read_text()
    assert "Traceback" not in text
    assert f"houses:{second} is live by keras on cpu" in text
