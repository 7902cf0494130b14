"""The HTTP calls whose answers are compared: every format and protocol, and every error that a client can cause."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from benchmarks.sameness.tables import question_rows

ARROW = "application/vnd.apache.arrow.stream"
PARQUET = "application/vnd.apache.parquet"
NDJSON = "application/x-ndjson"
CSV = "text/csv"
JSON = "application/json"
# The services that are compared refuse more rows than this in JSON.
MAX_ROWS = 2_500


@dataclass(frozen=True)
class Call:
    """One HTTP call.

    Attributes:
        target: path and query.
        body: bytes; None for a call without one.
        kind: its ``Content-Type``, or empty for none.
        method: its method; empty: POST with a body, else GET.
        headers: further headers.
        only_lines: the beginnings of those lines of the answer that are compared; empty: the whole answer.
    """

    target: str
    body: bytes | None = None
    kind: str = JSON
    method: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    only_lines: tuple[str, ...] = ()

    @property
    def verb(self) -> str:
        """The method that is sent."""
        return self.method or ("GET" if self.body is None else "POST")


def calls_of_one_target(model: str) -> dict[str, Call]:
    """Calls to a service whose version predicts one target.

    Args:
        model: its name.
    """
    return {**_tables(), **_protocols(model), **_pages(), **_errors(model)}


def calls_of_two_targets(model: str) -> dict[str, Call]:
    """Calls to a service whose version predicts two targets.

    Args:
        model: its name.
    """
    rows = rows_of(3)
    return {
        "two-targets-rows": Call("/predict", _json({"rows": rows})),
        "two-targets-columns": Call("/predict", _json({"columns": _columns(rows), "interval": 0.5})),
        "two-targets-csv": Call("/predict", _csv(rows), CSV),
        "two-targets-ndjson": Call("/predict", _lines(rows), NDJSON),
        "two-targets-arrow": Call("/predict", _arrow(rows), ARROW),
        "two-targets-open-inference": Call(f"/v2/models/{model}/infer", _json({"inputs": _tensors(rows)})),
        "two-targets-tensorflow-serving": Call(f"/v1/models/{model}:predict", _json({"instances": rows})),
        "two-targets-model": Call("/model"),
    }


def rows_of(n_rows: int) -> list[dict[str, Any]]:
    """Rows with missing values, values outside the training range and unseen categories, as JSON values."""
    return question_rows(n_rows).with_columns(pl.col("sold").cast(pl.String)).to_dicts()


def _tables() -> dict[str, Call]:
    rows = rows_of(20)
    one, many = rows[:1], rows_of(2_000)
    bad = [*rows[:4], {**rows[4], "rooms": 5.5, "area": None}, {**rows[5], "garden": "maybe"}]
    spare = [{**row, "id": i} for i, row in enumerate(rows)]
    lacking = [{k: v for k, v in row.items() if k != "distance"} for row in rows]
    packed = {"Content-Encoding": "gzip"}
    return {
        "one-row": Call("/predict", _json({"rows": one})),
        "rows": Call("/predict", _json({"rows": rows})),
        "rows-without-a-type": Call("/predict", _json({"rows": rows}), kind=""),
        "columns": Call("/predict", _json({"columns": _columns(rows)})),
        "interval-in-the-body": Call("/predict", _json({"rows": rows, "interval": 0.5})),
        "interval-in-the-query": Call("/predict?interval=0.8", _json({"columns": _columns(rows)})),
        "extra-ignore": Call("/predict?extra=ignore", _json({"rows": spare})),
        "missing-columns-impute": Call("/predict?missing_columns=impute", _csv(lacking), CSV),
        "on-error-row": Call("/predict", _json({"rows": bad, "on_error": "row"})),
        "on-error-row-columns": Call("/predict?on_error=row", _json({"columns": _columns(bad)})),
        "on-error-row-csv": Call("/predict?on_error=row", _csv(bad), CSV),
        "csv": Call("/predict", _csv(rows), CSV),
        "csv-to-json": Call("/predict?interval=0.8", _csv(rows), CSV, headers={"Accept": JSON}),
        "rows-to-csv": Call("/predict", _json({"rows": rows}), headers={"Accept": CSV}),
        "ndjson": Call("/predict", _lines(bad), NDJSON),
        "ndjson-many-lines": Call("/predict", _lines(many), NDJSON),
        "ndjson-to-arrow": Call("/predict", _lines(rows), NDJSON, headers={"Accept": ARROW}),
        "arrow": Call("/predict", _arrow(many), ARROW),
        "parquet": Call("/predict", _parquet(rows), PARQUET),
        "parquet-to-json": Call("/predict", _parquet(rows), PARQUET, headers={"Accept": JSON}),
        "gzip-in": Call("/predict", gzip.compress(_json({"rows": rows}), mtime=0), headers=packed),
        "gzip-out": Call("/predict", _json({"columns": _columns(many)}), headers={"Accept-Encoding": "gzip"}),
        "zstd-out": Call("/predict", _json({"rows": many}), headers={"Accept-Encoding": "zstd"}),
    }


def _protocols(model: str) -> dict[str, Call]:
    rows = rows_of(20)
    v1, v2 = f"/v1/models/{model}", f"/v2/models/{model}"
    inputs = _tensors(rows)
    binary, n_json = _binary(rows)
    some = {"id": "7", "parameters": {"interval": 0.8}, "inputs": inputs, "outputs": [{"name": "value"}]}
    return {
        "open-inference-server": Call("/v2"),
        "open-inference-model": Call(v2),
        "open-inference-ready": Call(f"{v2}/ready"),
        "open-inference-infer": Call(f"{v2}/infer", _json({"inputs": inputs})),
        "open-inference-one-output": Call(f"{v2}/infer", _json(some)),
        "open-inference-binary": Call(
            f"{v2}/infer",
            binary,
            "application/octet-stream",
            headers={"Inference-Header-Content-Length": str(n_json)},
        ),
        "tensorflow-serving-status": Call(v1),
        "tensorflow-serving-metadata": Call(f"{v1}/metadata"),
        "tensorflow-serving-instances": Call(f"{v1}:predict", _json({"instances": rows})),
        "tensorflow-serving-inputs": Call(f"{v1}:predict", _json({"inputs": _columns(rows), "interval": 0.5})),
    }


def _pages() -> dict[str, Call]:
    return {
        "schema": Call("/schema"),
        "head-schema": Call("/schema", method="HEAD"),
        "model": Call("/model"),
        "docs": Call("/docs"),
        "docs.json": Call("/docs.json"),
        "livez": Call("/livez"),
        "readyz": Call("/readyz"),
        "metrics-names": Call("/metrics", only_lines=("# HELP trueline_", "# TYPE trueline_")),
    }


def _errors(model: str) -> dict[str, Call]:
    rows = rows_of(2)
    misspelt = [{("aera" if k == "area" else k): v for k, v in row.items()} for row in rows]
    wrong = [{**rows[0], "rooms": "six", "sold": "yesterday"}]
    unsound = [{**tensor, "shape": [3]} for tensor in _tensors(rows)]
    return {
        "400-no-json": Call("/predict", b'{"rows": [{"area": 1,}]}'),
        "400-no-parquet": Call("/predict", b"PAR1nothing", PARQUET),
        "400-tensors": Call(f"/v2/models/{model}/infer", _json({"inputs": unsound})),
        "400-instances": Call(f"/v1/models/{model}:predict", _json({"instances": wrong})),
        "404": Call("/predicts", _json({"rows": rows})),
        "404-another-model": Call("/v2/models/other"),
        "405": Call("/predict"),
        "405-schema": Call("/schema", b"{}"),
        "406": Call("/predict", _json({"rows": rows}), headers={"Accept": "image/png"}),
        "413-rows": Call("/predict", _json({"rows": rows_of(MAX_ROWS + 1)})),
        "415-type": Call("/predict", b"area", "text/plain"),
        "415-encoding": Call("/predict", _json({"rows": rows}), headers={"Content-Encoding": "br"}),
        "422-values": Call("/predict", _json({"rows": wrong})),
        "422-nan": Call("/predict", _json({"rows": [{**rows[0], "area": float("nan")}]})),
        "422-name": Call("/predict", _json({"rows": misspelt})),
        "422-interval": Call("/predict", _json({"rows": rows, "interval": 0.9999})),
        "422-parameter": Call("/predict?intervall=0.5", _json({"rows": rows})),
        "422-csv": Call("/predict", _csv(wrong), CSV),
        "422-a-column-is-missing": Call("/predict", b"area,town\n1,York\n", CSV),
    }


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()


def _columns(rows: list[dict[str, Any]]) -> dict[str, list[Any]]:
    return {name: [row[name] for row in rows] for name in rows[0]}


def _csv(rows: list[dict[str, Any]]) -> bytes:
    names = list(rows[0])
    lines = [",".join("" if row[name] is None else str(row[name]) for name in names) for row in rows]
    return "\n".join([",".join(names), *lines, ""]).encode()


def _lines(rows: list[dict[str, Any]]) -> bytes:
    return b"".join(_json(row) + b"\n" for row in rows)


def _arrow(rows: list[dict[str, Any]]) -> bytes:
    table = pa.table(_columns(rows))
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue().to_pybytes())


def _parquet(rows: list[dict[str, Any]]) -> bytes:
    sink = io.BytesIO()
    pl.DataFrame(rows).write_parquet(sink)
    return sink.getvalue()


def _tensors(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A tensor of the Open Inference Protocol for each feature."""
    datatypes = {"area": "FP64", "distance": "FP64", "rooms": "INT64", "garden": "BOOL"}
    return [
        {"name": name, "shape": [len(rows)], "datatype": datatypes.get(name, "BYTES"), "data": values}
        for name, values in _columns(rows).items()
    ]


def _binary(rows: list[dict[str, Any]]) -> tuple[bytes, int]:
    """Tensors with their numbers as bytes, and the number of bytes of the body that are JSON."""
    tensors, parts = _tensors(rows), []
    for tensor in tensors:
        if tensor["datatype"] == "FP64":
            numbers = [np.nan if value is None else value for value in tensor.pop("data")]
            parts.append(np.array(numbers, dtype="<f8").tobytes())
            tensor["parameters"] = {"binary_data_size": len(parts[-1])}
    head = _json({"inputs": tensors, "parameters": {"binary_data_output": True}})
    return b"".join([head, *parts]), len(head)
