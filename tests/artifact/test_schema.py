import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from artifact.errors import DataError
from artifact.rows.schema import Feature, FeatureSchema, Target
from tests.artifact.strategies import schemas
from tests.builders import build_schema

PRICE = Target(name="price", minimum=0, maximum=1, std=1)


def schema_of(*features: Feature) -> FeatureSchema:
    return FeatureSchema(features=features, targets=(PRICE,))


@given(schemas())
def test_json_round_trip_keeps_schema_and_digest(schema):
    for text in (schema.model_dump_json(), json.dumps(schema.model_dump(mode="json"))):
        back = FeatureSchema.model_validate_json(text)
        assert back == schema
        assert back.digest() == schema.digest()


@given(schemas(), st.text(min_size=1))
def test_digest_changes_with_a_feature(schema, unit):
    other = schema.features[0].model_copy(update={"unit": (schema.features[0].unit or "") + unit})
    renamed = FeatureSchema(features=(other, *schema.features[1:]), targets=schema.targets)
    assert renamed.digest() != schema.digest()


@given(schemas())
def test_columns_follow_feature_order(schema):
    numeric = [c.feature for c in schema.numeric_columns]
    assert sorted(set(numeric), key=schema.names.index) == [f.name for f in schema.numeric]
    assert len(schema.numeric) + len(schema.categorical) == len(schema.features)
    assert schema.cardinalities == tuple(2 + len(f.categories) for f in schema.categorical)


@pytest.mark.parametrize(
    "fields",
    [
        {"kind": "number", "minimum": 2, "maximum": 1},
        {"kind": "number", "minimum": float("nan")},
        {"kind": "number", "offset": float("inf")},
        {"kind": "number", "categories": ("a",)},
        {"kind": "category", "categories": ("a", "a")},
        {"kind": "datetime"},
        {"kind": "number", "parts": ("days",)},
        {"kind": "text"},
        {"kind": "number", "surprise": 1},
        {"kind": "number", "name": ""},
    ],
)
def test_feature_refuses_what_contradicts_itself(fields):
    with pytest.raises(ValidationError):
        Feature(**{"name": "x", **fields})


def test_schema_refuses_a_name_twice_among_features_and_targets():
    age = Feature(name="age", kind="number")
    with pytest.raises(ValidationError, match="age more than once"):
        schema_of(age, age)
    with pytest.raises(ValidationError, match="price more than once"):
        schema_of(age, Feature(name="price", kind="number"))


def test_unknown_feature_lists_the_others_nearest_first():
    with pytest.raises(DataError, match=r"Unknown feature 'romms'. There are: 'rooms', "):
        build_schema().feature("romms")


def test_lenient_refuses_nothing_even_after_the_strict_columns_were_read():
    schema = build_schema()
    assert {f.missing for f in (*schema.numeric, *schema.categorical)} == {"impute", "refuse"}
    lenient = schema.lenient()
    features = (*lenient.numeric, *lenient.categorical)
    assert {(f.missing, f.unseen, f.out_of_range) for f in features} == {("impute", "other", "warn")}
    assert lenient.numeric_columns == schema.numeric_columns


def test_json_schema_states_range_policy_and_example():
    document = build_schema().json_schema()
    assert document["required"] == ["age", "rooms", "heating"]
    assert document["additionalProperties"] is False
    properties = document["properties"]
    assert properties["age"] == {"type": "number", "unit": "years", "range": [0, 100], "examples": [30.0]}
    assert properties["rooms"] | {"minimum": 1, "maximum": 12} == properties["rooms"]
    assert properties["town"]["type"] == ["string", "null"]
    assert "enum" not in properties["town"]
    assert properties["heating"]["enum"] == ["gas", "oil", "heat pump"]
    assert properties["sold"]["format"] == "iso-8601"


def test_enum_of_a_nullable_category_allows_null():
    feature = Feature(name="c", kind="category", categories=("a",), missing="impute", unseen="refuse")
    assert schema_of(feature).json_schema()["properties"]["c"]["enum"] == ["a", None]


def test_example_row_holds_every_feature():
    schema = build_schema()
    assert tuple(schema.example_row()) == schema.names


def test_what_a_schema_does_not_say_leaves_its_digest_as_it_was():
    feature = Feature(name="town", kind="category", categories=("a", "b"))
    content = feature.model_dump(mode="json")
    assert not content.keys() & {"rare", "rare_left", "text"}
    assert feature.model_copy(update={"rare": ("c",), "rare_left": 2}).model_dump().keys() >= {"rare", "rare_left"}
