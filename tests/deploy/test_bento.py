"""``bentoml build``, and the Bento's service in an environment with the packages of the service's lock alone."""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest

from artifact.predictor import Predictor
from artifact.registry.base import Reference
from artifact.registry.local import LocalRegistry
from tests.builders import build_version
from tests.processes import ROOT, call, clean_environment, free_port, running, wait_until_ready


def run(command: list[str | Path], home: Path, **more: str) -> str:
    result = subprocess.run(
        command, cwd=ROOT, env=clean_environment(home, **more), capture_output=True, text=True, timeout=240, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bento")


@pytest.fixture(scope="module")
def version(folder: Path) -> Reference:
    """A champion in the store of the machine that builds."""
    return build_version(LocalRegistry(folder / "builder"), promote=True)


@pytest.fixture(scope="module")
def bento(folder: Path, version: Reference) -> Path:
    """The Bento as a file that can be carried to another machine."""
    bentoml: list[str | Path] = [sys.executable, "-m", "bentoml"]
    tag = run([*bentoml, "build", "--output", "tag"], folder / "builder").strip().rpartition("__tag__:")[2]
    archive = folder / "carried.bento"
    run([*bentoml, "export", tag, archive], folder / "builder")
    return archive


@pytest.fixture(scope="module")
def python(folder: Path) -> Path:
    """A fresh environment's Python, made from requirements/service.txt alone."""
    fresh = folder / "venv"
    run([sys.executable, "-m", "venv", "--without-pip", fresh], folder)
    interpreter = fresh / "bin" / "python"
    install: list[str | Path] = ["-m", "uv", "pip", "install", "--quiet", "--python", interpreter, "--require-hashes"]
    run([sys.executable, *install, "-r", ROOT / "requirements" / "service.txt"], folder)
    return interpreter


def names(archive: Path) -> list[str]:
    with tarfile.open(archive) as tar:
        return [name.removeprefix("./") for name in tar.getnames()]


def test_the_bento_holds_the_code_and_the_champion_and_nothing_of_the_workplace(
    bento: Path, version: Reference
) -> None:
    files = names(bento)
    assert "src/service/bento/service.py" in files
    assert "src/artifact/predictor.py" in files
    assert any(name.endswith(f"{version.name}/{version.version}/model.onnx") for name in files)
    tops = {name.split("/")[1] for name in files if name.startswith("src/")}
    assert tops & {"tests", "benchmarks", "training", ".venv", ".git", ".demo"} == set()


def test_the_service_lock_has_no_training_framework_to_import(python: Path, folder: Path) -> None:
    code = "import importlib.util as u; print([n for n in ('tensorflow', 'keras', 'jax', 'sklearn') if u.find_spec(n)])"
    assert run([python, "-c", code], folder).strip() == "[]"


def test_the_bento_serves_in_a_fresh_environment(
    bento: Path, python: Path, version: Reference, folder: Path, tmp_path: Path
) -> None:
    home, log, port = tmp_path / "home", tmp_path / "log", free_port()
    tag = run([python, "-m", "bentoml", "import", bento], home).strip()
    assert "imported" in tag.lower()
    predictor = Predictor.load(version.path)
    row = predictor.schema.example_row()
    (bento_folder,) = [p.parent for p in (home / "bentos").glob("*/*/bento.yaml")]
    identifier = f"{bento_folder.parent.name}:{bento_folder.name}"
    command = [python, "-m", "bentoml", "serve", identifier, "--host", "127.0.0.1", "--port", str(port)]
    with running(command, log, clean_environment(home), cwd=tmp_path) as server:
        wait_until_ready(server, port, log)
        status, answer = call(port, "/predict", json.dumps({"rows": [row]}))
        assert status == 200, answer
        assert call(port, "/metrics")[0] == 200
    document = json.loads(answer)
    expected = predictor.predict_rows([row])
    assert (document["model_name"], document["model_version"]) == (version.name, version.version)
    (prediction,) = document["predictions"]
    assert [prediction[name] for name in ("value", "lower", "upper")] == pytest.approx(
        [float(expected.value[0, 0]), float(expected.lower[0, 0]), float(expected.upper[0, 0])], rel=1e-6
    )


def test_case_v01_a_bento_serves_its_own_model_beside_champions_of_others(
    bento: Path, version: Reference, tmp_path: Path
) -> None:
    home, log, port = tmp_path / "home", tmp_path / "log", free_port()
    build_version(LocalRegistry(home), name="flats", promote=True)
    run([sys.executable, "-m", "bentoml", "import", bento], home)
    command = [sys.executable, "-m", "bentoml", "serve", "trueline:latest", "--host", "127.0.0.1", "--port", str(port)]
    with running(command, log, clean_environment(home), cwd=tmp_path) as server:
        wait_until_ready(server, port, log)
        ready = json.loads(call(port, "/readyz")[1])
        assert (ready["model_name"], ready["model_version"]) == (version.name, version.version)
        # The Bento ignores a promotion of another model; a promotion of its own model goes first.
        build_version(LocalRegistry(home), name="boats", promote=True)
        newer = build_version(LocalRegistry(home), name=version.name, promote=True, seed=3)
        deadline = time.monotonic() + 20
        while json.loads(call(port, "/readyz")[1])["model_version"] != newer.version:
            assert time.monotonic() < deadline
            time.sleep(0.1)
    text = log.read_text()
    assert "Traceback" not in text
    assert "flats" not in text


def test_a_build_that_could_mean_several_models_is_refused(tmp_path: Path) -> None:
    home = tmp_path / "home"
    for name in ("flats", "boats"):
        build_version(LocalRegistry(home), name=name, promote=True)
    for more, message in (
        ({}, "Expected one model with a champion. Received: 2, 'boats', 'flats'."),
        ({"TRUELINE_MODEL": "boat"}, "Unknown model 'boat'. There are: 'boats', 'flats'."),
    ):
        result = subprocess.run(
            [sys.executable, "-m", "bentoml", "build"],
            cwd=ROOT,
            env=clean_environment(home, **more),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert result.returncode == 1
        assert message in result.stderr
        assert "Traceback" not in result.stderr
