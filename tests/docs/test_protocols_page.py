"""docs/protocols.md names every path, method and client call."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import httpx
import pytest

from service.protocols.oip_grpc import METHODS
from tests.docs.versions import schema_of
from tests.processes import ROOT
from tests.service.protocols.conftest import serving

PAGE = (ROOT / "docs" / "protocols.md").read_text(encoding="utf-8")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def test_every_method_is_named() -> None:
    assert all(f"`{method}`" in PAGE for method in METHODS)


@pytest.mark.anyio
async def test_every_curl_command_is_answered_in_the_shape_that_is_shown(tmp_path: Path) -> None:
    examples = re.findall(r"^```console\n\$ (curl .*?)^```\n\n```json\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert len(examples) == 6
    for model in ("houses", "numbers"):
        of_model = [example for example in examples if f"/models/{model}" in example[0]]
        assert of_model
        async with serving(tmp_path / model, schema=schema_of(model), name=model) as (client, _):
            for command, expected in of_model:
                response = await _ask(client, command)
                assert response.status_code == 200, response.text
                assert _shape(response.json()) == _shape(json.loads(expected))


@pytest.mark.anyio
async def test_warnings_of_tensorflow_serving_are_the_headers_that_are_shown(tmp_path: Path) -> None:
    pattern = r"^\$ (curl [^$]*?) \| grep -i x-trueline\n(.*?)^```$"
    ((command, headers),) = re.findall(pattern, PAGE, re.MULTILINE | re.DOTALL)
    async with serving(tmp_path, schema=schema_of("houses"), name="houses") as (client, _):
        response = await _ask(client, command.replace("-D - -o /dev/null ", ""))
    printed = [f"{name}: {value}" for name, value in response.headers.items() if name.startswith("x-trueline")]
    assert printed == headers.splitlines()


async def _ask(client: httpx.AsyncClient, command: str) -> httpx.Response:
    words = shlex.split(command.replace("\n", " "))
    path = words[2].removeprefix("localhost:3000")
    return await (client.post(path, content=words[4]) if "-d" in words else client.get(path))


def _shape(document: object) -> object:
    """A document without its numbers and names of versions."""
    if isinstance(document, dict):
        return {key: None if key.endswith("version") else _shape(value) for key, value in document.items()}
    if isinstance(document, list):
        return [_shape(value) for value in document]
    if isinstance(document, str) and document.startswith("["):
        return json.loads(document)
    return 0.0 if isinstance(document, float) else document


def test_the_client_calls_are_ones_that_the_tests_make_too() -> None:
    (snippet,) = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    compile(snippet, "protocols.md", "exec")
    client = (ROOT / "tests/service/protocols/triton_client.py").read_text(encoding="utf-8")
    for call in ("InferenceServerClient(address)", "set_data_from_numpy(", "client.infer(", "as_numpy("):
        assert call in snippet
        assert call in client
