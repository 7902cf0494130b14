"""What can be known of the image without building it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
Instruction = tuple[str, str]


def stages() -> list[list[Instruction]]:
    """The Dockerfile's instructions, a list a stage; what stands before the first FROM is stage 0."""
    text = re.sub(r"\\\n\s*", "", (ROOT / "Dockerfile").read_text())
    found: list[list[Instruction]] = [[]]
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        name, _, rest = line.partition(" ")
        if name == "FROM":
            found.append([])
        found[-1].append((name, rest.strip()))
    return found


def of(stage: list[Instruction], name: str) -> list[str]:
    return [rest for instruction, rest in stage if instruction == name]


def environment(stage: list[Instruction]) -> dict[str, str]:
    return dict(pair.split("=", 1) for line in of(stage, "ENV") for pair in line.split())


def locked(name: str) -> dict[str, str]:
    """Package to version of a lock."""
    return dict(re.findall(r"^([\w.-]+)==(\S+)", (ROOT / "requirements" / name).read_text(), re.MULTILINE))


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


def test_locks_agree_with_each_other() -> None:
    everything = locked("dev.txt")
    for name in ("service.txt", "training.txt", "build.txt"):
        assert locked(name).items() <= everything.items(), name


def test_the_service_lock_has_no_training_framework() -> None:
    assert not locked("service.txt").keys() & {"tensorflow", "keras", "jax", "jaxlib", "torch", "scikit-learn", "pip"}


def test_the_build_lock_is_the_build_system_of_the_project() -> None:
    wanted = [line for line in (ROOT / "requirements" / "build.in").read_text().split("\n") if line[:1].isalpha()]
    (asked,) = re.findall(r"^requires = (\[.*\])$", (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert sorted(wanted) == sorted(json.loads(asked))


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
    found = environment(last)
    assert found["BENTOML_HOME"] == "/var/lib/trueline"
    assert of(last, "VOLUME") == [found["BENTOML_HOME"]]
    assert found["BENTOML_DO_NOT_TRACK"] == "true"
    assert found["ORT_DISABLE_TELEMETRY"] == "1"
    # With it a worker that died would never be started again.
    assert "BENTOML_CONTAINERIZED" not in found


def test_the_image_is_labelled() -> None:
    labels = " ".join(of(stages()[-1], "LABEL"))
    for name in ("title", "description", "licenses"):
        assert f"org.opencontainers.image.{name}=" in labels


def test_what_the_dockerfile_copies_reaches_the_builder() -> None:
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = [
        source
        for stage in stages()
        for line in of(stage, "COPY")
        if "--from" not in line
        for source in line.split()[:-1]
    ]
    for source in copied:
        assert source in kept, source
        assert (ROOT / source).exists(), source
