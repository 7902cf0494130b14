"""Clients that public generators make of the real ``/docs.json`` are whole, and the real app answers them.

Case V21: ``/v2/.../infer`` was left out, and a model of the rows refused dates without a zone that the service takes.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest
from prometheus_client import CollectorRegistry

from artifact.predictor import Predictor
from artifact.registry.local import LocalRegistry
from artifact.rows.schema import Feature
from service.app.app import App
from service.app.operations import OPERATIONS
from service.documents.openapi import openapi_document
from service.live.model import LiveModel
from service.metrics.metrics import Metrics
from service.settings.settings import Settings
from service.worker import Worker
from tests.builders import build_schema, build_version, sample_rows
from tests.service.conftest import calling, no_inner_app

pytestmark = pytest.mark.anyio
SCHEMA = build_schema()
ROW = SCHEMA.example_row()
ROWS = sample_rows(SCHEMA, 12)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> LocalRegistry:
    store = LocalRegistry(tmp_path_factory.mktemp("home"))
    build_version(store, promote=True)
    return store


@pytest.fixture
async def worker(registry: LocalRegistry) -> AsyncIterator[Worker]:
    service_worker = Worker(Settings(), registry, Metrics(CollectorRegistry()))
    await service_worker.start()
    yield service_worker
    await service_worker.stop()


@pytest.fixture
def transport(worker: Worker) -> httpx.ASGITransport:
    return httpx.ASGITransport(app=App(worker, no_inner_app))


@pytest.fixture(scope="module")
def generated(registry: LocalRegistry, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the document; the generated code goes there too."""
    folder = tmp_path_factory.mktemp("generated")

    async def document() -> bytes:
        async with calling(Worker(Settings(), registry, Metrics(CollectorRegistry()))) as client:
            return (await client.get("/docs.json")).content

    (folder / "docs.json").write_bytes(asyncio.run(document()))
    return folder


def imported(folder: Path, name: str) -> Iterator[ModuleType]:
    sys.path.insert(0, str(folder))
    try:
        yield importlib.import_module(name)
    finally:
        sys.path.remove(str(folder))
        for module in [m for m in sys.modules if m.partition(".")[0] == name]:
            del sys.modules[module]


def generate(folder: Path, *command: str) -> str:
    result = subprocess.run(
        [sys.executable, "-m", *command], cwd=folder, capture_output=True, text=True, check=False, timeout=240
    )
    assert result.returncode == 0, result.stderr
    return result.stdout + result.stderr


@pytest.fixture(scope="module")
def client_module(generated: Path) -> Iterator[ModuleType]:
    output = generate(
        generated, "openapi_python_client", "generate", "--path", "docs.json", "--output-path", "houses_client",
        "--meta", "none",
    )  # fmt: skip
    omissions = [line for line in output.splitlines() if line.startswith("WARNING")]
    # Such a client can only know JSON: the generator warns of the other formats of one operation.
    assert set(omissions) <= {"WARNING parsing POST /predict within prediction."}, output
    assert output.count("Unsupported content type") == len(omissions) == 4, output
    yield from imported(generated, "houses_client")


@pytest.fixture(scope="module")
def models(generated: Path) -> Iterator[ModuleType]:
    generate(
        generated, "datamodel_code_generator", "--input", "docs.json", "--input-file-type", "openapi",
        "--output-model-type", "pydantic_v2.BaseModel", "--output", "houses_models.py", "--formatters", "builtin",
    )  # fmt: skip
    yield from imported(generated, "houses_models")


@pytest.fixture
def client(client_module: ModuleType, transport: httpx.ASGITransport) -> Any:
    return client_module.Client(base_url="http://test", httpx_args={"transport": transport})


@pytest.fixture
def predictor(worker: Worker) -> Predictor:
    return worker.deployment.route().predictor


def part(module: ModuleType, path: str) -> Any:
    return importlib.import_module(f"{module.__name__}.{path}")


def test_case_v21_no_operation_is_left_out(client_module: ModuleType) -> None:
    folder = Path(str(client_module.__file__)).parent / "api"
    files = [file for file in folder.glob("*/*.py") if file.name != "__init__.py"]
    assert len(files) == len([operation for operation in OPERATIONS if operation.shape is not None])


async def test_case_v21_rows_columns_and_null_are_answered(
    client_module: Any, client: Any, predictor: Predictor
) -> None:
    models, predict = part(client_module, "models"), part(client_module, "api.prediction.predict")
    rows = [models.Row.from_dict(row) for row in ROWS]
    answer = await predict.asyncio_detailed(client=client, body=models.RowsRequest(rows=rows, interval=0.8))
    assert isinstance(answer.parsed, models.Predictions)
    expected = predictor.predict_rows(ROWS, 0.8)
    assert [row.upper for row in answer.parsed.predictions] == expected.upper[:, 0].tolist()
    columns = models.Columns.from_dict({name: [row[name] for row in ROWS] for name in SCHEMA.names})
    answer = await predict.asyncio_detailed(client=client, body=models.ColumnsRequest(columns=columns))
    assert isinstance(answer.parsed, models.PredictedColumns)
    assert answer.parsed.columns.value == predictor.predict_rows(ROWS).value[:, 0].tolist()
    empty = {**ROW, "income": None, "town": None, "sold": None}
    answer = await predict.asyncio_detailed(client=client, body=models.RowsRequest(rows=[models.Row.from_dict(empty)]))
    assert answer.parsed.predictions[0].value == predictor.predict_rows([empty]).value[0, 0]


