"""Encoders of one feature, and the results of encoding values."""

from __future__ import annotations

from typing import Any

import pytest

from artifact.errors import SchemaMismatchError
from artifact.rows.encoding import Encoder
from artifact.rows.schema import Feature, FeatureSchema, Target


def encoder_of(kind: str, **fields: Any) -> Encoder:
    """An encoder of one feature, ``x``."""
    if kind == "datetime":
        fields.setdefault("parts", ("days",))
    target = Target(name="y", minimum=0, maximum=1, std=1)
    return Encoder(FeatureSchema(features=(Feature(name="x", kind=kind, **fields),), targets=(target,)))


def encode(encoder: Encoder, *values: Any) -> list[Any]:
    encoded = encoder.encode_rows([{"x": v} for v in values])
    return (encoded.numeric if encoder.schema.numeric else encoded.categorical)[:, 0].tolist()


def faults(encoder: Encoder, *values: Any) -> list[tuple[Any, ...]]:
    with pytest.raises(SchemaMismatchError) as caught:
        encode(encoder, *values)
    return [(f.row, f.reason) for f in caught.value.faults]
