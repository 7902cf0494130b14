"""Rows with ``?extra=ignore``: a misspelt feature is refused, and not answered with the feature's median."""

import json
import time

import pytest

from artifact.rows.schema import Feature
from service.predict.misspelt import Misspelt
from service.protocols.formats import parameters
from service.settings.settings import Settings
from tests.builders import build_schema
from tests.service.conftest import calling, worker_of

pytestmark = pytest.mark.anyio
SCHEMA = build_schema(
    (
        Feature(name="area m2", kind="number", minimum=30, maximum=200, missing="impute", example=80.0),
        Feature(name="has lift", kind="boolean", minimum=0, maximum=1, missing="impute", example=True),
        Feature(name="town", kind="category", categories=("Cern", "Lodi"), missing="impute", example="Cern"),
        Feature(name="rooms", kind="integer", minimum=1, maximum=9, example=3),
    )
)
ROW = {"area m2": 80.0, "has lift": True, "town": "Cern", "rooms": 3}
JSON, NDJSON = "application/json", "application/x-ndjson"


@pytest.fixture
async def client(tmp_path):
    async with calling(worker_of(tmp_path, Settings(), schema=SCHEMA)) as client:
        yield client


def renamed(**names):
    return {names.get(name.replace(" ", "_"), name): value for name, value in ROW.items()}


async def post(client, row, query):
    response = await client.post(
        f"/predict?{query}", content=json.dumps({"rows": [ROW, row]}), headers={"content-type": JSON}
    )
    stream = await client.post(
        f"/predict?{query}", content=f"{json.dumps(ROW)}\n{json.dumps(row)}\n", headers={"content-type": NDJSON}
    )
    return response, [json.loads(line) for line in stream.text.splitlines()]


@pytest.mark.parametrize(
    ("feature", "key"),
    [
        ("area m2", "area_m2"),
        ("area m2", "AreaM2"),
        ("area m2", "are m2"),
        ("has lift", "hasLift"),
        ("town", "Town"),
        ("town", "twon"),
    ],
)
async def test_a_key_like_a_feature_that_the_row_lacks_is_refused(client, feature, key):
    row = {key if name == feature else name: value for name, value in ROW.items()} | {"id": 7}
    response, lines = await post(client, row, "extra=ignore")
    assert response.status_code == 422, response.text
    way_out = f"The nearest is '{key}': rename it, or send null, or ask with ?missing_columns=impute."
    details = [{"row": 1, "field": feature, "message": f"Expected this key. {way_out}", "received": None}]
    assert response.json()["error"]["details"] == details
    assert "value" in lines[0]
    assert lines[1]["error"]["details"] == details
    response, lines = await post(client, row | {feature: None}, "extra=ignore")
    assert response.status_code == 200
    assert lines[1]["value"] == response.json()["predictions"][1]["value"]
    response, lines = await post(client, row, "extra=ignore&missing_columns=impute")
    assert response.status_code == 200
    assert "value" in lines[1]


async def test_a_key_that_every_row_needs_is_refused_as_before(client):
    response, _ = await post(client, renamed(rooms="Rooms"), "extra=ignore")
    (detail,) = response.json()["error"]["details"]
    assert detail["message"] == "Expected a value: training never saw this feature missing."


@pytest.mark.parametrize("extra", [{}, {"id": 7, "sold by": "A. Smith"}, {"price": 1e5}])
async def test_a_row_may_leave_a_feature_out_where_no_key_is_like_it(client, extra):
    row = {"rooms": 3, "town": "Lodi", **extra}
    response, lines = await post(client, row, "extra=ignore")
    assert response.status_code == 200, response.text
    assert lines[1]["value"] == response.json()["predictions"][1]["value"]


async def test_row_by_row_the_good_rows_are_answered(client):
    response, _ = await post(client, renamed(area_m2="Area m2"), "extra=ignore&on_error=row")
    first, second = response.json()["predictions"]
    assert "value" in first
    assert second["error"]["details"][0]["field"] == "area m2"


def test_many_sets_of_keys_cost_little_and_another_spelling_is_found_in_each():
    misspellings = Misspelt(SCHEMA)
    started = time.process_time()
    for i in range(500):
        row = {f"{i} {k} and a long name that is like nothing": 1 for k in range(500)}
        assert misspellings.faults(i, {"Area_M2": 80, **row})[0].message.startswith("Expected this key.")
    assert time.process_time() - started < 5


@pytest.mark.parametrize("query", [b"interval=0.5&interval=0.9", b"extra=ignore&extra=refuse", b"on_error=row&" * 2])
def test_a_parameter_that_comes_twice_is_refused(query):
    with pytest.raises(Exception, match="1 fault") as excinfo:
        parameters(query)
    (fault,) = excinfo.value.faults
    assert (fault.message, str(fault.received)) == ("Expected each parameter once.", "2 times")
