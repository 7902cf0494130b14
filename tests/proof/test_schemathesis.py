"""schemathesis asks a real service everything that its OpenAPI document says, and much that it forbids."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

from tests.processes import ROOT
from tests.service.test_faults import served

# schemathesis_hooks replaces the two checks that are left out, with the rules that JSON Schema cannot express.
COMMAND = (
    *("-m", "schemathesis.cli", "run", "--checks", "all"),
    *("--exclude-checks", "positive_data_acceptance,negative_data_rejection"),
    *("--phases", "examples,coverage,fuzzing", "--max-examples", "25", "--seed", "1", "--no-shrink", "--no-color"),
)


def test_the_service_does_what_its_document_says(tmp_path: Path) -> None:
    with served(tmp_path) as server:
        url = f"http://127.0.0.1:{server.port}"
        environ = {**os.environ, "PYTHONPATH": str(ROOT), "SCHEMATHESIS_HOOKS": "tests.proof.schemathesis_hooks"}
        report = tmp_path / "report.json"
        result = subprocess.run(
            [sys.executable, *COMMAND, "--report-json-path", str(report), f"{url}/docs.json", "--url", url],
            env=environ,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=240,
        )
        assert result.returncode == 0, result.stdout[-8000:] + result.stderr[-2000:]
        text = server.log.read_text()
    events = json.loads(report.read_text())
    assert events["operations"]["tested"] == 23  # all except the document itself
    assert events["test_cases"]["generated"] > 1000
    assert events["test_cases"]["without_checks"] == 0
    # Some bodies reach the models: not all are refused at the first check.
    for path in ("/predict", "/v1/models/{model}:predict"):
        assert events["valid_rates"][f"POST {path}"]["fuzzing"]["accepted"] > 5, path
    assert "Traceback" not in text
    assert " [ERROR] " not in text


def test_without_a_key_no_operation_answers_but_those_that_are_open(tmp_path: Path) -> None:
    with served(tmp_path, TRUELINE_API_KEY="open-sesame") as server:
        status, body = ask(server.port, "GET", "/docs.json", {"X-API-Key": "open-sesame"})
        assert status == 200
        document = json.loads(body)
        n_refusals = 0
        for path, item in document["paths"].items():
            for method in set(item) & {"get", "post"}:
                is_open = item[method].get("security") == []
                for headers in ({}, {"X-API-Key": "wrong"}, {"Authorization": "Bearer wrong"}, {"Authorization": ""}):
                    status, _ = ask(server.port, method.upper(), path.format(model="houses", version="x"), headers)
                    assert (status == 401) != is_open, (method, path, headers, status)
                    n_refusals += not is_open
        assert n_refusals == 4 * 18


def ask(port: int, method: str, path: str, headers: dict[str, str]) -> tuple[int, Any]:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        connection.request(method, path, b"{}" if method == "POST" else None, headers)
        response = connection.getresponse()
        return response.status, response.read()
