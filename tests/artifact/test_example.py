"""Examples are answered as they are: what the table shows gives way where the schema takes something else."""

from __future__ import annotations

import json
from typing import Any

import pytest

from artifact.rows.encoding import Encoder
from artifact.rows.example import example_of
from artifact.rows.schema import Feature
from tests.builders import HOUSE_FEATURES, build_schema

REFUSED = {"out_of_range": "refuse", "unseen": "refuse"}
DAY = {"kind": "datetime", "parts": ("days",), "minimum": 1.6e9, "maximum": 1.7e9}


@pytest.mark.parametrize("feature", HOUSE_FEATURES, ids=lambda feature: feature.name)
def test_the_tables_own_value_stays_where_it_is_good(feature):
    assert example_of(feature) is feature.example or example_of(feature) == feature.example


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"kind": "number", "minimum": 0, "maximum": 1, "example": 3.5}, 1),
        ({"kind": "number", "minimum": 10.5, "example": 3.5}, 10.5),
        ({"kind": "number"}, 0),
        ({"kind": "integer", "minimum": 3.5, "maximum": 9, "example": 1}, 4),
        ({"kind": "integer", "minimum": 3, "maximum": 8.5, "example": 12}, 8),
        ({"kind": "boolean", "minimum": 0, "maximum": 1}, False),
        ({"kind": "category", "categories": ("a", "b"), "example": "z"}, "a"),
        ({"kind": "category", "categories": ("a", "b"), "example": "b"}, "b"),
        ({"kind": "category", "categories": ("a",), "rare": ("r",), "example": "r"}, "a"),
        ({"kind": "category", "missing": "impute", "example": "z"}, None),
        ({"kind": "category", "rare": ("r", "s"), "example": "s"}, "s"),
        ({"kind": "category", "rare": ("r", "s"), "example": "z"}, "r"),
        ({**DAY, "example": "2021-05-01T00:00:00Z"}, "2021-05-01T00:00:00Z"),
        ({**DAY, "example": "2021-05-01"}, "2021-05-01"),
        ({**DAY, "example": "1999-05-01T00:00:00Z"}, "2020-09-13T12:26:40+00:00"),
        (DAY, "2020-09-13T12:26:40+00:00"),
        ({"kind": "number", "missing": "impute"}, None),
    ],
)
def test_what_is_not_the_tables_is_taken_by_the_strictest_schema(given: dict[str, Any], expected: Any):
    feature = Feature(name="x", **(REFUSED | given))
    found = example_of(feature)
    assert (found, type(found)) == (expected, type(expected)) or found == float(expected)
    schema = build_schema([feature])
    row = json.loads(json.dumps(schema.example_row()))
    encoded = Encoder(schema).encode_rows([row])
    # A rare category is the only one that there is.
    assert [warning.kind for warning in encoded.warnings] == ["rare"] * (expected in ("r", "s"))
    assert schema.json_schema()["properties"]["x"]["examples"] == [found]


def test_without_any_category_the_tables_own_is_asked():
    feature = Feature(name="x", kind="category", example="z")
    assert example_of(feature) == "z"
    assert [w.kind for w in Encoder(build_schema([feature])).encode_rows([{"x": "z"}]).warnings] == ["unseen"]
