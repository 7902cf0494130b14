"""Hypothesis strategies: any schema, and rows that it allows."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any, get_args

from hypothesis import strategies as st

from artifact.rows.schema import DatetimePart, Feature, FeatureSchema, Kind, Target

FINITE = st.floats(allow_nan=False, allow_infinity=False)
ZONES = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
MOMENTS = st.datetimes(min_value=datetime(2, 1, 1), max_value=datetime(9998, 1, 1), timezones=st.none() | ZONES)


@st.composite
def features(draw: st.DrawFn, name: str) -> Feature:
    kind: Kind = draw(st.sampled_from(get_args(Kind)))
    fields: dict[str, Any] = {"name": name, "kind": kind, "missing": draw(st.sampled_from(["impute", "refuse"]))}
    if kind == "category":
        fields["categories"] = tuple(draw(st.lists(st.text(max_size=8), max_size=5, unique=True)))
    elif kind != "boolean":
        fields["minimum"], fields["maximum"] = sorted([draw(FINITE), draw(FINITE)])
        fields["offset"] = draw(st.just(0.0) | FINITE)
    if kind == "datetime":
        fields["parts"] = tuple(draw(st.lists(st.sampled_from(get_args(DatetimePart)), min_size=1, unique=True)))
    return Feature(**fields, unit=draw(st.none() | st.text()), example=draw(st.none() | FINITE | st.text()))


@st.composite
def schemas(draw: st.DrawFn) -> FeatureSchema:
    names = draw(st.lists(st.text(min_size=1, max_size=8), min_size=2, max_size=7, unique=True))
    target = Target(name=names.pop(), minimum=0, maximum=1, std=draw(st.floats(1e-300, 1e300)))
    return FeatureSchema(features=tuple(draw(features(name)) for name in names), targets=(target,))


def values(feature: Feature) -> st.SearchStrategy[Any]:
    """Any value that a row may hold, usual or not."""
    legal: dict[Kind, st.SearchStrategy[Any]] = {
        "number": FINITE | st.integers(-(10**300), 10**300),
        "integer": st.integers(-(10**300), 10**300) | st.integers(-1000, 1000).map(float),
        "boolean": st.booleans(),
        "category": st.sampled_from(feature.categories or ("unseen",)) | st.text(max_size=8),
        "datetime": MOMENTS.map(datetime.isoformat) | MOMENTS,
    }
    return legal[feature.kind] | st.none() if feature.missing == "impute" else legal[feature.kind]


@st.composite
def tables(draw: st.DrawFn) -> tuple[FeatureSchema, list[dict[str, Any]]]:
    """A schema and up to six rows that it takes."""
    schema = draw(schemas())
    row = st.fixed_dictionaries({f.name: values(f) for f in schema.features})
    return schema, draw(st.lists(row, max_size=6))