async def test_case_v21_a_refusal_is_read_as_one(client_module: Any, client: Any) -> None:
    models, predict = part(client_module, "models"), part(client_module, "api.prediction.predict")
    row = models.Row.from_dict(ROW)
    row.age = "old"
    answer = await predict.asyncio_detailed(client=client, body=models.RowsRequest(rows=[row]))
    assert answer.status_code == 422
    assert isinstance(answer.parsed, models.Error)
    (detail,) = answer.parsed.error.details
    assert (detail.row, detail.field, detail.received) == (0, "age", "old")


async def test_case_v21_tensors_and_instances_are_answered(
    client_module: Any, client: Any, predictor: Predictor
) -> None:
    expected = predictor.predict_rows([ROW]).value[0, 0]
    infer = part(client_module, "api.open_inference_protocol.post_v2_models_model_infer")
    datatypes = {"boolean": "BOOL", "number": "FP64", "integer": "INT64"}
    tensors = [
        {"name": f.name, "datatype": datatypes.get(f.kind, "BYTES"), "shape": [1], "data": [ROW[f.name]]}
        for f in SCHEMA.features
    ]
    body = part(client_module, "models").PostV2ModelsModelInferJsonBody.from_dict({"inputs": tensors})
    model = part(client_module, "models").PostV2ModelsModelInferModel("houses")
    answer = await infer.asyncio_detailed(model=model, client=client, body=body)
    assert answer.parsed.outputs[0].data == [expected]
    tensors[0]["data"] = ["old"]
    body = part(client_module, "models").PostV2ModelsModelInferJsonBody.from_dict({"inputs": tensors})
    answer = await infer.asyncio_detailed(model=model, client=client, body=body)
    assert answer.parsed.error == "Row 0, 'age': Expected a number or null. Received: \"old\"."
    predict = part(client_module, "api.tensor_flow_serving.post_v1_models_modelpredict")
    kind = part(client_module, "models").PostV1ModelsModelpredictBodyType0
    model = part(client_module, "models").PostV1ModelsModelpredictModel("houses")
    for instance in (ROW, {name: [value] for name, value in ROW.items()}):
        body = kind.from_dict({"instances": [instance]})
        answer = await predict.asyncio_detailed(model=model, client=client, body=body)
        assert answer.parsed.predictions[0].value == expected


@pytest.mark.parametrize("moment", ["2021-05-01", "2021-05-01T10:00:00", "2021-05-01T10:00:00Z", "2024-02-29 10:00"])
async def test_case_v21_pydantic_models_take_every_date_that_the_service_takes(
    models: Any, transport: httpx.ASGITransport, predictor: Predictor, moment: str
) -> None:
    row = {**ROW, "sold": moment, "income": None}
    request = models.Request.model_validate({"rows": [row], "interval": 0.8})
    content = request.model_dump_json(by_alias=True, exclude_unset=True)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        response = await client.post("/predict", content=content, headers={"content-type": "application/json"})
        assert response.status_code == 200, response.text
        answer = models.Answer.model_validate_json(response.content).root
        assert answer.predictions[0].lower == predictor.predict_rows([row], 0.8).lower[0, 0]
        columns = {name: [value] for name, value in row.items()}
        content = models.Request.model_validate({"columns": columns}).model_dump_json(exclude_unset=True)
        response = await client.post("/predict", content=content, headers={"content-type": "application/json"})
        assert models.Answer.model_validate_json(response.content).root.columns.value
        content = json.dumps({"rows": [{**row, "rooms": 99}]})
        response = await client.post("/predict", content=content, headers={"content-type": "application/json"})
        error = models.Error.model_validate_json(response.content)
        assert error.error.details[0].field == "rooms"


def test_case_v21_names_that_are_no_names_in_python_come_back_as_they_were(tmp_path: Path) -> None:
    names = ["distance km", "Größe", "class", "2nd", "from", "a.b", "self", "rows"]
    features = [Feature(name=name, kind="number", minimum=0, maximum=9, example=1) for name in names]
    categories = ("a", "A", "a b", "1", 'q"')
    features.append(Feature(name="naïve", kind="category", categories=categories, unseen="refuse", example="A"))
    reference = build_version(LocalRegistry(tmp_path / "home"), schema=build_schema(features, ("price", "rent")))
    model = LiveModel(Predictor.load(reference.path), max_rows=500)
    (tmp_path / "docs.json").write_bytes(openapi_document(OPERATIONS, model, Settings()))
    # Categories that differ in case alone would be one name of an enum: the generator itself asks for this setting.
    (tmp_path / "config.yaml").write_text("literal_enums: true\n")
    output = generate(
        tmp_path, "openapi_python_client", "generate", "--path", "docs.json", "--output-path", "awkward_client",
        "--meta", "none", "--config", "config.yaml",
    )  # fmt: skip
    assert output.count("WARNING") == output.count("Unsupported content type") == 4, output
    row = model.predictor.schema.example_row()
    for client in imported(tmp_path, "awkward_client"):
        rows_request = part(client, "models").RowsRequest(rows=[part(client, "models").Row.from_dict(row)])
        assert rows_request.to_dict() == {"rows": [row]}
    generate(
        tmp_path, "datamodel_code_generator", "--input", "docs.json", "--input-file-type", "openapi",
        "--output-model-type", "pydantic_v2.BaseModel", "--output", "awkward_models.py", "--formatters", "builtin",
    )  # fmt: skip
    for models in imported(tmp_path, "awkward_models"):
        request = models.Request.model_validate({"rows": [row]})
        assert json.loads(request.model_dump_json(by_alias=True, exclude_unset=True)) == {"rows": [row]}
