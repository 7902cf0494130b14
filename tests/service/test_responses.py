import json

from artifact.rows.encoding import RowWarning
from service.predict.inference import Answer
from service.predict.requests import PredictRequest
from service.predict.responses import ResponseWriter
from tests.builders import build_manifest, build_schema

WARNING = RowWarning(1, "age", "out_of_range", "'age' = 200 is outside.")
ROWS = PredictRequest([{}, {}], None, 2, None)
COLUMNS = PredictRequest(None, {}, 2, None)


class FakePredictor:
    model_name, model_version = "houses", "1"

    def __init__(self, *targets):
        self.schema = build_schema(targets=targets)
        self.manifest = build_manifest(self.schema, "houses", "1")


def write(request, *targets):
    values = [[10.0 * i + j for j in range(len(targets))] for i in range(2)]
    lower, upper = ([[v + d for v in row] for row in values] for d in (-1, 1))
    body = json.loads(ResponseWriter(FakePredictor(*targets)).write(request, Answer(values, lower, upper, [WARNING])))
    assert (body.pop("model_name"), body.pop("model_version")) == ("houses", "1")
    return body


def test_rows_in_rows_out():
    warning = {"field": "age", "kind": "out_of_range", "message": "'age' = 200 is outside."}
    assert write(ROWS, "price") == {
        "predictions": [
            {"value": 0, "lower": -1, "upper": 1, "warnings": []},
            {"value": 10, "lower": 9, "upper": 11, "warnings": [warning]},
        ]
    }


def test_several_targets_are_one_object_each():
    predictions = write(ROWS, "price", "rent")["predictions"]
    assert predictions[0]["targets"] == {
        "price": {"value": 0, "lower": -1, "upper": 1},
        "rent": {"value": 1, "lower": 0, "upper": 2},
    }
    assert [len(p["warnings"]) for p in predictions] == [0, 1]


def test_columns_in_columns_out():
    warning = {"row": 1, "field": "age", "kind": "out_of_range", "message": "'age' = 200 is outside."}
    assert write(COLUMNS, "price") == {
        "columns": {"value": [0, 10], "lower": [-1, 9], "upper": [1, 11]},
        "warnings": [warning],
    }
    assert write(COLUMNS, "price", "rent")["columns"]["rent"] == {
        "value": [1, 11],
        "lower": [0, 10],
        "upper": [2, 12],
    }
