"""The wheel's content, and the command line from the wheel alone. It is built without network, as build-system says."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from email import message_from_string
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.processes import ROOT, clean_environment

PACKAGES = ("artifact", "service", "training", "trueline")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run([sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)], ROOT)
    (path,) = folder.glob("*.whl")
    return path


def run(command: list[str], folder: Path, **more: str) -> str:
    environment = clean_environment(folder / "home", **more)
    result = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def metadata(wheel: Path) -> dict[str, list[str]]:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        message = message_from_string(archive.read(name).decode())
    return {key: message.get_all(key, []) for key in message} | {"text": [str(message.get_payload())]}


def test_the_wheel_holds_the_four_packages_whole_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    files = subprocess.run(["git", "ls-files", *PACKAGES], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert names == set(files.split())
    assert {f"{package}/py.typed" for package in PACKAGES} <= names


def test_the_wheel_says_its_pythons_and_extras_and_carries_the_readme(wheel: Path) -> None:
    about = metadata(wheel)
    assert about["Requires-Python"] == ["<3.15,>=3.11"]
    assert set(about["Provides-Extra"]) == {"dev", "excel", "gpu", "gpu-jax", "training"}
    page = (ROOT / "docs" / "cli.md").read_text()
    assert [extra for extra in about["Provides-Extra"] if f".[{extra}]" not in page and extra != "dev"] == []
    assert about["text"] == [(ROOT / "README.md").read_text()]
    requirements = [Requirement(line) for line in about["Requires-Dist"]]
    always = {one.name for one in requirements if one.marker is None}
    assert {"bentoml", "onnxruntime", "click"} <= always
    assert always & {"keras", "tensorflow", "jax", "polars", "scikit-learn"} == set()


def test_the_command_line_runs_from_the_wheel_alone(wheel: Path, tmp_path: Path) -> None:
    where = tmp_path / "installed"
    install = ["-m", "uv", "pip", "install", "--offline", "--no-cache", "--no-deps", "--target", str(where), str(wheel)]
    run([sys.executable, *install], tmp_path)
    script = str(where / "bin" / "trueline")
    assert "A table in, a live prediction API out." in run([script, "--help"], tmp_path, PYTHONPATH=str(where))
    assert run([script, "--version"], tmp_path, PYTHONPATH=str(where)).startswith("trueline, version ")
    code = f"import {', '.join(PACKAGES)}; print({'.__file__, '.join(PACKAGES)}.__file__)"
    for file in run([sys.executable, "-c", code], tmp_path, PYTHONPATH=str(where)).split():
        assert Path(file).is_relative_to(where)
