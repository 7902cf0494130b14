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


def words(text: str) -> set[str]:
    """The words that are the same on every machine: no figures, versions or verdict."""
    lines = [line.partition("worth it here?")[0].partition(":2")[0] for line in text.splitlines()]
    return {word for line in lines for word in re.findall(r"[a-z_]{3,}", line)}


def test_the_promise_the_transcript_and_the_two_commands_are_in_the_first_60_lines():
    first = "\n".join(README.splitlines()[:60])
    parts = ("# Trueline", "$ trueline example", "$ trueline train", "$ curl", "make demo", "make test", "predictions")
    for part in parts:
        assert part in first


def test_the_transcript_and_the_python_run_as_written(tmp_path):
    example, train, (serve, _), (curl, answer) = transcript()
    environment = clean_environment(tmp_path, COLUMNS="120", CUDA_VISIBLE_DEVICES="-1", PYTHONPATH=str(ROOT))
    for command, output in (example, train):
        process = subprocess.run(
            [sys.executable, "-m", *shlex.split(command)],
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            timeout=400,
        )
        assert process.returncode == 0, process.stderr
        printed = (process.stderr + process.stdout).replace(str(tmp_path), "~/bentoml")
        assert words(output) <= words(printed)
    port, log = free_port(), tmp_path / "log"
    arguments = [sys.executable, "-m", *shlex.split(serve.removesuffix(" &")), "--port", str(port)]
    with running(arguments, log, environment, tmp_path) as process:
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
