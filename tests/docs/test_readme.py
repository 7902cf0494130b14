"""README is run as written: its transcript's commands in order against a real service, then its Python."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys

from tests.processes import ROOT, call, clean_environment, free_port, running, wait_until_ready

README = (ROOT / "README.md").read_text(encoding="utf-8")


def transcript() -> list[tuple[str, str]]:
    """Commands of the first console block, continuation lines joined, each with the output shown below it."""
    block = re.search(r"```console\n(.*?)```", README, re.DOTALL)
    if block is None:
        raise AssertionError("README has no console block")
    return re.findall(r"^\$ (.*(?:\n {4}.*)*)\n((?:(?!\$ ).*\n)*)", block[1], re.MULTILINE)


def words(line: str) -> list[str]:
    """The words that are the same on every machine: no figures, versions or verdict."""
    return re.findall(r"[a-z_]{3,}", line.partition("Undecided")[0].partition(":2")[0])


def test_the_promise_the_transcript_and_the_two_commands_are_in_the_first_60_lines():
    first = "\n".join(README.splitlines()[:60])
    for part in ("# Trueline", "$ trueline train", "$ curl", "make demo", "make test", "predictions"):
        assert part in first


def test_the_transcript_and_the_python_run_as_written(tmp_path):
    (train, output), (serve, _), (curl, answer) = transcript()
    environment = clean_environment(tmp_path, COLUMNS="200", CUDA_VISIBLE_DEVICES="-1")
    process = subprocess.run(
        [sys.executable, "-m", *shlex.split(train)],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert process.returncode == 0, process.stderr
    printed = words(process.stdout.replace("Undecided", ""))
    assert [word for line in output.splitlines() for word in words(line) if word not in printed] == []
    port, log = free_port(), tmp_path / "log"
    command = [sys.executable, "-m", *shlex.split(serve.removesuffix(" &")), "--port", str(port)]
    with running(command, log, environment) as process:
        wait_until_ready(process, port, log)
        arguments = shlex.split(curl)
        assert arguments[2] == "localhost:3000/predict"
        status, body = call(port, "/predict", arguments[arguments.index("-d") + 1])
        assert status == 200, body
        response, expected = json.loads(body), json.loads(answer)
        assert response.keys() == expected.keys()
        assert response["predictions"][0].keys() == expected["predictions"][0].keys()
        block = re.search(r"```python\n(.*?)```", README, re.DOTALL)
        assert block is not None
        program = block[1].replace("localhost:3000", f"localhost:{port}")
        process = subprocess.run(
            [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False, timeout=60
        )
        assert process.returncode == 0, process.stderr
        assert float(process.stdout) == response["predictions"][0]["value"]
