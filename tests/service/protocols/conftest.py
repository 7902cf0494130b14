"""Clients of the protocols, in this process, also for models of numbers alone and of several targets."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Iterable
from typing import Any

import httpx
import numpy as np

from artifact.predictor import Predictor
from artifact.rows.schema import FeatureSchema
from service.settings.settings import Settings
from tests.service.conftest import calling, worker_of

ENDS = ("value", "lower", "upper")


@contextlib.asynccontextmanager
async def serving(folder: Any, **options: Any) -> AsyncIterator[tuple[httpx.AsyncClient, Predictor]]:
    """A client of a fresh model, and the Predictor with the expected answers."""
    worker = worker_of(folder, Settings(max_rows=500), **options)
    async with calling(worker) as client:
        (name,) = worker.registry.names()
        yield client, Predictor.load(worker.registry.resolve(f"{name}:champion").path)


def json_inputs(schema: FeatureSchema, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The tensors of rows, with JSON values; if a feature may be missing, its datatype has a missing value."""
    inputs = []
    for feature in schema.features:
        datatype = {"boolean": "BOOL", "number": "FP64", "integer": "INT64"}.get(feature.kind, "BYTES")
        data = [row[feature.name] for row in rows]
        inputs.append({"name": feature.name, "datatype": datatype, "shape": [len(rows)], "data": data})
    return inputs


def raw(datatype: str, values: Iterable[Any]) -> bytes:
    """The bytes of a tensor by NumPy and by hand, not by the code under test."""
    if datatype == "BYTES":
        elements = [(value or "").encode() for value in values]
        return b"".join(len(e).to_bytes(4, "little") + e for e in elements)
    dtype = {"FP64": "<f8", "FP32": "<f4", "FP16": "<f2", "INT64": "<i8", "BOOL": "?", "UINT8": "u1"}[datatype]
    return np.array([np.nan if v is None else v for v in values]).astype(dtype).tobytes()


def binary_body(document: dict[str, Any], parts: Iterable[bytes] = ()) -> tuple[bytes, dict[str, str]]:
    """Body and headers of the binary tensor extension."""
    head = json.dumps(document).encode()
    headers = {"inference-header-content-length": str(len(head)), "content-type": "application/octet-stream"}
    return head + b"".join(parts), headers


def binary_inputs(schema: FeatureSchema, rows: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[bytes]]:
    """The tensors of rows as described in JSON, and their bytes; features that may be missing are FP64."""
    inputs, parts = [], []
    for tensor in json_inputs(schema, rows):
        data = tensor.pop("data")
        if None in data and tensor["datatype"] != "BYTES":
            tensor["datatype"] = "FP64"
        parts.append(raw(tensor["datatype"], data))
        inputs.append({**tensor, "parameters": {"binary_data_size": len(parts[-1])}})
    return inputs, parts
