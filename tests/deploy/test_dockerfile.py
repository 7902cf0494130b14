"""Facts about the image that can be checked without building it."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).resolve().parents[2]
PYTHONS = ["3.11", "3.12", "3.13", "3.14"]
Instruction = tuple[str, str]


def stages() -> list[list[Instruction]]:
    """The Dockerfile's instructions, one list a stage; stage 0 holds those before the first FROM."""
    text = re.sub(r"\\\n\s*", "", (ROOT / "Dockerfile").read_text())
    parts: list[list[Instruction]] = [[]]
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        name, _, rest = line.partition(" ")
        if name == "FROM":
            parts.append([])
        parts[-1].append((name, rest.strip()))
    return parts


def of(stage: list[Instruction], name: str) -> list[str]:
    return [rest for instruction, rest in stage if instruction == name]


def environment(stage: list[Instruction]) -> dict[str, str]:
    return dict(pair.split("=", 1) for line in of(stage, "ENV") for pair in line.split())


def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def locked(name: str, python: str = "3.11") -> dict[str, str]:
    """The packages of a lock and their versions, as installed on one Python on Linux."""
    where = {"python_version": python, "python_full_version": f"{python}.1", "sys_platform": "linux"}
    text = (ROOT / "requirements" / name).read_text()
    lines = re.findall(r"^([\w.-]+)==(\S+)(?: ; (.*?))? \\$", text, re.MULTILINE)
    fitting = [(package, version) for package, version, marker in lines if not marker or Marker(marker).evaluate(where)]
    assert len(fitting) == len({package for package, _ in fitting})
    return dict(fitting)


def test_the_base_is_an_argument_and_the_same_in_every_stage() -> None:
    before, *images = stages()
    assert of(before, "ARG") == ["BASE=python:3.11-slim"]
    assert len(images) >= 2
    assert {of(stage, "FROM")[0].split(" ")[0] for stage in images} == {"${BASE}"}


def test_the_service_does_not_run_as_root() -> None:
    (user,) = of(stages()[-1], "USER")
    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", user), "a number, so that an orchestrator can see that it is not root"


def test_the_last_stage_installs_nothing() -> None:
    assert not [command for command in of(stages()[-1], "RUN") if re.search(r"\b(pip|apt|apt-get|apk|gcc)\b", command)]
    assert of(stages()[-1], "COPY") == ["--from=build /opt/trueline /opt/trueline"]


def test_every_package_comes_from_a_lock_with_hashes() -> None:
    text = (ROOT / "Dockerfile").read_text()
    installs = [
        command for stage in stages() for command in of(stage, "RUN") if re.search(r"pip\b.* (install|wheel) ", command)
    ]
    assert installs
    for command in installs:
        for one in re.findall(r"pip\b.*? (?:install|wheel) .*?(?=&&|$)", command):
            assert "--require-hashes" in one or "--no-deps" in one, one
    assert not re.search(r"index-url|https?://(?!127\.0\.0\.1)|trusted-host", text)
    assert "training.txt" not in text
    assert "dev.txt" not in text


@pytest.mark.parametrize("name", ["service.txt", "training.txt", "dev.txt", "build.txt"])
def test_locks_have_a_hash_for_each_package_and_no_registry(name: str) -> None:
    text = (ROOT / "requirements" / name).read_text()
    blocks = re.split(r"\n(?=\S+==)", text)
    assert blocks
    for block in blocks:
        assert "--hash=sha256:" in block, block
    assert not re.search(r"^\s*(--(extra-)?index-url|-i|--find-links|--trusted-host)|https?://", text, re.MULTILINE)


@pytest.mark.parametrize("python", PYTHONS)
def test_locks_agree_with_each_other(python: str) -> None:
    everything = locked("dev.txt", python)
    for name in ("service.txt", "training.txt", "build.txt"):
        assert locked(name, python).items() <= everything.items(), name


@pytest.mark.parametrize("python", PYTHONS)
def test_keras_has_a_backend_on_every_python(python: str) -> None:
    training = locked("training.txt", python)
    assert {"keras", "onnxruntime", "bentoml"} <= training.keys()
    assert ("tensorflow" in training, "jax" in training) == ((False, True) if python == "3.14" else (True, False))


@pytest.mark.parametrize("python", PYTHONS)
def test_the_service_lock_has_no_training_framework(python: str) -> None:
    assert not locked("service.txt", python).keys() & {
        "tensorflow",
        "keras",
        "jax",
        "jaxlib",
        "torch",
        "scikit-learn",
        "pip",
    }


def test_the_build_lock_is_the_build_system_of_the_project_and_what_installs_it() -> None:
    requirements = project()["build-system"]["requires"]
    lines = [line for line in (ROOT / "requirements" / "build.in").read_text().split("\n") if line[:1].isalpha()]
    assert set(requirements) < set(lines)
    assert {Requirement(line).name for line in set(lines) - set(requirements)} == {"pip", "uv"}


def test_the_pythons_are_those_that_the_project_admits() -> None:
    specifiers = SpecifierSet(project()["project"]["requires-python"])
    assert [python for python in (f"3.{minor}" for minor in range(8, 20)) if f"{python}.0" in specifiers] == PYTHONS


def test_the_service_starts_by_exec_on_its_port() -> None:
    last = stages()[-1]
    (command,) = of(last, "CMD")
    assert json.loads(command) == ["trueline", "serve", "--host", "0.0.0.0", "--port", "3000"]
    assert not of(last, "ENTRYPOINT")
    assert of(last, "EXPOSE") == ["3000"]
    assert of(last, "STOPSIGNAL") == ["SIGTERM"]


def test_the_health_check_asks_readiness_without_curl() -> None:
    (check,) = of(stages()[-1], "HEALTHCHECK")
    _, _, command = check.partition("CMD ")
    program, *arguments = json.loads(command)
    assert program == "python"
    assert "http://127.0.0.1:3000/readyz" in arguments[-1]
    compile(arguments[-1], "HEALTHCHECK", "exec")


def test_the_store_is_a_volume_and_usage_is_not_sent() -> None:
    last = stages()[-1]
    variables = environment(last)
    assert variables["BENTOML_HOME"] == "/var/lib/trueline"
    assert of(last, "VOLUME") == [variables["BENTOML_HOME"]]
    assert variables["BENTOML_DO_NOT_TRACK"] == "true"
    assert variables["ORT_DISABLE_TELEMETRY"] == "1"
    # With this variable a dead worker would never be replaced.
    assert "BENTOML_CONTAINERIZED" not in variables


def test_the_image_is_labelled() -> None:
    labels = " ".join(of(stages()[-1], "LABEL"))
    for name in ("title", "description", "licenses"):
        assert f"org.opencontainers.image.{name}=" in labels


def test_what_the_dockerfile_copies_reaches_the_builder() -> None:
    exceptions = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = [
        source
        for stage in stages()
        for line in of(stage, "COPY")
        if "--from" not in line
        for source in line.split()[:-1]
    ]
    for source in copied:
        assert source in exceptions, source
        assert (ROOT / source).exists(), source
