"""The same rows as a body of each format, and an answer of each format as numbers."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

JSON = "application/json"
CSV = "text/csv"
NDJSON = "application/x-ndjson"
ARROW = "application/vnd.apache.arrow.stream"
PARQUET = "application/vnd.apache.parquet"

Rows = Sequence[Mapping[str, Any]]


def json_rows(rows: Rows) -> bytes:
    return json.dumps({"rows": rows}).encode()


def json_columns(rows: Rows) -> bytes:
    return json.dumps({"columns": {name: [row[name] for row in rows] for name in rows[0]}}).encode()


def csv_table(rows: Rows) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(rows[0])
    texts = {None: "", True: "true", False: "false"}
    writer.writerows([texts[v] if v is None or isinstance(v, bool) else v for v in row.values()] for row in rows)
    return text.getvalue().encode()


def ndjson(rows: Rows) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def arrow_stream(table: pa.Table | Rows, **options: Any) -> bytes:
    table = table if isinstance(table, pa.Table) else pa.Table.from_pylist(list(table))
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table)
    return sink.getvalue()


def parquet_file(table: pa.Table | Rows, **options: Any) -> bytes:
    table = table if isinstance(table, pa.Table) else pa.Table.from_pylist(list(table))
    sink = io.BytesIO()
    pq.write_table(table, sink, **options)
    return sink.getvalue()


BODIES: dict[str, tuple[str, Callable[[Rows], bytes]]] = {
    "rows": (JSON, json_rows),
    "columns": (JSON, json_columns),
    "csv": (CSV, csv_table),
    "ndjson": (NDJSON, ndjson),
    "arrow": (ARROW, arrow_stream),
    "parquet": (PARQUET, parquet_file),
}


def answers(media_type: str, body: bytes) -> dict[str, list[float | None]]:
    """``value``, ``lower`` and ``upper`` of an answer, None in rows that were not answered."""
    ends = ("value", "lower", "upper")
    if media_type == JSON:
        document = json.loads(body)
        if "columns" in document:
            return {end: document["columns"][end] for end in ends}
        return {end: [row.get(end) for row in document["predictions"]] for end in ends}
    if media_type == NDJSON:
        lines = [json.loads(line) for line in body.splitlines()]
        return {end: [line.get(end) for line in lines] for end in ends}
    if media_type == CSV:
        rows = list(csv.DictReader(io.StringIO(body.decode())))
        return {end: [float(row[end]) if row[end] else None for row in rows] for end in ends}
    table = pa.ipc.open_stream(body).read_all() if media_type == ARROW else pq.read_table(io.BytesIO(body))
    return {end: table[end].to_pylist() for end in ends}
